"""Text to speech on DashScope's realtime path: JSON events, sound in base64, one session for one or more pieces.

Events, fields and ranges: Model Studio's reference of Qwen-TTS-Realtime, 2026. In `server_commit` mode the service
cuts the text itself and only `session.finished` is the end, so a session speaks one piece; in `commit` mode a piece
ends with its `response.done` and the session goes on to the next.
"""

import base64
import binascii
import json
import uuid
from collections.abc import AsyncGenerator
from typing import Any, Protocol

from voicechat.dialects.complaints import classify
from voicechat.errors import ConnectionFailed, Refused, VoicechatError
from voicechat.providers.refusals import complaint_of
from voicechat.speech.base import Abilities, Interrupted, SpeechSettings
from voicechat.speech.sockets import Sockets, SpeechSocket
from voicechat.text.language import NAMES
from voicechat.wire.network import ConnectRequest, Network

MAX_CHARS = 2000
DEFAULT_RATE_HZ = 24_000

ABILITIES = Abilities(
    encodings=frozenset({"pcm", "wav", "mp3", "opus"}),
    rates_hz=frozenset({8_000, 16_000, 24_000, 48_000}),
    speed=(0.5, 2.0),
    pitch=(0.5, 2.0),
    volume=True,
    instructions=True,
    modes=("server_commit", "commit"),
    languages={tag: NAMES[tag] for tag in ("zh", "en", "de", "it", "pt", "es", "ja", "ko", "fr", "ru")},
)


class RealtimeEndpoint(Protocol):
    """The provider whose endpoint it is."""

    @property
    def title(self) -> str: ...

    def request(self) -> ConnectRequest: ...

    def refusal(self, status: int | None, close_code: int | None, text: str) -> VoicechatError: ...


class TtsRealtime:
    """Implements `base.SpeechService`."""

    max_chars = MAX_CHARS

    def __init__(self, endpoint: RealtimeEndpoint, settings: SpeechSettings, network: Network = Network()):
        self._title = endpoint.title
        self._settings = settings
        self._commits = settings.mode == "commit"
        self.rate_hz = settings.rate_hz if settings.rate_hz in ABILITIES.rates_hz else DEFAULT_RATE_HZ
        self._sockets = Sockets(endpoint.request(), endpoint.refusal, network)

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        async with self._sockets.take() as socket:
            if socket.fresh:
                await self._configure(socket)
            await self._send(socket, "input_text_buffer.append", text=text)
            await self._send(socket, "input_text_buffer.commit" if self._commits else "session.finish")
            end = "response.done" if self._commits else "session.finished"
            odd = b""
            while (event := await self._receive(socket))["type"] != end:
                if event["type"] == "response.audio.delta":
                    sound = odd + _decoded(event.get("delta"), self._title)
                    odd = sound[len(sound) // 2 * 2 :] if self._settings.encoding == "pcm" else b""
                    if sound := sound[: len(sound) - len(odd)]:
                        yield sound
            if self._commits:
                socket.keep()

    async def _configure(self, socket: SpeechSocket) -> None:
        settings = self._settings
        while (await self._receive(socket))["type"] != "session.created":
            continue
        session: dict[str, object] = {
            "voice": settings.voice,
            "mode": "commit" if self._commits else "server_commit",
            "response_format": settings.encoding,
            "sample_rate": self.rate_hz,
        }
        optional = {
            "speech_rate": settings.speed,
            "pitch_rate": settings.pitch,
            "volume": settings.volume,
            "instructions": settings.instructions or None,
            "language_type": settings.language or None,
        }
        session |= {name: value for name, value in optional.items() if value is not None}
        await self._send(socket, "session.update", session=session)
        while (await self._receive(socket))["type"] != "session.updated":
            continue

    async def _send(self, socket: SpeechSocket, kind: str, **fields: object) -> None:
        event = {"event_id": f"event_{uuid.uuid4().hex}", "type": kind, **fields}
        await socket.send(json.dumps(event, ensure_ascii=False))

    async def _receive(self, socket: SpeechSocket) -> dict[str, Any]:
        frame = await socket.receive()
        try:
            event = json.loads(frame)
            kind = event["type"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise Interrupted(ConnectionFailed(f"{self._title} sent what is no event.")) from error
        if kind == "error":
            said = classify(complaint_of(json.dumps(event)))
            if said.severity == "retry" or said.code.lower() in _THROTTLED:
                raise Interrupted(ConnectionFailed(f"{self._title}: {said.message}", "Try again in a moment."))
            if said.severity != "benign":
                hint = said.hint or "Check --voice and --model: a voice belongs to certain models."
                raise Refused(f"{self._title} refused: {said.message}", hint)
        return {**event, "type": str(kind)}

    async def close(self) -> None:
        await self._sockets.close()


_THROTTLED = {"throttling", "limit_requests", "limit_burst_rate", "rate_limit_exceeded", "throttling.ratequota"}


def _decoded(delta: object, title: str) -> bytes:
    try:
        return base64.b64decode(str(delta), validate=True)
    except binascii.Error as error:
        raise Interrupted(ConnectionFailed(f"{title} sent sound that is not base64.")) from error
