"""The seam between the conversation and a service: a sans-I/O codec.

A codec has no socket, clock or thread. `encode` turns a command into wire frames, `decode` a wire frame into
events; a frame is `str` for a text message and `bytes` for a binary one.
"""

from typing import Protocol

from voicechat.realtime.capabilities import Capabilities
from voicechat.realtime.commands import Command
from voicechat.realtime.events import Event

Frame = str | bytes


class Codec(Protocol):
    """One session's translation between commands, events and wire frames. A new session takes a new codec."""

    @property
    def capabilities(self) -> Capabilities: ...

    def encode(self, command: Command) -> list[Frame]:
        """The frames for `command`; none when the dialect has no word for it."""
        ...

    def decode(self, frame: Frame) -> list[Event]:
        """The events of one frame. Never raises: a broken frame is one `Ignored(broken=True)`."""
        ...

    def replies(self) -> list[Frame]:
        """Frames that the protocol itself wants sent: asked for on connecting and after each `decode`, given once."""
        ...
