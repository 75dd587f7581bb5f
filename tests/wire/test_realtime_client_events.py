"""Commands to frames, by value, in every dialect; the official package validates what we send to OpenAI."""

import base64
import json
from typing import Any

import pytest
from openai.types.realtime import RealtimeClientEvent
from pydantic import TypeAdapter

from voicechat.audio import g711
from voicechat.dialects.openai.client import ClientProfile, Dialect, RealtimeCodec
from voicechat.realtime import commands as cmd
from voicechat.realtime.capabilities import Capabilities

OPENAI: list[Dialect] = ["ga", "beta"]
QWEN: list[Dialect] = ["qwen", "qwen_nested", "qwen_audio"]
ALL = OPENAI + QWEN
ABLE = Capabilities(supports_images=True, supports_semantic_vad=True, supports_tools=True, input_rate_hz=16_000)
PARAMETERS = {"type": "object", "properties": {}}
TOOL = cmd.Tool("clock", "The time.", PARAMETERS)


def codec_for(dialect: Dialect, **fields: Any) -> RealtimeCodec:
    return RealtimeCodec(ClientProfile(capabilities=ABLE, dialect=dialect, **fields))


def sent(codec: RealtimeCodec, command: cmd.Command) -> list[dict[str, Any]]:
    return [json.loads(frame) for frame in codec.encode(command)]


def without_id(event: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name != "event_id"}


def item(content_type: str, role: str = "user", words: str = "你好") -> dict[str, Any]:
    content = [{"type": content_type, "text": words}]
    return {"type": "conversation.item.create", "item": {"type": "message", "role": role, "content": content}}


TRUNCATE = {"type": "conversation.item.truncate", "item_id": "item_9", "content_index": 0, "audio_end_ms": 740}

CASES: list[tuple[cmd.Command, list[Dialect], dict[str, Any] | None]] = [
    (cmd.CommitAudio(), ALL, {"type": "input_audio_buffer.commit"}),
    (cmd.ClearAudio(), ALL, {"type": "input_audio_buffer.clear"}),
    (cmd.CreateResponse(), ALL, {"type": "response.create"}),
    (cmd.CreateResponse("Sing."), ALL, {"type": "response.create", "response": {"instructions": "Sing."}}),
    (cmd.CancelResponse(), ALL, {"type": "response.cancel"}),
    (cmd.CancelResponse("resp_1"), OPENAI, {"type": "response.cancel", "response_id": "resp_1"}),
    (cmd.CancelResponse("resp_1"), QWEN, {"type": "response.cancel"}),
    (cmd.TruncateItem("item_9", 0, 740), OPENAI, TRUNCATE),
    (cmd.TruncateItem("item_9", 0, 740), QWEN, None),
    (cmd.DeleteItem("item_1"), [*OPENAI, "qwen_audio"], {"type": "conversation.item.delete", "item_id": "item_1"}),
    (cmd.DeleteItem("item_1"), ["qwen", "qwen_nested"], None),
    (cmd.RetrieveItem("item_1"), [*OPENAI, "qwen_audio"], {"type": "conversation.item.retrieve", "item_id": "item_1"}),
    (cmd.RetrieveItem("item_1"), ["qwen", "qwen_nested"], None),
    (cmd.SendText("你好"), ALL, item("input_text")),
    (cmd.SendText("你好", "system"), ALL, item("input_text", "system")),
    (cmd.SendText("你好", "assistant"), ["beta"], item("text", "assistant")),
    (cmd.SendText("你好", "assistant"), ["ga", *QWEN], item("output_text", "assistant")),
    (
        cmd.ToolResult("call_1", '{"ok":true}'),
        ALL,
        {
            "type": "conversation.item.create",
            "item": {"type": "function_call_output", "call_id": "call_1", "output": '{"ok":true}'},
        },
    ),
    (
        cmd.SetTools((TOOL,)),
        ["ga"],
        {
            "type": "session.update",
            "session": {
                "type": "realtime",
                "tools": [{"type": "function", "name": "clock", "description": "The time.", "parameters": PARAMETERS}],
                "tool_choice": "auto",
            },
        },
    ),
    (
        cmd.SetTools((TOOL,), "none"),
        ["beta"],
        {
            "type": "session.update",
            "session": {
                "tools": [{"type": "function", "name": "clock", "description": "The time.", "parameters": PARAMETERS}],
                "tool_choice": "none",
            },
        },
    ),
    (
        cmd.SetTools((TOOL,)),
        QWEN,
        {
            "type": "session.update",
            "session": {
                "tools": [
                    {
                        "type": "function",
                        "function": {"name": "clock", "description": "The time.", "parameters": PARAMETERS},
                    }
                ]
            },
        },
    ),
    (
        cmd.CreateResponse("Say that you look.", tool_choice="none", aside=True),
        OPENAI,
        {
            "type": "response.create",
            "response": {"instructions": "Say that you look.", "tool_choice": "none", "conversation": "none"},
        },
    ),
    (
        cmd.CreateResponse("Sing.", tool_choice="none", aside=True),
        QWEN,
        {"type": "response.create", "response": {"instructions": "Sing."}},
    ),
    (cmd.Finish(), ["qwen", "qwen_nested"], {"type": "session.finish"}),
    (cmd.Finish(), [*OPENAI, "qwen_audio"], None),
    (cmd.AppendAudio(b"\x01\x02\x03\x04"), ALL, {"type": "input_audio_buffer.append", "audio": "AQIDBA=="}),
    (cmd.AppendAudio(b""), ALL, None),
    (
        cmd.SendImage(b"PNG", "image/png", "What is it?"),
        ["ga"],
        {
            "type": "conversation.item.create",
            "item": {
                "type": "message",
                "role": "user",
                "content": [
                    {"type": "input_image", "image_url": "data:image/png;base64,UE5H"},
                    {"type": "input_text", "text": "What is it?"},
                ],
            },
        },
    ),
    (cmd.SendImage(b"PNG", "image/png"), ["beta", "qwen"], None),
]


