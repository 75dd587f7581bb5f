"""The offline engine at a microphone: a question into the virtual card, words in the JSON, an answer at the speaker."""

from pathlib import Path

from tests.program import Program
from tests.soundcard import SoundCard

QUESTION = Path(__file__).parents[2] / "voicechat" / "offline" / "questions" / "what-is-twelve-times-seven.wav"


def test_a_question_at_the_microphone_is_answered_at_the_speaker(soundcard: SoundCard) -> None:
    with (
        Program(["vad", "--provider", "offline", "--json"], card=soundcard) as program,
        soundcard.record("speaker.monitor") as speaker,
    ):
        program.wait_for("session")
        soundcard.play(QUESTION)
        assert program.wait_for("user", timeout_s=20)["text"] == "what is twelve times seven"
        speaker.wait_for_sound(timeout_s=15)
        answer = program.wait_for("assistant", timeout_s=20)
        assert "84" in answer["text"]
        assert not answer["interrupted"]
        program.interrupt()
        assert program.wait() == 130
