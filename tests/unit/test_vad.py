"""Local voice detection, on recordings of people and on the noises that fool detectors."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tests import recordings
from voicechat.audio.vad import VoiceDetector


def speech(name: str, rate_hz: int) -> bytes:
    return recordings.pcm(recordings.speech(name, rate_hz))


def noise(dbfs: float, seconds: float, rate_hz: int = 16_000) -> NDArray[np.int16]:
    rng = np.random.default_rng(3)
    return rng.normal(0, 32768 * 10 ** (dbfs / 20), int(rate_hz * seconds)).astype(np.int16)


def verdicts(detector: VoiceDetector, pcm: bytes, rate_hz: int = 16_000) -> list[bool]:
    size = rate_hz // 100 * 2
    return [detector.voiced(pcm[at : at + size]) for at in range(0, len(pcm) - size + 1, size)]


@pytest.mark.parametrize("rate_hz", [16_000, 24_000, 48_000])
@pytest.mark.parametrize("name", recordings.NAMES)
def test_people_are_heard_at_every_rate(name: str, rate_hz: int) -> None:
    found = verdicts(VoiceDetector(rate_hz), speech(name, rate_hz), rate_hz)
    assert sum(found) / len(found) > 0.4


@pytest.mark.parametrize("rate_hz", [16_000, 24_000, 48_000])
def test_a_voice_is_noticed_within_some_blocks(rate_hz: int) -> None:
    pcm = speech("goforward.raw", rate_hz)
    samples = np.abs(np.frombuffer(pcm, "<i2").astype(int))
    onset_ms = int(np.argmax(samples > 1500)) * 1000 // rate_hz
    found = verdicts(VoiceDetector(rate_hz), pcm, rate_hz)
    first = next(i for i in range(len(found)) if all(found[i : i + 3]))
    assert first * 10 - onset_ms <= 50


def test_silence_is_nobody() -> None:
    detector = VoiceDetector(16_000)
    assert not any(verdicts(detector, bytes(32_000)))
    assert detector.level_dbfs == float("-inf")


@pytest.mark.parametrize("dbfs", [-70.0, -50.0, -35.0])
def test_steady_noise_is_nobody_once_the_floor_has_followed_it(dbfs: float) -> None:
    found = verdicts(VoiceDetector(16_000), noise(dbfs, 4).tobytes())
    assert sum(found[200:]) == 0


def test_a_loud_whistle_is_nobody() -> None:
    t = np.arange(32_000) / 16_000
    whistle = (np.sin(2 * np.pi * 6000 * t) * 8000).astype("<i2").tobytes()
    detector = VoiceDetector(16_000)
    verdicts(detector, bytes(16_000))
    assert sum(verdicts(detector, whistle)[15:]) == 0


def test_speech_is_heard_over_a_fan() -> None:
    detector = VoiceDetector(16_000)
    verdicts(detector, noise(-50, 3).tobytes())
    said = np.frombuffer(speech("ss-0870.wav", 16_000), "<i2")
    mixed = np.clip(said.astype(int) + noise(-50, 10)[: len(said)], -32768, 32767).astype("<i2")
    found = verdicts(detector, mixed.tobytes())
    assert sum(found) / len(found) > 0.35


def test_a_whisper_below_the_floor_is_not_speech_and_above_it_is() -> None:
    said = np.frombuffer(speech("goforward.raw", 16_000), "<i2")
    quiet = (said * 10 ** (-12 / 20)).astype("<i2").tobytes()
    assert not any(verdicts(VoiceDetector(16_000, floor_dbfs=-20.0), quiet))
    assert sum(verdicts(VoiceDetector(16_000, floor_dbfs=-55.0), quiet)) > 30


def test_the_level_is_that_of_the_last_block() -> None:
    detector = VoiceDetector(16_000)
    detector.voiced(np.full(160, 3277, "<i2").tobytes())
    assert detector.level_dbfs == pytest.approx(-20, abs=0.01)
