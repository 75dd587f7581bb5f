"""An answerer over any OpenAI-compatible chat endpoint (Ollama, llama.cpp, vLLM, a cloud), streamed.

When the endpoint fails, one sentence says so and the companion answers that turn.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from voicechat.engine.answerer import Answerer, Message, Pieces, Wanted
from voicechat.engine.chat_messages import WantedCalls, declared, messages
from voicechat.engine.chat_stream import ChatFailed, Part, complaint, read_chunk, read_line
from voicechat.errors import ConnectionFailed
from voicechat.realtime.commands import Tool
from voicechat.text.spoken import SpokenText, to_speech
from voicechat.text.thoughts import Thoughts
from voicechat.wire.http import Exchange, http_client, http_errors, load_http
from voicechat.wire.urls import shown

log = logging.getLogger(__name__)

OLLAMA_URL = "http://127.0.0.1:11434/v1"
_OLLAMA_PORT = 11434
PROBE_TIMEOUT_S = 1.0
"""Where nothing listens it takes no time; where something does, it may be busy."""
CONNECT_TIMEOUT_S = 5.0
SILENCE_TIMEOUT_S = 60.0
"""A local model may need this long to load before its first word, and while it writes a call nothing may come."""
STALL_TIMEOUT_S = 15.0
"""Once it has begun to answer."""
_MOST_NAMES = 6
MOST_CHARS = 12_000
"""Of one answer, a quarter of an hour of speech: a small model may say the same for ever."""
MOST_CHARS_IN_ALL = 100_000
"""Of all that one answer brings, thoughts and calls included."""
_NOT_FOR_CHAT = ("embed", "bge-", "minilm", "rerank", "whisper")
"""In the names of models that answer nobody; Ollama lists them with the others."""
_THINKERS = ("deepseek-r", "r1-", "-r1", "qwq", "think", "reason", "magistral")

FAILED = "Sorry, the chat model failed. "


@dataclass(frozen=True, slots=True)
class ChatEndpoint:
    """`url` is the base, up to and including `/v1`; an empty `model` means the first one it lists."""

    url: str
    model: str = ""
    key: str = field(default="", repr=False)
    ca_file: str = ""
    """Authorities to trust (PEM file); "" are the system's."""


class ChatAnswerer:
    """An `Answerer`; `fallback` answers the turns in which the endpoint fails, and `tell` is given one line why."""

    def __init__(self, endpoint: ChatEndpoint, fallback: Answerer, tell: Callable[[str], None] = log.warning):
        self._endpoint = endpoint
        self._fallback = fallback
        self._tell = tell
        self._client: Any = None
        self._takes_tools = True
        self.model = endpoint.model or "chat"

    async def prepare(self) -> None:
        """Load what the first answer needs: on the loop it would hold up everything for a third of a second."""
        await asyncio.to_thread(_load)
        with suppress(ChatFailed), _failures(self._endpoint.url):  # the first answer will tell
            self._client = await asyncio.to_thread(_client, self._endpoint)

    async def answer(self, history: Sequence[Message], instructions: str) -> AsyncGenerator[str, None]:
        async with aclosing(self.answer_with(history, instructions, (), "none")) as pieces:
            async for piece in pieces:
                if isinstance(piece, str):
                    yield piece

    async def answer_with(
        self, history: Sequence[Message], instructions: str, tools: Sequence[Tool], tool_choice: str
    ) -> AsyncGenerator[str | Wanted, None]:
        """A `ToolUser`: what the endpoint wants called comes after its words."""
        thoughts, text, pieces = Thoughts(), SpokenText(), Pieces()
        begun = spoken = False
        chars = said = 0
        failure: ChatFailed | None = None
        wanted = WantedCalls()
        offered = declared(tools if self._takes_tools else (), tool_choice)
        try:
            async with aclosing(self._stream(history, instructions, offered)) as parts:
                while part := await _next(parts, SILENCE_TIMEOUT_S if offered or not said else STALL_TIMEOUT_S):
                    wanted.add(part.calls)
                    if not begun:  # from here on it is known which model answers
                        begun, thoughts = True, Thoughts(begins_inside=thinks(self.model))
                    if part.thought:
                        thoughts.apart()
                    words = thoughts.feed(part.text)[:MOST_CHARS]
                    chars, said = chars + part.chars, said + len(words)
                    for piece in pieces.feed(text.feed(words)):
                        spoken = True
                        yield piece
                    if said > MOST_CHARS:
                        break
                    if chars > MOST_CHARS_IN_ALL:
                        raise ChatFailed("it comes to no end")
        except ChatFailed as error:
            failure = error
        if failure is not None and failure.no_tools and offered:
            self._takes_tools = False
            log.info("the chat model %s calls no tools: %s", self.model, failure)
            async with aclosing(self.answer_with(history, instructions, (), "none")) as again:
                async for given in again:
                    yield given
            return
        rest = text.feed(thoughts.flush()[: max(0, MOST_CHARS - said)]) + text.flush()
        for piece in [*pieces.feed(rest), *pieces.flush()]:
            spoken = True
            yield piece
        for call in wanted.whole() if offered and not failure else ():  # nobody would make one that was not offered
            spoken = True
            yield call
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

    async def _stream(
        self, history: Sequence[Message], instructions: str, offered: dict[str, Any]
    ) -> AsyncGenerator[Part, None]:
        """The answer as it arrives; `offered` are the fields with the tools. Raises ChatFailed."""
        endpoint = self._endpoint
        with _failures(endpoint.url) as exchange:
            if self._client is None:
                self._client = await asyncio.to_thread(_client, endpoint)
            if not endpoint.model and self.model == "chat":
                self.model = await _first_model(self._client, endpoint.url)
            told = messages(history, instructions)
            body = {"model": self.model, "messages": told, "stream": True, **offered}
            async with self._client.stream("POST", f"{_base(endpoint.url)}/chat/completions", json=body) as answer:
                exchange.answered = True
                kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
                if answer.status_code != 200 or kind in ("application/json", "text/html"):
                    await answer.aread()
                if answer.status_code != 200:
                    raise _refusal(answer.status_code, answer.text, endpoint.url)
                if kind == "text/html":
                    raise ChatFailed("a web page in place of an answer")
                if kind == "application/json":  # some servers do not stream
                    yield read_chunk(answer.text)
                    return
                async for line in answer.aiter_lines():
                    part = read_line(line)
                    yield part
                    if part.ended:
                        return
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
        if f":{_OLLAMA_PORT}" in url or "pull" in str(failure):
            return f"Ollama has no model {self.model}: fetch it with `ollama pull {self.model}`.{_have(listed)}"
        return f"There is no model {self.model} at {where}.{_have(listed)}"


