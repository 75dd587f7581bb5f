"""Recordings of people, for every test and benchmark: what there is (tests/audio/README.md), and how to read it."""

import wave
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

Sound = NDArray[np.float64]
"""Samples of 16-bit scale, mono."""

FOLDER = Path(__file__).parent / "audio"
GO_FORWARD = FOLDER / "goforward.raw"
"""Clear words that recognisers know: "go forward ten meters"."""
QUESTION, INTERRUPTION, STORY = (FOLDER / f"ss-{number}.wav" for number in ("0880", "0870", "0890"))
"""3, 7 and 5 seconds of people reading."""
NAMES = tuple(path.name for path in (GO_FORWARD, INTERRUPTION, QUESTION, STORY))

RAW_HZ = 16_000
SPEECH_LEVEL = 0.055 * 32768
"""RMS of recorded speech, and of the services' answers."""
LOUD = 1500.0
"""RMS of 10 ms in which somebody surely speaks."""
AUDIBLE = 300.0
"""The least sample that is a part of speech: words may begin softly, long before they are loud."""


def read_pcm(path: Path, raw_hz: int = RAW_HZ) -> tuple[bytes, int]:
    """(s16le mono, rate) of a 16-bit mono WAV file, or of a raw one, whose rate the caller knows."""
    if path.suffix != ".wav":
        return path.read_bytes(), raw_hz
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2), f"{path.name} is not 16-bit mono"
        return file.readframes(file.getnframes()), file.getframerate()


def speech(recording: str | Path, rate_hz: int, *, sharp: bool = False) -> Sound:
    """One of NAMES, or any file, at its own level; `sharp` begins with its first loud 10 ms."""
    data, source_hz = read_pcm(FOLDER / recording)
    sound = np.frombuffer(data, "<i2").astype(np.float64)
    if sharp:
        block = source_hz // 100
        levels = [rms(sound[at : at + block]) for at in range(0, len(sound), block)]
        sound = sound[block * next(number for number, level in enumerate(levels) if level > LOUD) :]
    resampled: Sound = soxr.resample(sound, source_hz, rate_hz, "HQ")
    return resampled


def trimmed(sound: Sound) -> Sound:
    """From the first audible sample to the last."""
    audible = np.flatnonzero(np.abs(sound) > AUDIBLE)
    return sound[audible[0] : audible[-1] + 1]


def at_level(sound: Sound, level: float = SPEECH_LEVEL) -> Sound:
    return sound / rms(sound) * level


def rms(sound: Sound) -> float:
    return float(np.sqrt(np.mean(sound**2))) if len(sound) else 0.0


def pcm(sound: Sound) -> bytes:
    """s16le."""
    return sound.clip(-32768, 32767).astype("<i2").tobytes()
