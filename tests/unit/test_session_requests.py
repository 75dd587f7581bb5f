"""Turns that the user ends with a key or a line, and answers that wait, are refused or are not wanted any more."""

from tests.unit.stage import Stage, user_turn
from voicechat.conversation import notices as note
from voicechat.conversation.turn_taking import TurnTaking
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev

MANUAL = TurnTaking(hands_free=False)


def test_a_manual_turn_sends_only_what_was_said_between_the_two_keys() -> None:
    stage = Stage(turn_taking=MANUAL).open()
    stage.pass_ms(100, voiced=True)
    assert stage.sent == []
    stage.session.begin_turn()
    stage.pass_ms(300, voiced=True)
    stage.session.end_turn()
    stage.pass_ms(100, voiced=True)
    kinds = [type(c) for c in stage.sent]
    assert kinds == [cmd.AppendAudio] * 30 + [cmd.CommitAudio, cmd.CreateResponse]
    stage.tell(ev.InputCommitted("u1"))
    stage.speak(1, ms=100)
    stage.pass_ms(200)
    stage.tell(ev.UserTranscript("u1", "late words", True))
    assert stage.of(note.UserTurn) == [note.UserTurn(1, "late words")]
    assert stage.states() == ["listening", "thinking", "speaking", "idle"]


def test_a_manual_turn_that_is_too_short_is_not_sent() -> None:
    stage = Stage(turn_taking=MANUAL).open()
    stage.session.begin_turn()
    stage.pass_ms(50, voiced=True)
    stage.session.end_turn()
    assert stage.of(cmd.CommitAudio) == []
    assert stage.of(cmd.ClearAudio) == [cmd.ClearAudio()]
    assert [w.code for w in stage.of(note.WarningNotice)] == ["too_short"]
    assert stage.session.settled


def test_enter_over_the_answer_interrupts_it_and_the_next_answer_waits_for_its_end() -> None:
    stage = Stage(turn_taking=MANUAL).open()
    stage.session.say("first")
    stage.speak(1, ms=2000, finish=False)
    stage.pass_ms(500)
    stage.session.begin_turn()
    assert stage.of(cmd.CancelResponse) == [cmd.CancelResponse("resp1")]
    assert stage.of(cmd.TruncateItem) == [cmd.TruncateItem("item1", 0, 510)]
    stage.pass_ms(200, voiced=True)
    stage.session.end_turn()
    assert len(stage.of(cmd.CreateResponse)) == 1  # the first one's
    stage.tell(ev.ResponseFinished("resp1", "cancelled", "client_cancelled"))
    assert len(stage.of(cmd.CreateResponse)) == 2
    stage.speak(2, ms=50)
    stage.pass_ms(100)
    assert [(a.turn, a.interrupted) for a in stage.of(note.AssistantTurn)] == [(1, True), (2, False)]


def test_a_service_that_never_ends_a_cancelled_answer_does_not_block_the_next() -> None:
    stage = Stage(turn_taking=MANUAL).open()
    stage.session.say("first")
    stage.speak(1, ms=2000, finish=False)
    stage.pass_ms(100)
    stage.session.say("second")
    assert len(stage.of(cmd.CreateResponse)) == 1
    stage.pass_ms(2500)
    assert len(stage.of(cmd.CreateResponse)) == 2


def test_an_answer_that_is_not_wanted_any_more_is_refused_when_it_comes() -> None:
    stage = Stage(turn_taking=MANUAL).open()
    stage.session.say("first")
    stage.session.say("second")  # before anything of the first answer came
    stage.speak(1, ms=500, finish=False)
    stage.pass_ms(100)
    assert stage.played_ms == 0
    assert stage.of(cmd.CancelResponse) == [cmd.CancelResponse("resp1")]
    stage.tell(ev.ResponseFinished("resp1", "cancelled"))
    stage.speak(2, ms=100)
    stage.pass_ms(200)
    assert [a.turn for a in stage.of(note.AssistantTurn)] == [2]


