"""What the conversation will cost: from the service that was chosen to a price that is asked for when it is open."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from voicechat.errors import UsageError

if TYPE_CHECKING:
    from voicechat.config import Choice
    from voicechat.config.settings import Settings
    from voicechat.realtime.price import Price
    from voicechat.services import Service


def pricing(
    service: "Service", choice: "Choice", settings: "Settings"
) -> "Callable[[str], Awaitable[Price | None]] | None":
    """How to find the price. With a limit it is found at once: UsageError where it is not known, for such a limit
    could not be kept."""
    from voicechat.prices import price_of
    from voicechat.providers.catalogue import providers
    from voicechat.realtime.price import Price

    model, own = service.provider.model, {}
    for name, told in settings.prices.items():
        own[name] = Price(**told.model_dump(), source="the configuration")
    info = providers().get(choice.name)
    local = info is not None and info.kind == "local"
    if local and model not in own:
        return None  # nothing is paid for, or to somebody whom only the user knows
    address = "" if local else service.provider.request().url
    if settings.max_cost is not None and asyncio.run(price_of(model, address, own)) is None:
        raise UsageError(
            f"What {model} costs is not known, so --max-cost cannot be kept.",
            f'Say it in the configuration: [prices."{model}"], see docs/history.md.',
        )
    return lambda name: price_of(name or model, address, own)
