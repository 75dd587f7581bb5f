"""Whatever a client does wrong is answered with the reference's code and parameter, and the session goes on."""

import json
from typing import Any

import pytest

from tests.wire.server_halves import Halves, Json
from voicechat.dialects.openai.client import RealtimeCodec
from voicechat.dialects.openai.server import Dialect, ServerCodec, ServerProfile
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev

PROFILE = ServerProfile("some-model", "alloy", lambda voice: voice in ("alloy", "marin"), "'alloy' and 'marin'")
USER = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]}


def refused(dialect: Dialect, event: Json | str | bytes, *before: ev.Event | Json) -> Json:
    """The one error that a frame earns, and nothing else."""
    codec = ServerCodec(PROFILE, dialect)
    for step in before:
        if isinstance(step, dict):
            codec.decode(json.dumps(step))
            assert not [one for one in codec.replies() if json.loads(one)["type"] == "error"]
        else:
            codec.encode(step)
    config = codec.config
    frame = json.dumps(event | {"event_id": "mine"}) if isinstance(event, dict) else event
    assert codec.decode(frame) == []
    (reply,) = codec.replies()
    assert codec.replies() == []
    assert codec.config == config, "nothing of it was applied"
    told: Json = json.loads(reply)
    assert told["type"] == "error"
    assert codec.decode('{"type": "input_audio_buffer.clear"}') == [cmd.ClearAudio()], "the session goes on"
    error: Json = told["error"]
    assert error["type"] == "invalid_request_error"
    assert error["event_id"] == ("mine" if isinstance(event, dict) else None)
    return error


def ga(**fields: Any) -> Json:
    return {"type": "session.update", "session": {"type": "realtime", "instructions": "NOT THIS", **fields}}


def beta(**fields: Any) -> Json:
    return {"type": "session.update", "session": {"instructions": "NOT THIS", **fields}}


def item(**fields: Any) -> Json:
    return {"type": "conversation.item.create", "item": fields}


def part(**fields: Any) -> Json:
    return item(type="message", role="user", content=[fields])


def create(**fields: Any) -> Json:
    return {"type": "response.create", "response": fields}


def truncate(**fields: Any) -> Json:
    return {"type": "conversation.item.truncate", "item_id": "a", "content_index": 0, "audio_end_ms": 1} | fields


MISSING, UNKNOWN, TYPE, VALUE = "missing_required_parameter", "unknown_parameter", "invalid_type", "invalid_value"
LOW, HIGH = "integer_below_min_value", "integer_above_max_value"
IN, OUT = "session.audio.input", "session.audio.output"

