"""The chat endpoint as answerer, against a server of our own: streaming, oddities, failures, discovery."""

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest

from tests.tunnel import Tunnel
from tests.unit.chat_server import DROP, HANG, ChatServer, chat_server, chunk, words
from tests.unit.offline_client import NOBODY, session, spoken_text
from voicechat.config.choose import Local
from voicechat.engine.answerer import Message
from voicechat.engine.chat import (
    FAILED,
    MOST_CHARS,
    MOST_CHARS_IN_ALL,
    ChatAnswerer,
    ChatEndpoint,
    ollama_models,
    talker,
)
from voicechat.engine.chat_messages import MANNER
from voicechat.engine.companion import Companion
from voicechat.engine.engine import OfflineSettings, connect
from voicechat.engine.provider import offline_service
from voicechat.errors import ConfigError
from voicechat.providers.base import ProviderOptions
from voicechat.text.window import MOST_ITEMS, MOST_TOKENS, tokens
from voicechat.wire.network import Network

COMPANION = Companion(lambda: datetime(2026, 11, 20, 15, 4))
CERTIFICATE = str(Path(__file__).parents[1] / "e2e" / "self-signed.pem")
QUESTION = [Message("user", "what time is it")]


async def ask(
    endpoint: ChatEndpoint,
    history: list[Message] = QUESTION,
    instructions: str = "",
    tell: Callable[[str], None] = logging.getLogger(__name__).warning,
) -> list[str]:
    answerer = ChatAnswerer(endpoint, COMPANION, tell)
    try:
        return [piece async for piece in answerer.answer(history, instructions)]
    finally:
        await answerer.close()


def test_the_request_and_the_sentences_of_the_answer() -> None:
    async def main() -> None:
        async with chat_server(words("It is late. Go to bed! Good night")) as chat:
            history = [Message("user", "hi"), Message("assistant", "hello"), *QUESTION]
            pieces = await ask(ChatEndpoint(chat.url, "some-model", "sk-1"), history, "Be strict.")
        assert pieces == ["It is late. ", "Go to bed! ", "Good night"]
        assert chat.requests == [
            {
                "model": "some-model",
                "stream": True,
                "messages": [
                    {"role": "system", "content": f"{MANNER}\nBe strict."},
                    {"role": "user", "content": "hi"},
                    {"role": "assistant", "content": "hello"},
                    {"role": "user", "content": "what time is it"},
                ],
            }
        ]
        assert "authorization: bearer sk-1" in chat.headers[0].lower()

    asyncio.run(main())


def test_a_long_conversation_is_told_as_far_as_a_model_has_room_for_it() -> None:
    async def main() -> None:
        async with chat_server(words("yes")) as chat:
            history = [Message("user", f"question {n} " + "x" * 400) for n in range(1000)]
            await ask(ChatEndpoint(chat.url, "some-model"), history)
            told = chat.requests[0]["messages"]
            assert len(told) <= 1 + MOST_ITEMS
            assert sum(tokens(message["content"]) for message in told) <= MOST_TOKENS
            assert told[-1]["content"].startswith("question 999")

    asyncio.run(main())


def test_an_endpoint_of_a_private_authority() -> None:
    async def main() -> None:
        async with chat_server(words("It is late.")) as chat:
            port = int(chat.url.rpartition(":")[2].partition("/")[0])
            with Tunnel(port, certificate=CERTIFICATE) as tls:
                url = f"https://localhost:{tls.port}/v1"
                assert FAILED in await ask(ChatEndpoint(url, "m"))
                assert await ask(ChatEndpoint(url, "m", ca_file=CERTIFICATE)) == ["It is late. "]

    asyncio.run(main())


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_oddities_of_other_servers_are_survived(line_end: str) -> None:
    script = [
        ": keep-alive",
        "event: message",
        chunk(None, role="assistant", reasoning_content="never say this"),
        'data: {"choices": [], "usage": {"total_tokens": 3}}',
        chunk("All "),
        chunk("well."),
        chunk(None, finish="stop"),  # and no [DONE]
    ]

    async def main() -> list[str]:
        async with chat_server(script, line_end=line_end) as chat:
            return await ask(ChatEndpoint(chat.url, "m"))

    assert asyncio.run(main()) == ["All well."]


