"""Whose turn, whose answer, whose complaint: when things come late, twice, or about something else."""

import pytest

from tests.unit.stage import Stage, pcm
from voicechat.audio.frames import Frame
from voicechat.conversation import notices as note
from voicechat.conversation.recent import RecentAudio
from voicechat.conversation.turn_taking import TurnTaking
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev
from voicechat.realtime.capabilities import Capabilities

MANUAL = TurnTaking(hands_free=False)
ACTIVE = ev.ServiceError("busy", "conversation_already_has_active_response", "benign")


def manual_turn(stage: Stage) -> str:
    """A turn between two keys; what its item is called."""
    stage.session.begin_turn()
    stage.pass_ms(300, voiced=True)
    stage.session.end_turn()
    return stage.of(cmd.CommitAudio)[-1].item_id


def test_words_belong_to_their_turn_although_the_next_began_before_the_acknowledgement() -> None:
    stage = Stage(turn_taking=MANUAL, turn_detection=None).open()
    first, second = manual_turn(stage), manual_turn(stage)
    assert first != second
    stage.tell(ev.InputCommitted(first), ev.UserTranscript(first, "I would like to", True))
    stage.tell(ev.InputCommitted(second), ev.UserTranscript(second, "go to Paris", True))
    assert stage.of(note.UserTurn) == [note.UserTurn(1, "I would like to"), note.UserTurn(2, "go to Paris")]


def test_an_answer_belongs_to_the_turn_that_it_answers() -> None:
    stage = Stage().open()
    stage.tell(ev.SpeechStarted("u1"), ev.SpeechStopped("u1"), ev.InputCommitted("u1"))
    stage.session.say("and this")
    stage.tell(ev.ResponseStarted("r1", "u1"), ev.ResponseFinished("r1", "cancelled"))
    stage.tell(ev.ResponseStarted("r2", stage.of(cmd.SendText)[-1].item_id))
    stage.tell(ev.AssistantText("r2", "i2", 0, "so"), ev.ResponseFinished("r2", "completed"))
    assert [(turn.turn, turn.text) for turn in stage.of(note.AssistantTurn)] == [(2, "so")]


def test_tokens_and_calls_are_told_for_the_turn_of_their_response() -> None:
    stage = Stage().open()
    stage.tell(ev.SpeechStarted("u1"), ev.SpeechStopped("u1"), ev.InputCommitted("u1"), ev.ResponseStarted("r1", "u1"))
    stage.tell(ev.AssistantAudio("r1", "i1", 0, pcm(2000)))
    stage.pass_ms(200)
    stage.tell(ev.SpeechStarted("u2"))  # it interrupts, and only then the tokens of the first answer are told
    stage.tell(ev.ToolCall("r1", "i1", "c1", "clock", "{}"), ev.UsageReported("r1", ev.Usage(input_tokens=1)))
    stage.tell(ev.ResponseFinished("r1", "cancelled", usage=ev.Usage(input_tokens=2)))
    assert [usage.turn for usage in stage.of(note.UsageNotice)] == [1, 1]
    assert [call.turn for call in stage.of(note.ToolNotice)] == [1]


def test_a_response_out_of_band_is_nobodys_answer() -> None:
    stage = Stage().open()
    stage.session.say("hello")
    stage.tell(ev.ResponseStarted("aside", "", out_of_band=True), ev.AssistantAudio("aside", "i", 0, pcm(500)))
    stage.tell(ev.ResponseFinished("aside", "completed"))
    stage.speak(1, ms=100)
    stage.pass_ms(300)
    assert stage.played_ms == 100
    assert len(stage.of(note.AssistantTurn)) == 1


COMPLAINTS = [
    pytest.param(ev.ServiceError("odd", "odd", command="TruncateItem"), id="about another command"),
    pytest.param(ev.ServiceError("odd", "odd"), id="about nothing we know of"),
]


@pytest.mark.parametrize("complaint", COMPLAINTS)
def test_a_complaint_does_not_forget_the_answer_that_waits(complaint: ev.ServiceError) -> None:
    stage = Stage().open()
    stage.session.say("hello")
    stage.speak(1, ms=2000, finish=False)
    stage.pass_ms(300)
    stage.session.say("no, this")
    stage.tell(complaint, ev.ResponseFinished("resp1", "cancelled"))
    assert len(stage.of(cmd.CreateResponse)) == 2
    assert stage.session.state == "thinking"
    stage.speak(2, ms=100)
    stage.pass_ms(200)
    assert [turn.turn for turn in stage.of(note.AssistantTurn)] == [1, 2]


def test_a_complaint_about_something_else_does_not_end_the_waiting() -> None:
    stage = Stage().open()
    stage.session.say("hello")
    stage.tell(ev.ServiceError("odd", "odd", command="TruncateItem"))
    assert stage.session.state == "thinking"
    assert not stage.session.settled


@pytest.mark.parametrize("command", ["", "CreateResponse"])
def test_a_complaint_about_what_was_asked_for_ends_the_waiting(command: str) -> None:
    stage = Stage().open()
    stage.session.say("hello")
    stage.tell(ev.ServiceError("odd", "odd", command=command))
    assert stage.session.settled
    stage.session.say("again")
    assert len(stage.of(cmd.CreateResponse)) == 2


