"""Dialect, voice, semantic turns and transcription: what is tried, and what is tried only once."""

import json
from typing import Any

import pytest

from voicechat.dialects.openai.client import ClientProfile, RealtimeCodec
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev
from voicechat.realtime.capabilities import Capabilities

ABLE = Capabilities(supports_semantic_vad=True, supports_images=True)


def configure(codec: RealtimeCodec, config: cmd.SessionConfig | None = None) -> dict[str, Any]:
    (frame,) = codec.encode(cmd.Configure(config or cmd.SessionConfig()))
    event: dict[str, Any] = json.loads(frame)
    return event


def dialect(codec: RealtimeCodec) -> str:
    return "ga" if "type" in configure(codec)["session"] else "beta"


def created(codec: RealtimeCodec, session: dict[str, Any]) -> None:
    codec.decode(json.dumps({"type": "session.created", "session": session}))


def updated(codec: RealtimeCodec) -> None:
    codec.decode('{"type":"session.updated","session":{}}')


def complain(codec: RealtimeCodec, **error: Any) -> ev.Event:
    (event,) = codec.decode(
        json.dumps({"type": "error", "event_id": "e1", "error": {"type": "invalid_request_error", **error}})
    )
    return event


@pytest.mark.parametrize(
    ("session", "expected"),
    [
        ({"type": "realtime"}, "ga"),
        ({"audio": {}}, "ga"),
        ({"modalities": ["text"]}, "beta"),
        ({"input_audio_format": "pcm16"}, "beta"),
        ({"id": "sess_1"}, None),
    ],
)
def test_the_dialect_is_read_from_session_created(session: dict[str, Any], expected: str | None) -> None:
    codec, other = RealtimeCodec(ClientProfile()), RealtimeCodec(ClientProfile(fallback="beta"))
    created(codec, session)
    created(other, session)
    assert (dialect(codec), dialect(other)) == (expected or "ga", expected or "beta")


def test_a_dialect_known_beforehand_is_not_guessed() -> None:
    codec = RealtimeCodec(ClientProfile(dialect="beta"))
    created(codec, {"type": "realtime"})
    assert dialect(codec) == "beta"


UNKNOWN_TYPE = {
    "code": "unknown_parameter",
    "param": "session.type",
    "message": "Unknown parameter: 'session.type'.",
}
MISSING_TYPE = {
    "code": "missing_required_parameter",
    "param": "session.type",
    "message": "Missing required parameter: 'session.type'.",
}
UNKNOWN_MODALITIES = {
    "code": "unknown_parameter",
    "param": "session.modalities",
    "message": "Unknown parameter: 'session.modalities'.",
}


@pytest.mark.parametrize(
    ("start", "error", "end"),
    [("ga", UNKNOWN_TYPE, "beta"), ("beta", MISSING_TYPE, "ga"), ("beta", UNKNOWN_MODALITIES, "ga")],
)
@pytest.mark.parametrize("only", ["code", "message"])
def test_the_dialect_is_changed_once_on_a_complaint(start: Any, error: dict[str, Any], end: str, only: str) -> None:
    said = {"message": error["message"]} if only == "message" else error
    codec = RealtimeCodec(ClientProfile(dialect=start))
    assert dialect(codec) == start
    assert isinstance(complain(codec, **said), ev.ConfigureAgain)
    assert dialect(codec) == end
    back = {"ga": UNKNOWN_TYPE, "beta": MISSING_TYPE}[end]
    second = complain(codec, **back)
    assert isinstance(second, ev.ServiceError)
    assert second.severity == "fatal"
    assert dialect(codec) == end


def test_more_complaints_about_a_replaced_update_are_harmless() -> None:
    codec = RealtimeCodec(ClientProfile(dialect="ga"))
    first = configure(codec)["event_id"]
    assert isinstance(complain(codec, **UNKNOWN_TYPE, event_id=first), ev.ConfigureAgain)
    configure(codec)
    again = complain(codec, code="unknown_parameter", param="session.audio", message="no", event_id=first)
    assert isinstance(again, ev.ServiceError)
    assert again.severity == "benign"