def test_thoughts_are_kept_and_markdown_is_turned_into_words() -> None:
    answer = (
        "<think>\nThe user is **tired**.\n</think>\n\nTwo ways:\n\n1. **Sleep.**\n2. See [this](https://x.org/y).\n"
    )
    script = [chunk(answer[at : at + 5]) for at in range(0, len(answer), 5)]
    script = [chunk(None, reasoning="Hm. Let me think."), *script, "data: [DONE]"]

    async def main() -> list[str]:
        async with chat_server(script) as chat:
            return await ask(ChatEndpoint(chat.url, "m"))

    assert asyncio.run(main()) == ["Two ways: 1: Sleep. ", "2: See this. "]


def test_the_first_clause_is_given_before_the_answer_is_complete() -> None:
    async def main() -> None:
        async with chat_server([chunk("Well, as far as I know it rains there, "), chunk("but "), HANG]) as chat:
            answerer = ChatAnswerer(ChatEndpoint(chat.url, "m"), COMPANION)
            answer = answerer.answer(QUESTION, "")
            assert await anext(answer) == "Well, as far as I know it rains there, "
            await answer.aclose()
            async with asyncio.timeout(5):
                await chat.gone.wait()
            await answerer.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("port", "told"),
    [
        (
            "11434",
            "Ollama has no model big-model: fetch it with `ollama pull big-model`. It has little-model, other-model.",
        ),
        ("1", "There is no model big-model at {url}. It has little-model, other-model."),
    ],
)
def test_a_missing_model_is_explained(port: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        body = b'{"error": {"message": "model \'big-model\' not found"}}'
        async with chat_server(status=404, error=body, models=("little-model", "other-model")) as chat:
            if port == "11434":
                monkeypatch.setattr("voicechat.engine.chat._OLLAMA_PORT", int(chat.url.split(":")[2].split("/")[0]))
            lines: list[str] = []
            answerer = ChatAnswerer(ChatEndpoint(chat.url, "big-model"), COMPANION, lines.append)
            assert "".join([piece async for piece in answerer.answer(QUESTION, "")]) == f"{FAILED}It is 3:04 PM."
            await answerer.close()
            assert lines == [told.format(url=chat.url)]

    asyncio.run(main())


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:1", "socks5://127.0.0.1:1", "socks://127.0.0.1:1"])
def test_this_machine_is_never_asked_by_way_of_a_proxy(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.setenv(name, proxy)

    async def main() -> None:
        async with chat_server(words("Found.")) as chat:
            assert await ollama_models(chat.url, timeout_s=5) == ["little-model"]
            assert await ask(ChatEndpoint(chat.url, "m")) == ["Found. "]

    asyncio.run(main())


def test_a_proxy_of_an_unknown_kind_is_a_failure_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:1")
    answer = asyncio.run(ask(ChatEndpoint("https://chat.example/v1", "m")))
    assert "".join(answer) == f"{FAILED}It is 3:04 PM."


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ([chunk("First of all. "), chunk("And th"), DROP], f"First of all. And th {FAILED}It is 3:04 PM."),
        ([chunk("One. "), 'data: {"error": {"message": "out of memory"}}'], f"One.  {FAILED}It is 3:04 PM."),
        ([chunk("One. ")], f"One.  {FAILED}It is 3:04 PM."),
        (["data: {broken"], f"{FAILED}It is 3:04 PM."),
        (["data: [DONE]"], f"{FAILED}It is 3:04 PM."),
        ([chunk("<think>only thoughts</think>"), "data: [DONE]"], f"{FAILED}It is 3:04 PM."),
    ],
)
def test_a_failure_is_said_and_the_companion_answers(script: list[str], expected: str) -> None:
    async def main() -> str:
        async with chat_server(script) as chat:
            return "".join(await ask(ChatEndpoint(chat.url, "m")))

    assert asyncio.run(main()) == expected


