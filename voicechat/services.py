"""From a choice to a service and the way to it: where providers, the engine and the wire are put together."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voicechat.config import Choice
    from voicechat.config.settings import Connection, PriceSettings
    from voicechat.config.speech import SpeechChoice
    from voicechat.providers.base import Provider, ProviderOptions
    from voicechat.realtime.price import Price
    from voicechat.speech.base import SpeechService, SpeechSettings
    from voicechat.wire.network import ConnectRequest, Network
    from voicechat.wire.transport import Transport


@dataclass(frozen=True, slots=True)
class Service:
    """A provider and a way to a fresh connection to it."""

    provider: "Provider"
    connect: "Callable[[], Transport]"


def open_service(choice: "Choice", watch: "Connection | None" = None, *, insecure: bool = False) -> Service:
    """The provider of a choice; nothing is connected yet.

    Raises CredentialsError without a key or when one would travel unencrypted to another machine (unless
    `insecure`), ConfigError for an address or certificates of no use.
    """
    if choice.name == "offline":
        from voicechat.engine.provider import offline_service
        from voicechat.wire.urls import refuse_plain

        if choice.chat.key and not insecure:
            refuse_plain(choice.chat.url)
        return Service(*offline_service(choice))
    from voicechat.wire.websocket import WebSocketTransport

    provider, request = _checked(choice.name, choice.options, choice.network, insecure)
    pings = {} if watch is None else {"ping_interval_s": watch.ping_interval_s, "ping_timeout_s": watch.ping_timeout_s}
    return Service(provider, lambda: WebSocketTransport(request, network=choice.network, **pings))


def price_finder(
    service: Service, told: "Mapping[str, PriceSettings]", *, local: bool
) -> "Callable[[str], Awaitable[Price | None]] | None":
    """How to find the price of a model of this service, "" being its own; `told` are those of the configuration.

    None where nothing is paid for, or to somebody whom only the user knows.
    """
    from voicechat.prices import price_of
    from voicechat.realtime.price import Price

    model = service.provider.model
    own = {name: Price(**one.model_dump(), source="the configuration") for name, one in told.items()}
    if local and model not in own:
        return None
    address = "" if local else service.provider.request().url
    return lambda name: price_of(name or model, address, own)


def open_speech(choice: "SpeechChoice", settings: "SpeechSettings", *, insecure: bool = False) -> "SpeechService":
    """The service that reads aloud, with these settings; nothing is connected yet.

    Raises UsageError for what it cannot do, else as `open_service`.
    """
    from voicechat.speech.protocols import abilities_of, service_class

    abilities = abilities_of(choice.protocol)
    abilities.check(settings, choice.info.title)
    settings = replace(settings, language=abilities.language(settings.language, choice.info.title))
    if choice.protocol == "local":
        from voicechat.engine.engine import require
        from voicechat.speech.local import LocalSpeech

        require()
        return LocalSpeech(settings)
    provider, _ = _checked(choice.service, choice.options, choice.network, insecure)
    return service_class(choice.protocol)(provider, settings, choice.network)


def _checked(
    name: str, options: "ProviderOptions", network: "Network", insecure: bool
) -> "tuple[Provider, ConnectRequest]":
    """A provider that may be connected to, and where: whatever can be told before that is told here."""
    from voicechat.providers.registry import create
    from voicechat.wire.network import tls_context
    from voicechat.wire.urls import refuse_plain

    provider = create(name, options)
    request = provider.request()
    if (options.api_key or options.token or options.access_key) and not insecure:
        refuse_plain(request.url)
    if network.ca_file:
        tls_context(network.ca_file)
    return provider, request
