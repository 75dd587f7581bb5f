"""The offline engine at a microphone: a question into the virtual card, words in the JSON, an answer at the speaker."""

from pathlib import Path

from tests.program import Program
from tests.soundcard import SoundCard

QUESTION = Path(__file__).parents[2] / "voicechat" / "engine" / "questions" / "what-time-is-it.wav"
"""Its beginning is enough to be answered, should a busy machine tear a hole into the rest."""


def test_a_question_at_the_microphone_is_answered_at_the_speaker(soundcard: SoundCard) -> None:
    with (
        Program(["vad", "--provider", "offline", "--json"], card=soundcard) as program,
        soundcard.record("speaker.monitor") as speaker,
    ):
        program.wait_for("session")
        soundcard.play(QUESTION)
        assert program.wait_for("user", timeout_s=20)["text"].startswith("What time is")
        speaker.wait_for_sound(timeout_s=15)
        answer = program.wait_for("assistant", timeout_s=20)
        assert answer["text"].startswith("It is ")
        assert not answer["interrupted"]
        program.interrupt()
        assert program.wait() == 130
