"""What a chat endpoint is told, and the calls that it wants made: the Chat Completions side of a conversation."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from voicechat.engine.answerer import Message, Wanted
from voicechat.realtime.commands import Tool
from voicechat.text.window import newest_that_fit, tokens

MANNER = (
    "You are a friendly voice assistant. Your answer is spoken aloud: reply in one to three short plain sentences, "
    "without markup, lists or emoji, in the language of the user."
)
PENDING = "The result is not there yet: it is still being worked on."
MOST_CALLS = 32


def messages(history: Sequence[Message], instructions: str) -> list[dict[str, Any]]:
    """The newest of the conversation that fit. Every call has its result right behind it: endpoints insist on that."""
    system = f"{MANNER}\n{instructions}" if instructions else MANNER
    told = newest_that_fit(history, lambda turn: turn.text, used=tokens(system))
    results = {turn.call_id: turn.text for turn in told if turn.role == "result"}
    written: list[dict[str, Any]] = [{"role": "system", "content": system}]
    for turn in told:
        if turn.role == "call":
            function = {"name": turn.name, "arguments": turn.text or "{}"}
            call = {"id": turn.call_id, "type": "function", "function": function}
            written.append({"role": "assistant", "content": None, "tool_calls": [call]})
            result = results.get(turn.call_id, PENDING)
            written.append({"role": "tool", "tool_call_id": turn.call_id, "content": result})
        elif turn.role != "result":
            written.append({"role": turn.role, "content": turn.text})
    return written


def declared(tools: Sequence[Tool], tool_choice: str) -> dict[str, Any]:
    """The fields of a request that offer tools; none when there are none."""
    if not tools:
        return {}
    functions = [
        {"type": "function", "function": {"name": t.name, "description": t.description, "parameters": t.parameters}}
        for t in tools
    ]
    choice: Any = tool_choice
    if choice not in ("auto", "none", "required"):
        choice = {"type": "function", "function": {"name": choice}}
    return {"tools": functions, "tool_choice": choice}


@dataclass(slots=True)
class WantedCalls:
    """The calls of one answer, put together from the pieces in which they are streamed."""

    _calls: dict[int, list[str]] = field(default_factory=dict)  # by index: id, name, arguments

    def add(self, deltas: object) -> None:
        """Take in the `tool_calls` of one chunk, whatever it is."""
        for position, delta in enumerate(deltas if isinstance(deltas, list) else ()):
            function = delta.get("function") if isinstance(delta, dict) else None
            if not isinstance(function, dict):
                continue
            index = delta.get("index")
            index = index if isinstance(index, int) else position
            if index not in self._calls and len(self._calls) >= MOST_CALLS:
                continue
            call = self._calls.setdefault(index, ["", "", ""])
            for place, value in enumerate((delta.get("id"), function.get("name"), function.get("arguments"))):
                if isinstance(value, str):
                    call[place] = call[place] + value if place == 2 else call[place] or value

    def whole(self) -> list[Wanted]:
        """Those that have a name, in order."""
        return [
            Wanted(call_id or f"call_{secrets.token_hex(8)}", name, arguments)
            for _, (call_id, name, arguments) in sorted(self._calls.items())
            if name
        ]
