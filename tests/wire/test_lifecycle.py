"""Brackets of answers, from a service that is careless with them: one conversation through every carelessness."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.brackets import check
from tests.wire.careless import CARELESS, CONVERSATION, PCM, Json, heard, spoken
from voicechat.dialects.openai.client import RealtimeCodec
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (first, second)
        for first in CARELESS
        for second in CARELESS
        # Where every answer is called the same, only its beginning and its end tell it from the one before.
        if "the same ids again" not in (first, second) or not {"never created", "never done"} & {first, second}
    ],
)
def test_a_conversation_keeps_its_order_through_every_carelessness(first: str, second: str) -> None:
    frames = CARELESS[second](CARELESS[first](CONVERSATION))
    codec = RealtimeCodec()
    events = heard(codec, frames)
    told = check(events, all_end="never done" not in (first, second))
    assert len(told) == 4
    texts = ["".join(e.delta for e in of if isinstance(e, ev.AssistantText)) for of in told.values()]
    assert texts == ["answer 1", "answer 2", "", "answer 4"]
    assert sum(isinstance(event, ev.ToolCall) for event in events) == 1
    started = [event for event in events if isinstance(event, ev.ResponseStarted)]
    turns = [event.item_id for event in events if isinstance(event, ev.SpeechStarted)]
    assert len(set(turns)) == 3
    assert [event.answers for event in started] == [turns[0], turns[1], turns[1], turns[2]]
    words = {event.item_id: event.text for event in events if isinstance(event, ev.UserTranscript) and event.final}
    assert words == {turn: f"words {n}" for turn, n in zip(turns, (1, 2, 4), strict=True)}


@pytest.mark.parametrize("carelessness", ["created twice", "done twice"])
def test_what_is_left_out_is_counted(carelessness: str) -> None:
    events = heard(RealtimeCodec(), CARELESS[carelessness](CONVERSATION))
    assert len([event for event in events if isinstance(event, ev.Ignored)]) == 4


def test_an_end_that_was_forgotten_is_told_when_the_next_begins_or_a_cancel_is_refused() -> None:
    codec = RealtimeCodec()
    heard(codec, spoken(1)[:-1])
    events = heard(codec, [{"type": "response.created", "response": {"id": "resp_2"}}])
    assert events == [ev.ResponseFinished("resp_1", "incomplete"), ev.ResponseStarted("resp_2", "user_1")]
    codec.encode(cmd.CancelResponse("resp_2"))
    ended, refused = heard(codec, [{"type": "error", "error": {"code": "response_cancel_not_active", "message": "x"}}])
    assert ended == ev.ResponseFinished("resp_2", "incomplete")
    assert isinstance(refused, ev.ServiceError)


def test_a_response_is_over_when_another_ends_that_was_never_announced() -> None:
    events = heard(RealtimeCodec(), [spoken(1)[6], spoken(2)[-1]])
    assert [event.response_id for event in events if isinstance(event, ev.ResponseFinished)] == ["resp_1", "resp_2"]
    check(events)


def delta(item_id: str) -> Json:
    return {"type": "response.output_audio.delta", "item_id": item_id, "delta": PCM}


def test_a_late_piece_is_known_by_its_item_where_it_does_not_name_its_response() -> None:
    codec = RealtimeCodec()
    created, done = spoken(1)[6], spoken(1, "cancelled")[-1]
    heard(codec, [created, delta("i1"), done])
    call = {"id": "i1", "type": "function_call", "call_id": "c", "name": "clock", "arguments": "{}"}
    ended = {"type": "response.output_audio.done", "item_id": "i1"}
    late = [delta("i1"), ended, {"type": "response.output_item.done", "item": call}]
    assert heard(codec, late) == [ev.Ignored("a late piece of a response")] * 3
    heard(codec, [spoken(2)[6], delta("i2")])
    assert heard(codec, late) == [ev.Ignored("a late piece of a response")] * 3
    (sound,) = heard(codec, [delta("i2")])
    assert isinstance(sound, ev.AssistantAudio)
    assert (sound.response_id, sound.item_id) == ("resp_2", "i2")


def test_a_piece_without_a_response_is_of_the_one_whose_item_it_is() -> None:
    codec = RealtimeCodec()
    named = [
        {"type": f"response.{kind}", "response": {"id": "r", "conversation_id": "c"}} for kind in ("created", "done")
    ]
    aside = {"type": "response.created", "response": {"id": "aside", "conversation_id": None}}
    heard(codec, [*named, aside, {**delta("note"), "response_id": "aside"}, spoken(1)[6], delta("i1")])
    events = heard(codec, [delta("note"), delta("i1")])
    assert [event.response_id for event in events if isinstance(event, ev.AssistantAudio)] == ["aside", "resp_1"]


def test_a_service_that_calls_the_items_of_all_its_answers_the_same_is_heard() -> None:
    codec = RealtimeCodec()
    for turn in (1, 2):
        events = heard(codec, [spoken(turn)[6], delta("i"), delta("i"), spoken(turn)[-1]])
        assert len([event for event in events if isinstance(event, ev.AssistantAudio)]) == 2


def test_a_response_out_of_band_runs_beside_another() -> None:
    codec = RealtimeCodec()
    aside = {"id": "aside", "conversation_id": None}
    of_the_conversation = {"id": "resp_0", "conversation_id": "conv_1"}
    heard(codec, [{"type": f"response.{kind}", "response": of_the_conversation} for kind in ("created", "done")])
    events = heard(codec, [*spoken(1)[:9], {"type": "response.created", "response": aside}, *spoken(1)[9:]])
    events += heard(codec, [{"type": "response.text.delta", "response_id": "aside", "item_id": "note", "delta": "hm"}])
    events += heard(codec, [{"type": "response.done", "response": aside | {"status": "completed"}}])
    told = check(events)
    assert [type(event) for event in told["aside"]] == [ev.ResponseStarted, ev.AssistantText, ev.ResponseFinished]
    assert told["aside"][0] == ev.ResponseStarted("aside", out_of_band=True)
    finished = [event.response_id for event in events if isinstance(event, ev.ResponseFinished)]
    assert finished == ["resp_1", "aside"]


def test_a_gateway_that_names_no_conversation_at_all_answers_in_it_all_the_same() -> None:
    created = {"type": "response.created", "response": {"id": "r", "conversation_id": None}}
    assert heard(RealtimeCodec(), [created]) == [ev.ResponseStarted("r")]


def test_a_word_that_comes_after_the_end_begins_nothing() -> None:
    done, created = spoken(1)[-1], spoken(1)[6]
    late = ev.Ignored("a late beginning of a response")
    events = heard(RealtimeCodec(), [done, created])
    assert events == [ev.ResponseStarted("resp_1"), ev.ResponseFinished("resp_1", "completed"), late]
    events = heard(RealtimeCodec(), [spoken(1)[7], done, created, created])
    assert len(check(events, all_end=False)) == 2, "twice: then it is another with the same id"
    assert events[-2] == late


def test_what_is_out_of_band_answers_nothing() -> None:
    codec = RealtimeCodec()
    in_it = [
        {"type": f"response.{kind}", "response": {"id": "r0", "conversation_id": "c"}} for kind in ("created", "done")
    ]
    heard(codec, in_it)
    codec.encode(cmd.SendText("x", item_id="turn-1"))
    codec.encode(cmd.CreateResponse())
    aside = {"type": "response.created", "response": {"id": "aside", "conversation_id": None}}
    assert heard(codec, [aside]) == [ev.ResponseStarted("aside", out_of_band=True)]
    heard(codec, spoken(2)[:1])
    assert heard(codec, [spoken(1)[6]]) == [ev.ResponseStarted("resp_1", "turn-1")]


FRAMES = [frame for change in CARELESS.values() for frame in change(CONVERSATION)]
# Ids that look like names of our own.
PRESUMPTUOUS: list[Json] = json.loads(
    json.dumps(spoken(1)).replace("resp_", "~response-").replace("item_1", "~item-1").replace("user_", "turn-")
)
REFUSED = {"type": "error", "error": {"code": "response_cancel_not_active", "message": "none"}}


@st.composite
def mess(draw: st.DrawFn) -> list[Json | cmd.Command]:
    """Frames of the conversation in any order, with commands in between."""
    commands = [cmd.CreateResponse(), cmd.CancelResponse(), cmd.CommitAudio(), cmd.SendText("x", item_id="turn-7")]
    return draw(st.lists(st.sampled_from([*FRAMES, *PRESUMPTUOUS, REFUSED, *commands]), max_size=60))


@given(mess())
def test_in_any_order_at_all_the_promises_hold(things: list[Json | cmd.Command]) -> None:
    codec, events = RealtimeCodec(), []
    for thing in things:
        if isinstance(thing, dict):
            events += heard(codec, [thing])
        else:
            codec.encode(thing)
    check(events, all_end=False)