EITHER: list[tuple[Json, str | None, str | None]] = [
    ({"type": "nonsense"}, VALUE, "type"),
    ({"type": "output_audio_buffer.clear"}, VALUE, "type"),
    ({"type": "transcription_session.update", "session": {}}, VALUE, "type"),
    ({"no": "type"}, "invalid_event", None),
    ({"type": 7}, "invalid_event", None),
    ({"type": "session.update"}, MISSING, "session"),
    ({"type": "session.update", "session": 7}, TYPE, "session"),
    ({"type": "input_audio_buffer.append"}, MISSING, "audio"),
    ({"type": "input_audio_buffer.append", "audio": 7}, TYPE, "audio"),
    ({"type": "input_audio_buffer.append", "audio": "%%%"}, VALUE, "audio"),
    ({"type": "input_audio_buffer.append", "audio": "AAA"}, VALUE, "audio"),
    ({"type": "input_audio_buffer.append", "audio": "AAAA\nAAAA"}, VALUE, "audio"),
    ({"type": "input_audio_buffer.append", "audio": "A" * (15 * 2**20 + 4)}, VALUE, "audio"),
    ({"type": "conversation.item.create"}, MISSING, "item"),
    ({"type": "conversation.item.create", "item": []}, TYPE, "item"),
    ({"type": "conversation.item.create", "item": USER, "previous_item_id": "x"}, "item_not_found", "previous_item_id"),
    ({"type": "conversation.item.create", "item": USER, "previous_item_id": 7}, TYPE, "previous_item_id"),
    (item(role="user", content=[]), MISSING, "item.type"),
    (item(type="mcp_call"), VALUE, "item.type"),
    (item(type="message", content=[]), MISSING, "item.role"),
    (item(type="message", role="robot", content=[]), VALUE, "item.role"),
    (item(type="message", role=["user"], content=[]), VALUE, "item.role"),
    (item(type="message", role="user"), MISSING, "item.content"),
    (item(type="message", role="user", content="hello"), TYPE, "item.content"),
    (item(type="message", role="user", content=["hello"]), TYPE, "item.content[0]"),
    (item(type="message", role="user", id="", content=[]), VALUE, "item.id"),
    (item(type="message", role="user", id="x" * 513, content=[]), VALUE, "item.id"),
    (part(type="output_text", text="x"), VALUE, "item.content[0].type"),
    (part(type="input_text"), MISSING, "item.content[0].text"),
    (part(type="input_text", text=1), TYPE, "item.content[0].text"),
    (part(type="input_audio", audio="AAAA"), VALUE, "item.content[0].type"),
    (part(type="input_image", image_url="https://x/y.png"), VALUE, "item.content[0].image_url"),
    (part(type="input_image", image_url="data:image/png;base64,%"), VALUE, "item.content[0].image_url"),
    (item(type="function_call", call_id="c", name="f"), MISSING, "item.arguments"),
    (item(type="function_call", call_id="c", arguments="{}"), MISSING, "item.name"),
    (item(type="function_call", name="f", arguments="{}"), MISSING, "item.call_id"),
    (item(type="function_call_output", call_id="c", output="x"), VALUE, "item.call_id"),
    (item(type="function_call_output", call_id="c"), MISSING, "item.output"),
    (item(type="function_call_output", call_id="c", output={}), TYPE, "item.output"),
    ({"type": "conversation.item.delete"}, MISSING, "item_id"),
    ({"type": "conversation.item.delete", "item_id": 7}, TYPE, "item_id"),
    ({"type": "conversation.item.delete", "item_id": "x"}, "item_not_found", "item_id"),
    ({"type": "conversation.item.retrieve", "item_id": "x"}, "item_not_found", "item_id"),
    (truncate(item_id="x"), "item_truncate_invalid_item_id", "item_id"),
    ({"type": "response.cancel"}, "response_cancel_not_active", None),
    ({"type": "response.cancel", "response_id": "r"}, "response_cancel_not_active", None),
    ({"type": "response.cancel", "response_id": 7}, TYPE, "response_id"),
    ({"type": "response.create", "response": "now"}, TYPE, "response"),
    (create(conversation="none"), VALUE, "response.conversation"),
    (create(input=[]), VALUE, "response.input"),
    (create(instructions=7), TYPE, "response.instructions"),
    (create(max_output_tokens=0), LOW, "response.max_output_tokens"),
    (create(metadata={"k": 7}), TYPE, "response.metadata.k"),
    (create(metadata={"k" * 65: "v"}), VALUE, "response.metadata"),
    (create(metadata={"k": "v" * 513}), VALUE, "response.metadata"),
    (create(metadata={str(n): "v" for n in range(17)}), VALUE, "response.metadata"),
    (create(tools=[{"type": "mcp", "server_label": "x"}]), VALUE, "response.tools[0].type"),
    (create(tool_choice="sometimes"), VALUE, "response.tool_choice"),
]
ONLY_GA: list[tuple[Json, str | None, str | None]] = [
    ({"type": "response.cancel", "hurry": True}, UNKNOWN, "hurry"),
    ({"type": "session.update", "session": {"instructions": "x"}}, MISSING, "session.type"),
    (ga(type="transcription"), VALUE, "session.type"),
    (ga(temperature=0.8), UNKNOWN, "session.temperature"),
    (ga(modalities=["text"]), UNKNOWN, "session.modalities"),
    (ga(model=5), TYPE, "session.model"),
    (ga(id="sess_mine"), UNKNOWN, "session.id"),
    (ga(instructions=None), TYPE, "session.instructions"),
    (ga(output_modalities=["audio", "text"]), VALUE, "session.output_modalities"),
    (ga(max_output_tokens=4097), HIGH, "session.max_output_tokens"),
    (ga(max_output_tokens="much"), TYPE, "session.max_output_tokens"),
    (ga(tools={}), TYPE, "session.tools"),
    (ga(tools=[{"name": "f"}]), MISSING, "session.tools[0].type"),
    (ga(tools=[{"type": "function"}]), MISSING, "session.tools[0].name"),
    (ga(tools=[{"type": "function", "name": "f", "parameters": []}]), TYPE, "session.tools[0].parameters"),
    (ga(tool_choice={"type": "function"}), MISSING, "session.tool_choice.name"),
    (ga(truncation="sometimes"), VALUE, "session.truncation"),
    (ga(include=["everything"]), VALUE, "session.include[0]"),
    (ga(parallel_tool_calls=1), TYPE, "session.parallel_tool_calls"),
    (ga(audio=[]), TYPE, "session.audio"),
    (ga(audio={"side": {}}), UNKNOWN, "session.audio.side"),
    (ga(audio={"input": {"rate": 1}}), UNKNOWN, f"{IN}.rate"),
    (ga(audio={"input": {"transcription": {"engine": "x"}}}), UNKNOWN, f"{IN}.transcription.engine"),
    (ga(audio={"input": {"transcription": {"model": 1}}}), TYPE, f"{IN}.transcription.model"),
    (ga(audio={"input": {"noise_reduction": "much"}}), TYPE, f"{IN}.noise_reduction"),
    (ga(audio={"input": {"format": "pcm16"}}), TYPE, f"{IN}.format"),
    (ga(audio={"input": {"format": {"type": "audio/mp3"}}}), VALUE, f"{IN}.format.type"),
    (ga(audio={"input": {"format": {"type": "audio/pcm", "rate": 16000}}}), LOW, f"{IN}.format.rate"),
    (ga(audio={"input": {"format": {"type": "audio/pcm", "rate": 48000}}}), HIGH, f"{IN}.format.rate"),
    (ga(audio={"input": {"turn_detection": {"type": "psychic"}}}), VALUE, f"{IN}.turn_detection.type"),
    (ga(audio={"input": {"turn_detection": {"threshold": 2}}}), VALUE, f"{IN}.turn_detection.threshold"),
    (ga(audio={"input": {"turn_detection": {"threshold": "2"}}}), TYPE, f"{IN}.turn_detection.threshold"),
    (ga(audio={"input": {"turn_detection": {"eagerness": "low"}}}), UNKNOWN, f"{IN}.turn_detection.eagerness"),
    (
        ga(audio={"input": {"turn_detection": {"silence_duration_ms": -1}}}),
        LOW,
        f"{IN}.turn_detection.silence_duration_ms",
    ),
    (ga(audio={"input": {"turn_detection": {"create_response": 1}}}), TYPE, f"{IN}.turn_detection.create_response"),
    (ga(audio={"input": {"turn_detection": {"idle_timeout_ms": 1}}}), LOW, f"{IN}.turn_detection.idle_timeout_ms"),
    (ga(audio={"input": {"turn_detection": {"idle_timeout_ms": 9000}}}), VALUE, f"{IN}.turn_detection.idle_timeout_ms"),
    (
        ga(audio={"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "wild"}}}),
        VALUE,
        f"{IN}.turn_detection.eagerness",
    ),
    (ga(audio={"output": {"voice": "nobody"}}), VALUE, f"{OUT}.voice"),
    (ga(audio={"output": {"voice": {}}}), MISSING, f"{OUT}.voice.id"),
    (ga(audio={"output": {"speed": 9}}), VALUE, f"{OUT}.speed"),
    (ga(audio={"output": {"speed": True}}), TYPE, f"{OUT}.speed"),
    (create(modalities=["text"]), UNKNOWN, "response.modalities"),
    (create(output_modalities=[]), VALUE, "response.output_modalities"),
    (create(audio={"output": {"voice": "nobody"}}), VALUE, "response.audio.output.voice"),
    (create(audio={"output": {"format": {"type": "audio/pcmu"}}}), VALUE, "response.audio.output.format"),
]
ONLY_BETA: list[tuple[Json, str | None, str | None]] = [
    (beta(type="realtime"), UNKNOWN, "session.type"),
    (beta(audio={}), UNKNOWN, "session.audio"),
    (beta(modalities=["speech"]), VALUE, "session.modalities"),
    (beta(voice="nobody"), VALUE, "session.voice"),
    (beta(input_audio_format="mp3"), VALUE, "session.input_audio_format"),
    (beta(temperature=9), VALUE, "session.temperature"),
    (beta(max_response_output_tokens=0), LOW, "session.max_response_output_tokens"),
    (beta(turn_detection={"type": "server_vad", "threshold": -1}), VALUE, "session.turn_detection.threshold"),
    (create(voice="nobody"), VALUE, "response.voice"),
]


def named(case: Any) -> str | None:
    return json.dumps(case)[:60] if isinstance(case, dict) else None


@pytest.mark.parametrize(("event", "code", "param"), EITHER + ONLY_GA, ids=named)
def test_a_malformed_event_of_ga(event: Json, code: str, param: str | None) -> None:
    error = refused("ga", event)
    assert (error["code"], error["param"]) == (code, param)


@pytest.mark.parametrize(("event", "code", "param"), EITHER + ONLY_BETA, ids=named)
def test_a_malformed_event_of_beta(event: Json, code: str, param: str | None) -> None:
    error = refused("beta", event)
    assert (error["code"], error["param"]) == (code, param)


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b'{"type": "response.create"}', "invalid_event"),
        ("{not json", "invalid_json"),
        ("", "invalid_json"),
        ("[" * 100_000, "invalid_json"),
        ("9" * 10_000, "invalid_json"),
        ("[1]", "invalid_event"),
        ("null", "invalid_event"),
    ],
)
def test_frames_that_are_no_events(frame: str | bytes, code: str) -> None:
    assert refused("ga", frame)["code"] == code


