"""Sounds without words, and words of voices that nothing was tuned on. Samples of 16-bit scale at 16 kHz."""

import io
import shutil
import subprocess
import wave
from collections.abc import Callable

import numpy as np
import soxr

from tests.recordings import Sound, at_level

RATE_HZ = 16_000
SENTENCES = (
    "Hello there, can you hear me?",
    "Stop, please.",
    "What is the weather like in London today?",
    "No, wait a moment.",
    "Yes.",
    "I would like to know something else.",
    "Five plus seven, please.",
)
FLITE = ("kal16", "rms", "slt", "awb")
ESPEAK = ("en-us", "en-gb+f3")


def pink(count: int) -> Sound:
    return coloured(count, 12, 0.5, 40)


def coloured(count: int, seed: int, slope: float, low_hz: float) -> Sound:
    """Noise whose amplitude falls with frequency to the power of `slope`; microphones hear nothing below `low_hz`."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(size=count))
    spectrum[1:] /= np.arange(1, len(spectrum)) ** slope
    spectrum[: int(count * low_hz / RATE_HZ)] = 0
    shaped: Sound = np.fft.irfft(spectrum, count)
    return shaped


def level(sound: Sound, dbfs: float) -> Sound:
    return at_level(sound, 32768 * 10 ** (dbfs / 20))


def after_a_second(sound: Sound) -> Sound:
    sound[:RATE_HZ] = 0
    return sound


def keys(count: int) -> Sound:
    """Typing, five keys a second: each comes down with a click and up with a smaller one."""
    rng, sound, at = np.random.default_rng(2), np.zeros(count), RATE_HZ
    t = np.arange(240)
    while at < count - 4000:
        for later, gain in ((0, 1.0), (int(rng.integers(900, 1600)), 0.5)):
            ring = rng.normal(size=240) + np.sin(2 * np.pi * rng.uniform(1000, 5000) * t / RATE_HZ)
            sound[at + later : at + later + 240] += gain * rng.uniform(0.3, 1) * np.exp(-t / rng.uniform(20, 60)) * ring
        at += int(rng.uniform(0.08, 0.3) * RATE_HZ)
    return sound / np.abs(sound).max() * 6000


def knocks(count: int) -> Sound:
    """At a door, three every other second."""
    rng, sound, t = np.random.default_rng(8), np.zeros(count), np.arange(1600)
    for at in range(RATE_HZ, count - RATE_HZ, RATE_HZ * 2):
        for start in (at, at + 3200, at + 6400):
            knock = np.sin(2 * np.pi * 180 * t / RATE_HZ) + 0.3 * rng.normal(size=1600)
            sound[start : start + 1600] += np.exp(-t / 250) * knock
    return sound / np.abs(sound).max() * 12_000


def claps(count: int) -> Sound:
    rng, sound = np.random.default_rng(9), np.zeros(count)
    for at in range(RATE_HZ, count - RATE_HZ, RATE_HZ // 2):
        sound[at : at + 800] += np.exp(-np.arange(800) / 120) * rng.normal(size=800)
    return sound / np.abs(sound).max() * 15_000


def music(count: int) -> Sound:
    """A chord of four notes with six harmonics, another each half second, dying away."""
    rng, sound, t = np.random.default_rng(3), np.zeros(count), np.arange(RATE_HZ // 2) / RATE_HZ
    for at in range(RATE_HZ, count - len(t), len(t)):
        root = 110 * 2 ** (rng.integers(0, 12) / 12)
        for interval in (1, 1.26, 1.498, 2):
            for harmonic in range(1, 7):
                tone = np.sin(2 * np.pi * root * interval * harmonic * t + rng.uniform(0, 6)) / harmonic**1.3
                sound[at : at + len(t)] += tone * np.exp(-3 * t * harmonic**0.5)
    return level(sound, -28)


def whistling(count: int) -> Sound:
    t = np.arange(count) / RATE_HZ
    pitch_hz = 900 + 400 * np.sign(np.sin(2 * np.pi * 0.9 * t)) + 30 * np.sin(2 * np.pi * 5 * t)
    breath = np.sin(2 * np.pi * 0.45 * t) > -0.5
    return level(after_a_second(np.sin(2 * np.pi * np.cumsum(pitch_hz) / RATE_HZ) * breath), -30)


def siren(count: int) -> Sound:
    pitch_hz = 700 + 300 * np.sin(np.pi * np.arange(count) / RATE_HZ)
    return level(after_a_second(np.sin(2 * np.pi * np.cumsum(pitch_hz) / RATE_HZ)), -35)


def breathing(count: int) -> Sound:
    breath = np.clip(np.sin(2 * np.pi * np.arange(count) / RATE_HZ / 3.5), 0, None) ** 1.5
    return level(after_a_second(coloured(count, 5, 0.3, 200) * breath), -42)


def paper(count: int) -> Sound:
    rng = np.random.default_rng(12)
    return level(
        after_a_second(rng.normal(size=count) * np.repeat(rng.uniform(0, 1, count // 160 + 1) ** 4, 160)[:count]), -38
    )


def rain(count: int) -> Sound:
    rng = np.random.default_rng(10)
    return level(rng.normal(size=count) * (1 + 0.3 * np.repeat(rng.normal(size=count // 1600 + 1), 1600)[:count]), -38)


def hum(count: int) -> Sound:
    t = np.arange(count) / RATE_HZ
    return level(sum((np.sin(2 * np.pi * 50 * k * t + k) / k for k in (1, 2, 3, 4, 5, 6, 8, 10)), np.zeros(count)), -45)


def fan(count: int, dbfs: float = -42.0) -> Sound:
    """Switched on after a second: air, and the blades' hum, which flutters."""
    t, air = np.arange(count) / RATE_HZ, coloured(count, 6, 0.8, 40)
    blades = 0.4 * np.sin(2 * np.pi * 120 * t) + 0.2 * np.sin(2 * np.pi * 240 * t) + 0.1 * np.sin(2 * np.pi * 360 * t)
    return level(after_a_second((air / air.std() + blades) * (1 + 0.15 * np.sin(2 * np.pi * 4 * t))), dbfs)


