"""The forms of a reply's sound, cut anywhere."""

import io
import random
import struct
from itertools import pairwise

import numpy as np
import pytest
import soundfile

from voicechat.dialects.doubao.audio import Float32Decoder, Int16Decoder, ReplySound
from voicechat.dialects.doubao.ogg_opus import OggOpusDecoder, crc

SAMPLES = np.array([0, 1, -1, 256, -256, 32767, -32768, 1000], "<i2")


def voice(seconds: float = 2.0, rate_hz: int = 24_000) -> np.ndarray:
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    wave = sum(np.sin(2 * np.pi * 140 * k * t + 3 * np.sin(2 * np.pi * 0.9 * t)) / k for k in range(1, 9))
    return (wave * 6000 * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * t))).astype("<i2")


def ogg(samples: np.ndarray, rate_hz: int = 24_000) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format="OGG", subtype="OPUS")
    return file.getvalue()


def cut(data: bytes, size: int, seed: int = 1) -> list[bytes]:
    """Pieces of `size` bytes on average."""
    chance = random.Random(seed)
    count = max(len(data) // size - 1, 1)
    places = sorted({0, len(data), *(chance.randrange(len(data)) for _ in range(count))})
    return [data[a:b] for a, b in pairwise(places)]


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


@pytest.mark.parametrize("rate_hz", [24_000, 48_000, 16_000])
def test_opus_in_pieces_is_what_the_whole_file_decodes_to(rate_hz: int) -> None:
    data = ogg(voice(2.0, rate_hz), rate_hz)
    decoder = OggOpusDecoder()
    pcm = samples_of(b"".join(decoder.feed(piece) for piece in cut(data, 700)))
    assert decoder.broken == 0
    assert len(pcm) == pytest.approx(48_000, abs=2)
    if rate_hz == 24_000:
        whole, _ = soundfile.read(io.BytesIO(data), dtype="int16")
        assert len(pcm) == len(whole) == 48_000
        difference = pcm.astype(float) - whole
        assert np.sqrt(np.mean(difference**2)) < 0.002 * np.sqrt(np.mean(whole.astype(float) ** 2))


def test_opus_sounds_before_the_stream_is_over() -> None:
    data = ogg(voice(4.0))
    decoder = OggOpusDecoder()
    assert len(decoder.feed(data[: len(data) // 2])) > 24_000


def test_a_new_opus_stream_in_the_same_bytes_starts_afresh() -> None:
    decoder = OggOpusDecoder()
    data = ogg(voice(1.0)) + ogg(voice(0.5))
    pcm = b"".join(decoder.feed(piece) for piece in cut(data, 500))
    assert len(pcm) == 2 * 36_000
    assert decoder.broken == 0


def test_a_damaged_opus_stream_goes_on_after_the_damage() -> None:
    streams = [ogg(voice(1.0)), ogg(voice(0.5))]
    middle = len(streams[0]) // 2
    damaged = streams[0][:middle] + b"\xa5\x5a" + streams[0][middle + 2 :] + streams[1]
    decoder = OggOpusDecoder()
    pcm = b"".join(decoder.feed(piece) for piece in cut(damaged, 500))
    assert decoder.broken > 0
    assert 2 * 12_000 <= len(pcm) < 2 * 36_000


def test_random_bytes_are_no_sound_and_no_exception() -> None:
    chance = random.Random(4)
    decoder = OggOpusDecoder()
    assert decoder.feed(b"OggS" + chance.randbytes(100_000)) == b""
    good = ogg(voice(0.5))
    for _ in range(60):
        data = bytearray(good)
        for _ in range(5):
            data[chance.randrange(len(data))] = chance.randrange(256)
        # With its sums put right, damage reaches the packets themselves.
        OggOpusDecoder().feed(repaired(bytes(data)))


def repaired(data: bytes) -> bytes:
    out = bytearray(data)
    at = data.find(b"OggS")
    while at >= 0 and at + 27 <= len(data) and at + 27 + data[at + 26] <= len(data):
        end = at + 27 + data[at + 26] + sum(data[at + 27 : at + 27 + data[at + 26]])
        out[at + 22 : at + 26] = bytes(4)
        struct.pack_into("<I", out, at + 22, crc(bytes(out[at:end])))
        at = data.find(b"OggS", at + 4)
    return bytes(out)


def test_the_checksum_is_oggs() -> None:
    page = ogg(voice(0.1))[:47]  # the first page: 27 + 1 + 19
    assert crc(page[:22] + bytes(4) + page[26:]) == int.from_bytes(page[22:26], "little")


@pytest.mark.parametrize("form", ["pcm16", "float32", "opus"])
def test_an_ogg_stream_is_known_by_its_first_bytes_whatever_was_asked_for(form: str) -> None:
    sound = ReplySound(form)
    data = ogg(voice(0.5))
    pcm = b"".join(sound.feed(data[at : at + 1] if at < 6 else data[at:]) for at in range(7))
    assert len(pcm) == 2 * 12_000


def test_the_first_bytes_of_pcm_are_not_lost() -> None:
    sound = ReplySound("pcm16")
    assert [sound.feed(b"O"), sound.feed(b"g"), sound.feed(b"xy")] == [b"", b"", b"Ogxy"]
