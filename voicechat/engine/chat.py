"""An answerer over any OpenAI-compatible chat endpoint (Ollama, llama.cpp, vLLM, a cloud), streamed.

When the endpoint fails, one sentence says so and the companion answers that turn.
"""

import asyncio
import json
import logging
import re
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from typing import Any

from voicechat.engine.answerer import Answerer, Message, Pieces
from voicechat.errors import ConnectionFailed
from voicechat.text.spoken import SpokenText
from voicechat.text.thoughts import Thoughts
from voicechat.text.window import newest_that_fit
from voicechat.wire.http import Exchange, http_client, http_errors
from voicechat.wire.urls import shown

log = logging.getLogger(__name__)

OLLAMA_URL = "http://127.0.0.1:11434/v1"
_OLLAMA_PORT = 11434
PROBE_TIMEOUT_S = 1.0
"""Where nothing listens it takes no time; where something does, it may be busy."""
CONNECT_TIMEOUT_S = 5.0
SILENCE_TIMEOUT_S = 60.0
"""A local model may need this long to load before its first word."""
_MOST_NAMES = 6

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

    def __init__(self, message: str, missing: bool = False):
        super().__init__(message)
        self.missing = missing
        """It has no such model."""


class ChatAnswerer:
    """An `Answerer`; `fallback` answers the turns in which the endpoint fails, and `tell` is given one line why."""

    def __init__(self, endpoint: ChatEndpoint, fallback: Answerer, tell: Callable[[str], None] = log.warning):
        self._endpoint = endpoint
        self._fallback = fallback
        self._tell = tell
        self._client: Any = None
        self.model = endpoint.model or "chat"

    async def answer(self, history: Sequence[Message], instructions: str) -> AsyncGenerator[str, None]:
        thoughts, text, pieces = Thoughts(), SpokenText(), Pieces()
        spoken = False
        failure: ChatFailed | None = None
        try:
            async with aclosing(self._stream(history, instructions)) as fragments:
                async for fragment in fragments:
                    for piece in pieces.feed(text.feed(thoughts.feed(fragment))):
                        spoken = True
                        yield piece
        except ChatFailed as error:
            failure = error
        rest = text.feed(thoughts.flush()) + text.flush()
        for piece in [*pieces.feed(rest), *pieces.flush()]:
            spoken = True
            yield piece
        if failure is None and not spoken:
            failure = ChatFailed("an empty answer")
        if failure is None:
            return
        self._tell(await self._explain(failure))
        yield f" {FAILED}" if spoken else FAILED
        async with aclosing(self._fallback.answer(history, instructions)) as answer:
            async for piece in answer:
                yield piece

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
        await self._fallback.close()

    async def _stream(self, history: Sequence[Message], instructions: str) -> AsyncGenerator[str, None]:
        """The answer's text as it arrives. Raises ChatFailed."""
        endpoint = self._endpoint
        with _failures(endpoint.url) as exchange:
            if self._client is None:
                self._client = _client(endpoint)
            if not endpoint.model and self.model == "chat":
                self.model = await _first_model(self._client, endpoint.url)
            body = {"model": self.model, "messages": _messages(history, instructions), "stream": True}
            async with self._client.stream("POST", f"{_base(endpoint.url)}/chat/completions", json=body) as answer:
                exchange.answered = True
                if answer.status_code != 200:
                    await answer.aread()
                    missing = answer.status_code == 404 and "model" in answer.text
                    raise ChatFailed(f"HTTP {answer.status_code}: {_complaint(answer.text)}", missing)
                ended = False
                async for line in answer.aiter_lines():
                    text, ended = _read(line)
                    if text:
                        yield text
                    if ended:
                        break
                if not ended:
                    raise ChatFailed("the answer broke off")

    async def _explain(self, failure: ChatFailed) -> str:
        """One line for the user: what went wrong, and what to do where that is known."""
        url, where = self._endpoint.url, shown(self._endpoint.url)
        if not failure.missing:
            return f"The chat model {self.model} at {where} failed: {failure}."
        try:
            with _failures(url):
                listed = await list_models(self._client, url)
        except ChatFailed:
            listed = []
        more = ", …" if len(listed) > _MOST_NAMES else ""
        known = f" It has {', '.join(listed[:_MOST_NAMES])}{more}." if listed else ""
        if f":{_OLLAMA_PORT}" in url:
            return f"Ollama has no model {self.model}: fetch it with `ollama pull {self.model}`.{known}"
        return f"There is no model {self.model} at {where}.{known}"


async def find_ollama(url: str = OLLAMA_URL, timeout_s: float = PROBE_TIMEOUT_S) -> ChatEndpoint | None:
    """Ollama at its default address with the first model it lists; None when it is not there, or has no model."""
    listed = await ollama_models(url, timeout_s)
    return ChatEndpoint(url, listed[0]) if listed else None


async def ollama_models(url: str = OLLAMA_URL, timeout_s: float = PROBE_TIMEOUT_S) -> list[str]:
    """The models that Ollama has fetched; none when it does not run."""
    host, _, port = url.removeprefix("http://").removesuffix("/v1").partition(":")
    try:
        async with asyncio.timeout(timeout_s):
            # A bare connection first: where nothing listens, the HTTP library need not even be loaded.
            _, writer = await asyncio.open_connection(host, int(port))
            writer.close()
        with _failures(url):
            async with _client(ChatEndpoint(url)) as client, asyncio.timeout(timeout_s):
                return await list_models(client, url)
    except (OSError, TimeoutError, ChatFailed) as error:
        log.debug("no chat model at %s: %s", url, error)
        return []


def _client(endpoint: ChatEndpoint) -> Any:
    # Ollama wants a key, whatever it is.
    headers = {"Authorization": f"Bearer {endpoint.key or 'none'}"}
    return http_client(
        endpoint.url,
        headers=headers,
        silence_s=SILENCE_TIMEOUT_S,
        connect_s=CONNECT_TIMEOUT_S,
        ca_file=endpoint.ca_file,
    )


@contextmanager
def _failures(url: str) -> Iterator[Exchange]:
    """Whatever goes wrong on the way to the endpoint, as ChatFailed."""
    try:
        with http_errors("the endpoint", url, SILENCE_TIMEOUT_S, CONNECT_TIMEOUT_S) as exchange:
            yield exchange
    except ConnectionFailed as error:
        raise ChatFailed(error.message) from error


async def list_models(client: Any, url: str) -> list[str]:
    """The models an endpoint lists, in its order. Raises ChatFailed."""
    answer = await client.get(f"{_base(url)}/models")
    if answer.status_code != 200:
        raise ChatFailed(f"no list of models: HTTP {answer.status_code}")
    try:
        return [str(model["id"]) for model in answer.json()["data"] or ()]
    except (ValueError, LookupError, TypeError) as error:
        raise ChatFailed(f"no list of models: {error}") from error


async def _first_model(client: Any, url: str) -> str:
    listed = await list_models(client, url)
    if not listed:
        raise ChatFailed("it lists no model")
    return listed[0]


def _base(url: str) -> str:
    return url.rstrip("/").removesuffix("/chat/completions")


def _messages(history: Sequence[Message], instructions: str) -> list[dict[str, str]]:
    system = f"{MANNER}\n{instructions}" if instructions else MANNER
    told = newest_that_fit(history, lambda turn: turn.text)
    return [{"role": "system", "content": system}] + [{"role": turn.role, "content": turn.text} for turn in told]


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
