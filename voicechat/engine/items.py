"""The conversation as the session keeps it: items in order, what was said in each, and what was heard of it."""

import asyncio
import re
from dataclasses import dataclass, field
from typing import Any, Literal

from voicechat.engine.answerer import Message
from voicechat.engine.session_config import Rejected

Json = dict[str, Any]
BYTES_PER_MS = 48
"""24 kHz s16le."""


@dataclass(slots=True)
class Item:
    """One item; of a spoken answer also which words sound when."""

    id: str
    kind: str = "message"
    role: Literal["user", "assistant", "system"] | None = None
    status: Literal["in_progress", "completed", "incomplete"] = "completed"
    content: list[Json] = field(default_factory=list)
    fields: Json = field(default_factory=dict)
    audio_ms: float = 0.0
    marks: list[tuple[float, str]] = field(default_factory=list)
    """Of spoken answers: pieces of text, each with the position in ms at which its sound begins."""
    pending: "asyncio.Future[str] | None" = None
    """The text of the user's speech, once it is understood; None when the item was not spoken."""
    cut: bool = False
    """Truncated: what the item says is settled, even while its response still runs."""

    def shape(self) -> Json:
        """The item on the wire."""
        shape: Json = {"id": self.id, "object": "realtime.item", "type": self.kind, "status": self.status}
        if self.kind == "message":
            shape |= {"role": self.role, "content": [dict(part) for part in self.content]}
        return shape | self.fields

    @property
    def text(self) -> str:
        return " ".join(filter(None, (part.get("text") or part.get("transcript") or "" for part in self.content)))

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
        self.content[0]["transcript"] = kept.strip()
        self.audio_ms = float(audio_end_ms)
        self.marks = [(0.0, kept.strip())]


def _share(text: str, share: float) -> str:
    words = re.findall(r"\S+\s*", text)
    return "".join(words[: round(len(words) * share)])


class Conversation:
    """The items in their order."""

    def __init__(self, conversation_id: str):
        self.id = conversation_id
        self._items: list[Item] = []

    @property
    def last_id(self) -> str | None:
        return self._items[-1].id if self._items else None

    def add(self, item: Item, after: str | None = None) -> str | None:
        """Append, or insert after the item `after` ("root": first); the id of the item before it.

        Raises Rejected for an id in use or an unknown `after`.
        """
        if any(other.id == item.id for other in self._items):
            raise Rejected(
                "item_create_duplicate_item_id", f"An item with the id {item.id!r} exists already.", "item.id"
            )
        at = len(self._items) if after is None else 0 if after == "root" else self._index(after, "previous_item_id") + 1
        self._items.insert(at, item)
        return self._items[at - 1].id if at else None

    def get(self, item_id: object, code: str = "item_not_found", param: str = "item_id") -> Item:
        return self._items[self._index(item_id, param, code)]

    def delete(self, item_id: object) -> None:
        del self._items[self._index(item_id, "item_id")]

    def history(self) -> list[Message]:
        """What an answerer is told. Items without words, and those of tools, are left out."""
        return [
            Message(item.role, item.text)
            for item in self._items
            if item.role is not None and item.text and item.status != "in_progress"
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

    def _index(self, item_id: object, param: str, code: str = "item_not_found") -> int:
        for index, item in enumerate(self._items):
            if item.id == item_id:
                return index
        raise Rejected(code, f"Item with item_id not found: {item_id}", param)


_PARTS = {
    "user": ("input_text", "input_audio", "input_image"),
    "system": ("input_text",),
    "assistant": ("output_text",),
}


def from_client(shape: object, new_id: str) -> Item:
    """The item of a `conversation.item.create`. Raises Rejected."""
    if not isinstance(shape, dict):
        raise Rejected("missing_required_parameter", "Missing required parameter: 'item'.", "item")
    item_id = shape.get("id") or new_id
    kind = shape.get("type", "message")
    if not isinstance(item_id, str):
        raise Rejected("invalid_type", "Invalid type for 'item.id': expected a string.", "item.id")
    if kind in ("function_call", "function_call_output"):
        fields = {key: shape[key] for key in ("call_id", "name", "arguments", "output") if key in shape}
        return Item(item_id, kind=kind, fields=fields)
    if kind != "message":
        supported = "'message', 'function_call' and 'function_call_output'"
        raise Rejected("invalid_value", f"Invalid value: {kind!r}. Supported values are: {supported}.", "item.type")
    role = shape.get("role")
    if role not in ("user", "assistant", "system"):
        raise Rejected("invalid_value", f"Invalid value: {role!r}.", "item.role")
    content = shape.get("content")
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        raise Rejected("invalid_type", "Invalid type for 'item.content': expected a list of parts.", "item.content")
    parts: list[Json] = []
    for index, part in enumerate(content):
        kind = _PARTS[role][0] if part.get("type") == "text" else part.get("type")
        if kind not in _PARTS[role] or not isinstance(part.get("text", ""), str):
            raise Rejected("invalid_value", f"Invalid value: {kind!r}.", f"item.content[{index}].type")
        # Pictures and recorded sound mean nothing to this engine: they are kept without their bytes.
        parts.append({key: value for key, value in part.items() if key not in ("audio", "image_url")} | {"type": kind})
    return Item(item_id, role=role, content=parts)
