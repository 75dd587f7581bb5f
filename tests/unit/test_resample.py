"""Sample-rate conversion: what passes, what does not, and that pieces make the same whole."""

import numpy as np
import pytest
from numpy.typing import NDArray

from voicechat.audio.resample import Decimator, Resampler


def sine(rate_hz: int, hz: float, seconds: float = 0.5, peak: float = 10_000) -> NDArray[np.int16]:
    t = np.arange(int(rate_hz * seconds)) / rate_hz
    return (np.sin(2 * np.pi * hz * t) * peak).astype(np.int16)


def level_db(samples: NDArray[np.int16], reference_peak: float = 10_000) -> float:
    """RMS against a sine of that peak; the edges, where filters begin, are left out."""
    inner = samples[len(samples) // 10 : -len(samples) // 10].astype(float)
    return float(20 * np.log10(np.sqrt(np.mean(inner**2)) / (reference_peak / 2**0.5) + 1e-9))


def decimate(factor: int, samples: NDArray[np.int16]) -> NDArray[np.int16]:
    return np.frombuffer(Decimator(factor).feed(samples.tobytes()), "<i2")


@pytest.mark.parametrize(("rate_hz", "factor"), [(48_000, 2), (48_000, 3), (24_000, 3)])
def test_speech_passes_the_decimator_and_what_would_alias_does_not(rate_hz: int, factor: int) -> None:
    target_hz = rate_hz / factor
    for hz in (100, 440, target_hz * 0.3):
        assert level_db(decimate(factor, sine(rate_hz, hz))) == pytest.approx(0, abs=0.5), hz
    # It would come out at 0.3 of the target rate, in the middle of the speech.
    assert level_db(decimate(factor, sine(rate_hz, target_hz * 0.7))) < -40


def test_a_decimator_gives_a_third_of_the_samples_and_the_tone_keeps_its_pitch() -> None:
    out = decimate(3, sine(48_000, 440))
    assert len(out) == 8_000
    assert np.argmax(np.abs(np.fft.rfft(out.astype(float)))) * 16_000 / len(out) == pytest.approx(440, abs=2)


def test_a_decimator_fed_in_blocks_gives_the_same_as_fed_at_once() -> None:
    samples = sine(48_000, 700)
    streaming = Decimator(2)
    pieces = [streaming.feed(samples[start : start + 480].tobytes()) for start in range(0, len(samples), 480)]
    assert b"".join(pieces) == decimate(2, samples).tobytes()


def test_a_decimator_delays_by_less_than_a_millisecond() -> None:
    impulse = np.zeros(480, np.int16)
    impulse[240] = 20_000
    assert abs(int(np.argmax(np.abs(decimate(3, impulse)))) - 80) <= 8  # 0.5 ms at 16 kHz


def test_loud_sound_is_clipped_and_does_not_wrap() -> None:
    square = np.where(np.arange(4800) // 240 % 2 == 0, 32767, -32768).astype(np.int16)
    out = decimate(2, square)
    assert out.max() == 32767
    changes_of_sign = np.count_nonzero(np.diff(out[10:] > 0))  # before that the filter swings in
    assert changes_of_sign == np.count_nonzero(np.diff(square > 0))


def test_equal_rates_are_untouched() -> None:
    pcm = sine(16_000, 440).tobytes()
    assert Decimator(1).feed(pcm) is pcm
    assert Resampler(16_000, 16_000).feed(pcm) is pcm


def test_a_resampler_has_no_seams_and_loses_no_length() -> None:
    samples = sine(22_050, 440, seconds=1.0)
    stream = Resampler(22_050, 24_000)
    out = b"".join(stream.feed(samples[at : at + 221].tobytes()) for at in range(0, len(samples), 221))
    out += stream.feed(b"", last=True)
    converted = np.frombuffer(out, "<i2")
    assert len(converted) == pytest.approx(24_000, abs=2)
    assert level_db(converted) == pytest.approx(0, abs=0.2)
    # A seam is a click: a step no sine of this pitch makes.
    assert np.abs(np.diff(converted.astype(int))).max() < 2 * np.pi * 440 / 24_000 * 10_000 * 1.1