def test_a_refusal_or_nobody_there_is_said_too(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with chat_server(status=503) as chat:
            assert "".join(await ask(ChatEndpoint(chat.url, "m", "sk-secret"))) == f"{FAILED}It is 3:04 PM."
        assert "".join(await ask(ChatEndpoint(chat.url, "m"))) == f"{FAILED}It is 3:04 PM."
        assert "".join(await ask(ChatEndpoint("http://[", "m"))) == f"{FAILED}It is 3:04 PM."

    asyncio.run(main())
    assert "model not loaded" in caplog.text
    assert "sk-secret" not in caplog.text


def test_ollamas_models_are_found() -> None:
    async def main() -> None:
        async with chat_server(models=("little-model", "other-model")) as chat:
            assert await ollama_models(chat.url, timeout_s=5) == ["little-model", "other-model"]
        assert await ollama_models(chat.url, timeout_s=5) == []
        async with chat_server(models=()) as chat:
            assert await ollama_models(chat.url, timeout_s=5) == []

    asyncio.run(main())


def test_a_server_that_accepts_and_says_nothing_is_not_waited_for() -> None:
    async def main() -> None:
        never = asyncio.Event()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()
            never.set()

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            assert await ollama_models(f"http://127.0.0.1:{port}/v1", timeout_s=0.05) == []
            await never.wait()

    asyncio.run(main())


@pytest.mark.parametrize(("wanted", "used"), [("", "little-model"), ("little-model", "little-model")])
def test_a_session_uses_the_ollama_it_finds(wanted: str, used: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # A busy machine does not answer within the moment that a start may take.
    monkeypatch.setattr("voicechat.engine.engine.ollama_models", partial(ollama_models, timeout_s=5))

    async def main() -> None:
        async with (
            chat_server(words("Found.")) as chat,
            session(OfflineSettings(ollama_url=chat.url, chat_model=wanted)) as client,
        ):
            assert spoken_text((await client.say("hello"))["response"]) == "Found."
            assert chat.requests[0]["model"] == used

    asyncio.run(main())


def test_a_missing_extra_is_told_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="not installed") as error:
        connect(NOBODY)
    assert "pip install '.[offline]'" in error.value.hint


@dataclass(frozen=True)
class Choice:
    options: ProviderOptions
    chat: ChatEndpoint
    local: Local = field(default_factory=Local)
    network: Network = field(default_factory=Network)


@pytest.mark.parametrize(
    ("model", "url", "expected"),
    [("companion", "", "companion"), ("companion", "http://x/v1", "m"), ("flagged", "http://x/v1", "flagged")],
)
def test_the_provider_is_named_after_who_answers(model: str, url: str, expected: str) -> None:
    options = ProviderOptions(model=model, voice="en-gb")
    provider, _ = offline_service(Choice(options, ChatEndpoint(url, "m", "k")))
    assert (provider.name, provider.model, provider.voice) == ("offline", expected, "en-gb")


def test_a_session_talks_with_the_endpoint_and_names_its_model() -> None:
    async def main() -> None:
        async with (
            chat_server(words("Nice to hear. Tell me more."), words("Fine.")) as chat,
            session(OfflineSettings(chat_url=chat.url, chat_model="big-model")) as client,
        ):
            updated = await client.update(instructions="Be kind.")
            assert updated["session"]["model"] == "big-model"
            done = await client.say("I am tired")
            assert spoken_text(done["response"]) == "Nice to hear. Tell me more."
            await client.say("no")
            assert [turn["content"] for turn in chat.requests[1]["messages"]] == [
                f"{MANNER}\nBe kind.",
                "I am tired",
                "Nice to hear. Tell me more.",
                "no",
            ]

    asyncio.run(main())


def test_the_user_is_told_what_is_wrong_with_the_model_and_what_to_do() -> None:
    async def main() -> None:
        body = b'{"error": {"message": "model \'big-model\' not found"}}'
        async with (
            chat_server(status=404, error=body) as chat,
            session(OfflineSettings(chat_url=chat.url, chat_model="big-model")) as client,
        ):
            part = {"type": "input_text", "text": "hello"}
            await client.send("conversation.item.create", item={"type": "message", "role": "user", "content": [part]})
            await client.send("response.create")
            error = (await client.until("error"))["error"]
            assert error["message"] == f"There is no model big-model at {chat.url}. It has little-model."
            done = await client.until("response.done")
            assert spoken_text(done["response"]).startswith(FAILED)

    asyncio.run(main())


@pytest.mark.parametrize(
    "turn", ["a word " * 50, "十个汉字的一句话呀！" * 10, "десять слов по-русски " * 10, "สวัสดี " * 40]
)
@pytest.mark.parametrize("instructions", ["", "Be brief. " * 500])
def test_a_long_conversation_is_told_as_far_as_a_context_has_room(turn: str, instructions: str) -> None:
    async def main() -> None:
        async with chat_server(words("Fine.")) as chat:
            await ask(ChatEndpoint(chat.url, "m"), [Message("user", turn)] * 200, instructions)
            told = [tokens(message["content"]) for message in chat.requests[0]["messages"]]
            assert MOST_TOKENS - tokens(turn) < sum(told) <= MOST_TOKENS

    asyncio.run(main())


@pytest.mark.parametrize(
    ("letter", "count"), [("x", 1000), ("é", 1000), ("я", 2000), ("字", 4000), ("ก", 4000), ("😀", 4000)]
)
def test_tokens_are_counted_by_the_alphabet(letter: str, count: int) -> None:
    assert tokens(letter * 4000) == count


def whole(text: str) -> str:
    return json.dumps({"object": "chat.completion", "choices": [{"message": {"role": "assistant", "content": text}}]})


@pytest.mark.parametrize(
    ("model", "script", "said"),
    [
        # The opening tag was given to the model, so that only the closing one is seen.
        ("deepseek-r1:8b", ["The user asks. ", "I should say so.\n", "</think>\n\n", "It is late."], "It is late."),
        ("QwQ-32B", ["<think>\nHm. ", "Well.</think>", "It is late."], "It is late."),
        ("qwen3-4b-thinking", ["It is late. ", "Go to bed."], "It is late. Go to bed. "),  # no thoughts after all
        ("magistral", ["[THINK]Hm. Well. ", "Or?[/THI", "NK]It is [late]."], "It is [late]. "),
        ("kimi", ["◁think▷Hm.◁/think▷It is late."], "It is late. "),
    ],
)
def test_no_thought_is_read_aloud(model: str, script: list[str], said: str) -> None:
    async def main() -> str:
        async with chat_server([*(chunk(text) for text in script), "data: [DONE]"]) as chat:
            return "".join(await ask(ChatEndpoint(chat.url, model)))

    assert asyncio.run(main()).strip() == said.strip()


def test_thoughts_that_come_beside_the_answer_do_not_hold_it_back() -> None:
    async def main() -> None:
        script = [chunk("", reasoning="The user asks."), chunk("It is late. "), chunk("Go"), HANG]
        async with chat_server(script) as chat:
            answerer = ChatAnswerer(ChatEndpoint(chat.url, "deepseek-r1"), COMPANION)
            answer = answerer.answer(QUESTION, "")
            async with asyncio.timeout(5):
                assert await anext(answer) == "It is late. "
            await answer.aclose()
            await answerer.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("kind", "script", "said"),
    [
        ("application/json; charset=utf-8", [whole("It is late.")], "It is late."),
        ("application/json", ['{"error": "out of memory"}'], f"{FAILED}It is 3:04 PM."),
        ("text/html", ["<html>Log in first</html>"], f"{FAILED}It is 3:04 PM."),
        ("text/event-stream", [chunk("One. "), '{"error": "out of memory"}'], f"One.  {FAILED}It is 3:04 PM."),
        (
            "text/event-stream",
            [
                'data: {"choices": [{"delta": {"content": [{"type": "thinking", "thinking": "Hm."}]}}]}',
                'data: {"choices": [{"delta": {"content": [{"type": "text", "text": "It is late."}]}}]}',
                'data: {"choices": [{"delta": null, "finish_reason": "stop"}]}',
            ],
            "It is late.",
        ),
        ("text/event-stream", ['data: {"choices": [{"delta": "x"}]}', "data: [DONE]"], f"{FAILED}It is 3:04 PM."),
        ("text/event-stream", ["data: [1, 2]"], f"{FAILED}It is 3:04 PM."),
        (
            "text/event-stream",
            [chunk("One. "), 'data: {"object": "error", "message": "out of memory"}', chunk("Two. "), "data: [DONE]"],
            f"One.  {FAILED}It is 3:04 PM.",
        ),
    ],
)
def test_servers_that_answer_in_another_way(kind: str, script: list[str], said: str) -> None:
    async def main() -> str:
        async with chat_server(script, content_type=kind) as chat:
            return "".join(await ask(ChatEndpoint(chat.url, "m")))

    assert asyncio.run(main()).strip() == said.strip()


