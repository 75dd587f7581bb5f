"""True names and brackets, from a service that is careless with both: one conversation through every carelessness."""

import base64
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.brackets import check
from voicechat.dialects.openai.client import ClientProfile, Dialect, RealtimeCodec
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev
from voicechat.realtime.codec import Codec, WireFrame
from voicechat.realtime.scope import ScopedCodec

Json = dict[str, Any]
PCM = base64.b64encode(b"\1\0" * 100).decode()
IDS = ("id", "item_id", "response_id", "call_id", "previous_item_id")


def spoken(turn: int, status: str = "completed") -> list[Json]:
    """A turn that the service found, and its answer."""
    user, item, response = f"user_{turn}", f"item_{turn}", f"resp_{turn}"
    ids = {"response_id": response, "item_id": item, "content_index": 0}
    transcribed = "conversation.item.input_audio_transcription"
    message = {"id": user, "type": "message", "role": "user", "content": [{"type": "input_audio"}]}
    return [
        {"type": "input_audio_buffer.speech_started", "item_id": user},
        {"type": "input_audio_buffer.speech_stopped", "item_id": user},
        {"type": "input_audio_buffer.committed", "item_id": user},
        {"type": "conversation.item.added", "item": message},
        {"type": f"{transcribed}.delta", "item_id": user, "delta": f"words {turn}"},
        {"type": f"{transcribed}.completed", "item_id": user, "transcript": f"words {turn}"},
        {"type": "response.created", "response": {"id": response}},
        {"type": "response.output_audio_transcript.delta", "delta": f"answer {turn}", **ids},
        {"type": "response.output_audio.delta", "delta": PCM, **ids},
        {"type": "response.output_audio.done", **ids},
        {"type": "response.output_audio_transcript.done", "transcript": f"answer {turn}", **ids},
        {"type": "response.done", "response": {"id": response, "status": status}},
    ]


def called(turn: int) -> list[Json]:
    """A response that wants a tool run, told of three times as services do."""
    response, item = f"resp_{turn}", {"id": f"item_{turn}", "type": "function_call", "call_id": f"call_{turn}"}
    item |= {"name": "clock", "arguments": "{}"}
    ids = {"response_id": response, "item_id": item["id"], "call_id": item["call_id"]}
    return [
        {"type": "response.created", "response": {"id": response}},
        {"type": "response.output_item.added", "response_id": response, "item": {**item, "arguments": ""}},
        {"type": "response.function_call_arguments.done", **ids, "name": "clock", "arguments": "{}"},
        {"type": "response.output_item.done", "response_id": response, "item": item},
        {"type": "response.done", "response": {"id": response, "status": "completed", "output": [item]}},
    ]


CONVERSATION = [*spoken(1), *spoken(2, "cancelled"), *called(3), *spoken(4)]


def without_ids(frames: list[Json]) -> list[Json]:
    def strip(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: strip(part) for key, part in value.items() if key not in IDS}
        return [strip(part) for part in value] if isinstance(value, list) else value

    return [strip(frame) for frame in frames]


def with_numbers(frames: list[Json]) -> list[Json]:
    """The ids of responses, items and calls are numbers: users' items are 101, 102, …, answers' 201, …"""
    told = json.dumps(frames)
    for place, kind in enumerate(("user", "item", "resp", "call"), 1):
        told = re.sub(rf'"{kind}_(\d)"', lambda found, place=place: f"{place}0{found[1]}", told)
    numbered: list[Json] = json.loads(told)
    return numbered


def always_the_same(frames: list[Json]) -> list[Json]:
    text = json.dumps(frames)
    for number in range(1, 5):
        text = text.replace(f'_{number}"', '_1"')
    same: list[Json] = json.loads(text)
    return same


def doubled(kind: str) -> Callable[[list[Json]], list[Json]]:
    return lambda frames: [again for frame in frames for again in [frame] * (1 + (frame["type"] == kind))]


def missing(kind: str) -> Callable[[list[Json]], list[Json]]:
    return lambda frames: [frame for frame in frames if frame["type"] != kind]


