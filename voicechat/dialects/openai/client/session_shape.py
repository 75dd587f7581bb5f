"""The `session` object of `session.update`, in each dialect.

Absent fields keep the service's own value, so only what the configuration says is sent; `turn_detection` alone is
explicit even when null, because its absence means "the server finds the turns". `silence_duration_ms` is always
sent: documents and services disagree about its default (500, 200, 800).
"""

from dataclasses import dataclass

from voicechat.dialects.fields import Json
from voicechat.dialects.openai.client.profile import OPENAI_DIALECTS, ClientProfile, Dialect
from voicechat.realtime.commands import SessionConfig, SetTools, Tool, TurnDetection

DEFAULT_SILENCE_MS = 500

_GA_FORMATS: dict[str, Json] = {
    "pcm16": {"type": "audio/pcm", "rate": 24_000},
    "g711_ulaw": {"type": "audio/pcmu"},
    "g711_alaw": {"type": "audio/pcma"},
}
_TRANSCRIBERS: dict[Dialect, str] = {
    "ga": "gpt-4o-mini-transcribe",
    "beta": "whisper-1",
    "qwen": "qwen3-asr-flash-realtime",
    "qwen_nested": "qwen3-asr-flash-realtime",
    "qwen_audio": "fun-asr",
}


@dataclass(frozen=True, slots=True)
class Terms:
    """What the service was found to accept: the dialect, and what must be left out of the configuration."""

    dialect: Dialect
    voice: str = ""
    semantic_vad: bool = True
    transcription: bool = True


def session(config: SessionConfig, profile: ClientProfile, terms: Terms) -> Json:
    """The session object for `config` in the dialect of `terms`."""
    write = {"ga": _ga, "beta": _beta}.get(terms.dialect, _qwen)
    return write(config, profile, terms) | _present(model=profile.model or None)


def _ga(config: SessionConfig, profile: ClientProfile, terms: Terms) -> Json:
    audio_format = _GA_FORMATS[profile.audio_format]
    shape: Json = {
        "type": "realtime",
        "output_modalities": ["audio"] if config.speak else ["text"],
        "audio": {
            "input": {
                "format": audio_format,
                **_present(transcription=_transcription(config, profile, terms)),
                "turn_detection": _turn_detection(config.turn_detection, terms),
            },
            "output": {"format": audio_format, **_present(voice=terms.voice or None, speed=config.speed)},
        },
        "tools": [flat_tool(tool) for tool in config.tools],
    }
    for half, name in (("input", "turn_detection"), ("output", "voice")):
        if name in profile.flat_fields and name in shape["audio"][half]:
            shape[name] = shape["audio"][half].pop(name)
    if config.tools:
        shape["tool_choice"] = tool_choice(config.tool_choice, terms.dialect)
    return shape | _present(instructions=config.instructions or None, max_output_tokens=config.max_tokens)


def _beta(config: SessionConfig, profile: ClientProfile, terms: Terms) -> Json:
    shape: Json = {
        "modalities": ["text", "audio"] if config.speak else ["text"],
        "input_audio_format": profile.audio_format,
        # Said even where it is the default: some gateways would answer in mp3.
        "output_audio_format": profile.audio_format,
        "turn_detection": _turn_detection(config.turn_detection, terms),
        "tools": [flat_tool(tool) for tool in config.tools],
    }
    if config.tools:
        shape["tool_choice"] = tool_choice(config.tool_choice, terms.dialect)
    return shape | _present(
        instructions=config.instructions or None,
        voice=terms.voice or None,
        input_audio_transcription=_transcription(config, profile, terms),
        speed=config.speed,
        temperature=config.temperature,
        max_response_output_tokens=config.max_tokens,
    )