def test_an_answer_without_end_is_ended() -> None:
    async def main() -> None:
        async with chat_server([chunk("And again. ")] * (MOST_CHARS // 5)) as chat:
            said = "".join(await ask(ChatEndpoint(chat.url, "m")))
        assert MOST_CHARS <= len(said) <= MOST_CHARS + 12
        assert FAILED not in said

    asyncio.run(main())


@pytest.mark.parametrize("tags", [("<think>", "</think>"), ("", "</think>")])
def test_long_thoughts_leave_room_for_the_answer(tags: tuple[str, str]) -> None:
    async def main() -> None:
        script = [chunk(tags[0]), *[chunk("Hm, let me see. " * 100)] * 9, chunk(tags[1]), chunk("It is four.")]
        async with chat_server([*script, "data: [DONE]"]) as chat:
            assert await ask(ChatEndpoint(chat.url, "qwen-thinking")) == ["It is four."]

    assert len("Hm, let me see. ") * 900 > MOST_CHARS
    asyncio.run(main())


@pytest.mark.parametrize(
    "endless",
    [
        chunk("<think>" + "Hm. " * 2500),
        chunk(None, reasoning="Hm. " * 2500),
        'data: {"choices": [{"delta": {"tool_calls": [{"function": {"name": "f", "arguments": "%s"}}]}}]}'
        % ("x" * 10_000),
    ],
)
def test_thoughts_and_calls_without_end_are_ended(endless: str) -> None:
    async def main() -> None:
        async with chat_server([endless] * (MOST_CHARS_IN_ALL // 10_000 + 1) + [HANG]) as chat:
            told: list[str] = []
            async with asyncio.timeout(20):
                said = "".join(await ask(ChatEndpoint(chat.url, "m"), tell=told.append))
            assert said == f"{FAILED}It is 3:04 PM."
            assert told == [f"The chat model m at {chat.url} failed: it comes to no end."]

    asyncio.run(main())


@pytest.mark.parametrize("keep_alive", [[], [": still here"] * 3, [chunk("")] * 3])
def test_a_stream_that_stalls_after_its_first_words_is_not_waited_for_long(
    keep_alive: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voicechat.engine.chat.STALL_TIMEOUT_S", 0.1)

    async def main() -> None:
        async with chat_server([chunk("It is late. "), chunk("Go to"), *keep_alive, HANG]) as chat:
            told: list[str] = []
            async with asyncio.timeout(20):
                said = "".join(await ask(ChatEndpoint(chat.url, "m"), tell=told.append))
                await chat.gone.wait()
            assert said == f"It is late. Go to {FAILED}It is 3:04 PM."
            assert told == [f"The chat model m at {chat.url} failed: nothing came for 0 s."]

    asyncio.run(main())


def test_a_server_that_only_says_that_it_is_there_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    class Patient(ChatServer):
        async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
            with suppress(OSError):
                while not reader.at_eof():
                    writer.write(b": still here\n\n")
                    await writer.drain()
                    await asyncio.sleep(0.01)

    async def main() -> None:
        async with chat_server() as chat:
            chat.__class__ = Patient
            monkeypatch.setattr("voicechat.engine.chat.SILENCE_TIMEOUT_S", 1.0)
            async with asyncio.timeout(20):
                assert "".join(await ask(ChatEndpoint(chat.url, "m"))) == f"{FAILED}It is 3:04 PM."

    asyncio.run(main())


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (
            502,
            "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><hr></body></html>",
            "HTTP 502: Bad Gateway",
        ),
        (503, "<!DOCTYPE html><html><body><h1>Sorry</h1></body></html>", "HTTP 503"),
        (500, "<html><title>Tea &amp; cake\n are out</title>", "HTTP 500: Tea & cake are out"),
        (
            400,
            '{"object": "error", "message": "the prompt is too long", "code": 400}',
            "HTTP 400: the prompt is too long",
        ),
        (422, '{"detail": "no such field"}', "HTTP 422: no such field"),
        (500, '"odd"', 'HTTP 500: "odd"'),
        (500, "", "HTTP 500"),
    ],
)
def test_a_refusal_is_told_in_words(status: int, body: str, said: str) -> None:
    async def main() -> None:
        async with chat_server(status=status, error=body.encode()) as chat:
            told: list[str] = []
            await ask(ChatEndpoint(chat.url, "m"), tell=told.append)
            assert told == [f"The chat model m at {chat.url} failed: {said}."]

    asyncio.run(main())


def test_an_address_without_its_path_is_told(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with chat_server(status=404, error=b"404 page not found") as chat:
            await ask(ChatEndpoint(chat.url.removesuffix("/v1"), "m"))

    asyncio.run(main())
    assert "HTTP 404: page not found (does the address lack its /v1?)" in caplog.text


@pytest.mark.parametrize(
    ("listed", "chosen"),
    [
        (("nomic-embed-text:latest", "llama3.2:3b"), "llama3.2:3b"),
        (("qwen3:4b", "bge-m3:latest"), "qwen3:4b"),
        (("bge-m3",), "bge-m3"),
    ],
)
def test_a_model_that_answers_nobody_is_not_chosen(listed: tuple[str, ...], chosen: str) -> None:
    assert talker(listed) == chosen


@pytest.mark.parametrize(
    ("wanted", "listed", "told"),
    [
        ("qwen3:4b", (), "Ollama does not run here, or has no model: `ollama serve`, then `ollama pull qwen3:4b`."),
        ("qwen3:4b", ("a", "b"), "Ollama has no model qwen3:4b: fetch it with `ollama pull qwen3:4b`. It has a, b."),
        ("llama3.2", ("llama3.2:latest",), ""),
        ("", (), ""),
    ],
)
def test_a_model_that_ollama_does_not_have_is_told_before_anybody_speaks(
    wanted: str, listed: tuple[str, ...], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voicechat.engine.engine.ollama_models", partial(ollama_models, timeout_s=5))

    async def main() -> None:
        async with chat_server(models=listed) as chat:
            settings = OfflineSettings(ollama_url=chat.url, chat_model=wanted)
            async with session(settings) as client:
                if told:
                    assert (await client.until("error"))["error"]["message"] == told
                else:
                    await client.update(instructions="Be kind.")
                    assert client.of("error") == []

    asyncio.run(main())


FIRST_ANSWER = """
import asyncio, time
from tests.unit.chat_server import chat_server, words
from voicechat.engine.engine import OfflineSettings, connect
from voicechat.realtime import commands, events

async def main():
    async with chat_server(words("It is late. Go to *bed*.")) as chat:
        transport = connect(OfflineSettings(chat_url=chat.url, chat_model="m", voice="en-us"))
        await transport.connect()
        await transport.receive()
        while any(task.get_name() == "offline-answerer" for task in asyncio.all_tasks()):
            await asyncio.sleep(0.01)
        steps, before = [], time.thread_time()

        async def watch():
            nonlocal before
            while True:
                await asyncio.sleep(0)
                steps.append((now := time.thread_time()) - before)
                before = now

        watching = asyncio.create_task(watch())
        await transport.send(commands.SendText("hello", item_id="a"))
        await transport.send(commands.CreateResponse(speak=False))
        while not isinstance(event := await transport.receive(), events.ResponseFinished):
            pass
        watching.cancel()
        print(event.status, max(steps))
        await transport.close()

asyncio.run(main())
"""


def test_the_first_answer_holds_nobody_up() -> None:
    """How long the loop computes in one step, in a fresh process that has loaded what an answer needs."""
    done = subprocess.run(
        [sys.executable, "-c", FIRST_ANSWER],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    status, longest_s = done.stdout.split()
    assert status == "completed"
    assert float(longest_s) < 0.02
