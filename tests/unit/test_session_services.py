"""What services differ in: cancelling without an answer, tokens told apart, greetings, and an answer that stops."""

import asyncio

from tests.unit.stage import Stage, pcm
from voicechat.conversation import notices as note
from voicechat.conversation.turn_taking import ANSWER_TIMEOUT_S, TurnTaking
from voicechat.conversation.uplink import Uplink
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev
from voicechat.realtime.capabilities import Capabilities
from voicechat.realtime.codec import WireFrame
from voicechat.wire.memory import MemoryTransport

MANUAL = TurnTaking(hands_free=False)


def interrupted_by_text(acknowledges_cancel: bool) -> Stage:
    stage = Stage(Capabilities(emits_cancelled=acknowledges_cancel), MANUAL).open()
    stage.session.say("first")
    stage.speak(1, finish=False)
    stage.pass_ms(200)
    stage.session.say("second")
    return stage


def test_a_cancelled_answer_is_over_at_once_where_no_end_will_come() -> None:
    stage = interrupted_by_text(acknowledges_cancel=False)
    assert stage.of(cmd.CancelResponse) == [cmd.CancelResponse("resp1")]
    assert len(stage.of(cmd.CreateResponse)) == 2
    assert [(turn.status, turn.interrupted) for turn in stage.of(note.AssistantTurn)] == [("cancelled", True)]
    stage.tell(ev.AssistantAudio("resp1", "item1", 0, pcm(500)), ev.ResponseFinished("resp1", "completed"))
    stage.speak(2)
    assert len(stage.of(note.AssistantTurn)) == 1
    stage.pass_ms(1200)
    assert [turn.turn for turn in stage.of(note.AssistantTurn)] == [1, 2]


def test_the_next_answer_waits_for_the_cancelled_ones_end_where_it_will_come() -> None:
    stage = interrupted_by_text(acknowledges_cancel=True)
    assert len(stage.of(cmd.CreateResponse)) == 1
    stage.tell(ev.ResponseFinished("resp1", "cancelled"))
    assert len(stage.of(cmd.CreateResponse)) == 2


SILENT = Capabilities(emits_cancelled=False)
"""Says nothing of what it is told to drop: neither that it ends nor, before its first word, that it began."""


def spoken(stage: Stage) -> None:
    stage.session.begin_turn()
    stage.pass_ms(300, voiced=True)
    stage.session.end_turn()


def test_a_line_typed_before_the_first_ones_answer_began_is_asked_at_once_where_no_end_will_come() -> None:
    stage = Stage(SILENT, MANUAL).open()
    stage.session.say("first")
    stage.session.say("second")
    kinds = [type(command) for command in stage.sent]
    assert kinds == [cmd.SendText, cmd.CreateResponse, cmd.CancelResponse, cmd.SendText, cmd.CreateResponse]
    stage.speak(2, ms=100)
    stage.pass_ms(300)
    assert stage.played_ms == 100
    assert [turn.turn for turn in stage.of(note.AssistantTurn)] == [2]
    assert stage.session.settled


def test_a_second_turn_spoken_over_the_waiting_for_the_first_is_answered_where_no_end_will_come() -> None:
    stage = Stage(SILENT, MANUAL, turn_detection=None).open()
    spoken(stage)
    spoken(stage)
    assert len(stage.of(cmd.CancelResponse)) == 1
    assert len(stage.of(cmd.CreateResponse)) == 2
    stage.speak(2, ms=100)
    stage.pass_ms(300)
    assert stage.played_ms == 100
    assert len(stage.of(cmd.CancelResponse)) == 1, "the second answer is wanted"


def test_enter_before_the_service_answers_speech_cancels_at_once_where_no_end_will_come() -> None:
    stage = Stage(SILENT).open()
    stage.tell(ev.SpeechStarted("u1"), ev.SpeechStopped("u1"))
    stage.session.interrupt()
    assert stage.of(cmd.CancelResponse) == [cmd.CancelResponse()]
    assert stage.session.settled
    stage.session.say("tell me a joke")
    assert len(stage.of(cmd.CreateResponse)) == 1
    stage.speak(2, ms=100)
    stage.pass_ms(300)
    assert stage.played_ms == 100


