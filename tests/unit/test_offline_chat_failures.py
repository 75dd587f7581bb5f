"""A chat endpoint that refuses, stalls or comes to no end: one sentence says so, and the companion answers."""

import asyncio
from contextlib import suppress

import pytest

from tests.unit.chat_client import ask
from tests.unit.chat_server import DROP, HANG, ChatServer, chat_server, chunk
from tests.unit.offline_client import session, spoken_text
from voicechat.engine.chat import FAILED, MOST_CHARS, MOST_CHARS_IN_ALL, ChatEndpoint, ollama_models
from voicechat.engine.engine import OfflineSettings


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
