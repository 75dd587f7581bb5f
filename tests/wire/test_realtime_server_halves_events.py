"""The two halves of the dialect against each other: what a server tells, the client decodes to the same value."""

from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.server_halves import Halves
from tests.wire.test_realtime_server_halves import FLAG, NAME, PCM, TEXT, either
from voicechat.dialects.openai.server import Dialect
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev

MS = st.integers(0, 3_600_000)
USAGE = st.builds(ev.Usage, *[st.integers(0, 10**6)] * 8)

RESPONSE = (ev.ResponseStarted("resp_1"), ev.ItemAdded("item_1", "assistant"))
PLACE = ("resp_1", "item_1", 0)
REASON = st.sampled_from(["turn_detected", "client_cancelled", "max_output_tokens", "content_filter"])
STATUS = st.sampled_from(["completed", "cancelled", "failed", "incomplete"])


def finished(status: Any, reason: str, message: str, code: str, usage: ev.Usage | None) -> ev.ResponseFinished:
    if status == "completed":
        reason = message = code = ""
    return ev.ResponseFinished("resp_1", status, reason, message, code or ("server_error" if message else ""), usage)


Events = st.SearchStrategy[ev.Event]
EVENTS: dict[type, tuple[tuple[ev.Event, ...], Events]] = {
    ev.SessionCreated: ((), st.builds(ev.SessionCreated, NAME, NAME, NAME, st.none() | st.integers(1, 2**32))),
    ev.SessionFinished: ((), st.just(ev.SessionFinished())),
    ev.SpeechStarted: ((), st.builds(ev.SpeechStarted, NAME, MS)),
    ev.SpeechStopped: ((), st.builds(ev.SpeechStopped, NAME, MS)),
    ev.InputCleared: ((), st.just(ev.InputCleared())),
    ev.UserTranscript: ((), st.builds(ev.UserTranscript, NAME, NAME, FLAG)),
    ev.UserTranscriptFailed: ((), st.builds(ev.UserTranscriptFailed, NAME, NAME)),
    ev.ItemAdded: ((), st.builds(ev.ItemAdded, NAME, st.sampled_from(["user", "assistant", "system"]))),
    ev.ItemTruncated: ((), st.builds(ev.ItemTruncated, NAME, MS)),
    ev.ItemDeleted: ((), st.builds(ev.ItemDeleted, NAME)),
    ev.ItemRetrieved: ((), st.builds(ev.ItemRetrieved, NAME, TEXT)),
    ev.AssistantAudio: (RESPONSE, st.builds(lambda pcm: ev.AssistantAudio(*PLACE, pcm), PCM)),
    ev.AssistantAudioDone: (
        (*RESPONSE, ev.AssistantAudio(*PLACE, b"\x01\x00")),
        st.just(ev.AssistantAudioDone(*PLACE)),
    ),
    ev.AssistantText: (RESPONSE, st.builds(lambda text, spoken: ev.AssistantText(*PLACE, text, spoken), NAME, FLAG)),
    ev.AssistantTextDone: (
        RESPONSE,
        st.builds(lambda text, spoken: ev.AssistantTextDone(*PLACE, text, spoken), NAME, FLAG),
    ),
    ev.ResponseFinished: (
        (ev.ResponseStarted("resp_1"),),
        st.builds(finished, STATUS, REASON, TEXT, st.sampled_from(["", "server_error"]), st.none() | USAGE),
    ),
    ev.RateLimits: (
        (),
        st.builds(
            lambda left, reset: ev.RateLimits({"tokens": left}, {"tokens": reset}),
            st.integers(0, 10**6),
            st.floats(0, 60),
        ),
    ),
}
TRIED_BELOW = {ev.SessionConfigured, ev.InputCommitted, ev.ResponseStarted, ev.ToolCall, ev.ServiceError}
NOT_ON_THE_WIRE = {ev.ConfigureAgain, ev.UsageReported, ev.Ignored}


def test_every_event_is_tried() -> None:
    assert {*EVENTS, *TRIED_BELOW, *NOT_ON_THE_WIRE} == set(get_args(ev.Event))
    for event in (ev.ConfigureAgain("why"), ev.UsageReported("r", ev.Usage()), ev.Ignored("x")):
        assert Halves("ga").tell(event) == []


@either
@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_events_arrive_as_they_were_told(dialect: Dialect, kind: type, data: st.DataObject) -> None:
    before, events = EVENTS[kind]
    halves = Halves(dialect)
    halves.ask(cmd.Configure(cmd.SessionConfig(transcribe=True)))
    assert halves.tell(*before) == [*before]
    event = data.draw(events)
    if kind is ev.UserTranscript:
        assert halves.tell(event) == [event]
        return
    reached = halves.tell(event)
    if kind is ev.ResponseFinished:  # a reason that ends the session too is told a second time, as an error
        reached = [one for one in reached if not isinstance(one, ev.ServiceError)]
    assert reached == [event]


@either
@settings(max_examples=40, deadline=None)
@given(deltas=st.lists(NAME, min_size=1, max_size=8))
def test_transcripts_grow_and_settle(dialect: Dialect, deltas: list[str]) -> None:
    halves = Halves(dialect)
    halves.ask(cmd.Configure(cmd.SessionConfig(transcribe=True)))
    for end in range(1, len(deltas) + 1):
        so_far = ev.UserTranscript("item_u", "".join(deltas[:end]), final=False)
        assert halves.tell(so_far) == [so_far]
    taken_back = ("b" if deltas[0][0] == "a" else "a") + "".join(deltas)
    assert halves.tell(ev.UserTranscript("item_u", taken_back, final=False)) == []
    final = ev.UserTranscript("item_u", "as it was meant", final=True)
    assert halves.tell(final) == [final]


