"""Every server event that the official package knows is understood: samples are built from its own types."""

import json
from typing import Any, Literal, get_args, get_origin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.beta.realtime import RealtimeServerEvent as BetaServerEvent
from openai.types.realtime import RealtimeServerEvent
from pydantic import BaseModel

from voicechat.dialects.openai.client import ClientProfile, RealtimeCodec
from voicechat.realtime import events as ev


def models(annotation: Any) -> list[type[BaseModel]]:
    """The models of a (nested, annotated) union."""
    if isinstance(annotation, type):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [model for part in get_args(annotation) for model in models(part)]


def sample(annotation: Any, name: str = "") -> Any:
    """A value of the annotated type, everything optional included."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = annotation.model_fields.items()
        return {field.alias or key: sample(field.annotation, key) for key, field in fields}
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return args[0]
    if origin is list:
        return [sample(args[0])]
    if origin is dict or annotation in (dict, object, Any):
        return {}
    if args:  # a union, a generic alias or an Annotated
        known = [arg for arg in args if arg is not type(None)]
        return sample(known[0], name)
    simple: dict[Any, Any] = {str: "UklG" if name == "delta" else f"{name}_1", bool: True, int: 7, float: 0.5}
    return simple[annotation]


GA = {model.__name__: model for model in models(RealtimeServerEvent)}
BETA = {f"Beta{model.__name__}": model for model in models(BetaServerEvent)}
ALL = GA | BETA


def test_the_samples_cover_both_generations() -> None:
    kinds = {sample(model)["type"] for model in ALL.values()}
    assert len(kinds) >= 50
    assert {"response.output_audio.delta", "response.audio.delta", "conversation.item.done", "error"} <= kinds


@pytest.mark.parametrize("model", ALL.values(), ids=ALL)
def test_no_official_event_is_unknown_or_broken(model: type[BaseModel]) -> None:
    event = sample(model)
    assert model.model_validate(event), "the sample itself is a valid event"
    decoded = RealtimeCodec().decode(json.dumps(event))
    assert [one for one in decoded if isinstance(one, ev.Ignored)] == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KNOWN = st.sampled_from([json.dumps(sample(model)) for model in ALL.values()])
SHARED = [RealtimeCodec(ClientProfile()), RealtimeCodec(ClientProfile(dialect="qwen", audio_format="g711_ulaw"))]


def check(frame: str | bytes) -> None:
    for codec in SHARED:
        decoded = codec.decode(frame)
        assert isinstance(decoded, list)
        assert all(isinstance(one, ev.Event) for one in decoded)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=60) | JSON.map(json.dumps))
def test_anything_at_all_is_survived(frame: str | bytes) -> None:
    check(frame)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A real event with one value, at any depth, replaced by anything."""
    event = json.loads(draw(KNOWN))
    place: Any = event
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = draw(st.sampled_from(keys))
        deeper = isinstance(place[key], dict | list) and place[key] and draw(st.booleans())
        if not deeper:
            if key != "type":
                place[key] = draw(JSON)
            return json.dumps(event)
        place = place[key]


@settings(max_examples=400, deadline=None)
@given(mutated())
def test_real_events_with_a_wrong_value_are_survived(frame: str) -> None:
    check(frame)


@settings(max_examples=100, deadline=None)
@given(KNOWN, st.integers(0, 400), st.text(max_size=3))
def test_real_frames_with_a_dent_are_survived(frame: str, at: int, dent: str) -> None:
    check(frame[:at] + dent + frame[at + 1 :])
