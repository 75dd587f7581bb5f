"""Talking over the answer, on a virtual sound card: a word interrupts, a cough does not."""

import numpy as np
import pytest

from tests.program import Program
from tests.realtime_server import RealtimeServer, Reply, Script
from tests.recordings import INTERRUPTION, QUESTION
from tests.soundcard import SoundCard

RATE = 48_000


def cough() -> np.ndarray:
    """80 ms of noise at the level of speech, with the sharp onset and the decay of a cough."""
    rng = np.random.default_rng(7)
    burst = rng.normal(0, 3000, RATE * 80 // 1000) * np.linspace(1, 0.4, RATE * 80 // 1000)
    return np.concatenate([burst, np.zeros(RATE)]).clip(-32768, 32767).astype("<i2")


@pytest.mark.realtime
def test_a_word_interrupts_and_a_cough_does_not(soundcard: SoundCard) -> None:
    script = Script(replies=(Reply(seconds=5.0), Reply(seconds=8.0)))
    with (
        RealtimeServer(script=script) as server,
        Program(
            ["vad", "--provider", "openai", "--url", server.url, "--json"],
            card=soundcard,
            env={"OPENAI_API_KEY": "test-key-0123456789"},
        ) as program,
        soundcard.record("speaker.monitor") as speaker,
    ):
        program.wait_for("session")
        soundcard.play(QUESTION)
        program.wait_for("user")
        started = speaker.wait_for_sound()
        soundcard.play(cough(), RATE)
        answer = program.wait_for("assistant")
        assert not answer["interrupted"]
        assert answer["heard_ms"] == 5000
        levels = [level for at, level in speaker.levels() if started + 0.02 < at < started + 5.0]
        silent_ms = sum(level < 40 for level in levels) * 5
        assert silent_ms <= 700  # half a second of doubt, and the fades

        soundcard.play(QUESTION)
        program.wait_for("user", count=2)
        speaker.wait_for_sound(after=started + 5.5)
        soundcard.play(INTERRUPTION)
        cut = program.wait_for("assistant", count=2)
        assert cut["interrupted"]
        assert 0 < cut["heard_ms"] < 8000
        assert len(cut["heard"]) < len(cut["text"])
        told = server.wait("conversation.item.truncate")
        assert told.event["audio_end_ms"] == cut["heard_ms"]
        assert server.received_of("response.cancel") == []
        speed = program.wait_for("latency", lambda line: line["interruption_ms"] is not None)
        assert speed["interruption_ms"] < 500
        program.interrupt()
        assert program.wait() == 130
