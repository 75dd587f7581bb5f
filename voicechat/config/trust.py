"""Whose word decides where a key goes.

A `.env` belongs to the folder one happens to be in, which may be anybody's; every other source is the user's own. So an
address, or an authority that vouches for one, is combined only with keys that are trusted no more than it: one from a
`.env` takes keys from there, one of the user's takes any.
"""

from typing import TYPE_CHECKING

from voicechat.config.sources import DOTENV, SECRET_KEYS
from voicechat.errors import CredentialsError
from voicechat.wire.urls import shown

if TYPE_CHECKING:
    from voicechat.config.load import Loaded

CHAT_KEYS = frozenset({"chat_key"})
_HINT = f"Put the key into that {DOTENV} too, or give the {{what}} {{how}}."


def check_reach(loaded: "Loaded", provider: str, url: str, url_at: str) -> None:
    """Refuse what would send a key of the user's where a `.env` says. `url_at` is the setting that `url` is from.

    Raises CredentialsError, which names both.
    """
    keys = [f"providers.{provider}.{name}" for name in SECRET_KEYS - CHAT_KEYS]
    if url:
        _check(loaded, "address", [url_at], keys, "with --url or in the environment")
    else:  # what the service makes its address of
        makings = [f"providers.{provider}.{name}" for name in ("region", "workspace")]
        _check(loaded, "address", makings, keys, "in the environment or in config.toml")
    chat_keys = [f"providers.{provider}.{name}" for name in CHAT_KEYS]
    _check(loaded, "address", [f"providers.{provider}.chat_url"], chat_keys, "in the environment or in config.toml")
    _check(loaded, "certificates", ["ca_file"], keys + chat_keys, "in the environment or in config.toml")


def _check(loaded: "Loaded", what: str, places: list[str], keys: list[str], how: str) -> None:
    for place in places:
        if not loaded.from_dotenv(place):
            continue
        for key in keys:
            if loaded.value(key) and not loaded.from_dotenv(key):
                raise CredentialsError(
                    f"The key from {loaded.origins[key]} is not sent where {loaded.origins[place]} says: the {DOTENV} "
                    "of a folder may be anybody's.",
                    _HINT.format(what=what, how=how),
                )


def origins_of(loaded: "Loaded", provider: str, url: str, url_at: str) -> list[str]:
    """What a `.env` decides and the user should know: where his words go."""
    chat_at = f"providers.{provider}.chat_url"
    addresses = [(url_at, url), (chat_at, loaded.value(chat_at))]
    return [
        f"Talking to {shown(address)}: that address is from {loaded.origins[at]} in this folder."
        for at, address in addresses
        if address and loaded.from_dotenv(at)
    ]


def kept_of(loaded: "Loaded") -> list[str]:
    """The same of where they are kept."""
    if loaded.settings.save and loaded.from_dotenv("save"):
        return [f"Kept in {loaded.settings.save}, as {loaded.origins['save']} in this folder says."]
    return []
