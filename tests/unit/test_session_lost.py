"""A connection that goes and comes back: the new session is told what was said, and what is owed is asked for."""

import pytest

from tests.unit.stage import Stage, user_turn
from voicechat.conversation import notices as note
from voicechat.conversation.turn_taking import TurnTaking
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev
from voicechat.realtime.capabilities import Capabilities

MANUAL = TurnTaking(hands_free=False)
PASSIVE = Capabilities(supports_interruption=False)


def back(stage: Stage) -> None:
    stage.sent.clear()
    stage.tell(ev.SessionCreated("sess2"), ev.SessionConfigured("Cherry"))


def test_after_a_drop_the_new_session_is_told_what_was_said_and_heard() -> None:
    stage = Stage(instructions="be brief", greeting="Hi!").open()
    stage.tell(ev.ResponseStarted("g"), ev.ResponseFinished("g", "completed"))
    user_turn(stage)
    stage.speak(1, ms=1000)
    stage.pass_ms(1100)
    stage.session.lost()
    stage.session.say("dropped on the floor")  # nothing is sent into the void
    assert stage.of(cmd.SendText) == []
    stage.session.handle(ev.SessionCreated("sess2"))
    stage.tell(ev.SessionConfigured())
    texts = [(c.role, c.text) for c in stage.of(cmd.SendText)]
    assert texts[:2] == [("user", "hello"), ("assistant", "one two three four")]
    assert [c.config.greeting for c in stage.of(cmd.Configure)] == [""]  # never a second greeting
    assert stage.session.restorer.complete


def test_a_service_that_takes_no_items_is_told_in_its_instructions() -> None:
    stage = Stage(Capabilities(supports_restoring=False), instructions="be brief").open()
    user_turn(stage)
    stage.speak(1, ms=100)
    stage.pass_ms(200)
    stage.session.lost()
    back(stage)
    (configure,) = stage.of(cmd.Configure)
    assert configure.config.instructions.startswith("be brief")
    assert "User: hello" in configure.config.instructions
    assert "You: one two three four" in configure.config.instructions
    assert stage.of(cmd.SendText) == []


def test_audio_that_was_received_is_played_to_its_end_after_a_drop() -> None:
    stage = Stage().open()
    user_turn(stage)
    stage.speak(1, ms=1000, finish=False)
    stage.pass_ms(300)
    stage.session.lost()
    stage.pass_ms(1000)
    (answer,) = stage.of(note.AssistantTurn)
    assert (answer.heard_ms, answer.interrupted, answer.status) == (1000, False, "incomplete")
    back(stage)
    assert stage.of(cmd.CreateResponse) == []  # the user was not waiting for anything
    assert stage.session.settled


def test_a_typed_turn_without_an_answer_is_asked_again() -> None:
    stage = Stage(turn_taking=MANUAL).open()
    stage.session.say("what now?")
    stage.session.lost()
    back(stage)
    assert [type(c) for c in stage.sent] == [cmd.Configure, cmd.SendText, cmd.CreateResponse]
    stage.speak(1, ms=50)
    stage.pass_ms(100)
    assert [a.turn for a in stage.of(note.AssistantTurn)] == [1]


def test_speech_over_a_drop_is_sent_whole_to_the_new_session() -> None:
    stage = Stage().open()
    stage.pass_ms(2000, voiced=False)
    stage.pass_ms(300, voiced=True)
    stage.tell(ev.SpeechStarted("u1"))
    stage.pass_ms(300, voiced=True)
    stage.session.lost()
    stage.pass_ms(700, voiced=True)
    back(stage)
    sent_ms = sum(len(c.pcm) for c in stage.of(cmd.AppendAudio)) / 48
    assert sent_ms == pytest.approx(500 + 300 + 700, abs=20)  # from before the service noticed it
    stage.tell(ev.SpeechStarted("v1"))
    assert stage.session.turn == 1  # the same turn, found again


def test_a_manual_turn_that_ends_while_the_line_is_down_is_committed_when_it_is_back() -> None:
    stage = Stage(turn_taking=MANUAL, turn_detection=None).open()
    stage.session.begin_turn()
    stage.pass_ms(500, voiced=True)
    stage.session.lost()
    stage.pass_ms(500, voiced=True)
    stage.session.end_turn()
    back(stage)
    kinds = [type(c) for c in stage.sent]
    assert kinds.count(cmd.AppendAudio) == 100
    assert kinds[-2:] == [cmd.CommitAudio, cmd.CreateResponse]


def test_what_was_said_too_long_ago_is_left_out_with_a_word() -> None:
    stage = Stage().open()
    stage.tell(ev.SpeechStarted("u1"))
    stage.pass_ms(500, voiced=True)
    stage.session.lost()
    stage.pass_ms(13_000, voiced=True)
    back(stage)
    sent_ms = sum(len(c.pcm) for c in stage.of(cmd.AppendAudio)) / 48
    assert sent_ms == pytest.approx(10_000, abs=20)
    assert [w.code for w in stage.of(note.WarningNotice)] == ["stale"]


def test_silence_during_the_drop_is_not_sent() -> None:
    stage = Stage().open()
    stage.pass_ms(1000, voiced=False)
    stage.session.lost()
    stage.pass_ms(3000, voiced=False)
    back(stage)
    assert stage.of(cmd.AppendAudio) == []


def test_local_turns_survive_a_drop_with_what_was_said_before_it() -> None:
    stage = Stage(PASSIVE, TurnTaking(local_turns=True, silence_ms=300), turn_detection=None).open()
    stage.pass_ms(1000, voiced=False)
    stage.pass_ms(800, voiced=True)
    stage.session.lost()
    stage.pass_ms(200, voiced=True)
    back(stage)
    sent_ms = sum(len(c.pcm) for c in stage.of(cmd.AppendAudio)) / 48
    assert sent_ms >= 1000