def test_enter_before_the_service_has_begun_to_answer_speech_silences_that_answer_and_no_other() -> None:
    stage = Stage().open()
    user_turn(stage)
    stage.session.interrupt()
    assert stage.session.settled
    stage.speak(1, ms=500, finish=False)
    stage.pass_ms(100)
    assert stage.played_ms == 0
    assert stage.of(cmd.CancelResponse) == [cmd.CancelResponse("resp1")]
    stage.tell(ev.ResponseFinished("resp1", "cancelled"))
    user_turn(stage)
    stage.speak(2, ms=100)
    stage.pass_ms(200)
    assert [a.turn for a in stage.of(note.AssistantTurn)] == [2]


def test_enter_before_an_answer_that_never_comes_does_not_silence_the_next_turns() -> None:
    stage = Stage().open()
    user_turn(stage)
    stage.session.interrupt()
    user_turn(stage)
    stage.speak(2, ms=100)
    stage.pass_ms(200)
    assert stage.played_ms == 100
    assert stage.of(cmd.CancelResponse) == []


def test_a_line_typed_before_the_service_has_begun_to_answer_speech_takes_that_answers_place() -> None:
    stage = Stage().open()
    user_turn(stage)
    stage.session.say("no, tell me a joke")
    assert stage.of(cmd.CreateResponse) == []
    stage.tell(ev.ResponseStarted("resp1"))
    assert stage.of(cmd.CancelResponse) == [cmd.CancelResponse("resp1")]
    stage.tell(ev.ResponseFinished("resp1", "cancelled"))
    assert len(stage.of(cmd.CreateResponse)) == 1
    stage.speak(2, ms=100)
    stage.pass_ms(200)
    assert [a.turn for a in stage.of(note.AssistantTurn)] == [2]


def test_a_line_typed_before_an_answer_that_never_comes_is_answered_soon() -> None:
    stage = Stage().open()
    user_turn(stage)
    stage.session.say("no, tell me a joke")
    stage.pass_ms(2500)
    assert len(stage.of(cmd.CreateResponse)) == 1
    stage.speak(2, ms=100)
    stage.pass_ms(200)
    assert [a.turn for a in stage.of(note.AssistantTurn)] == [2]


def test_a_line_that_waits_is_not_answered_into_the_users_next_words() -> None:
    stage = Stage().open()
    user_turn(stage)
    stage.session.say("no, tell me a joke")
    stage.tell(ev.SpeechStarted("u2"))
    stage.pass_ms(3000, voiced=True)
    assert stage.of(cmd.CreateResponse) == []
    stage.tell(ev.SpeechStopped("u2"))
    stage.speak(2, ms=100)
    assert len(stage.of(cmd.CreateResponse)) == 1, "after what answers the words"


def test_the_end_of_a_cancelled_answer_is_no_reason_to_answer_a_line_into_the_users_words() -> None:
    stage = Stage().open()
    stage.session.say("hello")
    stage.speak(1, finish=False)
    stage.session.say("no, tell me a joke")
    stage.tell(ev.SpeechStarted("u1"), ev.ResponseFinished("resp1", "cancelled"))
    stage.pass_ms(1000, voiced=True)
    assert len(stage.of(cmd.CreateResponse)) == 1, "for the first line"
    stage.tell(ev.SpeechStopped("u1"))
    stage.speak(2, ms=100)
    assert len(stage.of(cmd.CreateResponse)) == 2, "after what answers the words"


def test_a_line_that_waits_is_answered_when_the_users_next_words_are_not() -> None:
    stage = Stage().open()
    user_turn(stage)
    stage.session.say("no, tell me a joke")
    user_turn(stage, "u2", "")
    stage.pass_ms(19_000)
    assert stage.of(cmd.CreateResponse) == []
    stage.tell(ev.SpeechStarted("u3"))
    stage.pass_ms(21_000, voiced=False)
    assert len(stage.of(cmd.CreateResponse)) == 1


def test_a_refused_second_response_is_asked_for_again_when_the_first_is_over() -> None:
    stage = Stage().open()
    stage.session.say("typed while the service begins to answer something else")
    assert len(stage.of(cmd.CreateResponse)) == 1
    stage.tell(ev.ServiceError("busy", "conversation_already_has_active_response", "benign"))
    stage.tell(ev.ResponseStarted("resp1"), ev.ResponseFinished("resp1", "completed"))
    assert len(stage.of(cmd.CreateResponse)) == 2
    assert stage.session.counters.benign_errors == 1