def test_a_refused_voice_is_left_to_the_model() -> None:
    codec = RealtimeCodec(ClientProfile(dialect="qwen", voice="Cherry"))
    assert configure(codec)["session"]["voice"] == "Cherry"
    again = complain(codec, code="invalid_value", param="session.voice", message="Voice 'Cherry' is not supported.")
    assert again == ev.ConfigureAgain("the voice was refused", voice_dropped="Cherry")
    assert "voice" not in configure(codec)["session"]
    assert isinstance(complain(codec, message="The voice is bad", param="session.voice"), ev.ServiceError)


def test_a_personas_refused_voice_is_not_replaced_by_another_guess() -> None:
    codec = RealtimeCodec(ClientProfile(dialect="qwen", voice="Cherry"))
    configure(codec, cmd.SessionConfig(voice="Nobody"))
    again = complain(codec, param="session.voice", message="no")
    assert again == ev.ConfigureAgain("the voice was refused", voice_dropped="Nobody")
    assert "voice" not in configure(codec)["session"]


@pytest.mark.parametrize(
    ("message", "again"), [("Voice Cherry is unknown.", True), ("No human voice was found in the audio.", False)]
)
def test_a_voice_refused_after_the_update_must_be_named(message: str, again: bool) -> None:
    codec = RealtimeCodec(ClientProfile(dialect="qwen", voice="Cherry"))
    configure(codec)
    updated(codec)
    assert isinstance(complain(codec, message=message), ev.ConfigureAgain) is again


def test_the_voice_is_not_named_again_once_it_was_heard() -> None:
    codec = RealtimeCodec(ClientProfile(dialect="ga", voice="marin"))
    assert configure(codec)["session"]["audio"]["output"]["voice"] == "marin"
    updated(codec)
    codec.decode('{"type":"response.output_audio.delta","item_id":"a","delta":"AAAA"}')
    assert "voice" not in configure(codec)["session"]["audio"]["output"]


def test_refused_semantic_turns_become_server_turns() -> None:
    config = cmd.SessionConfig(turn_detection=cmd.TurnDetection("semantic", threshold=0.4))
    codec = RealtimeCodec(ClientProfile(capabilities=ABLE, dialect="beta"))
    assert configure(codec, config)["session"]["turn_detection"] == {"type": "semantic_vad"}
    error = {"code": "invalid_value", "param": "session.turn_detection.type", "message": "Invalid value"}
    assert isinstance(complain(codec, **error), ev.ConfigureAgain)
    assert configure(codec, config)["session"]["turn_detection"] == {
        "type": "server_vad",
        "threshold": 0.4,
        "silence_duration_ms": 500,
    }
    assert not codec.capabilities.supports_semantic_vad
    assert isinstance(complain(codec, **error), ev.ServiceError)


def test_a_refused_transcription_model_is_left_out() -> None:
    codec = RealtimeCodec(ClientProfile(dialect="ga"))
    assert "transcription" in configure(codec)["session"]["audio"]["input"]
    param = "session.audio.input.transcription.model"
    assert isinstance(complain(codec, code="invalid_value", param=param, message="?"), ev.ConfigureAgain)
    assert "transcription" not in configure(codec)["session"]["audio"]["input"]


def test_a_configuration_refused_for_good_is_fatal_at_first_and_no_longer_later() -> None:
    error = {"code": "invalid_value", "param": "session.turn_detection.threshold", "message": "Too large."}
    codec = RealtimeCodec(ClientProfile(dialect="beta"))
    event_id = configure(codec)["event_id"]
    first = complain(codec, **error, event_id=event_id)
    assert isinstance(first, ev.ServiceError)
    assert first.severity == "fatal"
    assert "session.turn_detection.threshold" in first.hint
    updated(codec)
    later = complain(codec, **error, event_id=event_id)
    assert isinstance(later, ev.ServiceError)
    assert later.severity == "recoverable"


def test_a_complaint_about_another_event_changes_nothing() -> None:
    codec = RealtimeCodec(ClientProfile(dialect="ga", voice="marin"))
    configure(codec)
    event = complain(codec, param="session.voice", message="voice?", event_id="event_of_another")
    assert isinstance(event, ev.ServiceError)
    assert event.severity == "recoverable"


def test_images_are_a_matter_of_the_dialect() -> None:
    codec = RealtimeCodec(ClientProfile(capabilities=ABLE))
    assert codec.capabilities.supports_images
    created(codec, {"modalities": ["text", "audio"]})
    assert not codec.capabilities.supports_images
