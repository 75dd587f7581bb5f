"""The DashScope dialect: Beta's names, its own session fields, 16 kHz in and 24 kHz out."""

from dataclasses import replace
from typing import Any, ClassVar

from tests.realtime_server.beta import Beta
from tests.realtime_server.dialects import FUNCTION, QWEN_VOICES, TYPE, Json
from tests.realtime_server.rules import (
    Check,
    ClientError,
    anything,
    boolean,
    by_key,
    exactly,
    list_of,
    mapping,
    nullable,
    number,
    one_of,
    string,
    table,
)

VAD = {
    "threshold": number(-1, 1),
    "prefix_padding_ms": number(0, 5000, whole=True),
    "silence_duration_ms": number(200, 6000, whole=True),
    "create_response": boolean,
    "interrupt_response": boolean,
}
RATES = one_of(8000, 16_000, 24_000, 48_000)


class Qwen(Beta):
    """`audio.*` (nested) is taken from the models that have it: qwen3.5 and qwen3.8."""

    name = "qwen"
    default_model = "qwen3.5-omni-flash-realtime"
    voices = QWEN_VOICES
    renamed: ClassVar[dict[str, str | None]] = {
        **Beta.renamed,
        "rate_limits.updated": None,
        "conversation.created": None,
    }
    input_parts = ("input_text",)
    shapes = replace(
        Beta.shapes,
        wire_format=one_of("pcm16", "pcm", "pcm24"),
        function=by_key(
            "type", {"function": table({**TYPE, "function": table({"name": string}, FUNCTION)}), "mcp": mapping}
        ),
    )
    extra_events: ClassVar[dict[str, Check]] = {
        "session.finish": table({}),
        "input_image_buffer.append": table({"image": string}),
    }
    without = frozenset(["conversation.item.truncate", "conversation.item.delete", "conversation.item.retrieve"])
    token_details = ("input_tokens_details", "output_tokens_details")
    chained = False

    def session_check(self) -> Check:
        own: dict[str, Check] = {
            "modalities": exactly(["text", "audio"], ["text"]),
            "voice": string,
            "instructions": string,
            "input_audio_format": self.shapes.wire_format,
            "output_audio_format": self.shapes.wire_format,
            "input_audio_transcription": nullable(table({}, {"model": nullable(string), "language": string})),
            "turn_detection": nullable(
                by_key(
                    "type",
                    {
                        "server_vad": table(TYPE, {**VAD, "idle_timeout_ms": number(5000, 30_000, whole=True)}),
                        "semantic_vad": table(TYPE, VAD),
                    },
                )
            ),
            "smooth_output": nullable(boolean),
            "temperature": number(0, 2, open_end=True),
            "top_p": number(0, 1),
            "top_k": nullable(number(0, 1_000_000, whole=True)),
            "max_tokens": number(1, 65_536, whole=True),
            "repetition_penalty": number(0, 10),
            "presence_penalty": number(-2, 2),
            "seed": number(-1, 2**31 - 1, whole=True),
            "enable_search": boolean,
            "search_options": table({}, {"enable_source": boolean}),
            "tools": list_of(self.shapes.function),
        }
        if self.nested:
            listen: dict[str, Check] = {"type": one_of("pcm", "wav"), "sample_rate": RATES, "channels": one_of(1, 2, 4)}
            listen |= {"sample_format": one_of("s16le"), "packing": one_of("interleaved"), "channel_layout": string}
            speak: dict[str, Check] = {"type": one_of("pcm", "wav"), "sample_rate": RATES}
            own["audio"] = table(
                {},
                {
                    "input": table({}, {"format": table({}, listen), "turn_detection": anything}),
                    "output": table({}, {"format": table({}, speak), "voice": string}),
                },
            )
        return table({}, own)

    @property
    def nested(self) -> bool:
        return self.model.startswith(("qwen3.5-omni", "qwen3.8-omni"))

    def response_check(self) -> Check:
        return table({}, {"instructions": string, "modalities": exactly(["text", "audio"], ["text"]), "voice": string})

    def default_session(self, session_id: str) -> Json:
        audio_format = "pcm" if self.nested else "pcm16"
        return {
            "object": "realtime.session",
            "id": session_id,
            "model": self.model,
            "modalities": ["text", "audio"],
            "instructions": "You are a helpful assistant.",
            "voice": "Tina" if self.nested else "Cherry",
            "input_audio_format": audio_format,
            "output_audio_format": audio_format,
            "input_audio_transcription": {"model": "qwen3-asr-flash-realtime"},
            "turn_detection": {
                "type": "server_vad",
                "threshold": 0.5,
                "prefix_padding_ms": 300,
                "silence_duration_ms": 800,
                "create_response": True,
                "interrupt_response": True,
            },
            "tools": [],
            "tool_choice": "auto",
            "temperature": 0.8,
            "max_response_output_token": "inf",
        }

    def updated(self, session: Json, change: Json, *, voice_locked: bool) -> Json:
        try:
            new = super().updated(session, change, voice_locked=False)
        except ClientError as error:  # this service knows one code for all of them
            raise ClientError("invalid_value", error.message, error.param) from error
        if new.get("tools") and new.get("enable_search"):
            raise ClientError("invalid_value", "tools and enable_search exclude each other.", "session.tools")
        return new

    def voice(self, session: Json) -> Any:
        return session.get("audio", {}).get("output", {}).get("voice") or session["voice"]

    def transcription(self, session: Json) -> Json | None:
        wanted: Json | None = session["input_audio_transcription"]
        return None if wanted == {"model": None} else wanted

    def input_format(self, session: Json) -> tuple[str, int]:
        asked = session.get("audio", {}).get("input", {}).get("format", {})
        return "pcm", asked.get("sample_rate", 16_000)

    def output_format(self, session: Json) -> tuple[str, int]:
        asked = session.get("audio", {}).get("output", {}).get("format", {})
        return "pcm", asked.get("sample_rate", 24_000)

    def response_fields(self, session: Json, asked: Json) -> Json:
        fields = super().response_fields(session, asked)
        return {key: fields[key] for key in ("modalities", "voice", "output_audio_format")}
