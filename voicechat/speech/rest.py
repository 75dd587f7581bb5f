"""`POST /v1/audio/speech`: OpenAI, Azure, and every gateway and server that answers like them.

Fields, formats and limits: OpenAI's reference of the speech endpoint, 2026.
"""

from collections.abc import AsyncGenerator
from typing import Any, Protocol

from voicechat.dialects.complaints import classify
from voicechat.errors import ConnectionFailed, Refused, VoicechatError
from voicechat.providers.refusals import Hints, complaint_of, explain
from voicechat.speech.base import Abilities, Interrupted, Manner
from voicechat.speech.promised import Promised
from voicechat.wire.network import CONNECT_TIMEOUT_S, Network, explain_connect_error, retry_after_s, tls_context
from voicechat.wire.urls import is_loopback, proxy_of, shown

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

    @property
    def secrets(self) -> tuple[str, ...]: ...


class RestSpeech:
    """Implements `base.SpeechService`. Connections are kept for the next piece."""

    rate_hz = PCM_HZ
    max_chars = MAX_CHARS

    def __init__(self, endpoint: Endpoint, manner: Manner, network: Network = Network()):
        self._endpoint = endpoint
        self._manner = manner
        self._url = endpoint.speech_url()
        self._network = network
        self._client: Any = None

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        import httpx

        title, encoding = self._endpoint.title, self._manner.encoding
        if self._client is None:
            self._client = self._open()
        answered = False
        try:
            async with self._client.stream("POST", self._url, json=self._body(text), headers=_ACCEPT) as response:
                answered = True
                if response.status_code != 200:
                    raise await self._refusal(response)
                promised = Promised(title, encoding, PCM_HZ, response.headers.get("content-type", ""))
                async for data in response.aiter_bytes():
                    if sound := promised.feed(data):
                        yield sound
                if sound := promised.feed(b"", last=True):
                    yield sound
        except httpx.TimeoutException as error:
            wait_s = SILENCE_TIMEOUT_S if answered or not isinstance(error, httpx.ConnectTimeout) else CONNECT_TIMEOUT_S
            raise Interrupted(
                ConnectionFailed(f"{title} sent nothing for {wait_s:.0f} s.", "Try again in a moment."),
                unreachable=not answered,
            ) from error
        except (httpx.ConnectError, httpx.ProxyError) as error:
            told = explain_connect_error(shown(self._url), error, proxy_of(self._url))
            raise Interrupted(ConnectionFailed(*told), unreachable=True) from error
        except httpx.HTTPError as error:
            raise Interrupted(
                ConnectionFailed(
                    f"{title} broke the sound off." if answered else f"{title} closed the connection.",
                    "Try again in a moment.",
                )
            ) from error
        except httpx.InvalidURL as error:
            raise ConnectionFailed(f"{shown(self._url)} is not an address.", "Check --url.") from error

    def _open(self) -> Any:
        import httpx

        try:
            return httpx.AsyncClient(
                timeout=httpx.Timeout(SILENCE_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
                headers=self._endpoint.headers(),
                verify=tls_context(self._network.ca_file),
                # A proxy would read the key on the way to this machine, where it may travel in the open.
                trust_env=not is_loopback(self._url),
            )
        except (ValueError, ImportError, httpx.InvalidURL) as error:  # an unknown kind, or SOCKS, or no address
            told = explain_connect_error(shown(self._url), error, proxy_of(self._url) or "of the environment")
            raise ConnectionFailed(*told) from error

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    def _body(self, text: str) -> dict[str, object]:
        manner = self._manner
        body: dict[str, object] = {
            "model": manner.model,
            "input": text,
            "voice": manner.voice,
            "response_format": manner.encoding,
        }
        # The schema allows no unknown fields, and older models no instructions: only what was asked for is sent.
        if manner.instructions:
            body["instructions"] = manner.instructions
        if manner.speed is not None:
            body["speed"] = manner.speed
        return body

    async def _refusal(self, response: Any) -> VoicechatError | Interrupted:
        endpoint, status = self._endpoint, response.status_code
        text = ""
        async for data in response.aiter_text():
            text += data
            if len(text) > _MAX_ERROR_BYTES:
                break
        error = explain(
            endpoint.title, self._manner.model, endpoint.speech_hints(), status, None, text, endpoint.secrets
        )
        if status in (408, 409, 425, 429) or status >= 500:
            if classify(complaint_of(text)).severity == "fatal":  # an empty account answers 429 for ever
                return Refused(error.message, error.hint)
            return Interrupted(error, retry_after_s(response.headers.get("retry-after", "")))
        return error


_ACCEPT = {"Accept": "application/octet-stream"}
