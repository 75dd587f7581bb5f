"""What was said, as a new session must be told it: the user's words, and of each answer what was heard."""

from collections import deque
from typing import Literal

from voicechat.conversation.notices import AssistantTurn, Notice, UserTurn

Role = Literal["user", "assistant"]
MOST_ITEMS = 40
MOST_CHARS = 12_000
"""About 3000 tokens: enough to go on, and far below every model's context."""


class History:
    """Told every notice; keeps the last turns."""

    def __init__(self) -> None:
        self._items: deque[tuple[int, Role, str]] = deque(maxlen=MOST_ITEMS)
        self._said = 0

    def add(self, notice: Notice) -> None:
        if isinstance(notice, UserTurn) and notice.text:
            self._insert(notice.turn, "user", notice.text)
        elif isinstance(notice, AssistantTurn) and notice.heard.strip():
            self._insert(notice.turn, "assistant", notice.heard.strip())

    def _insert(self, turn: int, role: Role, text: str) -> None:
        """In the order of turns: the user's words may come after the answer to them."""
        self._said += 1
        if role == "user" and self._items and self._items[-1][:2] == (turn, "assistant"):
            last = self._items.pop()
            self._items.append((turn, role, text))
            self._items.append(last)
        else:
            self._items.append((turn, role, text))

    def items(self) -> list[tuple[Role, str]]:
        """The last items that fit, oldest first."""
        kept: list[tuple[Role, str]] = []
        chars = 0
        for _, role, text in reversed(self._items):
            chars += len(text)
            if chars > MOST_CHARS and kept:
                break
            kept.append((role, text))
        return kept[::-1]

    @property
    def whole(self) -> bool:
        """Nothing of what was said is left out of `items`."""
        return len(self.items()) == self._said

    def has_user_words(self, turn: int) -> bool:
        return any(number == turn and role == "user" for number, role, _ in self._items)


def as_text(items: list[tuple[Role, str]]) -> str:
    """For a service that takes no items: the same as a passage of its instructions."""
    lines = [f"{'User' if role == 'user' else 'You'}: {text}" for role, text in items]
    return "The conversation so far, which was cut off and goes on now:\n" + "\n".join(lines)
