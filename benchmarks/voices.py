"""Voices that replies are made of: recordings of people, espeak-ng, flite, any WAV file."""

import asyncio
import shutil
import subprocess
import sys
import tempfile
from contextlib import aclosing
from pathlib import Path

import numpy as np

from tests.realtime_server import OUTPUT_RATE_HZ
from tests.recordings import Sound, at_level, pcm, speech, trimmed
from voicechat.engine.synthesiser import EspeakSynthesiser
from voicechat.engine.voices import PLAIN_VOICE

TEXT = (
    "Tomorrow will be cloudy, with a chance of rain in the evening. The wind comes from the west, and it will not be "
    "warmer than twelve degrees. If you want to go for a walk, do it before noon, and take a coat with you. On Sunday "
    "the sun will be back, and the week after begins mild and dry, as far as anybody can say today."
)
STRIDE = 23_757  # so that no two replies of a conversation begin at the same place


def voice(name: str) -> Sound:
    """A passage at 24 kHz: `espeak-ng`, `flite`, a recording of tests/audio, or a path. Leaves without it."""
    if name == "espeak-ng":
        sound = asyncio.run(espeak())
    elif name == "flite":
        sound = flite()
    else:
        sound = speech(name, OUTPUT_RATE_HZ)
    return trimmed(sound)


async def espeak() -> Sound:
    engine = EspeakSynthesiser()
    async with aclosing(engine.speak(TEXT, PLAIN_VOICE, 1.0)) as stream:
        spoken = b"".join([block.pcm async for block in stream])
    await engine.close()
    return np.frombuffer(spoken, "<i2").astype(np.float64)


def flite() -> Sound:
    if shutil.which("flite") is None:
        sys.exit("flite is not installed (Debian: flite).")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spoken.wav"
        subprocess.run(["flite", "-voice", "slt", "-t", TEXT, "-o", str(path)], check=True)
        return speech(path, OUTPUT_RATE_HZ)


def replies(names: list[str], seconds: float, level: float, count: int) -> list[bytes]:
    """One reply a turn, s16le at 24 kHz: the voices in turn, each time another piece. `level`: RMS, of full scale."""
    voices, want = [voice(name) for name in names], round(seconds * OUTPUT_RATE_HZ)
    made = []
    for number in range(count):
        passage = voices[number % len(voices)]
        passage = np.tile(passage, 2 * want // len(passage) + 2)
        start = number * STRIDE % (len(passage) - want)
        made.append(pcm(at_level(passage[start : start + want], level * 32768)))
    return made
