"""Providers by name: those of this package and those that other packages add, all by entry points.

An entry point of the group `voicechat.providers` names a class that is made from `ProviderOptions` and implements
`providers.base.Provider`. One from outside says what the catalogue says of ours in a class attribute `catalogue`, a
table as in catalogue.toml. Nothing is imported before it is asked for.
"""

from collections.abc import Callable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

from voicechat.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from voicechat.providers.base import Provider, ProviderOptions

GROUP = "voicechat.providers"
OURS = "voicechat."


@cache
def registered() -> dict[str, EntryPoint]:
    """The entry point of each provider. Ours keep their names: nobody else is given a key that is meant for them."""
    points = sorted(entry_points(group=GROUP), key=lambda point: (point.value.startswith(OURS), point.name))
    return {point.name: point for point in points}


def load(name: str) -> "Callable[[ProviderOptions], Provider]":
    """The class of a provider. Raises UsageError for an unknown name, ConfigError for one that cannot be loaded."""
    point = registered().get(name)
    if point is None:
        known = ", ".join((*registered(), "offline"))
        raise UsageError(f"There is no provider {name}.", f"Known providers: {known}.")
    try:
        provider: Callable[[ProviderOptions], Provider] = point.load()
    except Exception as error:  # somebody else's code: it may be anything
        package = f" of {point.dist.name}" if point.dist is not None else ""
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConfigError(
            f"The provider {name}{package} cannot be loaded: {said}.", "Update or uninstall that package."
        ) from error
    return provider


def create(name: str, options: "ProviderOptions") -> "Provider":
    """The provider called `name`. Raises as `load`."""
    return load(name)(options)
