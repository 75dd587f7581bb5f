"""The offline engine as a provider: no dialect between it and its client, and a transport that needs no address."""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from voicechat.engine import kokoro, smart_turn
from voicechat.engine.added import check_ears
from voicechat.engine.companion import Companion
from voicechat.engine.engine import OfflineSettings, connect, require
from voicechat.engine.forks import ForkServer
from voicechat.engine.voices import DEFAULT_VOICE
from voicechat.errors import ConnectionFailed, VoicechatError
from voicechat.providers.base import ProviderOptions
from voicechat.realtime.capabilities import Capabilities
from voicechat.realtime.codec import Codec, DirectCodec
from voicechat.wire.network import ConnectRequest, Network, tls_context
from voicechat.wire.transport import Transport

CAPABILITIES = Capabilities(supports_semantic_vad=True, supports_images=False, supports_tools=True)


class Offline:
    """Implements `providers.base.Provider`; `connect` takes the place of a WebSocket to `request`."""

    name = "offline"

    def __init__(self, options: ProviderOptions | None = None, settings: OfflineSettings | None = None):
        self.voice = (options.voice if options else "") or DEFAULT_VOICE
        self._settings = replace(settings or OfflineSettings(), voice=self.voice)
        self.model = self._settings.model

    def request(self) -> ConnectRequest:
        """An address for the record only. Raises ConfigError when the extra is not installed."""
        require()
        return ConnectRequest("memory://offline")

    def connect(self) -> Transport:
        """The client's end of a new session. Raises ConfigError when the extra is not installed."""
        return connect(self._settings)

    def share(self, forks: ForkServer) -> None:
        """The sessions from now on have their recognisers from there."""
        self._settings = replace(self._settings, forks=forks)

    def codec(self) -> Codec:
        return DirectCodec(CAPABILITIES)

    def refusal(self, status: int | None, close_code: int | None, text: str) -> VoicechatError:
        return ConnectionFailed(f"The offline engine ended: {text or 'no reason given'}.", "Run again with --verbose.")


class _Chat(Protocol):
    @property
    def url(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def key(self) -> str: ...


class _Local(Protocol):
    @property
    def ears(self) -> str: ...
    @property
    def turns(self) -> str: ...
    @property
    def language(self) -> str: ...


class _Choice(Protocol):
    """The part of the configuration's choice that matters here."""

    @property
    def options(self) -> ProviderOptions: ...
    @property
    def chat(self) -> _Chat: ...
    @property
    def local(self) -> _Local: ...
    @property
    def network(self) -> Network: ...


def offline_service(choice: _Choice) -> tuple[Offline, Callable[[], Transport]]:
    """The provider as configured, and the way to a fresh session.

    Raises ConfigError without the extra, and for a model that the user added and that cannot be used.
    """
    require()
    chat, local = choice.chat, choice.local
    if local.ears:
        check_ears(local.ears)
    smart_turn.require(local.turns)
    kokoro.require(choice.options.voice)
    named = choice.options.model if choice.options.model != Companion.model else ""
    ca_file = choice.network.ca_file
    if chat.url and ca_file:
        tls_context(ca_file)  # a file that cannot be used is told at once
    settings = OfflineSettings(
        chat_url=chat.url,
        chat_model=named or chat.model,
        chat_key=chat.key,
        ca_file=ca_file,
        ears=local.ears,
        turns=local.turns,
        language=local.language,
    )
    provider = Offline(choice.options, settings)
    return provider, provider.connect