def vacuum_cleaner(count: int) -> Sound:
    return fan(count, -25.0)


SOUNDS: dict[str, Callable[[int], Sound]] = {
    make.__name__.replace("_", " "): make
    for make in (
        keys, knocks, claps, paper, breathing, music, whistling, siren, hum, rain, fan, vacuum_cleaner,
    )
}  # fmt: skip


def said(rate_hz: int) -> dict[str, list[Sound]]:
    """The sentences by each voice of flite and espeak-ng, as far as they are installed."""
    commands: dict[str, Callable[[str], list[str]]] = {}
    if shutil.which("flite"):
        for voice in FLITE:
            commands[f"flite {voice}"] = lambda text, voice=voice: [
                "flite",
                "-voice",
                voice,
                "-t",
                text,
                "-o",
                "/dev/stdout",
            ]
    if shutil.which("espeak-ng"):
        for voice in ESPEAK:
            commands[f"espeak-ng {voice}"] = lambda text, voice=voice: ["espeak-ng", "-v", voice, "--stdout", text]
    return {name: [spoken(command(text), rate_hz) for text in SENTENCES] for name, command in commands.items()}


def spoken(command: list[str], rate_hz: int) -> Sound:
    output = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    with wave.open(io.BytesIO(output)) as file:
        source_hz, found = file.getframerate(), output[44:]  # a pipe's header knows no length
    samples = np.frombuffer(found[: len(found) // 2 * 2], "<i2").astype(np.float64)
    sound: Sound = soxr.resample(samples, source_hz, rate_hz, "HQ")
    return sound
