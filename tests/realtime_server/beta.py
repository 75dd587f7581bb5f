"""The Beta (preview) dialect, as OpenAI-compatible gateways and older Azure deployments speak it."""

import time
from typing import Any, ClassVar

from tests.realtime_server.dialects import FUNCTION, NOISE, TRANSCRIPTION, Ga, Json, Shapes, vad_check
from tests.realtime_server.rules import (
    Check,
    anything,
    by_key,
    either,
    exactly,
    list_of,
    mapping,
    nullable,
    number,
    one_of,
    string,
    table,
    token_cap,
)

TEMPERATURE = number(0.6, 1.2)


class Beta(Ga):
    """The preview protocol: flat session, older event names."""

    name = "beta"
    default_model = "gpt-4o-realtime-preview"
    voice_param = "session.voice"
    renamed: ClassVar[dict[str, str | None]] = {
        "conversation.item.added": "conversation.item.created",
        "conversation.item.done": None,
        "response.output_audio.delta": "response.audio.delta",
        "response.output_audio.done": "response.audio.done",
        "response.output_audio_transcript.delta": "response.audio_transcript.delta",
        "response.output_audio_transcript.done": "response.audio_transcript.done",
        "response.output_text.delta": "response.text.delta",
        "response.output_text.done": "response.text.done",
    }
    text_part, audio_part = "text", "audio"
    input_parts: tuple[str, ...] = ("input_text", "input_audio")
    shapes = Shapes(
        wire_format=one_of("pcm16", "g711_ulaw", "g711_alaw"),
        modalities=exactly(["text", "audio"], ["text"]),
        function=table({"type": one_of("function"), "name": string}, FUNCTION),
        tool_choice=either(one_of("auto", "none", "required"), by_key("type", {"function": mapping})),
    )

    def session_check(self) -> Check:
        return table(
            {},
            {
                "model": string,
                "modalities": self.shapes.modalities,
                "instructions": string,
                "voice": string,
                "speed": number(0.25, 1.5),
                "input_audio_format": self.shapes.wire_format,
                "output_audio_format": self.shapes.wire_format,
                "input_audio_transcription": nullable(table({}, TRANSCRIPTION)),
                "input_audio_noise_reduction": NOISE,
                "turn_detection": vad_check(),
                "tools": list_of(self.shapes.function),
                "tool_choice": self.shapes.tool_choice,
                "temperature": TEMPERATURE,
                "max_response_output_tokens": token_cap,
                "tracing": anything,
                "prompt": anything,
                "include": anything,
            },
        )

    def response_check(self) -> Check:
        return table(
            {},
            {
                "modalities": self.shapes.modalities,
                "instructions": string,
                "voice": string,
                "output_audio_format": self.shapes.wire_format,
                "tools": list_of(self.shapes.function),
                "tool_choice": self.shapes.tool_choice,
                "temperature": TEMPERATURE,
                "max_response_output_tokens": token_cap,
                "max_output_tokens": token_cap,
                "conversation": one_of("auto", "none"),
                "input": list_of(mapping),
                "metadata": nullable(mapping),
                "prompt": anything,
            },
        )

    def default_session(self, session_id: str) -> Json:
        return {
            "object": "realtime.session",
            "id": session_id,
            "model": self.model,
            "expires_at": int(time.time()) + 1800,
            "modalities": ["text", "audio"],
            "instructions": "You are a helpful assistant.",
            "voice": "alloy",
            "input_audio_format": "pcm16",
            "output_audio_format": "pcm16",
            "input_audio_transcription": None,
            "turn_detection": {
                "type": "server_vad",
                "threshold": 0.5,
                "prefix_padding_ms": 300,
                "silence_duration_ms": 200,
                "create_response": True,
                "interrupt_response": True,
            },
            "tools": [],
            "tool_choice": "auto",
            "temperature": 0.8,
            "max_response_output_tokens": "inf",
        }

    def voice(self, session: Json) -> Any:
        return session["voice"]

    def turn_detection(self, session: Json) -> Json | None:
        detection: Json | None = session["turn_detection"]
        return detection

    def transcription(self, session: Json) -> Json | None:
        wanted: Json | None = session["input_audio_transcription"]
        return wanted

    def input_format(self, session: Json) -> tuple[str, int]:
        return flat_format(session["input_audio_format"])

    def output_format(self, session: Json) -> tuple[str, int]:
        return flat_format(session["output_audio_format"])

    def speaks(self, session: Json, asked: Json) -> bool:
        return "audio" in {**session, **asked}["modalities"]

    def response_fields(self, session: Json, asked: Json) -> Json:
        return {
            "modalities": ["text", "audio"] if self.speaks(session, asked) else ["text"],
            "voice": self.voice(session),
            "output_audio_format": session["output_audio_format"],
            "temperature": asked.get("temperature", session.get("temperature")),
            "max_output_tokens": "inf",
        }


def flat_format(name: str) -> tuple[str, int]:
    return {"g711_ulaw": ("pcmu", 8000), "g711_alaw": ("pcma", 8000)}.get(name, ("pcm", 24_000))
