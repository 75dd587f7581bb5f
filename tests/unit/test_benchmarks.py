"""What the benchmarks decide by themselves; their figures need a quiet machine and are in docs/performance.md."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.conversation import holes, levels_of
from benchmarks.voices import replies, voice
from tests.realtime_server.vad import EnergyVad, TouchyVad
from tests.recordings import SPEECH_LEVEL, at_level, pcm, rms, speech

ROOT = Path(__file__).parents[2]
DETECTION = {"type": "server_vad", "threshold": 0.5}


def test_every_benchmark_can_be_started() -> None:
    names = [f"benchmarks.{path.stem}" for path in sorted((ROOT / "benchmarks").glob("*.py"))]
    subprocess.run([sys.executable, "-c", f"import {', '.join(names)}"], cwd=ROOT, check=True, timeout=60)


def test_holes_are_silences_inside_that_last() -> None:
    sound, pause = np.full(2400, 3000.0), np.zeros
    reply = np.concatenate([pause(9600), sound, pause(2400), sound, pause(4800), sound, pause(9600)])
    assert holes(levels_of(pcm(reply))) == 1  # 200 ms; the other is 100 ms, and what is around does not count
    assert holes(levels_of(pcm(pause(24_000)))) == 0


def test_every_reply_is_another_piece_of_the_voices_at_the_same_level() -> None:
    made = replies(["ss-0870.wav", "espeak-ng"], 2.0, 0.1, 4)
    assert len(set(made)) == 4
    for reply in made:
        assert len(reply) == 2 * 24_000 * 2
        assert rms(np.frombuffer(reply, "<i2").astype(float)) == pytest.approx(3277, rel=0.05)


def test_a_voice_begins_and_ends_with_sound() -> None:
    sound = voice("goforward.raw")
    assert abs(sound[0]) > 300
    assert len(sound) < 2.8 * 24_000


@pytest.mark.parametrize(("level", "heard"), [(SPEECH_LEVEL, ["energy", "touchy"]), (SPEECH_LEVEL / 12, ["touchy"])])
def test_a_touchy_service_hears_what_another_does_not(level: float, heard: list[str]) -> None:
    quiet = np.random.default_rng(1).normal(0, 4, 24_000)
    words = at_level(speech("ss-0880.wav", 24_000), level)
    samples = np.frombuffer(pcm(np.concatenate([quiet, words, quiet])), "<i2")
    ears = {"energy": EnergyVad(24_000), "touchy": TouchyVad(24_000)}
    assert [name for name, ear in ears.items() if ear.hear(samples, DETECTION)] == heard
    assert not ears["touchy"].hear(np.frombuffer(pcm(quiet), "<i2"), DETECTION)
