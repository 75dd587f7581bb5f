"""Voices that replies are made of: recordings of people, the offline engine's, flite, any WAV file."""

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
from voicechat.engine.voices import DEFAULT_VOICE, PLAIN_VOICE, LocalVoices

TEXT = (
    "Tomorrow will be cloudy, with a chance of rain in the evening. The wind comes from the west, and it will not be "
    "warmer than twelve degrees. If you want to go for a walk, do it before noon, and take a coat with you. On Sunday "
    "the sun will be back, and the week after begins mild and dry, as far as anybody can say today."
)
STRIDE = 23_757  # so that no two replies of a conversation begin at the same place


def voice(name: str) -> Sound:
    """A passage at 24 kHz: `hibari`, `espeak-ng` or `espeak-ng:de` (a voice of its), `flite`, a recording of
    tests/audio, or a path. Leaves without it.
    """
    kind, _, variant = name.partition(":")
    if kind == "espeak-ng":
        sound = asyncio.run(made(EspeakSynthesiser(), variant or PLAIN_VOICE))
    elif name == "hibari":
        sound = asyncio.run(made(LocalVoices(), DEFAULT_VOICE))
    elif name == "flite":
        sound = flite()
    else:
        sound = speech(name, OUTPUT_RATE_HZ)
    return trimmed(sound)


async def made(engine: EspeakSynthesiser | LocalVoices, name: str) -> Sound:
    async with aclosing(engine.speak(TEXT, name, 1.0)) as stream:
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