@pytest.mark.parametrize(
    ("command", "dialect", "event"),
    [(command, dialect, event) for command, dialects, event in CASES for dialect in dialects],
)
def test_a_command_is_one_event_or_nothing(
    command: cmd.Command, dialect: Dialect, event: dict[str, Any] | None
) -> None:
    events = [without_id(one) for one in sent(codec_for(dialect), command)]
    assert events == ([] if event is None else [event])


def test_every_event_but_append_has_its_own_id() -> None:
    codec = codec_for("ga")
    ids = [sent(codec, command)[0]["event_id"] for command in [cmd.CommitAudio(), cmd.CommitAudio()] * 5]
    ids.append(sent(codec, cmd.Configure(cmd.SessionConfig()))[0]["event_id"])
    assert len(set(ids)) == 11
    assert "event_id" not in sent(codec, cmd.AppendAudio(b"\0\0"))[0]
    assert sent(codec_for("ga"), cmd.CommitAudio())[0]["event_id"] not in ids, "another session, other ids"


def test_qwen_images_are_frames_of_their_own_and_audio_comes_first() -> None:
    image = {"type": "input_image_buffer.append", "image": "SlBH"}
    codec = codec_for("qwen")
    silence, frame, text = sent(codec, cmd.SendImage(b"JPG", "image/jpeg", "你好"))
    assert base64.b64decode(silence["audio"]) == bytes(3200), "100 ms at 16 kHz"
    assert without_id(frame) == image
    assert without_id(text) == item("input_text")
    assert [without_id(event) for event in sent(codec, cmd.SendImage(b"JPG"))] == [image], "audio was sent before"


@pytest.mark.parametrize("law", ["g711_ulaw", "g711_alaw"])
def test_g711_is_encoded_on_the_way_out_and_the_rate_says_so(law: g711.Law) -> None:
    codec = codec_for("ga", audio_format=law)
    pcm = b"\x00\x00\xff\x7f\x00\x80"
    assert base64.b64decode(sent(codec, cmd.AppendAudio(pcm))[0]["audio"]) == g711.encode(law, pcm)
    assert (codec.capabilities.input_rate_hz, codec.capabilities.output_rate_hz) == (8000, 8000)


