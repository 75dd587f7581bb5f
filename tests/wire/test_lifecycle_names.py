"""True names of turns and items, ours and the service's, in one connection and over several."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.wire.brackets import check
from tests.wire.careless import CARELESS, CONVERSATION, Json, called, heard, spoken, without_ids
from voicechat.dialects.openai.client import ClientProfile, Dialect, RealtimeCodec
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev
from voicechat.realtime.codec import WireFrame
from voicechat.realtime.scope import ScopedCodec


def typed(item_id: str, **more: Any) -> Json:
    item = {"id": item_id, "type": "message", "role": "user", "content": [{"type": "input_text", "text": "x"}]}
    return {"type": "conversation.item.created", "item": item | more}


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