def late_words(frames: list[Json]) -> list[Json]:
    """The words of each turn come after the answer to it."""
    late: list[Json] = []
    out: list[Json] = []
    for frame in frames:
        if "transcription" in frame["type"]:
            late.append(frame)
            continue
        if frame["type"].endswith("speech_started"):
            out += late
            late = []
        out.append(frame)
    return out + late


CARELESS: dict[str, Callable[[list[Json]], list[Json]]] = {
    "as it should be": list,
    "no ids": without_ids,
    "numbers for ids": with_numbers,
    "the same ids again": always_the_same,
    "created twice": doubled("response.created"),
    "never created": missing("response.created"),
    "done twice": doubled("response.done"),
    "never done": missing("response.done"),
    "late words": late_words,
    "committed twice": doubled("input_audio_buffer.committed"),
    "never committed": missing("input_audio_buffer.committed"),
}


def heard(codec: Codec, frames: list[Json]) -> list[ev.Event]:
    return [event for frame in frames for event in codec.decode(json.dumps(frame))]


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


def test_our_own_items_keep_our_names_and_answers_say_which_they_are_about() -> None:
    codec = RealtimeCodec()
    for command in (cmd.CommitAudio("turn-1"), cmd.CreateResponse(), cmd.CommitAudio("turn-2")):
        codec.encode(command)
    created = {"type": "response.created", "response": {"id": "r"}}
    assert heard(codec, [created]) == [ev.ResponseStarted("r", "turn-1")]  # although a second turn was ended since
    committed = [{"type": "input_audio_buffer.committed", "item_id": f"i{n}"} for n in (1, 2)]
    assert heard(codec, committed) == [ev.InputCommitted("turn-1"), ev.InputCommitted("turn-2")]
    transcribed = {"type": "conversation.item.input_audio_transcription.completed", "item_id": "i1", "transcript": "x"}
    assert heard(codec, [transcribed]) == [ev.UserTranscript("turn-1", "x", True)]
    codec.encode(cmd.SendText("hello", item_id="turn-3"))
    codec.encode(cmd.CreateResponse())
    item = {"id": "i3", "type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]}
    assert heard(codec, [{"type": "conversation.item.added", "item": item}]) == [ev.ItemAdded("turn-3", "user")]
    (frame,) = codec.encode(cmd.DeleteItem("turn-3"))
    assert json.loads(frame)["item_id"] == "i3"


TRANSCRIBED = "conversation.item.input_audio_transcription"


@pytest.mark.parametrize("named", [True, False], ids=["ids", "no ids"])
@pytest.mark.parametrize("acknowledged", ["after the words", "after all words", "never"])
def test_words_that_come_before_the_acknowledgement_are_those_of_the_turn_we_ended(
    acknowledged: str, named: bool
) -> None:
    codec = RealtimeCodec()
    words = ("I would like to", "go to Paris", "by train")
    for turn in (1, 2):
        codec.encode(cmd.CommitAudio(f"turn-{turn}"))
    frames: list[Json] = []
    late: list[Json] = []
    for number, said in enumerate(words[:2], 1):
        part, whole = {"delta": said[:4]}, {"transcript": said}
        frames += [{"type": f"{TRANSCRIBED}.delta", "item_id": f"i{number}", **part}]
        frames += [{"type": f"{TRANSCRIBED}.completed", "item_id": f"i{number}", **whole}]
        (frames if acknowledged == "after the words" else late).append(
            {"type": "input_audio_buffer.committed", "item_id": f"i{number}"}
        )
    frames += late if acknowledged == "after all words" else []
    events = heard(codec, frames if named else without_ids(frames))
    codec.encode(cmd.CommitAudio("turn-3"))
    last = [{"type": f"{TRANSCRIBED}.completed", "item_id": "i3", "transcript": words[2]}]
    last += [{"type": "input_audio_buffer.committed", "item_id": "i3"}] if acknowledged != "never" else []
    events += heard(codec, last if named else without_ids(last))
    told = [(event.item_id, event.text) for event in events if isinstance(event, ev.UserTranscript) and event.final]
    assert told == [(f"turn-{turn}", said) for turn, said in enumerate(words, 1)]
    committed = [event.item_id for event in events if isinstance(event, ev.InputCommitted)]
    assert committed == ([] if acknowledged == "never" else ["turn-1", "turn-2", "turn-3"])


def test_words_of_a_speech_that_the_service_heard_and_we_ended_come_before_the_acknowledgement() -> None:
    codec = RealtimeCodec()
    heard(codec, [{"type": "input_audio_buffer.speech_started", "item_id": "i1"}])
    for turn in (1, 2):
        codec.encode(cmd.CommitAudio(f"turn-{turn}"))
    frames = [{"type": f"{TRANSCRIBED}.completed", "item_id": f"i{n}", "transcript": f"words {n}"} for n in (1, 2)]
    frames += [{"type": "input_audio_buffer.committed", "item_id": f"i{n}"} for n in (1, 2)]
    assert heard(codec, frames) == [
        *[ev.UserTranscript(f"turn-{n}", f"words {n}", True) for n in (1, 2)],
        *[ev.InputCommitted(f"turn-{n}") for n in (1, 2)],
    ]


@pytest.mark.parametrize("name", ["turn-2", "picture-2"])
def test_what_the_service_calls_as_we_shall_call_ours_has_another_name_from_the_beginning(name: str) -> None:
    codec = ScopedCodec(RealtimeCodec(), 1)
    spoke = [frame | {"item_id": name} for frame in spoken(1)[:3]]
    (started, _, _) = heard(codec, spoke)
    assert isinstance(started, ev.SpeechStarted)
    codec.encode(cmd.SendText("typed", item_id=name))
    (words,) = heard(codec, [spoken(1)[5] | {"item_id": name}])
    assert words == ev.UserTranscript(started.item_id, "words 1", True)
    assert words.item_id != name
    assert heard(codec, [typed("i")]) == [ev.ItemAdded(name, "user")]
    truncated = {"type": "conversation.item.truncated", "item_id": f"{name}-x", "audio_end_ms": 5}
    (event,) = heard(codec, [truncated])
    assert isinstance(event, ev.ItemTruncated)
    assert event.item_id.startswith("1:~")


def test_a_turn_that_was_refused_does_not_take_the_next_ones_name() -> None:
    codec = RealtimeCodec()
    codec.encode(cmd.CommitAudio("turn-1"))
    heard(codec, [{"type": "error", "error": {"code": "input_audio_buffer_commit_empty", "message": "too small"}}])
    codec.encode(cmd.CommitAudio("turn-2"))
    assert heard(codec, [{"type": "input_audio_buffer.committed", "item_id": "i"}]) == [ev.InputCommitted("turn-2")]


def typed(item_id: str, **more: Any) -> Json:
    item = {"id": item_id, "type": "message", "role": "user", "content": [{"type": "input_text", "text": "x"}]}
    return {"type": "conversation.item.created", "item": item | more}


def test_a_word_that_comes_after_the_end_begins_nothing() -> None:
    done, created = spoken(1)[-1], spoken(1)[6]
    late = ev.Ignored("a late beginning of a response")
    events = heard(RealtimeCodec(), [done, created])
    assert events == [ev.ResponseStarted("resp_1"), ev.ResponseFinished("resp_1", "completed"), late]
    events = heard(RealtimeCodec(), [spoken(1)[7], done, created, created])
    assert len(check(events, all_end=False)) == 2, "twice: then it is another with the same id"
    assert events[-2] == late


@pytest.mark.parametrize("takes_names", [True, False])
def test_a_typed_turn_that_was_refused_does_not_take_the_next_ones_name(takes_names: bool) -> None:
    codec = RealtimeCodec(ClientProfile(takes_names=takes_names))
    (frame,) = codec.encode(cmd.SendText("x", item_id="turn-1"))
    error = {"code": "invalid_value", "message": "m", "event_id": json.loads(frame)["event_id"]}
    heard(codec, [{"type": "error", "error": error}])
    codec.encode(cmd.SendText("y", item_id="turn-2"))
    assert heard(codec, [typed("item_8")]) == [ev.ItemAdded("turn-2", "user")]


def test_names_go_to_services_that_are_known_to_take_them_and_are_known_again() -> None:
    codec = RealtimeCodec(ClientProfile(takes_names=True))
    frames = [json.loads(codec.encode(cmd.SendText("x", item_id=f"turn-{n}"))[0]) for n in (1, 2)]
    assert [frame["item"]["id"] for frame in frames] == ["turn-1", "turn-2"]
    (frame,) = codec.encode(cmd.SendText("y", after="turn-2"))
    assert json.loads(frame)["previous_item_id"] == "turn-2"
    assert heard(codec, [typed("turn-2")]) == [ev.ItemAdded("turn-2", "user")]  # whatever became of the first
    assert heard(codec, [typed("turn-1")]) == [ev.ItemAdded("turn-1", "user")]


@pytest.mark.parametrize("dialect", ["ga", "beta", "qwen"])
def test_others_are_told_no_names_and_asked_about_none(dialect: Dialect) -> None:
    codec = RealtimeCodec(ClientProfile(dialect=dialect))
    frames = codec.encode(cmd.SendText("x", item_id="turn-1")) + codec.encode(cmd.SendText("y", after="turn-1"))
    assert "turn-1" not in "".join(str(frame) for frame in frames)
    assert codec.encode(cmd.DeleteItem("turn-1")) == []
    assert heard(codec, [typed("item_1")]) == [ev.ItemAdded("turn-1", "user")]
    (frame,) = codec.encode(cmd.SendText("y", after="turn-1"))
    assert json.loads(frame)["previous_item_id"] == "item_1"


def test_a_service_may_have_our_names_for_its_own_items() -> None:
    codec = RealtimeCodec()
    codec.encode(cmd.SendText("x", item_id="turn-2"))
    assert heard(codec, [typed("turn-1")]) == [ev.ItemAdded("turn-2", "user")]
    (speech, ended) = heard(codec, [frame | {"item_id": "turn-2"} for frame in spoken(2)[:2]])
    assert isinstance(speech, ev.SpeechStarted)
    assert speech.item_id != "turn-2"
    assert ended == ev.SpeechStopped(speech.item_id)
    assert heard(codec, [spoken(2)[2] | {"item_id": "turn-2"}]) == [ev.InputCommitted(speech.item_id)]
    (frame,) = codec.encode(cmd.DeleteItem(speech.item_id))
    assert json.loads(frame)["item_id"] == "turn-2"


def test_a_spoken_item_may_be_there_before_it_is_committed_and_empty() -> None:
    codec = RealtimeCodec()
    for turn in ("turn-1", "turn-2"):
        codec.encode(cmd.CommitAudio(turn))
    committed = [{"type": "input_audio_buffer.committed", "item_id": f"i{n}"} for n in (1, 2)]
    events = heard(codec, [typed("i1", content=[]), committed[0], typed("i2", content=[]), committed[1]])
    assert [event for event in events if isinstance(event, ev.InputCommitted)] == [
        ev.InputCommitted("turn-1"),
        ev.InputCommitted("turn-2"),
    ]


def test_a_typed_item_told_twice_without_an_id_is_one() -> None:
    codec = RealtimeCodec()
    codec.encode(cmd.SendText("x", item_id="turn-1"))
    assert heard(codec, without_ids([typed("i"), typed("i")])) == [ev.ItemAdded("turn-1", "user")] * 2
    assert heard(codec, [spoken(1)[6]]) == [ev.ResponseStarted("resp_1", "turn-1")]


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


def test_a_complaint_says_which_command_it_is_about() -> None:
    codec = RealtimeCodec()
    (frame,) = codec.encode(cmd.CreateResponse())
    error = {"code": "odd", "message": "m", "event_id": json.loads(frame)["event_id"]}
    (complaint,) = heard(codec, [{"type": "error", "error": error}])
    assert isinstance(complaint, ev.ServiceError)
    assert complaint.command == "CreateResponse"


def test_made_up_names_are_not_told_to_the_service() -> None:
    codec = RealtimeCodec()
    events = heard(codec, without_ids(spoken(1)))
    sound = next(event for event in events if isinstance(event, ev.AssistantAudio))
    assert codec.encode(cmd.TruncateItem(sound.item_id, 0, 100)) == []
    (cancel,) = codec.encode(cmd.CancelResponse(sound.response_id))
    assert "response_id" not in json.loads(cancel)


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


# -- several connections -------------------------------------------------------------------------------------------


class Recorded:
    """A codec that keeps what it is asked to encode."""

    def __init__(self) -> None:
        self.capabilities = RealtimeCodec().capabilities
        self.commands: list[cmd.Command] = []
        self._codec = RealtimeCodec()

    def encode(self, command: cmd.Command) -> list[WireFrame]:
        self.commands.append(command)
        return self._codec.encode(command)

    def decode(self, frame: WireFrame) -> list[ev.Event]:
        return self._codec.decode(frame)

    def replies(self) -> list[WireFrame]:
        return []


@pytest.mark.parametrize("carelessness", CARELESS)
def test_a_service_that_numbers_afresh_after_a_reconnect_is_served_like_any_other(carelessness: str) -> None:
    frames = CARELESS[carelessness](CONVERSATION)
    events = heard(ScopedCodec(RealtimeCodec(), 1), frames) + heard(ScopedCodec(RealtimeCodec(), 2), frames)
    assert len(check(events, all_end=carelessness != "never done")) == 8


def test_commands_have_the_services_own_ids_back() -> None:
    inner = Recorded()
    codec = ScopedCodec(inner, 2)
    events = heard(codec, [*called(3), *spoken(1)])
    call = next(event for event in events if isinstance(event, ev.ToolCall))
    sound = next(event for event in events if isinstance(event, ev.AssistantAudio))
    for command in scoped(call, sound):
        codec.encode(command)
    assert inner.commands == [
        cmd.ToolResult("call_3", "{}"),
        cmd.CancelResponse("resp_1"),
        cmd.TruncateItem("item_1", 0, 100),
        cmd.CancelResponse(),
    ]


def scoped(call: ev.ToolCall, sound: ev.AssistantAudio) -> Iterator[cmd.Command]:
    yield cmd.ToolResult(call.call_id, "{}")
    yield cmd.CancelResponse(sound.response_id)
    yield cmd.TruncateItem(sound.item_id, 0, 100)
    yield cmd.CancelResponse()


def test_a_command_about_an_earlier_connection_goes_nowhere() -> None:
    inner = Recorded()
    assert ScopedCodec(inner, 2).encode(cmd.TruncateItem("1:item_1", 0, 100)) == []
    assert inner.commands == []


def test_a_name_that_we_gave_is_not_changed() -> None:
    codec = ScopedCodec(RealtimeCodec(), 3)
    codec.encode(cmd.CommitAudio("turn-1"))
    committed = {"type": "input_audio_buffer.committed", "item_id": "i"}
    assert heard(codec, [committed]) == [ev.InputCommitted("turn-1")]
    assert heard(codec, [{**committed, "item_id": "j"}]) == [ev.InputCommitted("3:j")]


def test_a_name_that_we_gave_may_look_like_another_connections() -> None:
    inner = Recorded()
    codec = ScopedCodec(inner, 2)
    commands = [
        cmd.SendText("x", item_id="12:30"),
        cmd.SendText("y", item_id="2:30", after="12:30"),
        cmd.SendToolCall("1:call_3", "clock", "{}", item_id="1:item_3"),
        cmd.ToolResult("1:call_3", "{}", after="2:30"),
    ]
    for command in commands:
        codec.encode(command)
    assert inner.commands == commands
