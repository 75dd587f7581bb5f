"""The chat endpoint as answerer, against a server of our own: what it is asked, streaming, oddities, thoughts."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tunnel import Tunnel
from tests.unit.chat_client import COMPANION, QUESTION, ask
from tests.unit.chat_server import HANG, chat_server, chunk, words
from voicechat.engine.answerer import Message
from voicechat.engine.chat import FAILED, ChatAnswerer, ChatEndpoint, ollama_models
from voicechat.engine.chat_messages import MANNER
from voicechat.text.window import MOST_ITEMS, MOST_TOKENS, tokens

CERTIFICATE = str(Path(__file__).parents[1] / "e2e" / "self-signed.pem")


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


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:1", "socks5://127.0.0.1:1", "socks://127.0.0.1:1"])
def test_this_machine_is_never_asked_by_way_of_a_proxy(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.setenv(name, proxy)

    async def main() -> None:
        async with chat_server(words("Found.")) as chat:
            assert await ollama_models(chat.url, timeout_s=5) == ["little-model"]
            assert await ask(ChatEndpoint(chat.url, "m")) == ["Found. "]

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
