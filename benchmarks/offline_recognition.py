"""How often the offline engine understands: the companion's phrases, sums, and open speech.

    python -m benchmarks.offline_recognition [--voices rms,slt,awb,kal16]

The sentences are spoken by flite (Debian package `flite`) when it is installed, one by a person. Each goes through the
turn detector and the recogniser as in a conversation, one after another in one recogniser, with the open model alone
and with the companion's grammar beside it.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from tests.recordings import GO_FORWARD
from voicechat.audio.resample import Resampler
from voicechat.engine.grammar import PHRASES
from voicechat.engine.recogniser import RATE_HZ, PocketsphinxRecogniser
from voicechat.engine.turns import Sound, TurnDetector

SUMS = (
    "what is twelve times seven",
    "what is three plus four",
    "nine minus five",
    "how much is eighty four divided by seven",
    "what is one hundred and twenty plus fifteen",
    "what is three point five times two",
    "what's forty two times nineteen",
    "seven plus eight minus three",
    "what is the square root of eighty one",
    "what is nine squared",
    "what is twenty percent of fifty",
    "what is six hundred divided by twelve",
    "thirteen times thirteen",
    "what is sixty six plus seventeen",
    "what is one thousand minus two hundred",
)
NAMES = ("my name is anna", "my name is peter", "call me michael", "my name is susan", "i am david")
OPEN = (
    "go forward ten meters",
    "tell me something about the weather in paris",
    "i would like to order a pizza",
    "the quick brown fox jumps over the lazy dog",
    "what do you think about the president",
    "repeat after me the sky is blue",
    "say good morning to everyone",
    "where is the nearest railway station",
    "i went to the market to buy some bread",
    "can you play some music for me",
    "how old is the universe",
    "what is the capital of france",
    "what is the meaning of life",
    "turn off the lights in the kitchen",
    "do you like science fiction movies",
    "what time does the train leave",
    "it was a cold and windy night",
    "please close the window",
    "my sister lives in london",
    "how many people live in china",
)
PEOPLE = {GO_FORWARD: "go forward ten meters"}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--voices", default="rms,slt,awb,kal16")
    voices = parser.parse_args().voices.split(",")
    write = sys.stdout.write
    recogniser = PocketsphinxRecogniser()
    write(f"{'speech':<28}{'sentences':>10}{'open model':>12}{'companion':>12}{'of real time':>14}\n")
    if shutil.which("flite") is None:
        write("flite is not installed: no synthetic sentences\n")
        voices = []
    for title, sentences in (("phrases", PHRASES), ("sums", SUMS), ("names", NAMES), ("open speech", OPEN)):
        for voice in voices:
            pairs = [(sentence, flite(voice, sentence)) for sentence in sentences]
            write(row(f"{title}, flite {voice}", recogniser, pairs))
    write(row("people", recogniser, [(text, read(path)) for path, text in PEOPLE.items()]))
    return 0


def row(title: str, recogniser: PocketsphinxRecogniser, pairs: list[tuple[str, bytes]]) -> str:
    free = sum(understood(recogniser, pcm, commands=False) == text for text, pcm in pairs)
    begin = time.perf_counter()
    texts = [understood(recogniser, pcm, commands=True) for _, pcm in pairs]
    share = (time.perf_counter() - begin) / sum(len(pcm) / RATE_HZ / 2 for _, pcm in pairs)
    hits = sum(text == heard for (text, _), heard in zip(pairs, texts, strict=True))
    line = f"{title:<28}{len(pairs):>10}{free:>12}{hits:>12}{share:>14.2f}\n"
    missed = [(text, heard) for (text, _), heard in zip(pairs, texts, strict=True) if text != heard]
    return line + "".join(f"    {text!r} was heard as {heard!r}\n" for text, heard in missed)


def understood(recogniser: PocketsphinxRecogniser, pcm: bytes, commands: bool) -> str:
    detector = TurnDetector()
    recogniser.begin(commands)
    for event in detector.feed(pcm):
        if isinstance(event, Sound):
            for start in range(0, len(event.pcm), 1280):
                recogniser.accept(event.pcm[start : start + 1280])
    return recogniser.finish()


def flite(voice: str, sentence: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.wav"
        subprocess.run(["flite", "-voice", voice, "-t", sentence, "-o", str(path)], check=True)
        return read(path)


def read(path: Path) -> bytes:
    """16 kHz s16le with half a second of a quiet room before and after."""
    if path.suffix == ".raw":
        samples, rate = np.fromfile(path, "<i2"), RATE_HZ
    else:
        samples, rate = soundfile.read(path, dtype="int16")
    speech = Resampler(rate, RATE_HZ, "HQ").feed(samples.tobytes(), last=True)
    room = np.random.default_rng(1).normal(0, 5, RATE_HZ // 2).astype("<i2").tobytes()
    return room + speech + room + room


if __name__ == "__main__":
    sys.exit(main())
