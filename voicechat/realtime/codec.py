"""The seam between the conversation and a service: a sans-I/O codec.

A codec has no socket, clock or thread. `encode` turns a command into wire frames, `decode` a wire frame into
events; a frame is `str` for a text message and `bytes` for a binary one.
"""

from typing import Any, Protocol

from voicechat.realtime.capabilities import Capabilities
from voicechat.realtime.commands import Command
from voicechat.realtime.events import Event

WireFrame = str | bytes
Parcel = Any
"""What a codec and its transport agree on: a `WireFrame` on every wire. Between two ends in one process it is the
command or event itself (`DirectCodec`), so whoever only carries parcels does not look inside."""


class Codec(Protocol):
    """One session's translation between commands, events and wire frames. A new session takes a new codec."""

    @property
    def capabilities(self) -> Capabilities: ...

    def encode(self, command: Command) -> list[Parcel]:
        """The frames for `command`; none when the dialect has no word for it."""
        ...

    def decode(self, frame: Parcel) -> list[Event]:
        """The events of one frame. Never raises: a broken frame is one `Ignored(broken=True)`."""
        ...

    def replies(self) -> list[Parcel]:
        """Frames that the protocol itself wants sent: asked for on connecting and after each `decode`, given once."""
        ...


class DirectCodec:
    """The codec between two ends in one process: nothing is translated."""

    def __init__(self, capabilities: Capabilities):
        self.capabilities = capabilities

    def encode(self, command: Command) -> list[Parcel]:
        return [command]

    def decode(self, frame: Parcel) -> list[Event]:
        return [frame]

    def replies(self) -> list[Parcel]:
        return []
