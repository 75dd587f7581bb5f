"""`voicechat login` and `logout`: keys in the system's keyring, or in the settings. A key is never an argument: those
are seen by all."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from voicechat.cli import complete
from voicechat.cli.telling import tell
from voicechat.errors import CredentialsError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from voicechat.providers.catalogue import ProviderInfo

Provider = Annotated[
    str,
    typer.Argument(
        help="Service; `voicechat providers` lists them.", metavar="PROVIDER", autocompletion=complete.providers
    ),
]


def login(provider: Provider) -> None:
    """Keep the key of a service: in the system's keyring, or without one in the settings, for your eyes only.

    Asks for it without showing it; from a pipe it reads the key alone on the first line.
    """
    info = info_of(provider)
    keep(info, ask_keys(info) if sys.stdin.isatty() else _read(info))


def logout(provider: Provider) -> None:
    """Forget the key of a service: in the system's keyring and in the settings."""
    from voicechat.config.keep import forget_keys

    info = info_of(provider)
    if places := forget_keys(info.name):
        tell(f"The key for {info.name} is no longer in {' nor in '.join(places)}.")
    else:
        tell(f"There was no login to {info.name}.")


def keep(info: "ProviderInfo", keys: "Mapping[str, str]") -> None:
    """Keep the keys and say where. Raises VoicechatError for what cannot be a key, or cannot be kept."""
    from voicechat.config.keep import keep_keys

    check_keys(keys)
    file, why = keep_keys(info.name, keys)
    if file:
        tell(f"{why}\nThe key for {info.name} is in a file that only you can read:\n  {file}")
    else:
        tell(f"The key for {info.name} is in the system keyring.")
    tell(f"`voicechat logout {info.name}` removes it.")


def check_keys(keys: "Mapping[str, str]") -> None:
    """Raise CredentialsError for what could not even be sent."""
    for key in keys.values():
        if not key.isascii() or not key.isprintable() or " " in key:
            raise CredentialsError("That holds characters that no key has.", "Copy it again, without spaces.")


def info_of(provider: str) -> "ProviderInfo":
    from voicechat.config.load import did_you_mean
    from voicechat.providers.catalogue import providers

    if provider not in providers():
        raise UsageError(f"Unknown provider {provider!r}.", did_you_mean(provider, list(providers())))
    return providers()[provider]


def ask_keys(info: "ProviderInfo") -> dict[str, str]:
    """The keys as typed. A service whose key may come with a second part is asked for that first."""
    from getpass import getpass

    from voicechat.config.keyfile import key_setting

    if info.key_url:
        tell(f"A key for {info.title}: {info.key_url}")
    try:
        for setting, companion in info.companions.items():
            second = getpass(f"{_words(companion)} (not shown; empty: there is none): ").strip()
            if second:
                return {companion: second, setting: _needed(getpass(f"{_words(setting)} (not shown): "))}
        setting = key_setting(info)
        return {setting: _needed(getpass(f"{_words(setting)} (not shown): "))}
    except EOFError:
        typer.echo(err=True)
        raise _nothing() from None


def _read(info: "ProviderInfo") -> dict[str, str]:
    """One line is the key, two are its companion (an app id) and the key that needs it."""
    from voicechat.config.keyfile import MOST_BYTES, key_setting

    lines = sys.stdin.buffer.read(MOST_BYTES).decode("utf-8-sig", "replace").split("\n")
    values = [line.strip() for line in lines if line.strip()]
    if not values:
        raise _nothing()
    if len(values) == 1:
        return {key_setting(info): values[0]}
    if len(values) == 2 and info.companions:
        setting, companion = next(iter(info.companions.items()))
        return {companion: values[0], setting: values[1]}
    raise UsageError("There is more than a key on stdin.", "Give the key alone, on one line.")


def _words(setting: str) -> str:
    return setting.replace("_", " ").replace("api key", "key").capitalize()


def _needed(key: str) -> str:
    if not key.strip():
        raise _nothing()
    return key.strip()


def _nothing() -> UsageError:
    return UsageError("No key was given.", "Nothing has been changed.")