def test_items_and_responses_may_have_the_same_ids() -> None:
    stage = Stage(greeting="Hello.").open()
    stage.tell(ev.ResponseStarted("1"), ev.ResponseFinished("1", "completed"))
    stage.tell(ev.SpeechStarted("1"), ev.SpeechStopped("1"), ev.InputCommitted("1"), ev.UserTranscript("1", "a", True))
    assert stage.of(note.UserTurn) == [note.UserTurn(2, "a")]
    stage.tell(ev.ResponseStarted("2", "1"), ev.ResponseFinished("2", "completed", usage=ev.Usage(1, 1)))
    assert [usage.turn for usage in stage.of(note.UsageNotice)] == [2]


def test_an_answer_after_a_tool_is_waited_for() -> None:
    stage = Stage().open()
    stage.session.say("what time is it")
    stage.tell(ev.ResponseStarted("r1"), ev.ToolCall("r1", "i1", "c1", "clock", "{}"))
    stage.tell(ev.ResponseFinished("r1", "completed"))
    assert len(stage.of(cmd.CreateResponse)) == 2
    assert not stage.session.settled


def test_history_is_told_in_the_order_of_turns_when_words_come_after_two_parts_of_an_answer() -> None:
    stage = Stage().open()
    stage.tell(ev.SpeechStarted("u1"), ev.SpeechStopped("u1"), ev.InputCommitted("u1"))
    for part in ("a", "b"):
        stage.tell(ev.ResponseStarted(part, "u1"), ev.AssistantText(part, f"i{part}", 0, f"part {part}"))
        stage.tell(ev.ResponseFinished(part, "completed"))
    stage.tell(ev.UserTranscript("u1", "the question", True))
    stage.sent.clear()
    stage.session.lost()
    stage.tell(ev.SessionCreated("again"), ev.SessionConfigured("Cherry"))
    assert [item.text for item in stage.of(cmd.SendText)] == ["the question", "part a", "part b"]


def test_sound_that_was_sent_again_and_is_gone_is_not_sent_once_more() -> None:
    stage = Stage().open()
    for quiet_s in (0, 20):  # a cough before each drop, and more than is kept between them
        stage.pass_ms(quiet_s * 1000, voiced=False)
        stage.pass_ms(300, voiced=True)
        stage.pass_ms(200, voiced=False)
        stage.sent.clear()
        stage.session.lost()
        stage.tell(ev.SessionCreated("again"), ev.SessionConfigured("Cherry"))
        assert 400 <= 10 * len(stage.of(cmd.AppendAudio)) <= 1200
    assert [warning.code for warning in stage.of(note.WarningNotice)] == []


def test_a_mark_goes_with_its_sound() -> None:
    recent = RecentAudio(24_000)
    recent.mark(100.0)
    for second in range(9):
        recent.add(Frame(pcm(1000), False, -70.0, 101.0 + second))
        assert recent.marked == 100.0
    for second in range(9, 13):
        recent.add(Frame(pcm(1000), False, -70.0, 101.0 + second))
    assert recent.marked is None


def test_a_refusal_of_what_nobody_asked_for_asks_for_nothing() -> None:
    stage = Stage(turn_taking=MANUAL, turn_detection=None).open()
    stage.session.say("hello")
    stage.speak(1, ms=100)
    stage.pass_ms(200)
    stage.tell(ACTIVE)
    assert stage.session.settled
    stage.session.say("again")
    assert len(stage.of(cmd.CreateResponse)) == 2


def test_a_refusal_of_what_was_withdrawn_asks_for_nothing() -> None:
    stage = Stage(Capabilities(emits_cancelled=False), MANUAL, turn_detection=None).open()
    stage.session.say("hello")
    stage.session.interrupt()
    stage.tell(ACTIVE)
    stage.pass_ms(100)
    assert stage.session.settled
    assert len(stage.of(cmd.CreateResponse)) == 1


def test_a_service_that_says_it_is_busy_is_asked_something_else_all_the_same() -> None:
    stage = Stage(turn_taking=MANUAL, turn_detection=None).open()
    stage.session.say("hello")
    stage.tell(ACTIVE)
    stage.session.interrupt()
    stage.session.say("never mind: hello again")
    assert len(stage.of(cmd.CreateResponse)) == 2


def test_a_tool_of_an_answer_that_was_interrupted_leads_to_no_other() -> None:
    stage = Stage(turn_taking=MANUAL, turn_detection=None).open()
    stage.session.say("what time is it")
    stage.speak(1, finish=False)
    stage.pass_ms(300)
    stage.session.interrupt()
    stage.tell(ev.ToolCall("resp1", "i1", "c1", "clock", "{}"), ev.ResponseFinished("resp1", "cancelled"))
    stage.pass_ms(500)
    assert len(stage.of(cmd.ToolResult)) == 1
    assert len(stage.of(cmd.CreateResponse)) == 1
    assert stage.session.settled


def test_an_answer_that_stops_with_a_tool_is_not_waited_for_for_ever() -> None:
    stage = Stage(turn_taking=MANUAL, turn_detection=None).open()
    stage.session.say("what time is it")
    stage.speak(1, ms=100, finish=False)
    stage.tell(ev.ToolCall("resp1", "i1", "c1", "clock", "{}"))
    stage.pass_ms(25_000)  # the answer has stopped, and the one that follows is asked for
    assert len(stage.of(cmd.CreateResponse)) == 2
    assert stage.session.state == "thinking"
    stage.pass_ms(25_000)  # no answer
    assert stage.session.settled