FULL = cmd.SessionConfig(
    instructions="Be brief.",
    voice="marin",
    turn_detection=cmd.TurnDetection(threshold=0.6, silence_ms=300, prefix_ms=200, interrupt_response=False),
    language="en",
    speed=1.2,
    temperature=0.7,
    max_tokens=400,
    tools=(TOOL,),
    tool_choice="required",
)
FLAT_TOOL = {"type": "function", "name": "clock", "description": "The time.", "parameters": TOOL.parameters}
NESTED_TOOL = {
    "type": "function",
    "function": {"name": "clock", "description": "The time.", "parameters": TOOL.parameters},
}
PCM = {"type": "audio/pcm", "rate": 24000}
SHAPES: list[tuple[str, Dialect, cmd.SessionConfig, dict[str, Any]]] = [
    (
        "ga-full",
        "ga",
        FULL,
        {
            "type": "realtime",
            "output_modalities": ["audio"],
            "instructions": "Be brief.",
            "audio": {
                "input": {
                    "format": PCM,
                    "transcription": {"model": "gpt-4o-mini-transcribe", "language": "en"},
                    "turn_detection": {
                        "type": "server_vad",
                        "threshold": 0.6,
                        "prefix_padding_ms": 200,
                        "silence_duration_ms": 300,
                        "create_response": True,
                        "interrupt_response": False,
                    },
                },
                "output": {"format": PCM, "voice": "marin", "speed": 1.2},
            },
            "tools": [FLAT_TOOL],
            "tool_choice": "required",
            "max_output_tokens": 400,
        },
    ),
    (
        "ga-manual-text",
        "ga",
        cmd.SessionConfig(turn_detection=None, transcribe=False, speak=False),
        {
            "type": "realtime",
            "output_modalities": ["text"],
            "audio": {"input": {"format": PCM, "turn_detection": None}, "output": {"format": PCM}},
            "tools": [],
        },
    ),
    (
        "ga-semantic",
        "ga",
        cmd.SessionConfig(
            turn_detection=cmd.TurnDetection("semantic", eagerness="high"), transcription_model="whisper-1"
        ),
        {
            "type": "realtime",
            "output_modalities": ["audio"],
            "audio": {
                "input": {
                    "format": PCM,
                    "transcription": {"model": "whisper-1"},
                    "turn_detection": {
                        "type": "semantic_vad",
                        "eagerness": "high",
                        "create_response": True,
                        "interrupt_response": True,
                    },
                },
                "output": {"format": PCM},
            },
            "tools": [],
        },
    ),
    (
        "beta-full",
        "beta",
        FULL,
        {
            "modalities": ["text", "audio"],
            "instructions": "Be brief.",
            "voice": "marin",
            "input_audio_format": "pcm16",
            "output_audio_format": "pcm16",
            "input_audio_transcription": {"model": "whisper-1", "language": "en"},
            "turn_detection": {
                "type": "server_vad",
                "threshold": 0.6,
                "prefix_padding_ms": 200,
                "silence_duration_ms": 300,
                "interrupt_response": False,
            },
            "tools": [FLAT_TOOL],
            "tool_choice": "required",
            "speed": 1.2,
            "temperature": 0.7,
            "max_response_output_tokens": 400,
        },
    ),
    (
        "beta-manual-text",
        "beta",
        cmd.SessionConfig(turn_detection=None, transcribe=False, speak=False),
        {
            "modalities": ["text"],
            "input_audio_format": "pcm16",
            "output_audio_format": "pcm16",
            "turn_detection": None,
            "tools": [],
        },
    ),
    (
        "qwen-full",
        "qwen",
        FULL,
        {
            "modalities": ["text", "audio"],
            "instructions": "Be brief.",
            "voice": "marin",
            "input_audio_format": "pcm",
            "output_audio_format": "pcm",
            "input_audio_transcription": {"model": "qwen3-asr-flash-realtime"},
            "turn_detection": {
                "type": "server_vad",
                "threshold": 0.6,
                "prefix_padding_ms": 200,
                "silence_duration_ms": 300,
                "interrupt_response": False,
            },
            "tools": [NESTED_TOOL],
            "temperature": 0.7,
            "max_tokens": 400,
        },
    ),
    (
        "qwen-manual",
        "qwen",
        cmd.SessionConfig(turn_detection=None, transcribe=False),
        {
            "modalities": ["text", "audio"],
            "input_audio_format": "pcm",
            "output_audio_format": "pcm",
            "input_audio_transcription": None,
            "turn_detection": None,
        },
    ),
    (
        "qwen-3.8",
        "qwen_nested",
        cmd.SessionConfig(voice="Tina", turn_detection=cmd.TurnDetection("semantic", silence_ms=400, eagerness="low")),
        {
            "modalities": ["text", "audio"],
            "audio": {
                "input": {"format": {"type": "pcm", "sample_rate": 16000}},
                "output": {"format": {"type": "pcm", "sample_rate": 24000}, "voice": "Tina"},
            },
            "input_audio_transcription": {"model": "qwen3-asr-flash-realtime"},
            "turn_detection": {"type": "semantic_vad", "silence_duration_ms": 400},
        },
    ),
    (
        "qwen-audio",
        "qwen_audio",
        cmd.SessionConfig(voice="longanqian", turn_detection=cmd.TurnDetection("semantic")),
        {
            "modalities": ["text", "audio"],
            "voice": "longanqian",
            "input_audio_format": "pcm",
            "output_audio_format": "pcm",
            "input_audio_transcription": {"model": "fun-asr"},
            "turn_detection": {"type": "smart_turn"},
        },
    ),
]


