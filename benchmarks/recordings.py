"""Speech to measure with: recordings of people in ../shared/audio beside the checkout, at any rate."""

import sys
import wave
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

Sound = NDArray[np.float64]
"""Samples of 16-bit scale, mono."""

FOLDER = Path(__file__).parents[2] / "shared" / "audio"
NAMES = ("goforward.raw", "ss-0870.wav", "ss-0880.wav", "ss-0890.wav")
SPEECH_LEVEL = 0.055 * 32768
"""RMS of recorded speech, and of the services' answers."""


def speech(name: str, rate_hz: int, *, sharp: bool = False) -> Sound:
    """A recording at its own level; `sharp` begins with its first loud 10 ms. Leaves the program when it is missing."""
    path = FOLDER / name
    if not path.exists():
        sys.exit(f"{path} is missing: this benchmark needs recordings of people.")
    if path.suffix == ".raw":
        samples, source_hz = np.fromfile(path, "<i2"), 16_000
    else:
        with wave.open(str(path)) as file:
            samples, source_hz = np.frombuffer(file.readframes(file.getnframes()), "<i2"), file.getframerate()
    sound = samples.astype(np.float64)
    if sharp:
        block = source_hz // 100
        levels = [rms(sound[at : at + block]) for at in range(0, len(sound), block)]
        sound = sound[block * next(number for number, level in enumerate(levels) if level > 1500) :]
    resampled: Sound = soxr.resample(sound, source_hz, rate_hz, "HQ")
    return resampled


def at_level(sound: Sound, level: float = SPEECH_LEVEL) -> Sound:
    return sound / rms(sound) * level


def rms(sound: Sound) -> float:
    return float(np.sqrt(np.mean(sound**2))) if len(sound) else 0.0


def pcm(sound: Sound) -> bytes:
    """s16le."""
    return sound.clip(-32768, 32767).astype("<i2").tobytes()
