"""The arithmetic of the sound checks: what is played, and what a recording says. Samples are float64, full scale 1."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voicechat.audio.frames import BLOCK_MS, power_dbfs

Samples = NDArray[np.float64]

CHIRP_S = 0.5
CHIRP_HZ = (300.0, 6000.0)
"""What small loudspeakers play and small microphones hear."""
CHIRP_LEVEL = 0.25
SPEECH_LEVEL = 0.055
"""RMS of full scale: the level of recorded speech, and of the services' answers."""
MOST_ECHO_S = 0.6
CLEAR = 6.0
"""An echo stands out of the correlation's own noise by this much; chance reaches 4."""


def samples(pcm: bytes) -> Samples:
    """s16le as samples."""
    return np.frombuffer(pcm, "<i2").astype(np.float64) / 32768


def pcm(wave: Samples) -> bytes:
    """Samples as s16le."""
    clipped: bytes = (wave * 32768).clip(-32768, 32767).astype("<i2").tobytes()
    return clipped


def level_dbfs(wave: Samples) -> float:
    """RMS level; −120 stands for anything below it, silence included."""
    return max(-120.0, power_dbfs(float(np.mean(wave**2)) if len(wave) else 0.0))


def chirp(rate_hz: int) -> Samples:
    """A sweep whose every moment is different, so that its echo has one place only; faded at both ends."""
    t = np.arange(round(CHIRP_S * rate_hz)) / rate_hz
    low, high = CHIRP_HZ
    growth = np.log(high / low) / CHIRP_S
    wave = np.sin(2 * np.pi * low / growth * (np.exp(growth * t) - 1))
    ramp = np.clip(np.minimum(t, t[::-1]) / 0.03, 0, 1)
    shaped: Samples = wave * np.sin(ramp * np.pi / 2) ** 2 * CHIRP_LEVEL
    return shaped


def speech_like(rate_hz: int, seconds: float) -> Samples:
    """Harmonics of a gliding voice with breath, in syllables of a quarter second: for a canceller it is speech."""
    rng = np.random.default_rng(1)
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    phase = 2 * np.pi * np.cumsum(120 + 30 * np.sin(2 * np.pi * 0.6 * t)) / rate_hz
    voice = sum((np.sin(k * phase + k) / k for k in range(1, 25)), np.zeros(len(t)))
    wave = (voice + 0.3 * rng.normal(size=len(t))) * np.sqrt(np.clip(np.sin(2 * np.pi * 2 * t), 0, None))
    scaled: Samples = wave / np.sqrt(np.mean(wave**2)) * SPEECH_LEVEL
    return scaled


@dataclass(frozen=True, slots=True)
class Silence:
    """A second of the microphone with nobody asked to speak. `floor_dbfs` is its quietest tenth."""

    level_dbfs: float
    floor_dbfs: float
    peak_dbfs: float
    clipped: int
    zeros_only: bool


def describe(recorded: Samples, rate_hz: int) -> Silence:
    size = rate_hz * BLOCK_MS // 1000
    blocks = [level_dbfs(recorded[start : start + size]) for start in range(0, len(recorded) - size + 1, size)]
    peak = float(np.max(np.abs(recorded), initial=0.0))
    return Silence(
        level_dbfs(recorded),
        float(np.percentile(blocks, 10)) if blocks else -120.0,
        max(-120.0, 20 * float(np.log10(max(peak, 1e-6)))),
        int(np.count_nonzero(np.abs(recorded) >= 32767 / 32768)),
        peak == 0.0,
    )


@dataclass(frozen=True, slots=True)
class Echo:
    """`delay_ms` from the block given to the player to the same sound in a captured block, devices included.

    `gain_db` is the echo's level relative to what was played.
    """

    delay_ms: float
    gain_db: float


def find_echo(captured: Samples, reference: Samples, rate_hz: int, most_s: float = MOST_ECHO_S) -> Echo | None:
    """The echo of `reference` in `captured`, both in step at `rate_hz`; None when none is heard within `most_s`.

    Cross-correlation by FFT. Lags before the sound was played hold noise only, which says what stands out; the
    first lag of at least half the highest is the direct way, later ones are the room.
    """
    length = 1 << (len(captured) + len(reference) - 1).bit_length()
    spectrum = np.fft.rfft(captured, length) * np.conj(np.fft.rfft(reference, length))
    correlation = np.abs(np.fft.irfft(spectrum, length))
    causal = correlation[: round(most_s * rate_hz)]
    before = correlation[-round(MOST_ECHO_S * rate_hz) : -rate_hz // 20]
    background = float(np.sqrt(np.mean(before**2)))
    energy = float(np.sum(reference**2))
    peak = float(np.max(causal))
    if energy == 0 or peak <= max(CLEAR * background, energy * 1e-5):
        return None
    lag = int(np.argmax(causal >= peak / 2))
    top = lag + int(np.argmax(causal[lag : lag + rate_hz // 1000]))
    return Echo(top * 1000 / rate_hz, 20 * float(np.log10(peak / energy)))


def reduction_db(captured: Samples, cleaned: Samples, rate_hz: int, noise_dbfs: float) -> float | None:
    """How much quieter the echo became (echo return loss enhancement), over the blocks well above the noise.

    None when there is no such block.
    """
    size = rate_hz * BLOCK_MS // 1000
    count = min(len(captured), len(cleaned)) // size
    before = np.mean(captured[: count * size].reshape(count, size) ** 2, axis=1) if count else np.zeros(0)
    after = np.mean(cleaned[: count * size].reshape(count, size) ** 2, axis=1) if count else np.zeros(0)
    loud = before > 10 ** ((max(noise_dbfs, -70.0) + 10) / 10)
    if not loud.any():
        return None
    return 10 * float(np.log10(np.sum(before[loud]) / max(float(np.sum(after[loud])), 1e-12)))
