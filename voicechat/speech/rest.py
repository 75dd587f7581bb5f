"""`POST /v1/audio/speech`: OpenAI, Azure, and every gateway and server that answers like them.

Fields, formats and limits: OpenAI's reference of the speech endpoint, 2026.
"""

from collections.abc import AsyncGenerator
from typing import Any, Protocol

from voicechat.dialects.complaints import classify
from voicechat.errors import Refused, VoicechatError
from voicechat.providers.refusals import Hints, complaint_of, explain
from voicechat.speech.base import Abilities, Interrupted, SpeechSettings
from voicechat.speech.promised import Promised
from voicechat.wire.http import HttpFailed, http_client, http_errors
from voicechat.wire.network import Network, retry_after_s
from voicechat.wire.retry import RETRY_STATUSES

MAX_CHARS = 4096
PCM_HZ = 24_000
SILENCE_TIMEOUT_S = 30.0
"""How long a service may think before its first byte, or between two."""
_MAX_ERROR_BYTES = 4096

ABILITIES = Abilities(
    encodings=frozenset({"pcm", "wav", "mp3", "opus", "aac", "flac"}), speed=(0.25, 4.0), instructions=True
)


class Endpoint(Protocol):
    """The provider whose endpoint it is."""

    @property
    def title(self) -> str: ...

    def headers(self) -> dict[str, str]: ...

    def speech_url(self) -> str: ...

    def speech_hints(self) -> Hints: ...


class RestSpeech:
    """Implements `base.SpeechService`. Connections are kept for the next piece."""

    rate_hz = PCM_HZ
    max_chars = MAX_CHARS

    def __init__(self, endpoint: Endpoint, settings: SpeechSettings, network: Network = Network()):
        self._endpoint = endpoint
        self._settings = settings
        self._url = endpoint.speech_url()
        self._network = network
        self._client: Any = None

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        title, encoding = self._endpoint.title, self._settings.encoding
        if self._client is None:
            headers, ca_file = self._endpoint.headers(), self._network.ca_file
            self._client = http_client(self._url, headers=headers, silence_s=SILENCE_TIMEOUT_S, ca_file=ca_file)
        body = self._body(text)
        try:
            with http_errors(title, self._url, SILENCE_TIMEOUT_S) as exchange:
                async with self._client.stream("POST", self._url, json=body, headers=_ACCEPT) as response:
                    exchange.answered = True
                    if response.status_code != 200:
                        raise await self._refusal(response)
                    promised = Promised(title, encoding, PCM_HZ, response.headers.get("content-type", ""))
                    async for data in response.aiter_bytes():
                        if sound := promised.feed(data):
                            yield sound
                    if sound := promised.feed(b"", last=True):
                        yield sound
        except HttpFailed as error:
            raise Interrupted(error, unreachable=error.unreachable) from error

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    def _body(self, text: str) -> dict[str, object]:
        settings = self._settings
        body: dict[str, object] = {
            "model": settings.model,
            "input": text,
            "voice": settings.voice,
            "response_format": settings.encoding,
        }
        # The schema allows no unknown fields, and older models no instructions: only what was asked for is sent.
        if settings.instructions:
            body["instructions"] = settings.instructions
        if settings.speed is not None:
            body["speed"] = settings.speed
        return body

    async def _refusal(self, response: Any) -> VoicechatError | Interrupted:
        endpoint, status = self._endpoint, response.status_code
        text = ""
        async for data in response.aiter_text():
            text += data
            if len(text) > _MAX_ERROR_BYTES:
                break
        error = explain(endpoint.title, self._settings.model, endpoint.speech_hints(), status, None, text)
        if status == 409 or status in RETRY_STATUSES:  # 409: what it is about is locked at the moment
            if classify(complaint_of(text)).severity == "fatal":  # an empty account answers 429 for ever
                return Refused(error.message, error.hint)
            return Interrupted(error, retry_after_s(response.headers.get("retry-after", "")))
        return error


_ACCEPT = {"Accept": "application/octet-stream"}
