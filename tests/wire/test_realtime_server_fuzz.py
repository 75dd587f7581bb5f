"""Whatever a client sends is survived: every official event, with a wrong value, any bytes, a flood."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.beta.realtime import RealtimeClientEvent as BetaClientEvent
from openai.types.realtime import RealtimeClientEvent

from tests.wire.server_halves import Halves, by_type
from tests.wire.test_realtime_oracle import JSON, sample
from tests.wire.test_realtime_server_errors import USER
from voicechat.dialects.openai.server import Dialect, ServerCodec
from voicechat.dialects.openai.server.conversation import MAX_ITEMS
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev

CLIENT_EVENTS = by_type(RealtimeClientEvent)
BETA_CLIENT_EVENTS = by_type(BetaClientEvent)
FOR_OTHER_WIRES = {"output_audio_buffer.clear", "transcription_session.update"}


@pytest.mark.parametrize(
    ("dialect", "model"),
    [("ga", model) for model in CLIENT_EVENTS.values()] + [("beta", model) for model in BETA_CLIENT_EVENTS.values()],
)
def test_every_official_client_event_is_known_but_those_for_other_wires(dialect: Dialect, model: Any) -> None:
    codec, event = ServerCodec(dialect=dialect), sample(model) | {"event_id": "e"}
    codec.decode(json.dumps(event))
    errors = [json.loads(reply)["error"] for reply in codec.replies() if json.loads(reply)["type"] == "error"]
    assert [error for error in errors if error["param"] == "type"] == [] or event["type"] in FOR_OTHER_WIRES
    assert [error for error in errors if error["code"] == "unknown_parameter"] == [], errors


SAMPLES = st.sampled_from([json.dumps(sample(model)) for model in CLIENT_EVENTS.values()])
COMMANDS = cmd.Command.__args__  # type: ignore[attr-defined]


def survives(codec: ServerCodec, frame: str | bytes) -> None:
    commands, replies = codec.decode(frame), codec.replies()
    assert all(isinstance(command, COMMANDS) for command in commands)
    assert all(json.loads(reply)["event_id"] for reply in replies)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=60) | JSON.map(json.dumps))
def test_anything_at_all_is_survived(frame: str | bytes) -> None:
    survives(SHARED, frame)


@settings(max_examples=500, deadline=None)
@given(SAMPLES, st.data())
def test_real_events_with_a_wrong_value_are_survived(frame: str, data: st.DataObject) -> None:
    event = json.loads(frame)
    place: Any = event
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if isinstance(place[key], dict | list) and place[key] and data.draw(st.booleans()):
            place = place[key]
            continue
        if key != "type":
            place[key] = data.draw(JSON)
        break
    for codec in (SHARED, ServerCodec(dialect="beta")):
        survives(codec, json.dumps(event))


SHARED = ServerCodec()


def test_a_flood_is_forgotten() -> None:
    halves = Halves("ga")
    for number in range(MAX_ITEMS + 100):
        halves.server.decode(json.dumps({"type": "conversation.item.create", "item": USER | {"id": f"i{number}"}}))
        halves.server.replies()
    long = USER | {"content": [{"type": "input_text", "text": "x" * 400_000}]}
    for number in range(5):
        halves.server.decode(json.dumps({"type": "conversation.item.create", "item": long | {"id": f"long{number}"}}))
        halves.server.replies()
    _, (gone,) = halves.raw({"type": "conversation.item.retrieve", "item_id": "i0"})
    assert gone["error"]["code"] == "item_not_found"
    commands, _ = halves.raw({"type": "conversation.item.retrieve", "item_id": "long4"})
    assert commands == [cmd.RetrieveItem("long4")]
    kept = halves.server._conversation._items
    assert len(kept) <= MAX_ITEMS
    assert sum(one.chars for one in kept.values()) <= 1_000_000
    for number in range(50):
        halves.server.encode(ev.ResponseStarted(f"r{number}"))
    assert len(halves.server._responses._open) <= 8