@either
def test_nobody_is_told_transcripts_that_were_not_asked_for(dialect: Dialect) -> None:
    halves = Halves(dialect)
    assert halves.tell(ev.UserTranscript("item_u", "hello", True), ev.UserTranscriptFailed("item_u", "x")) == []
    assert halves.tell(ev.InputCommitted("item_u"))
    assert halves.seen[-1]["item"]["content"] == [{"type": "input_audio", "transcript": "hello"}]


@pytest.mark.parametrize(
    "error",
    [
        ev.ServiceError(
            "Slow down.", "rate_limit_exceeded", hint="Too many requests: wait a little before the next turn."
        ),
        ev.ServiceError("No such thing.", "invalid_value", param="item.id"),
        ev.ServiceError("Your session hit the maximum duration of 60 minutes.", "session_expired", "retry"),
        ev.ServiceError("Cancellation failed", "response_cancel_not_active", "benign"),
    ],
    ids=lambda error: error.code,
)
@either
def test_complaints_arrive(dialect: Dialect, error: ev.ServiceError) -> None:
    assert Halves(dialect).tell(error) == [error]


TURN: list[ev.Event] = [
    ev.SpeechStarted("item_u", 120),
    ev.UserTranscript("item_u", "what time", False),
    ev.SpeechStopped("item_u", 1620),
    ev.InputCommitted("item_u"),
    ev.ItemAdded("item_u", "user"),
    ev.ResponseStarted("resp_1", "item_u"),
    ev.UserTranscript("item_u", "what time is it", True, ev.Usage(seconds=1.5)),
    ev.ItemAdded("item_a", "assistant"),
    ev.AssistantText("resp_1", "item_a", 0, "It is "),
    ev.AssistantAudio("resp_1", "item_a", 0, bytes(4800)),
    ev.AssistantText("resp_1", "item_a", 0, "noon."),
    ev.AssistantAudio("resp_1", "item_a", 0, bytes(4800)),
    ev.AssistantAudioDone("resp_1", "item_a", 0),
    ev.AssistantTextDone("resp_1", "item_a", 0, "It is noon."),
    ev.ItemAdded("item_c", "", "function_call"),
    ev.ToolCall("resp_1", "item_c", "call_1", "ring", '{"bell": 1}'),
    ev.ResponseFinished("resp_1", "completed", usage=ev.Usage(10, 5, 10, 0, 0, 0, 2, 3)),
    ev.RateLimits({"requests": 3}, {"requests": 1.5}),
]
LADDER = [
    "input_audio_buffer.speech_started",
    "conversation.item.input_audio_transcription.delta",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
    "response.created",
    "conversation.item.input_audio_transcription.completed",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_audio_transcript.delta",
    "response.output_audio.delta",
    "response.output_audio_transcript.delta",
    "response.output_audio.delta",
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.output_item.added",
    "conversation.item.added",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
    "rate_limits.updated",
]


@either
def test_a_whole_turn_arrives_event_by_event_and_rung_by_rung(dialect: Dialect) -> None:
    halves = Halves(dialect)
    halves.ask(cmd.Configure(cmd.SessionConfig(transcribe=True)))
    assert halves.tell(*TURN) == TURN
    ladder = LADDER
    if dialect == "beta":
        ladder = [kind.replace("output_audio", "audio").replace("item.added", "item.created") for kind in LADDER]
        ladder = [kind.replace("output_item.created", "output_item.added") for kind in ladder]
        ladder = [kind for kind in ladder if kind != "conversation.item.done"]
    assert halves.kinds() == ladder
    (completed,) = halves.of("conversation.item.input_audio_transcription.completed")
    assert completed["usage"] == {"type": "duration", "seconds": 1.5}
    response = halves.of("response.done")[0]["response"]
    assert [item["id"] for item in response["output"]] == ["item_a", "item_c"]
    assert response["output"][0]["content"][0]["transcript"] == "It is noon."
    assert response["output"][1]["arguments"] == '{"bell": 1}'
    assert response["usage"]["total_tokens"] == 15
    assert [item["output_index"] for item in halves.of("response.output_item.done")] == [1, 0]
    (result,) = halves.ask(cmd.ToolResult("call_1", "ding"))
    assert replace(result, item_id="") == cmd.ToolResult("call_1", "ding")  # type: ignore[call-arg]


@either
def test_what_nobody_said_is_put_in(dialect: Dialect) -> None:
    """A service that gives nothing but the sound and its end still makes a whole ladder, closed as it was cut."""
    halves = Halves(dialect)
    halves.tell(ev.ResponseStarted("r"), ev.AssistantAudio("r", "i", 0, bytes(960)))
    reached = halves.tell(ev.ResponseFinished("r", "cancelled", "turn_detected"))
    assert reached == [
        ev.AssistantAudioDone("r", "i", 0),
        ev.AssistantTextDone("r", "i", 0, ""),
        ev.ResponseFinished("r", "cancelled", "turn_detected"),
    ]
    done = halves.of("response.done")[0]["response"]
    assert done["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert done["output"][0]["status"] == "incomplete"
    late = (ev.AssistantAudio("r", "i", 0, bytes(960)), ev.AssistantText("r", "i", 0, "x"))
    assert halves.tell(*late, ev.ResponseFinished("r", "completed")) == []