async def _next(parts: AsyncGenerator[Part, None], patience_s: float) -> Part | None:
    """The next one that brings anything, for a server may say for ever that it is still there; None at the end.
    Raises ChatFailed."""
    try:
        async with asyncio.timeout(patience_s):
            async for part in parts:
                if part.chars:
                    return part
    except TimeoutError as error:
        raise ChatFailed(f"nothing came for {patience_s:.0f} s") from error
    return None


def ollama_trouble(model: str, listed: Sequence[str]) -> str:
    """One line when `model` is not among those that Ollama lists; "" when it is."""
    if not listed:
        return f"Ollama does not run here, or has no model: `ollama serve`, then `ollama pull {model}`."
    if any(name in (model, f"{model}:latest") for name in listed):
        return ""
    return f"Ollama has no model {model}: fetch it with `ollama pull {model}`.{_have(listed)}"


def talker(listed: Sequence[str]) -> str:
    """The first of these models that answers, as far as a name tells."""
    return next((name for name in listed if not any(sign in name.lower() for sign in _NOT_FOR_CHAT)), listed[0])


def thinks(model: str) -> bool:
    """Whether its name says that it thinks before it answers. Then a server that takes thoughts for a part of the
    answer may have given the tag that opens them to the model, and we see only the one that closes them."""
    return any(sign in model.lower() for sign in _THINKERS)


async def ollama_models(url: str = OLLAMA_URL, timeout_s: float = PROBE_TIMEOUT_S) -> list[str]:
    """The models that Ollama has fetched; none when it does not run."""
    host, _, port = url.removeprefix("http://").removesuffix("/v1").partition(":")
    try:
        async with asyncio.timeout(timeout_s):
            # A bare connection first: where nothing listens, the HTTP library need not even be loaded.
            _, writer = await asyncio.open_connection(host, int(port))
            writer.close()
        await asyncio.to_thread(_load)
        with _failures(url):
            client = await asyncio.to_thread(_client, ChatEndpoint(url))
            async with client, asyncio.timeout(timeout_s):
                return await list_models(client, url)
    except (OSError, TimeoutError, ChatFailed) as error:
        log.debug("no chat model at %s: %s", url, error)
        return []


def _have(listed: Sequence[str]) -> str:
    more = ", …" if len(listed) > _MOST_NAMES else ""
    return f" It has {', '.join(listed[:_MOST_NAMES])}{more}." if listed else ""


def _load() -> None:
    load_http()
    to_speech("")


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
    return talker(listed)


def _refusal(status: int, body: str, url: str) -> ChatFailed:
    missing = status == 404 and "model" in body
    hint = "" if missing or status != 404 or "/v1" in url else " (does the address lack its /v1?)"
    no_tools = status in (400, 422, 501) and "tool" in body.lower()
    said = complaint(body).removeprefix(str(status)).strip()
    return ChatFailed(f"HTTP {status}{': ' if said else ''}{said}{hint}", missing, no_tools)


def _base(url: str) -> str:
    return url.rstrip("/").removesuffix("/chat/completions")