def _qwen(config: SessionConfig, profile: ClientProfile, terms: Terms) -> Json:
    shape: Json = {
        "modalities": ["text", "audio"] if config.speak else ["text"],
        "turn_detection": _qwen_turn_detection(config.turn_detection, terms),
    }
    voice = _present(voice=terms.voice or None)
    if terms.dialect == "qwen_nested":
        shape["audio"] = {
            "input": {"format": {"type": "pcm", "sample_rate": 16_000}},
            "output": {"format": {"type": "pcm", "sample_rate": 24_000}, **voice},
        }
    else:
        shape |= {"input_audio_format": profile.pcm_label, "output_audio_format": profile.pcm_label, **voice}
    if not config.transcribe:
        shape["input_audio_transcription"] = None  # absent means on
    elif terms.transcription:
        shape["input_audio_transcription"] = {"model": _transcriber(config, profile, terms)}
    if config.tools and profile.capabilities.supports_tools:
        shape["tools"] = [_nested_tool(tool) for tool in config.tools]
    if profile.sampling:
        shape |= _present(temperature=config.temperature, max_tokens=config.max_tokens)
    return shape | _present(instructions=config.instructions or None)


def tools_alone(command: SetTools, dialect: Dialect) -> Json:
    """The session object that changes the tools of a configured session, and nothing else."""
    if dialect not in OPENAI_DIALECTS:
        return {"tools": [_nested_tool(tool) for tool in command.tools]}
    kind: Json = {"type": "realtime"} if dialect == "ga" else {}
    choice = tool_choice(command.tool_choice, dialect)
    return kind | {"tools": [flat_tool(tool) for tool in command.tools], "tool_choice": choice}


_TOOL_CHOICES = ("auto", "none", "required")


def _present(**fields: object) -> Json:
    return {name: value for name, value in fields.items() if value is not None}


def _transcriber(config: SessionConfig, profile: ClientProfile, terms: Terms) -> str:
    return config.transcription_model or profile.transcription_model or _TRANSCRIBERS[terms.dialect]


def _transcription(config: SessionConfig, profile: ClientProfile, terms: Terms) -> Json | None:
    if not config.transcribe or not terms.transcription:
        return None
    language = config.language.partition("-")[0]  # ISO 639 alone: a region is refused
    return {"model": _transcriber(config, profile, terms), **_present(language=language or None)}


def _turn_detection(turn: TurnDetection | None, terms: Terms) -> Json | None:
    if turn is None:
        return None
    shape: Json
    if turn.kind == "semantic" and terms.semantic_vad:
        shape = {"type": "semantic_vad", **_present(eagerness=turn.eagerness)}
    else:
        shape = {
            "type": "server_vad",
            **_present(threshold=turn.threshold, prefix_padding_ms=turn.prefix_ms),
            "silence_duration_ms": DEFAULT_SILENCE_MS if turn.silence_ms is None else turn.silence_ms,
        }
    # The first Beta services do not know these two; true is the default everywhere.
    if terms.dialect == "ga" or not turn.create_response:
        shape["create_response"] = turn.create_response
    if terms.dialect == "ga" or not turn.interrupt_response:
        shape["interrupt_response"] = turn.interrupt_response
    return shape


def _qwen_turn_detection(turn: TurnDetection | None, terms: Terms) -> Json | None:
    if turn is None:
        return None
    semantic = turn.kind == "semantic" and terms.semantic_vad
    if terms.dialect == "qwen_audio" and semantic:
        return {"type": "smart_turn"}
    shape: Json = {
        "type": "semantic_vad" if semantic else "server_vad",
        **_present(threshold=turn.threshold),
        "silence_duration_ms": DEFAULT_SILENCE_MS if turn.silence_ms is None else turn.silence_ms,
    }
    if terms.dialect != "qwen_audio":
        shape |= _present(prefix_padding_ms=turn.prefix_ms)
    if not turn.create_response:
        shape["create_response"] = False
    if not turn.interrupt_response:
        shape["interrupt_response"] = False
    return shape


def tool_choice(choice: str, dialect: Dialect) -> str | Json:
    """One of the words every dialect knows, or the name of a function that must be called."""
    if choice in _TOOL_CHOICES:
        return choice
    forced = {"name": choice}
    return {"type": "function", **(forced if dialect == "ga" else {"function": forced})}


def flat_tool(tool: Tool) -> Json:
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
    }


def _nested_tool(tool: Tool) -> Json:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}
