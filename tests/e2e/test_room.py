"""Conversations on open speakers: the real program in a room (tests/room.py), whose answers its microphone hears.

Where the machine held the room up, and so tore its echo, nothing is checked: benchmarks/rooms.py measures without a
clock.
"""

from pathlib import Path

import pytest

from benchmarks.voices import replies
from tests.program import ROOT, Program
from tests.realtime_server import RealtimeServer, Reply, Script
from tests.room import Room
from tests.soundcard import SoundCard

REPLY_S = 2.0
ASKED = ROOT / "voicechat" / "engine" / "questions"


def asked_in_turn(program: Program, card: SoundCard, questions: list[Path]) -> bool:
    """Each question after the answer before it; False where the room was held up."""
    for number, question in enumerate(questions, start=1):
        card.play(question).wait()
        program.wait_for("assistant", count=number, timeout_s=25)
    assert card.room is not None
    return card.room.stumbles == 0


@pytest.mark.realtime
def test_answers_in_several_voices_are_played_and_are_no_turn() -> None:
    spoken = replies(["espeak-ng", "ss-0870.wav", "hibari"], REPLY_S, 0.15, 3)
    script = Script(replies=tuple(Reply(pcm=pcm) for pcm in spoken), touchy=True, onset_blocks=5)
    with SoundCard(room=Room(gain_db=-9.0, delay_ms=80)) as card, RealtimeServer(script=script) as server:
        words = ["vad", "--json", "--provider", "openai", "--url", server.url]
        with Program(words, card=card, env={"OPENAI_API_KEY": "test-key-0123456789"}) as program:
            program.wait_for("session")
            undisturbed = asked_in_turn(program, card, [ASKED / "what-time-is-it.wav"] * 3)
            program.interrupt()
            assert program.wait() == 130
        turns = len(server.sent_of("input_audio_buffer.speech_started"))
    if undisturbed:
        answers = program.of_type("assistant")
        assert (turns, [answer["interrupted"] for answer in answers]) == (3, [False] * 3), program.describe()
        assert all(answer["heard_ms"] == pytest.approx(1000 * REPLY_S, abs=20) for answer in answers)


@pytest.mark.realtime
def test_the_offline_engine_does_not_answer_itself() -> None:
    questions = [ASKED / f"what-{rest}.wav" for rest in ("time-is-it", "is-twelve-times-seven")]
    with (
        SoundCard(room=Room(gain_db=-12.0, delay_ms=60)) as card,
        Program(["vad", "--json", "--provider", "offline"], card=card) as program,
    ):
        program.wait_for("session", timeout_s=30)
        undisturbed = asked_in_turn(program, card, questions)
        program.interrupt()
        assert program.wait() == 130
    if undisturbed:
        assert [answer["interrupted"] for answer in program.of_type("assistant")] == [False] * 2, program.describe()
        assert len(program.of_type("user")) == 2