@pytest.mark.parametrize(
    ("dialect", "config", "shape"), [case[1:] for case in SHAPES], ids=[case[0] for case in SHAPES]
)
def test_session_update(dialect: Dialect, config: cmd.SessionConfig, shape: dict[str, Any]) -> None:
    codec = codec_for(dialect, pcm_label="pcm" if dialect in QWEN else "pcm16")
    (event,) = sent(codec, cmd.Configure(config))
    assert event["type"] == "session.update"
    assert event["session"] == shape


@pytest.mark.parametrize("dialect", ["ga", "beta", "qwen"])
def test_the_silence_that_ends_a_turn_is_always_said(dialect: Dialect) -> None:
    (event,) = sent(codec_for(dialect), cmd.Configure(cmd.SessionConfig()))
    shape = event["session"] if dialect != "ga" else event["session"]["audio"]["input"]
    assert shape["turn_detection"]["silence_duration_ms"] == 500


@pytest.mark.parametrize(
    ("dialect", "choice"),
    [("ga", {"type": "function", "name": "clock"}), ("beta", {"type": "function", "function": {"name": "clock"}})],
)
def test_a_forced_tool(dialect: Dialect, choice: dict[str, Any]) -> None:
    config = cmd.SessionConfig(tools=(TOOL,), tool_choice="clock")
    assert sent(codec_for(dialect), cmd.Configure(config))[0]["session"]["tool_choice"] == choice


@pytest.mark.parametrize(("law", "ga"), [("g711_ulaw", {"type": "audio/pcmu"}), ("g711_alaw", {"type": "audio/pcma"})])
def test_g711_is_configured(law: g711.Law, ga: dict[str, Any]) -> None:
    (event,) = sent(codec_for("ga", audio_format=law), cmd.Configure(cmd.SessionConfig()))
    assert [event["session"]["audio"][way]["format"] for way in ("input", "output")] == [ga, ga]
    (event,) = sent(codec_for("beta", audio_format=law), cmd.Configure(cmd.SessionConfig()))
    assert (event["session"]["input_audio_format"], event["session"]["output_audio_format"]) == (law, law)


def test_the_profiles_voice_stands_in_for_none() -> None:
    (event,) = sent(codec_for("beta", voice="Cherry"), cmd.Configure(cmd.SessionConfig()))
    assert event["session"]["voice"] == "Cherry"


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


def test_what_a_service_does_not_support_is_not_sent() -> None:
    able, unable = Capabilities(supports_images=True), Capabilities(supports_images=False, supports_tools=False)
    session = cmd.Configure(cmd.SessionConfig(tools=(TOOL,)))
    for capabilities in (able, unable):
        codec = RealtimeCodec(ClientProfile(capabilities=capabilities, dialect="qwen"))
        assert bool(sent(codec, cmd.SendImage(b"JPG"))) is capabilities.supports_images
        assert ("tools" in sent(codec, session)[0]["session"]) is capabilities.supports_tools
