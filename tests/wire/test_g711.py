"""G.711 against known codes, against libsndfile, and both ways."""

import io

import numpy as np
import pytest
import soundfile

from voicechat.audio import g711

LAWS: list[g711.Law] = ["g711_ulaw", "g711_alaw"]


def pcm(*samples: int) -> bytes:
    return np.array(samples, dtype="<i2").tobytes()


@pytest.mark.parametrize(
    ("law", "sample", "code"),
    [
        ("g711_ulaw", 0, 0xFF),
        ("g711_ulaw", 32767, 0x80),
        ("g711_ulaw", -32768, 0x00),
        ("g711_ulaw", 1000, 0xCE),
        ("g711_ulaw", -1000, 0x4E),
        ("g711_alaw", 0, 0xD5),
        ("g711_alaw", -1, 0x55),
        ("g711_alaw", 32767, 0xAA),
        ("g711_alaw", -32768, 0x2A),
        ("g711_alaw", 1000, 0xFA),
    ],
)
def test_known_codes(law: g711.Law, sample: int, code: int) -> None:
    assert g711.encode(law, pcm(sample)) == bytes([code])


@pytest.mark.parametrize(
    ("law", "code", "sample"),
    [
        ("g711_ulaw", 0xFF, 0),
        ("g711_ulaw", 0x80, 32124),
        ("g711_ulaw", 0x00, -32124),
        ("g711_alaw", 0xD5, 8),
        ("g711_alaw", 0x55, -8),
        ("g711_alaw", 0xAA, 32256),
        ("g711_alaw", 0x2A, -32256),
    ],
)
def test_known_samples(law: g711.Law, code: int, sample: int) -> None:
    assert g711.decode(law, bytes([code])) == pcm(sample)


@pytest.mark.parametrize(("law", "subtype"), [("g711_ulaw", "ULAW"), ("g711_alaw", "ALAW")])
def test_every_code_decodes_as_libsndfile_decodes_it(law: g711.Law, subtype: str) -> None:
    codes = bytes(range(256))
    samples, _ = soundfile.read(
        io.BytesIO(codes), dtype="int16", format="RAW", subtype=subtype, samplerate=8000, channels=1
    )
    assert g711.decode(law, codes) == samples.astype("<i2").tobytes()


@pytest.mark.parametrize("law", LAWS)
def test_codes_survive_the_way_there_and_back(law: g711.Law) -> None:
    codes = bytes(code for code in range(256) if (law, code) != ("g711_ulaw", 0x7F))  # mu-law has a second zero
    assert g711.encode(law, g711.decode(law, codes)) == codes


@pytest.mark.parametrize("law", LAWS)
def test_the_error_is_that_of_the_law(law: g711.Law) -> None:
    samples = np.arange(-32768, 32768, 7, dtype="<i2")
    back = np.frombuffer(g711.decode(law, g711.encode(law, samples.tobytes())), "<i2").astype(int)
    error = np.abs(back - samples.astype(int))
    assert np.all(error <= np.maximum(np.abs(samples.astype(int)) / 16, 16))  # half a step, and rounding downwards


def test_half_a_sample_is_dropped() -> None:
    assert g711.encode("g711_ulaw", b"\x00\x00\x01") == b"\xff"
    assert g711.decode("g711_ulaw", b"") == b""