@pytest.mark.parametrize("event_id", [7, "", "x" * 513])
def test_an_event_id_that_is_none_is_not_repeated(event_id: Any) -> None:
    halves = Halves("ga")
    _, (reply,) = halves.raw({"type": "response.create", "event_id": event_id})
    assert (reply["error"]["param"], reply["error"]["event_id"]) == ("event_id", None)


SPEAKING = (ev.ResponseStarted("r1"), ev.AssistantAudio("r1", "a", 0, bytes(48_000)))
STATES: list[tuple[tuple[ev.Event | Json, ...], Json, str | None, str | None]] = [
    (SPEAKING, {"type": "response.create"}, "conversation_already_has_active_response", None),
    (({"type": "response.create"},), {"type": "response.create"}, "conversation_already_has_active_response", None),
    (SPEAKING, {"type": "response.cancel", "response_id": "r2"}, "response_cancel_not_active", None),
    (
        (*SPEAKING, ev.ResponseFinished("r1", "completed")),
        {"type": "response.cancel"},
        "response_cancel_not_active",
        None,
    ),
    (SPEAKING, truncate(audio_end_ms=1002), VALUE, "audio_end_ms"),
    (SPEAKING, truncate(audio_end_ms=-1), LOW, "audio_end_ms"),
    (SPEAKING, truncate(audio_end_ms=1.5), TYPE, "audio_end_ms"),
    (SPEAKING, truncate(audio_end_ms=None), MISSING, "audio_end_ms"),
    (SPEAKING, truncate(content_index=1), VALUE, "content_index"),
    (SPEAKING, ga(audio={"output": {"voice": "marin"}}), "cannot_update_voice", f"{OUT}.voice"),
    (({"type": "conversation.item.create", "item": USER | {"id": "a"}},), truncate(), None, None),
    (
        ({"type": "conversation.item.create", "item": USER | {"id": "a"}},),
        {"type": "conversation.item.create", "item": USER | {"id": "a"}},
        "item_create_duplicate_item_id",
        "item.id",
    ),
    (
        (
            {"type": "conversation.item.create", "item": USER | {"id": "a"}},
            {"type": "conversation.item.delete", "item_id": "a"},
        ),
        {"type": "conversation.item.delete", "item_id": "a"},
        "item_not_found",
        "item_id",
    ),
    (
        (ga(instructions="", audio={"input": {"turn_detection": None}}),),
        {"type": "input_audio_buffer.commit"},
        "input_audio_buffer_commit_empty",
        None,
    ),
    (
        tuple(ga(instructions="") for _ in range(16)),
        ga(),
        "rate_limit_exceeded",
        None,
    ),
]


