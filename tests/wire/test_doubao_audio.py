"""The forms of a reply's sound, cut anywhere."""

import numpy as np
import pytest

from voicechat.dialects.doubao.audio import Float32Decoder, Int16Decoder, ReplySound

SAMPLES = np.array([0, 1, -1, 256, -256, 32767, -32768, 1000], "<i2")


def samples_of(pcm: bytes) -> np.ndarray:
    return np.frombuffer(pcm, "<i2")


@pytest.mark.parametrize("size", [1, 2, 3, 5, 16])
def test_int16_keeps_an_odd_byte_for_the_next_piece(size: int) -> None:
    data, decoder = SAMPLES.tobytes(), Int16Decoder()
    pieces = [decoder.feed(data[at : at + size]) for at in range(0, len(data), size)]
    assert b"".join(pieces) == data
    assert all(len(piece) % 2 == 0 for piece in pieces)


@pytest.mark.parametrize("size", [1, 3, 4, 7, 32])
def test_float32_becomes_int16(size: int) -> None:
    floats = np.array([0.0, 0.5, -0.5, 1.0, -1.0, 2.0, -3.0, np.nan, np.inf], "<f4").tobytes()
    decoder = Float32Decoder()
    pcm = b"".join(decoder.feed(floats[at : at + size]) for at in range(0, len(floats), size))
    assert samples_of(pcm).tolist() == [0, 16384, -16384, 32767, -32767, 32767, -32767, 0, 32767]


@pytest.mark.parametrize("form", ["pcm16", "float32"])
def test_an_ogg_stream_is_known_by_its_first_bytes_and_never_played_as_noise(form: str) -> None:
    sound = ReplySound(form)
    data = b"OggS\0\2" + bytes(range(1, 200))
    assert b"".join(sound.feed(data[at : at + 1] if at < 6 else data[at:]) for at in range(7)) == b""
    assert sound.broken


def test_the_first_bytes_of_pcm_are_not_lost() -> None:
    sound = ReplySound("pcm16")
    assert [sound.feed(b"O"), sound.feed(b"g"), sound.feed(b"xy")] == [b"", b"", b"Ogxy"]
