"""Tools of the offline engine: passed to its chat endpoint, called by it, and their results told."""

import asyncio
import json
from typing import Any

from tests.unit.chat_server import ChatServer, chat_server, chunk, words
from tests.unit.offline_client import session
from voicechat.engine.answerer import Message, Wanted
from voicechat.engine.chat import FAILED, ChatAnswerer, ChatEndpoint
from voicechat.engine.chat_messages import MOST_CALLS, PENDING, WantedCalls, messages
from voicechat.engine.companion import Companion
from voicechat.engine.engine import OfflineSettings
from voicechat.realtime.commands import Tool

PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL = Tool("forecast", "The weather.", PARAMETERS)
DECLARED = {
    "type": "function",
    "function": {"name": "forecast", "description": "The weather.", "parameters": PARAMETERS},
}


def delta(*calls: dict[str, Any]) -> str:
    return "data: " + json.dumps(
        {"choices": [{"index": 0, "delta": {"tool_calls": list(calls)}, "finish_reason": None}]}
    )


CALLS = [
    chunk("Let me look. "),
    delta({"index": 0, "id": "c1", "type": "function", "function": {"name": "forecast", "arguments": ""}}),
    delta({"index": 0, "function": {"arguments": '{"city":'}}),
    delta(
        {"index": 0, "function": {"arguments": ' "Oslo"}'}}, {"index": 1, "id": "c2", "function": {"name": "forecast"}}
    ),
    chunk(None, "tool_calls"),
    "data: [DONE]",
]


def test_a_call_of_the_endpoint_is_made_and_its_result_told() -> None:
    async def main() -> None:
        async with (
            chat_server(CALLS, words("Twelve degrees.")) as chat,
            session(OfflineSettings(chat_url=chat.url, chat_model="m")) as client,
        ):
            tool = {"type": "function", "name": "forecast", "description": "The weather.", "parameters": PARAMETERS}
            await client.update(output_modalities=["text"], tools=[tool])
            done = await client.say("Will it be warm in Oslo?")
            calls = [item for item in done["response"]["output"] if item["type"] == "function_call"]
            assert [(c["call_id"], c["name"], c["arguments"]) for c in calls] == [
                ("c1", "forecast", '{"city": "Oslo"}'),
                ("c2", "forecast", ""),
            ]
            output = {"type": "function_call_output", "call_id": "c1", "output": "12"}
            await client.send("conversation.item.create", item=output)
            await client.send("response.create")
            done = await client.until("response.done")
            assert done["response"]["output"][0]["content"][0]["text"] == "Twelve degrees."
        assert [request["tools"] for request in chat.requests] == [[DECLARED], [DECLARED]]
        told = chat.requests[1]["messages"]
        kinds = [(m["role"], m.get("tool_call_id")) for m in told[1:]]
        assert kinds[0] == ("user", None)
        assert [kind for kind in kinds if kind[0] == "tool"] == [("tool", "c1"), ("tool", "c2")]
        assert [m["content"] for m in told if m["role"] == "tool"] == ["12", PENDING]

    asyncio.run(main())


def test_a_model_that_calls_no_tools_answers_without_them() -> None:
    class Simple(ChatServer):
        async def _answer(self, reader: Any, writer: Any) -> None:
            refuses = "tools" in self.requests[-1]
            self.status, self.error = (
                (400, b'{"error": {"message": "m does not support tools"}}') if refuses else (200, b"")
            )
            await super()._answer(reader, writer)

    async def main() -> None:
        async with chat_server(words("Good evening."), words("Good night.")) as chat:
            chat.__class__ = Simple
            told: list[str] = []
            answerer = ChatAnswerer(ChatEndpoint(chat.url, "m"), Companion(), told.append)
            for text in ("Good evening.", "Good night."):
                pieces = answerer.answer_with([Message("user", "hi")], "", (TOOL,), "auto")
                assert "".join([str(piece) async for piece in pieces]).strip() == text
            await answerer.close()
            assert ["tools" in request for request in chat.requests] == [True, False, False], "asked once"
            assert told == []

    asyncio.run(main())


def test_a_call_that_nobody_offered_is_no_answer() -> None:
    async def main() -> None:
        async with chat_server(CALLS[1:], CALLS) as chat:
            told: list[str] = []
            answerer = ChatAnswerer(ChatEndpoint(chat.url, "m"), Companion(), told.append)
            answers = [[piece async for piece in answerer.answer([Message("user", "thanks")], "")] for _ in range(2)]
            await answerer.close()
        assert answers == [[FAILED, "You are welcome."], ["Let me look. "]]
        assert told == [f"The chat model m at {chat.url} failed: an empty answer."]

    asyncio.run(main())


def test_every_call_has_one_result_and_no_result_stands_alone() -> None:
    history = [
        Message("result", "lost", "c0"),
        Message("user", "go"),
        Message("call", "", "c1", "forecast"),
        Message("user", "meanwhile"),
        Message("result", "12", "c1"),
    ]
    told = messages(history, "")[1:]
    assert [(m["role"], m.get("content")) for m in told] == [
        ("user", "go"),
        ("assistant", None),
        ("tool", "12"),
        ("user", "meanwhile"),
    ]
    assert told[1]["tool_calls"][0]["function"] == {"name": "forecast", "arguments": "{}"}


def test_pieces_of_calls_are_put_together_whatever_comes() -> None:
    wanted = WantedCalls()
    for deltas in (None, "x", [None], [{"function": 3}], [{"index": "a", "function": {"name": "b", "arguments": 7}}]):
        wanted.add(deltas)
    assert [call.name for call in wanted.whole()] == ["b"]
    assert wanted.whole()[0].call_id.startswith("call_")
    whole = WantedCalls()
    whole.add([{"id": "x", "function": {"name": "a", "arguments": "{}"}}])
    assert whole.whole() == [Wanted("x", "a", "{}")]
    many = WantedCalls()
    many.add([{"index": n, "function": {"name": "a", "arguments": ""}} for n in range(1000)])
    assert len(many.whole()) == MOST_CALLS