def test_an_answer_that_was_announced_is_cancelled_once() -> None:
    stage = Stage(SILENT).open()
    stage.tell(ev.SpeechStarted("u1"), ev.SpeechStopped("u1"), ev.ResponseStarted("resp1"))
    stage.session.say("no, tell me a joke")
    assert stage.of(cmd.CancelResponse) == [cmd.CancelResponse("resp1")]
    assert len(stage.of(cmd.CreateResponse)) == 1


def test_a_line_typed_before_the_first_ones_answer_began_waits_where_an_end_will_come() -> None:
    stage = Stage(turn_taking=MANUAL).open()
    stage.session.say("first")
    stage.session.say("second")
    stage.pass_ms(1500)
    assert len(stage.of(cmd.CreateResponse)) == 1
    stage.tell(ev.ResponseStarted("resp1"))
    stage.pass_ms(1500)
    assert len(stage.of(cmd.CreateResponse)) == 1, "its end is waited for from its beginning"
    stage.tell(ev.ResponseFinished("resp1", "cancelled"))
    assert len(stage.of(cmd.CreateResponse)) == 2


def test_the_answer_to_a_tool_waits_for_the_end_of_the_running_one_however_long() -> None:
    stage = Stage(turn_taking=MANUAL).open()
    stage.session.say("first")
    stage.speak(1, ms=500, finish=False)
    stage.pass_ms(100)
    stage.session.say("second")  # there was a cancel before
    stage.tell(ev.ResponseFinished("resp1", "cancelled"))
    stage.tell(ev.ResponseStarted("resp2"), ev.ToolCall("resp2", "item2", "call", "weather", "{}"))
    stage.pass_ms(6000)
    assert len(stage.of(cmd.CreateResponse)) == 2
    stage.tell(ev.ResponseFinished("resp2", "completed"))
    assert len(stage.of(cmd.CreateResponse)) == 3


def test_an_answer_that_never_ended_does_not_hurry_the_next_ones_tool() -> None:
    stage = Stage().open()
    stage.tell(ev.SpeechStarted("u1"), ev.SpeechStopped("u1"))
    stage.speak(1, ms=3000, finish=False)
    stage.pass_ms(500)
    stage.session.interrupt()
    stage.tell(ev.SpeechStarted("u2"), ev.SpeechStopped("u2"))
    stage.tell(ev.ResponseStarted("resp2"), ev.ToolCall("resp2", "item2", "call", "weather", "{}"))
    stage.pass_ms(3000)
    assert stage.of(cmd.CreateResponse) == []


def test_what_waits_for_an_answer_that_was_given_up_is_asked_for() -> None:
    stage = Stage().open()
    stage.tell(ev.SpeechStarted("u1"), ev.SpeechStopped("u1"))
    stage.speak(1, "let me see", ms=100, finish=False)
    stage.tell(ev.ToolCall("resp1", "item1", "call", "weather", "{}"))
    stage.pass_ms(round(ANSWER_TIMEOUT_S * 1000) + 500)
    assert [warning.code for warning in stage.of(note.WarningNotice)] == ["stalled"]
    assert len(stage.of(cmd.CreateResponse)) == 1


def test_a_request_that_was_refused_is_not_repeated_before_something_ends() -> None:
    stage = Stage(turn_taking=MANUAL).open()
    stage.session.say("hello")
    stage.tell(ev.ServiceError("busy", "conversation_already_has_active_response", "benign"))
    stage.pass_ms(5000)
    assert len(stage.of(cmd.CreateResponse)) == 1
    stage.tell(ev.ResponseFinished("another", "completed"))
    assert len(stage.of(cmd.CreateResponse)) == 2


