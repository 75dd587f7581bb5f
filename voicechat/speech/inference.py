"""Text to speech on DashScope's inference path: tasks on a WebSocket, JSON about them, the sound in binary frames.

Frames, parameters and limits: Model Studio's reference of CosyVoice, 2026. A piece is one task that is given its
whole text at once and finished, so that the service's limit of 23 s between two texts can never be met; the
connection serves the next piece.
"""

import json
import uuid
from collections.abc import AsyncGenerator
from typing import Any, Protocol

from voicechat.dialects.complaints import classify
from voicechat.errors import ConnectionFailed, Refused, VoicechatError
from voicechat.providers.refusals import complaint_of
from voicechat.speech.base import Abilities, Interrupted, SpeechSettings
from voicechat.speech.sockets import Sockets, SpeechSocket
from voicechat.wire.network import ConnectRequest, Network

MAX_CHARS = 20_000
DEFAULT_RATE_HZ = 24_000

ABILITIES = Abilities(
    encodings=frozenset({"pcm", "wav", "mp3", "opus"}),
    rates_hz=frozenset({8_000, 16_000, 22_050, 24_000, 44_100, 48_000}),
    speed=(0.5, 2.0),
    pitch=(0.5, 2.0),
    volume=True,
    instructions=True,
    languages={tag: tag for tag in ("zh", "en", "fr", "de", "ja", "ko", "ru", "pt", "th", "id", "vi", "it", "ms")},
)
_WRONG_VOICE = ("code: 418", "[411]")
_TRANSIENT = ("request timeout", "InternalError", "Throttling", "limit_requests", "limit_burst_rate")


class InferenceEndpoint(Protocol):
    """The provider whose endpoint it is."""

    @property
    def title(self) -> str: ...

    def inference_request(self) -> ConnectRequest: ...

    def refusal(self, status: int | None, close_code: int | None, text: str) -> VoicechatError: ...


class InferenceTts:
    """Implements `base.SpeechService`."""

    max_chars = MAX_CHARS

    def __init__(self, endpoint: InferenceEndpoint, settings: SpeechSettings, network: Network = Network()):
        self._title = endpoint.title
        self._settings = settings
        self.rate_hz = settings.rate_hz if settings.rate_hz in ABILITIES.rates_hz else DEFAULT_RATE_HZ
        self._sockets = Sockets(endpoint.inference_request(), endpoint.refusal, network)

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        task_id = uuid.uuid4().hex
        async with self._sockets.take() as socket:
            await self._send(socket, "run-task", task_id, self._task())
            odd = b""
            while True:
                frame = await socket.receive()
                if isinstance(frame, bytes):
                    sound = odd + frame
                    odd = sound[len(sound) // 2 * 2 :] if self._settings.encoding == "pcm" else b""
                    if sound := sound[: len(sound) - len(odd)]:
                        yield sound
                    continue
                event = self._event(frame, task_id)
                if event == "task-started":
                    await self._send(socket, "continue-task", task_id, {"input": {"text": text}})
                    await self._send(socket, "finish-task", task_id, {"input": {}})
                elif event == "task-finished":
                    socket.keep()
                    return

    def _task(self) -> dict[str, object]:
        settings = self._settings
        parameters: dict[str, object] = {
            "text_type": "PlainText",
            "voice": settings.voice,
            "format": settings.encoding,
            "sample_rate": self.rate_hz,
        }
        optional = {
            "rate": settings.speed,
            "pitch": settings.pitch,
            "volume": settings.volume,
            "instruction": settings.instructions or None,
            "language_hints": [settings.language] if settings.language else None,
        }
        parameters |= {name: value for name, value in optional.items() if value is not None}
        return {
            "task_group": "audio",
            "task": "tts",
            "function": "SpeechSynthesizer",
            "model": settings.model,
            "parameters": parameters,
            "input": {},
        }

    async def _send(self, socket: SpeechSocket, action: str, task_id: str, payload: dict[str, object]) -> None:
        header = {"action": action, "task_id": task_id, "streaming": "duplex"}
        await socket.send(json.dumps({"header": header, "payload": payload}, ensure_ascii=False))

    def _event(self, frame: str, task_id: str) -> str:
        """The frame's event, "" for another task's. Raises for `task-failed`, and for what is no event."""
        try:
            header: dict[str, Any] = json.loads(frame)["header"]
            event, task = str(header["event"]), header.get("task_id", task_id)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise Interrupted(ConnectionFailed(f"{self._title} sent what is no event.")) from error
        if task != task_id:
            return ""
        if event == "task-failed":
            raise self._failed(str(header.get("error_code", "")), str(header.get("error_message", "")))
        return event

    def _failed(self, code: str, message: str) -> VoicechatError | Interrupted:
        said = classify(complaint_of(json.dumps({"error": {"code": code, "message": message}})))
        text = f"{self._title} failed: {said.message.rstrip('.')}."
        if any(mark in message for mark in _WRONG_VOICE):
            model, voice = self._settings.model, self._settings.voice
            return Refused(text, f"Most likely {voice} is no voice of {model}: `voicechat voices` lists those.")
        if any(mark in f"{code} {message}" for mark in _TRANSIENT) or said.severity == "retry":
            return Interrupted(ConnectionFailed(text, "Try again in a moment."))
        return Refused(text, said.hint or "Check --voice, --model and --instructions.")

    async def close(self) -> None:
        await self._sockets.close()
