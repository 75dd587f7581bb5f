"""Who a service is: its address, its key, how to talk to it, and what its refusals mean."""

from dataclasses import dataclass, field
from typing import Protocol

from voicechat.errors import VoicechatError
from voicechat.realtime.codec import Codec
from voicechat.redaction import remember
from voicechat.wire.network import ConnectRequest


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
    """On the wire: `pcm16`, `g711_ulaw` or `g711_alaw`; for some services also `float32` (answers only)."""
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

    def __post_init__(self) -> None:
        remember(self.api_key, self.token, self.access_key)  # whoever is given keys shows none, whatever comes
