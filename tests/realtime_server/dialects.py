"""The GA dialect, and what its older relatives share with it. Written from the protocol references alone."""

import copy
import time
from dataclasses import dataclass
from typing import Any, ClassVar

from tests.realtime_server.rules import (
    Check,
    ClientError,
    anything,
    boolean,
    by_key,
    either,
    exactly,
    invalid,
    list_of,
    mapping,
    nullable,
    number,
    one_of,
    string,
    table,
    token_cap,
)

Json = dict[str, Any]

OPENAI_VOICES = frozenset(["alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar"])
QWEN_VOICES = frozenset(["Tina", "Cherry", "Serena", "Ethan", "Chelsie", "Jennifer", "Ryan"])

SERVER_VAD = {"threshold": number(0, 1), "prefix_padding_ms": number(0, 5000, whole=True)}
VAD_FLAGS = {"create_response": boolean, "interrupt_response": boolean}
SILENCE = {"silence_duration_ms": number(0, 10_000, whole=True)}
IDLE = {"idle_timeout_ms": nullable(number(5000, 30_000, whole=True))}
TYPE = {"type": string}
EAGERNESS = {"eagerness": one_of("low", "medium", "high", "auto")}
TRANSCRIPTION = {"model": string, "language": string, "prompt": string}
NEWER_TRANSCRIPTION = {"languages": list_of(string), "keywords": list_of(string), "delay": string}
NOISE = nullable(table({"type": one_of("near_field", "far_field")}))
FUNCTION = {"name": string, "description": string, "parameters": mapping}


def vad_check(**server_extra: Check) -> Check:
    return nullable(
        by_key(
            "type",
            {
                "server_vad": table(TYPE, {**SERVER_VAD, **SILENCE, **VAD_FLAGS, **server_extra}),
                "semantic_vad": table(TYPE, {**EAGERNESS, **VAD_FLAGS}),
            },
        )
    )


def merge(old: Json, change: Json) -> Json:
    """`audio`, `audio.input` and `audio.output` merge key by key; everything else is replaced."""
    new = {**old, **copy.deepcopy(change)}
    for key in ("audio", "input", "output"):
        if isinstance(old.get(key), dict) and isinstance(change.get(key), dict):
            new[key] = merge(old[key], change[key])
    return new


@dataclass(frozen=True)
class Shapes:
    """The parts of `session` and `response` that differ in form, not only in place."""

    wire_format: Check
    modalities: Check
    function: Check
    tool_choice: Check


