"""A configuration to `session.update`, by value, in every dialect."""

from typing import Any

import pytest

from tests.wire.test_realtime_client_events import QWEN, TOOL, codec_for, sent
from voicechat.audio import g711
from voicechat.dialects.openai.client import Dialect
from voicechat.realtime import commands as cmd

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