@pytest.mark.parametrize(("before", "event", "code", "param"), STATES)
def test_what_cannot_be_in_this_state(
    before: tuple[ev.Event | Json, ...], event: Json, code: str | None, param: str | None
) -> None:
    error = refused("ga", event, *before)
    assert (error["code"], error["param"]) == (code, param)


def test_a_refusal_from_behind_reads_as_one_of_the_clients_event() -> None:
    halves = Halves("ga")
    halves.raw({"type": "response.create", "event_id": "please"})
    halves.tell(ev.ServiceError("one runs", "conversation_already_has_active_response", "benign"))
    assert halves.of("error")[0]["error"]["event_id"] == "please"
    commands, replies = halves.raw({"type": "response.create"})
    assert (commands, replies) == ([cmd.CreateResponse()], [])  # nobody is kept from asking again


def test_a_refusal_of_a_service_behind_is_about_the_clients_own_event() -> None:
    halves = Halves("ga")
    (command,), _ = halves.raw({"type": "response.create", "event_id": "please"})
    service = RealtimeCodec()
    (frame,) = service.encode(command)
    error = {"code": "odd", "message": "No.", "event_id": json.loads(frame)["event_id"]}
    (complaint,) = service.decode(json.dumps({"type": "error", "error": error}))
    halves.tell(complaint)
    assert halves.of("error")[0]["error"]["event_id"] == "please"