class Ga:
    """OpenAI's and Azure's current protocol."""

    name = "ga"
    default_model = "gpt-realtime"
    voices = OPENAI_VOICES
    voice_param = "session.audio.output.voice"
    renamed: ClassVar[dict[str, str | None]] = {}
    text_part, audio_part = "output_text", "output_audio"
    input_parts: tuple[str, ...] = ("input_text", "input_audio", "input_image")
    extra_events: ClassVar[dict[str, Check]] = {}
    without: frozenset[str] = frozenset()
    token_details = ("input_token_details", "output_token_details")
    chained = True
    """Buffer and item events carry `previous_item_id`."""
    shapes = Shapes(
        wire_format=by_key(
            "type",
            {
                "audio/pcm": table({"type": string, "rate": number(24_000, 24_000, whole=True)}),
                "audio/pcmu": table({"type": string}),
                "audio/pcma": table({"type": string}),
            },
        ),
        modalities=exactly(["audio"], ["text"]),
        function=by_key("type", {"function": table({"type": string, "name": string}, FUNCTION), "mcp": mapping}),
        tool_choice=either(
            one_of("auto", "none", "required"),
            by_key("type", {"function": table({**TYPE, "name": string}), "mcp": mapping}),
        ),
    )

    def __init__(self, model: str, voices: frozenset[str] | None = None):
        self.model = model
        self.voices = voices or self.voices

    def session_check(self) -> Check:
        listen = table(
            {},
            {
                "format": self.shapes.wire_format,
                "noise_reduction": NOISE,
                "transcription": nullable(table({}, {**TRANSCRIPTION, **NEWER_TRANSCRIPTION})),
                "turn_detection": vad_check(**IDLE),
            },
        )
        speak = table(
            {}, {"format": self.shapes.wire_format, "speed": number(0.25, 1.5), "voice": either(string, mapping)}
        )
        return table(
            {"type": one_of("realtime")},
            {
                "model": string,
                "instructions": string,
                "tools": list_of(self.shapes.function),
                "tool_choice": self.shapes.tool_choice,
                "max_output_tokens": token_cap,
                "output_modalities": self.shapes.modalities,
                "audio": table({}, {"input": listen, "output": speak}),
                "tracing": anything,
                "include": nullable(list_of(one_of("item.input_audio_transcription.logprobs"))),
                "prompt": nullable(mapping),
                "truncation": either(one_of("auto", "disabled"), mapping),
                "reasoning": mapping,
                "parallel_tool_calls": boolean,
            },
        )

    def response_check(self) -> Check:
        speak = table({}, {"format": self.shapes.wire_format, "voice": either(string, mapping)})
        return table(
            {},
            {
                "output_modalities": self.shapes.modalities,
                "instructions": string,
                "audio": table({}, {"output": speak}),
                "tools": list_of(self.shapes.function),
                "tool_choice": self.shapes.tool_choice,
                "max_output_tokens": token_cap,
                "conversation": one_of("auto", "none"),
                "input": list_of(mapping),
                "metadata": nullable(mapping),
                "prompt": nullable(mapping),
                "reasoning": mapping,
                "parallel_tool_calls": boolean,
            },
        )

    def default_session(self, session_id: str) -> Json:
        return {
            "type": "realtime",
            "object": "realtime.session",
            "id": session_id,
            "model": self.model,
            "output_modalities": ["audio"],
            "instructions": "You are a helpful assistant.",
            "tools": [],
            "tool_choice": "auto",
            "max_output_tokens": "inf",
            "tracing": None,
            "truncation": "auto",
            "prompt": None,
            "expires_at": int(time.time()) + 3600,
            "include": None,
            "audio": {
                "input": {
                    "format": {"type": "audio/pcm", "rate": 24_000},
                    "transcription": None,
                    "noise_reduction": None,
                    "turn_detection": {
                        "type": "server_vad",
                        "threshold": 0.5,
                        "prefix_padding_ms": 300,
                        "silence_duration_ms": 200,
                        "idle_timeout_ms": None,
                        "create_response": True,
                        "interrupt_response": True,
                    },
                },
                "output": {"format": {"type": "audio/pcm", "rate": 24_000}, "voice": "alloy", "speed": 1.0},
            },
        }

    def updated(self, session: Json, change: Json, *, voice_locked: bool) -> Json:
        """The session after the update. Raises ClientError, and then nothing of it is applied."""
        self.session_check()(change, "session")
        if change.get("model", self.model) != self.model:
            raise ClientError("invalid_value", "The model of a session cannot be changed.", "session.model")
        new = merge(session, change)
        voice, old = self.voice(new), self.voice(session)
        if isinstance(voice, str) and voice not in self.voices:
            raise invalid(self.voice_param, voice, ", ".join(sorted(self.voices)))
        if voice != old and voice_locked:
            raise ClientError(
                "cannot_update_voice", "Cannot update a conversation's voice if assistant audio is present."
            )
        return new

    def event(self, ga_name: str) -> str | None:
        """This dialect's name of a GA server event, None where it has none."""
        return self.renamed.get(ga_name, ga_name)

    def voice(self, session: Json) -> Any:
        return session["audio"]["output"]["voice"]

    def turn_detection(self, session: Json) -> Json | None:
        detection: Json | None = session["audio"]["input"]["turn_detection"]
        return detection

    def transcription(self, session: Json) -> Json | None:
        wanted: Json | None = session["audio"]["input"]["transcription"]
        return wanted

    def input_format(self, session: Json) -> tuple[str, int]:
        """(pcm, pcmu or pcma; Hz)"""
        kind = session["audio"]["input"]["format"]["type"].removeprefix("audio/")
        return kind, 24_000 if kind == "pcm" else 8000

    def output_format(self, session: Json) -> tuple[str, int]:
        kind = session["audio"]["output"]["format"]["type"].removeprefix("audio/")
        return kind, 24_000 if kind == "pcm" else 8000

    def speaks(self, session: Json, asked: Json) -> bool:
        """Whether a response is audio, given the `response` object of its `response.create`."""
        return "audio" in {**session, **asked}["output_modalities"]

    def response_fields(self, session: Json, asked: Json) -> Json:
        output = {key: session["audio"]["output"][key] for key in ("format", "voice")}
        return {
            "output_modalities": ["audio"] if self.speaks(session, asked) else ["text"],
            "audio": {"output": output},
            "max_output_tokens": asked.get("max_output_tokens", session["max_output_tokens"]),
        }