def test_an_answer_that_stops_in_the_middle_ends_with_what_there_is() -> None:
    stage = Stage().open()
    stage.tell(ev.SpeechStarted("u1"), ev.SpeechStopped("u1"))
    stage.speak(1, ms=500, finish=False)
    stage.pass_ms(round(ANSWER_TIMEOUT_S * 1000) - 200)
    assert stage.of(note.AssistantTurn) == []
    stage.pass_ms(800)
    (answer,) = stage.of(note.AssistantTurn)
    assert (answer.text, answer.status, answer.heard_ms) == ("one two three four", "incomplete", 500)
    assert [warning.code for warning in stage.of(note.WarningNotice)] == ["stalled"]
    assert stage.session.settled


def test_tokens_told_apart_from_the_end_are_counted() -> None:
    stage = Stage().open()
    stage.tell(ev.UsageReported("resp1", ev.Usage(input_tokens=5, output_tokens=7)))
    stage.tell(ev.UsageReported("resp1", ev.Usage(input_tokens=1, output_tokens=2)))
    last = stage.of(note.UsageNotice)[-1]
    assert (last.input_tokens, last.session_input_tokens, last.session_output_tokens) == (1, 6, 9)


def test_a_greeting_says_its_words_apart() -> None:
    stage = Stage(greeting="Good morning")
    stage.tell(ev.SessionCreated("sess"), ev.SessionConfigured())
    (create,) = stage.of(cmd.CreateResponse)
    assert create.words == "Good morning"
    assert create.instructions.endswith("exactly these words: Good morning")


def test_a_greeting_is_no_turn_of_the_user_and_neither_is_one_without_a_word() -> None:
    stage = Stage(turn_taking=TurnTaking(hands_free=False), greeting="Good morning")
    stage.tell(ev.SessionCreated("sess"), ev.SessionConfigured())
    stage.speak(1, "Good morning", ms=100)
    stage.pass_ms(200)
    assert [turn.text for turn in stage.of(note.AssistantTurn)] == ["Good morning"]
    assert stage.session.turns.begun == 0
    stage.session.begin_turn()
    stage.session.end_turn()
    assert [warning.code for warning in stage.of(note.WarningNotice)] == ["too_short"]
    assert stage.session.turns.begun == 0
    stage.session.say("hello")
    assert stage.session.turns.begun == 1
    assert stage.of(note.UserTurn)[-1].turn == stage.session.turn == 3, "numbers are never used twice"


class Polite:
    """A codec that greets by itself and acknowledges everything it is told."""

    capabilities = Capabilities()

    def __init__(self) -> None:
        self._due: list[WireFrame] = ["hello"]

    def encode(self, command: cmd.Command) -> list[WireFrame]:
        return [type(command).__name__]

    def decode(self, frame: WireFrame) -> list[ev.Event]:
        self._due.append(f"got {frame!s}")
        return []

    def replies(self) -> list[WireFrame]:
        due, self._due = self._due, []
        return due


def test_what_the_protocol_wants_said_is_sent_on_connecting_and_before_commands() -> None:
    async def main() -> list[WireFrame]:
        near, far = MemoryTransport.pair()
        codec = Polite()
        uplink = Uplink(codec)
        running = asyncio.create_task(uplink.run(near))
        frames = [await far.receive()]
        uplink.send(cmd.Finish())
        codec.decode("one")
        uplink.answer()
        frames += [await far.receive(), await far.receive()]
        await uplink.flushed()
        running.cancel()
        return frames

    assert asyncio.run(main()) == ["hello", "got one", "Finish"]


def test_what_the_transcription_of_a_turn_takes_is_told_with_that_turn() -> None:
    stage = Stage().open()
    stage.tell(ev.SpeechStarted("u1"), ev.SpeechStopped("u1"), ev.InputCommitted("u1"))
    stage.speak(1)
    stage.pass_ms(1500)
    stage.tell(ev.SpeechStarted("u2"))  # the words of the first turn come late
    stage.tell(ev.UserTranscript("u1", "hello", True, ev.Usage(16, 4, 6, 10, output_text_tokens=4)))
    stage.tell(ev.UserTranscript("u2", "and", False))
    assert [(used.turn, used.of, used.input_tokens, used.cost) for used in stage.of(note.UsageNotice)] == [
        (1, "transcription", 16, None)
    ]
