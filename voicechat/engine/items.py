"""The conversation as the engine remembers it: items in order, what was said in each, and what was heard of it."""

import asyncio
import re
from dataclasses import dataclass, field
from typing import Literal

from voicechat.engine.answerer import Message

BYTES_PER_MS = 48
"""24 kHz s16le."""


class BadId(Exception):
    """No item has this id, or another has it already."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


@dataclass(slots=True)
class Item:
    """One item; of a spoken answer also which words sound when. `role` is None for those of tools."""

    id: str
    role: Literal["user", "assistant", "system"] | None = None
    text: str = ""
    in_progress: bool = False
    audio_ms: float = 0.0
    marks: list[tuple[float, str]] = field(default_factory=list)
    """Of spoken answers: pieces of text, each with the position in ms at which its sound begins."""
    pending: "asyncio.Future[str] | None" = None
    """The text of the user's speech, once it is understood; None when the item was not spoken."""
    call_id: str = ""
    name: str = ""
    """Of a call, whose arguments are its text; a result has no name."""
    cut: bool = False
    """Truncated: what the item says is settled, even while its response still runs."""

    def truncate(self, audio_end_ms: int) -> None:
        """Keep the text whose sound was heard; a piece heard in part is cut at a word, in proportion."""
        kept = ""
        ends = [start for start, _ in self.marks[1:]] + [self.audio_ms]
        for (start, text), end in zip(self.marks, ends, strict=True):
            if end <= audio_end_ms:
                kept += text
                continue
            if start < audio_end_ms:
                kept += _share(text, (audio_end_ms - start) / (end - start))
            break
        self.cut = True
        self.text = kept.strip()
        self.audio_ms = float(audio_end_ms)
        self.marks = [(0.0, self.text)]


def _share(text: str, share: float) -> str:
    words = re.findall(r"\S+\s*", text)
    return "".join(words[: round(len(words) * share)])


class Conversation:
    """The items in their order."""

    def __init__(self) -> None:
        self._items: list[Item] = []

    @property
    def newest_input(self) -> str:
        """The user's last item, "" when there is none: what a response that begins now answers."""
        return next((item.id for item in reversed(self._items) if item.role == "user"), "")

    def beside(self, items: "list[Item] | None") -> "Conversation":
        """Another that begins with `items`, or with what was said in this one, which then knows nothing of it."""
        other = Conversation()
        other._items = list(self._items if items is None else items)
        return other

    def add(self, item: Item, after: str = "") -> None:
        """Append, or insert after the item `after` ("root": first). Raises BadId for an id in use, or no item's."""
        self.check_new(item.id)
        at = len(self._items) if not after else 0 if after == "root" else self._index(after) + 1
        self._items.insert(at, item)

    def check_new(self, item_id: str) -> None:
        """Raises BadId for an id in use."""
        if any(item.id == item_id for item in self._items):
            raise BadId("item_create_duplicate_item_id", f"An item with the id {item_id!r} exists already.")

    def get(self, item_id: str) -> Item:
        return self._items[self._index(item_id)]

    def delete(self, item_id: str) -> None:
        del self._items[self._index(item_id)]

    def history(self) -> list[Message]:
        """What an answerer is told. Items without words are left out."""
        return [
            Message(item.role or ("call" if item.name else "result"), item.text, item.call_id, item.name)
            for item in self._items
            if (item.text or item.call_id) and not item.in_progress
        ]

    def pending(self) -> "list[asyncio.Future[str]]":
        return [item.pending for item in self._items if item.pending is not None]

    def last_spoken(self) -> Item | None:
        """The user's newest turn, when it was spoken; None when it was typed, or there is none."""
        turns = [item for item in self._items if item.role == "user"]
        return turns[-1] if turns and turns[-1].pending is not None else None

    def tokens(self) -> tuple[int, int]:
        """An estimate of the conversation's size: text tokens (four letters each), audio tokens (ten a second)."""
        spoken = [item for item in self._items if item.audio_ms]
        text = sum(len(item.text) for item in self._items if not item.audio_ms)
        return text // 4, sum(round(item.audio_ms / 100) for item in spoken)

    def _index(self, item_id: str) -> int:
        for index, item in enumerate(self._items):
            if item.id == item_id:
                return index
        raise BadId("item_not_found", f"Item with item_id not found: {item_id}")
