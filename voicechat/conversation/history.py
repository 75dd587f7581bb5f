"""What was said, as a new session must be told it: the user's words, and of each answer what was heard."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import Literal

from voicechat.realtime.commands import SendToolCall
from voicechat.text.window import MOST_ITEMS, newest_that_fit

Role = Literal["user", "picture", "assistant", "tool"]
"""A picture is the user's, and its text only says which one it was."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that was said, in turn number `turn`."""

    turn: int
    role: Role
    text: str
    call: SendToolCall | None = None
    """What `text` is the result of, where a tool says it."""


class History:
    """Written by the session; keeps the last items in the order of turns, whenever their words come."""

    def __init__(self) -> None:
        self._items: list[Item] = []
        self._said = 0

    def add(self, turn: int, role: Role, text: str, call: SendToolCall | None = None) -> None:
        """The user's words open their turn; whatever else belongs to it follows in the order it came."""
        text = text.strip()
        if not (text or call):
            return
        self._said += 1
        bisect = bisect_left if role == "user" else bisect_right
        self._items.insert(bisect(self._items, turn, key=lambda item: item.turn), Item(turn, role, text, call))
        del self._items[:-MOST_ITEMS]

    def entries(self) -> list[Item]:
        """The last items that fit, oldest first."""
        return newest_that_fit(self._items, lambda item: item.text)

    def items(self) -> list[tuple[Role, str]]:
        """The same in words alone."""
        return [(item.role, item.text) for item in self.entries()]

    def clear(self) -> None:
        self._items.clear()
        self._said = 0

    def last_words(self) -> str:
        """What the user said last; "" when nothing is known of it."""
        return next((item.text for item in reversed(self._items) if item.role == "user"), "")

    def forget_answer(self, turn: int) -> None:
        """The answer to this turn is to be as if it had not been."""
        kept = [item for item in self._items if item.turn != turn or item.role in ("user", "picture")]
        self._said -= len(self._items) - len(kept)
        self._items = kept

    @property
    def whole(self) -> bool:
        """Nothing of what was said is left out of `entries`."""
        return len(self.entries()) == self._said

    def knows_question(self, turn: int) -> bool:
        """What this turn asked for is known, by the user's words or by what was called for them."""
        return any(item.turn == turn and item.role != "assistant" for item in self._items)


def as_text(items: list[tuple[Role, str]]) -> str:
    """For a service that takes no items: the same as a passage of its instructions."""
    names = {"user": "User", "picture": "User", "assistant": "You", "tool": "Result of a tool"}
    lines = [f"{names[role]}: {text}" for role, text in items]
    return "The conversation so far, which was cut off and goes on now:\n" + "\n".join(lines)
