"""From a choice to a service and the way to it: where providers, the engine and the wire are put together."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voicechat.config import Choice
    from voicechat.config.settings import Connection
    from voicechat.providers.base import Provider
    from voicechat.wire.transport import Transport


@dataclass(frozen=True, slots=True)
class Service:
    """A provider and a way to a fresh connection to it."""

    provider: "Provider"
    connect: "Callable[[], Transport]"


def open_service(choice: "Choice", watch: "Connection | None" = None, *, insecure: bool = False) -> Service:
    """The provider of a choice. A missing key or address is told here, before anything is opened.

    Raises CredentialsError when a key would travel unencrypted to another machine, unless `insecure`.
    """
    from voicechat.wire.urls import refuse_plain

    if choice.name == "offline":
        from voicechat.engine.provider import offline_service

        if choice.chat.key and not insecure:
            refuse_plain(choice.chat.url)
        return Service(*offline_service(choice))
    from voicechat.providers.registry import create
    from voicechat.wire.network import tls_context
    from voicechat.wire.websocket import WebSocketTransport

    provider = create(choice.name, choice.options)
    request = provider.request()
    holds_key = choice.options.api_key or choice.options.token or choice.options.access_key
    if holds_key and not insecure:
        refuse_plain(request.url)
    if choice.network.ca_file:
        tls_context(choice.network.ca_file)  # a file that cannot be used is told at once
    pings = {} if watch is None else {"ping_interval_s": watch.ping_interval_s, "ping_timeout_s": watch.ping_timeout_s}
    return Service(
        provider,
        lambda: WebSocketTransport(request, network=choice.network, **pings),
    )
