"""What we send to OpenAI, validated by the types of the official package."""

from typing import Any

import pytest
from openai.types.realtime import RealtimeClientEvent
from pydantic import TypeAdapter

from tests.wire.test_realtime_client_events import CASES, OPENAI, codec_for
from tests.wire.test_realtime_session_update import SHAPES
from voicechat.realtime import commands as cmd

COMMANDS = [command for command, dialects, event in CASES if event and "ga" in dialects] + [
    cmd.Configure(config) for _, dialect, config, _ in SHAPES if dialect in OPENAI
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: type(command).__name__)
@pytest.mark.parametrize("law", ["pcm16", "g711_ulaw", "g711_alaw"])
def test_openais_own_types_accept_what_we_send(command: cmd.Command, law: Any) -> None:
    oracle: TypeAdapter[Any] = TypeAdapter(RealtimeClientEvent)
    for frame in codec_for("ga", audio_format=law).encode(command):
        assert isinstance(frame, str)
        parsed = oracle.validate_json(frame)
        # Fields unknown to the official types would survive as extras: there are none.
        assert unknown_fields(parsed) == []


@pytest.mark.parametrize(
    "command",
    [command for command in COMMANDS if not isinstance(command, cmd.SendImage | cmd.AppendAudio)],
    ids=lambda command: type(command).__name__,
)
def test_openais_beta_types_accept_what_we_send(command: cmd.Command) -> None:
    from openai.types.beta.realtime import RealtimeClientEvent as BetaClientEvent

    oracle: TypeAdapter[Any] = TypeAdapter(BetaClientEvent)
    for frame in codec_for("beta").encode(command):
        assert isinstance(frame, str)
        assert unknown_fields(oracle.validate_json(frame)) == []


def unknown_fields(model: Any, place: str = "") -> list[str]:
    """Extras of a pydantic model and the models inside it (JSON schemas of tools are free)."""
    found = [f"{place}{name}" for name in (model.model_extra or {})]
    for name in type(model).model_fields:
        value = getattr(model, name)
        for part in value if isinstance(value, list) else [value]:
            if hasattr(part, "model_extra"):
                found += unknown_fields(part, f"{place}{name}.")
    return found
