"""An answerer over any OpenAI-compatible chat endpoint (Ollama, llama.cpp, vLLM, a cloud), streamed.

When the endpoint fails, one sentence says so and the companion answers that turn.
"""

import asyncio
import json
import logging
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from voicechat.engine.answerer import Answerer, Message, Sentences
from voicechat.wire.network import tls_context

log = logging.getLogger(__name__)

OLLAMA_URL = "http://127.0.0.1:11434/v1"
PROBE_TIMEOUT_S = 0.15
CONNECT_TIMEOUT_S = 5.0
SILENCE_TIMEOUT_S = 60.0
"""A local model may need this long to load before its first word."""

MANNER = (
    "You are a friendly voice assistant. Your answer is spoken aloud: reply in one to three short plain sentences, "
    "without markup, lists or emoji, in the language of the user."
)
FAILED = "Sorry, the chat model failed. "


@dataclass(frozen=True, slots=True)
class ChatEndpoint:
    """`url` is the base, up to and including `/v1`; an empty `model` means the first one it lists."""

    url: str
    model: str = ""
    key: str = field(default="", repr=False)
    ca_file: str = ""
    """Authorities to trust (PEM file); "" are the system's."""


class ChatFailed(Exception):
    """The endpoint did not answer, refused, or broke off; the message says how. It never holds the key."""


class ChatAnswerer:
    """An `Answerer`; `fallback` answers the turns in which the endpoint fails."""

    prefers_commands = False

    def __init__(self, endpoint: ChatEndpoint, fallback: Answerer):
        self._endpoint = endpoint
        self._fallback = fallback
        self._client: Any = None
        self.model = endpoint.model or "chat"

    async def answer(self, history: Sequence[Message], instructions: str) -> AsyncGenerator[str, None]:
        sentences = Sentences()
        spoken = False
        try:
            async with aclosing(self._stream(history, instructions)) as fragments:
                async for fragment in fragments:
                    for piece in sentences.feed(fragment):
                        spoken = True
                        yield piece
            if rest := sentences.flush():
                spoken = True
                yield rest
            if not spoken:
                raise ChatFailed("an empty answer")
        except ChatFailed as error:
            log.warning("chat model %s at %s: %s", self.model, self._endpoint.url, error)
            if rest := sentences.flush():
                yield rest
                spoken = True
            yield f" {FAILED}" if spoken else FAILED
            async with aclosing(self._fallback.answer(history, instructions)) as pieces:
                async for piece in pieces:
                    yield piece

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
        await self._fallback.close()

    async def _stream(self, history: Sequence[Message], instructions: str) -> AsyncGenerator[str, None]:
        """The answer's text as it arrives. Raises ChatFailed."""
        import httpx

        if self._client is None:
            self._client = _client(self._endpoint.key, self._endpoint.ca_file)
        try:
            if not self._endpoint.model and self.model == "chat":
                self.model = await _first_model(self._client, self._endpoint.url)
            body = {"model": self.model, "messages": _messages(history, instructions), "stream": True}
            async with self._client.stream(
                "POST", f"{_base(self._endpoint.url)}/chat/completions", json=body
            ) as answer:
                if answer.status_code != 200:
                    await answer.aread()
                    raise ChatFailed(f"HTTP {answer.status_code}: {_complaint(answer.text)}")
                ended = False
                async for line in answer.aiter_lines():
                    text, ended = _read(line)
                    if text:
                        yield text
                    if ended:
                        break
                if not ended:
                    raise ChatFailed("the answer broke off")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ChatFailed(str(error) or type(error).__name__) from error


async def find_ollama(url: str = OLLAMA_URL, timeout_s: float = PROBE_TIMEOUT_S) -> ChatEndpoint | None:
    """Ollama at its default address with the first model it lists; None when it is not there, or has no model."""
    host, _, port = url.removeprefix("http://").removesuffix("/v1").partition(":")
    try:
        async with asyncio.timeout(timeout_s):
            # A bare connection first: where nothing listens, the HTTP library need not even be loaded.
            _, writer = await asyncio.open_connection(host, int(port))
            writer.close()
        async with _client("") as client, asyncio.timeout(timeout_s):
            return ChatEndpoint(url, await _first_model(client, url))
    except (OSError, TimeoutError, ChatFailed) as error:
        log.debug("no chat model at %s: %s", url, error)
        return None


def _client(key: str, ca_file: str = "") -> Any:
    import httpx

    timeout = httpx.Timeout(SILENCE_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
    # Ollama wants a key, whatever it is.
    headers = {"Authorization": f"Bearer {key or 'none'}"}
    return httpx.AsyncClient(timeout=timeout, headers=headers, verify=tls_context(ca_file))


async def _first_model(client: Any, url: str) -> str:
    import httpx

    try:
        answer = await client.get(f"{_base(url)}/models")
        return str(answer.raise_for_status().json()["data"][0]["id"])
    except (httpx.HTTPError, ValueError, LookupError, TypeError) as error:
        raise ChatFailed(f"no list of models: {error}") from error


def _base(url: str) -> str:
    return url.rstrip("/").removesuffix("/chat/completions")


def _messages(history: Sequence[Message], instructions: str) -> list[dict[str, str]]:
    system = f"{MANNER}\n{instructions}" if instructions else MANNER
    return [{"role": "system", "content": system}] + [{"role": turn.role, "content": turn.text} for turn in history]


def _read(line: str) -> tuple[str, bool]:
    """The text of one line of the event stream, and whether the answer is complete. Raises ChatFailed."""
    if not line.startswith("data:"):
        return "", False  # a comment, a blank line or another field
    data = line[5:].strip()
    if data == "[DONE]":
        return "", True
    try:
        chunk = json.loads(data)
    except ValueError as error:
        raise ChatFailed("a broken answer") from error
    if not isinstance(chunk, dict):
        raise ChatFailed("a broken answer")
    if chunk.get("error"):
        raise ChatFailed(_complaint(data))
    choices = chunk.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        return "", False  # the chunk with the usage
    delta = choices[0].get("delta")
    text = delta.get("content") if isinstance(delta, dict) else None
    # Some servers never send [DONE]: a finish reason is as good.
    return text if isinstance(text, str) else "", choices[0].get("finish_reason") is not None


def _complaint(body: str) -> str:
    """What an error body says, on one line."""
    try:
        error = json.loads(body)["error"]
        text = str(error["message"] if isinstance(error, dict) else error)
    except (ValueError, LookupError, TypeError):
        text = body
    return re.sub(r"\s+", " ", text)[:200]
