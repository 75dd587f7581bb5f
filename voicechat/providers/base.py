"""The seam between the conversation and a service: a sans-I/O codec and what the service can do.

A codec has no socket, clock or thread. `encode` turns a command into wire frames, `decode` a wire frame into
events; a frame is `str` for a text message and `bytes` for a binary one. The conversation asks
`Capabilities`, never a provider's name.
"""

from dataclasses import dataclass, field
from typing import Protocol

from voicechat.conversation.commands import Command
from voicechat.conversation.events import Event
from voicechat.errors import VoicechatError

Frame = str | bytes


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a service does by itself and what it expects of a client."""

    input_rate_hz: int = 24_000
    output_rate_hz: int = 24_000
    server_vad: bool = True
    semantic_vad: bool = False
    interrupts_by_itself: bool = True
    """On speech the service cancels its own answer, so that a client's cancel would only earn an error."""
    cancels: bool = True
    """There is a command to cancel a running response (for a key press, or where the service does not itself)."""
    acknowledges_cancel: bool = True
    """A cancelled response is ended by `ResponseFinished`; else it is over when the command has been sent."""
    truncates: bool = True
    """The service wants to know how much of an interrupted answer was heard."""
    text_turns: bool = True
    images: bool = False
    tools: bool = True
    style: bool = False
    """`SessionConfig.name` and `style` have places of their own; else they belong into the instructions."""
    context_chars: int = 0
    """How much of `SessionConfig.context` is used; 0: it has no place of its own and belongs into the instructions."""
    restores_items: bool = True
    """Earlier turns can be put back into a new session as items."""
    acknowledges_finish: bool = False
    """`Finish` is answered by `SessionFinished`."""
    waits_for_created: bool = True
    """The service speaks first (`SessionCreated`); configure only then."""
    session_limit_s: float | None = None
    uplink_silence: bool = True
    """The service's clock is the audio it receives: while muted, keep sending silence."""


@dataclass(frozen=True, slots=True)
class Network:
    """How connections are made, whatever they lead to."""

    ca_file: str = ""
    """Authorities to trust (PEM file); "" are the system's."""
    log_audio: bool = False
    """Logged frames show their sound."""


@dataclass(frozen=True, slots=True)
class ConnectRequest:
    """Where to connect. Headers may hold a key: never log or print this value's headers."""

    url: str
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    subprotocols: tuple[str, ...] = ()
    trace_header: str = ""
    """The header of the answer by which the service's support finds this connection."""


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


class Provider(Protocol):
    """A service as configured: who it is, how to reach it, and how to talk to it."""

    @property
    def name(self) -> str: ...

    @property
    def model(self) -> str: ...

    @property
    def voice(self) -> str: ...

    def request(self) -> ConnectRequest:
        """Where to connect. Raises CredentialsError when a key is missing."""
        ...

    def codec(self) -> Codec: ...

    def refusal(self, status: int | None, close_code: int | None, text: str) -> VoicechatError:
        """What an HTTP status of the handshake, or an early close, means and what to fix."""
        ...


@dataclass(frozen=True, slots=True)
class ProviderOptions:
    """What a provider is made from; settings and catalogue have been merged. Empty means: the provider's default."""

    api_key: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    """An Entra (OAuth) bearer token, where a service takes one instead of a key."""
    url: str = ""
    model: str = ""
    voice: str = ""
    dialect: str = ""
    """`ga` or `beta`, when the user insists."""
    audio_format: str = "pcm16"
    """On the wire: `pcm16`, `g711_ulaw` or `g711_alaw`; for some services also `float32` or `opus` (answers only)."""
    region: str = ""
    workspace: str = ""
    api_version: str = ""
    organization: str = ""
    project: str = ""
    app_id: str = ""
    access_key: str = field(default="", repr=False)
    app_key: str = ""
    location: str = ""
    """The city that answers about weather and the like are for."""
