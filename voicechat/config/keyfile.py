"""A key from a file of its own (`--api-key-file`): for this run, for the service of this run, before all others."""

import os
import shlex
import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from voicechat.config.choose import named_provider
from voicechat.config.load import Loaded
from voicechat.errors import CredentialsError, UsageError
from voicechat.providers.catalogue import ProviderInfo, providers, speech_providers
from voicechat.redaction import remember

FLAG = "--api-key-file"
MOST_BYTES = 16_384
RANK = 3


def with_key_file(loaded: Loaded, path: Path | None) -> Loaded:
    """The settings with the key in the file for the service they name; as they are when `path` is None.

    Raises UsageError for a file that is not there and for settings that do not say whose key it is,
    CredentialsError for a file that other users may read and for one that holds no key.
    """
    if path is None:
        return loaded
    key = read_key(path)
    name = named_provider(loaded)
    aloud = speech_providers().get(name)
    name = aloud.settings_of or name if aloud is not None else name
    if name not in providers():
        raise UsageError(f"{FLAG} does not say whose key it is.", "Name the service: --provider NAME.")
    remember(key)
    info = providers()[name]
    section = loaded.settings.provider_settings(name)
    setting = next((first for first, second in info.companions.items() if getattr(section, second)), key_setting(info))
    # Another credential of the service must not win over the one given by hand.
    return with_values(loaded, name, dict.fromkeys(info.any_of, "") | {setting: key}, f"flag {FLAG}")


def with_values(loaded: Loaded, provider: str, values: Mapping[str, str], origin: str) -> Loaded:
    """The settings with these values for a provider before all others; "" takes one away."""
    from voicechat.config.settings import Settings

    table = loaded.settings.model_dump()
    table["providers"].setdefault(provider, {}).update(values)
    places = {f"providers.{provider}.{name}": value for name, value in values.items()}
    given = [place for place, value in places.items() if value]
    return replace(
        loaded,
        settings=Settings.model_validate(table),
        origins={at: at_first for at, at_first in loaded.origins.items() if at not in places}
        | dict.fromkeys(given, origin),
        ranks=loaded.ranks | dict.fromkeys(given, RANK),
    )


def key_setting(info: ProviderInfo) -> str:
    """The setting that holds the key of a service which takes a key alone."""
    return "api_key" if "api_key" in info.environment else "chat_key"


def read_key(path: Path) -> str:
    """The key in the file, without surrounding blanks; a pipe may be named too. Raises as `with_key_file`."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if os.name == "posix" and stat.S_ISREG(mode) and stat.S_IMODE(mode) & 0o077:
                raise CredentialsError(
                    f"{path} holds a key and other users may read it.", f"Run: chmod 600 {shlex.quote(str(path))}"
                )
            raw = file.read(MOST_BYTES + 1)
    except FileNotFoundError as error:
        raise UsageError(f"There is no key file {str(path)!r}.", f"{FLAG} takes a file with the key alone.") from error
    except OSError as error:
        raise UsageError(
            f"The key file {str(path)!r} cannot be read: {error.strerror}.", f"{FLAG} takes a file with the key alone."
        ) from error
    key = raw.decode("utf-8-sig", "replace").strip()
    if not key or len(raw) > MOST_BYTES or len(key.split()) > 1 or not key.isascii() or not key.isprintable():
        raise CredentialsError(f"{path} does not hold a key.", "It must hold one key and nothing else.")
    return key