def test_a_configuration_refused_behind_is_as_if_it_had_not_been_asked_for() -> None:
    halves = Halves("ga")
    halves.raw(ga(instructions="first"))
    halves.tell(ev.SessionConfigured())
    halves.raw(ga(instructions="second") | {"event_id": "mine"})
    halves.tell(ev.ServiceError("No.", "invalid_value", param="session.instructions"))
    assert halves.of("error")[0]["error"]["event_id"] == "mine"
    assert halves.server.config.instructions == "first"
    halves.raw({"type": "session.update", "session": {"type": "realtime", "max_output_tokens": 9}})
    halves.tell(ev.SessionConfigured())
    assert halves.of("session.updated")[-1]["session"]["instructions"] == "first"


def test_a_warning_is_about_nobodys_request() -> None:
    codec = ServerCodec(PROFILE, "ga")
    codec.decode(json.dumps(create() | {"event_id": "mine"}))
    told = codec.encode(ev.ServiceError("The voice has failed: another speaks.", severity="warning"))
    told += codec.encode(ev.ServiceError("Nothing can be asked now."))
    errors = [json.loads(frame)["error"] for frame in told]
    assert [(error["type"], error["message"], error["event_id"]) for error in errors] == [
        ("server_error", "The voice has failed: another speaks.", None),
        ("invalid_request_error", "Nothing can be asked now.", "mine"),
    ]
