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
    from voicechat.providers.catalogue import providers
    from voicechat.services import price_finder

    info = providers().get(choice.name)
    find = price_finder(service, settings.prices, local=info is not None and info.kind == "local")
    if find is not None and settings.max_cost is not None and asyncio.run(_found(find)) is None:
        model = service.provider.model
        raise UsageError(
            f"What {model} costs is not known, so --max-cost cannot be kept.",
            f'Say it in the configuration: [prices."{model}"], see docs/history.md.',
        )
    return find


async def _found(find: "Callable[[str], Awaitable[Price | None]]") -> "Price | None":
    return await find("")
