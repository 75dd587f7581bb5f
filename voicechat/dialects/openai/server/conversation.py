"""The conversation as a server shows it: its items in order, bounded, and what each looks like on the wire
(reference, section 6)."""

from dataclasses import dataclass, field
from typing import Literal

from voicechat.dialects.fields import Json, Recent
from voicechat.dialects.openai.server.checks import Rejected, as_id, shown
from voicechat.dialects.openai.server.profile import Dialect
from voicechat.realtime.commands import Command, SendText, SendToolCall, ToolResult
from voicechat.text.heard import SpokenText

MAX_ITEMS = 512
MAX_CHARS = 1_000_000
"""Beyond either the oldest items are forgotten here; what the service behind remembers is its own affair."""

_BETA_PARTS = {"output_text": "text", "output_audio": "audio"}

Status = Literal["in_progress", "completed", "incomplete"]


@dataclass(slots=True)
class Item:
    """One item. `content` has GA's names for its parts."""

    id: str
    kind: str = "message"
    role: str = ""
    status: Status = "completed"
    content: list[Json] = field(default_factory=list)
    fields: Json = field(default_factory=dict)
    """What an item of a tool has in place of a content."""
    audio_ms: float = 0.0
    cut: bool = False
    """Truncated: its words are settled, even while its response still runs."""
    heard: str = ""
    """Of a truncated item: those of its words that were spoken before the cut, as far as can be told."""
    _spoken: SpokenText = field(default_factory=SpokenText)

    def shape(self, dialect: Dialect) -> Json:
        shape: Json = {"id": self.id, "object": "realtime.item", "type": self.kind, "status": self.status}
        if self.kind != "message":
            return shape | self.fields
        content = self.content
        if dialect == "beta":
            content = [part | {"type": _BETA_PARTS.get(part["type"], part["type"])} for part in content]
        return shape | {"role": self.role, "content": [dict(part) for part in content]}

    @property
    def chars(self) -> int:
        values = [*self.fields.values(), *(value for part in self.content for value in part.values())]
        return sum(len(value) for value in values if isinstance(value, str))

    def say(self, words: str) -> None:
        """A piece of what is spoken."""
        if not self.cut:
            self._spoken.add_text(words)

    def sound(self, length_ms: float) -> None:
        if not self.cut:
            self.audio_ms += length_ms
            self._spoken.add_audio(length_ms)

    def truncate(self, audio_end_ms: int) -> None:
        """On the wire the words go with the sound, as the service's do; which of them were heard is kept for `told`."""
        self.cut = True
        self.audio_ms = float(audio_end_ms)
        self.heard = self._spoken.heard(audio_end_ms)
        for part in self.content:
            if part["type"] == "output_audio":
                part["transcript"] = ""


class Conversation:
    """Items in their order. Raises Rejected for ids that are in use, or unknown."""

    def __init__(self, conversation_id: str):
        self.id = conversation_id
        self.pictures: Recent[None] = Recent()
        """By their ids, those that are sent in no item: nobody is told of them."""
        self._items: dict[str, Item] = {}
        self._order: list[str] = []

    def add(self, item: Item, after: str = "") -> str | None:
        """Put `item` behind `after` ("root": first, "": last); the id of the item before it."""
        if item.id in self._items:
            message = f"An item with the id {shown(item.id)} exists already."
            raise Rejected("item_create_duplicate_item_id", message, "item.id")
        at = len(self._order) if not after else 0
        if after not in ("", "root"):
            at = self._order.index(self.get(after, "previous_item_id").id) + 1
        self._items[item.id] = item
        self._order.insert(at, item.id)
        previous = self._order[at - 1] if at else None
        self._forget()
        return previous

    def get(self, item_id: object, param: str = "item_id", code: str = "item_not_found") -> Item:
        name = as_id(item_id, param)
        if name not in self._items:
            raise Rejected(code, f"Item with item_id not found: {name}", param)
        return self._items[name]

    def find(self, item_id: str) -> Item | None:
        return self._items.get(item_id)

    def remove(self, item_id: str) -> None:
        del self._items[item_id]
        self._order.remove(item_id)

    def before(self, item_id: str) -> str | None:
        at = self._order.index(item_id) if item_id in self._items else 0
        return self._order[at - 1] if at else None

    def calls(self, call_id: str) -> bool:
        """Whether the model is known to have made this call."""
        return any(item.kind == "function_call" and item.fields["call_id"] == call_id for item in self._items.values())

    def told(self) -> list[Command]:
        """The items as commands that make them again; those without words are left out, and words that nobody heard."""
        found: list[Command] = []
        for item in (self._items[name] for name in self._order):
            fields = item.fields
            if item.kind == "function_call_output":
                found.append(ToolResult(fields["call_id"], fields["output"], item.id))
            elif item.kind == "function_call":
                found.append(SendToolCall(fields["call_id"], fields["name"], fields["arguments"], item.id))
            elif words := item.heard if item.cut else _words(item):
                found.append(SendText(words, item.role, item.id))  # type: ignore[arg-type]
        return found

    def _forget(self) -> None:
        while len(self._order) > 1 and (
            len(self._order) > MAX_ITEMS or sum(item.chars for item in self._items.values()) > MAX_CHARS
        ):
            self.remove(self._order[0])


def _words(item: Item) -> str:
    return "\n".join(part.get("text") or part.get("transcript") or "" for part in item.content).strip()
