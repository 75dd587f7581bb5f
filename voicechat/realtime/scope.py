"""Ids belong to a connection: this keeps those of several apart, in both directions, in one place.

A service may number afresh on every connection. So whoever connects more than once wraps each connection's codec,
and the names in its events become names of the whole conversation (`2:resp_1`); commands get the service's own back.
A name that a command gives is unique already and stays as it is, whatever it looks like.
"""

from collections import OrderedDict
from dataclasses import fields, replace
from functools import cache
from typing import Any

from voicechat.realtime.capabilities import Capabilities
from voicechat.realtime.codec import Codec, Parcel
from voicechat.realtime.commands import Command, CommitAudio, SendImage, SendText, SendToolCall, ToolResult
from voicechat.realtime.events import AssistantAudio, Event

GIVEN_NAMES = 512
"""So many of the names that commands gave are remembered."""
_OF_OTHERS = ("session_id",)
_MORE = ("answers", "after")
_GIVEN: dict[Any, tuple[str, ...]] = {
    CommitAudio: ("item_id",),
    SendText: ("item_id",),
    SendImage: ("item_id",),
    SendToolCall: ("item_id", "call_id"),
    ToolResult: ("item_id",),
}
"""The fields by which a command gives a name; the others speak of what there is."""


class ScopedCodec:
    """The `Codec` of connection `number`, with ids of the whole conversation."""

    def __init__(self, codec: Codec, number: int):
        self._codec = codec
        self._scope = f"{number}:"
        self._given: OrderedDict[str, None] = OrderedDict()

    @property
    def capabilities(self) -> Capabilities:
        return self._codec.capabilities

    def encode(self, command: Command) -> list[Parcel]:
        """As the codec; none for a command about something of an earlier connection, which is over."""
        kind: Any = type(command)
        changed: dict[str, Any] = {}
        for name in _ids_of(kind):
            known = getattr(command, name)
            if known and name in _GIVEN.get(kind, ()):
                self._give(known)
            elif known in self._given:
                continue
            elif known.startswith(self._scope):
                changed[name] = known.removeprefix(self._scope)
            elif known.partition(":")[0].isdecimal():
                return []
        return self._codec.encode(replace(command, **changed) if changed else command)

    def _give(self, name: str) -> None:
        self._given[name] = None
        while len(self._given) > GIVEN_NAMES:
            self._given.popitem(last=False)

    def decode(self, frame: Parcel) -> list[Event]:
        return [self._scoped(event) for event in self._codec.decode(frame)]

    def replies(self) -> list[Parcel]:
        return self._codec.replies()

    def _scoped(self, event: Event) -> Event:
        if isinstance(event, AssistantAudio) and event.item_id not in self._given:  # fifty times a second
            scope = self._scope
            return AssistantAudio(scope + event.response_id, scope + event.item_id, event.content_index, event.pcm)
        kind: Any = type(event)
        changed: dict[str, Any] = {}
        for name in _ids_of(kind):
            known = getattr(event, name)
            if known and known not in self._given:
                changed[name] = self._scope + known
        return replace(event, **changed) if changed else event


@cache
def _ids_of(kind: type[Any]) -> tuple[str, ...]:
    """The fields of an event or command that are ids of responses, items and calls."""
    names = [field.name for field in fields(kind)]
    return tuple(name for name in names if name in _MORE or (name.endswith("_id") and name not in _OF_OTHERS))
