"""Keys in the system's keyring (`voicechat login`), by the keyring package of the extra `keyring`.

A marker file beside the configuration names the services that were logged in to: nobody else pays for importing
keyring, and for whatever a keyring does when it is asked (unlocking it, a question on the screen).
"""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from voicechat.config.paths import default_path
from voicechat.errors import ConfigError
from voicechat.redaction import redact, remember

SERVICE = "voicechat"
"""The name under which a keyring lists our entries; the user name of an entry is `PROVIDER.SETTING`."""
MARKER = "logins"
ALTERNATIVES = (
    "Without it a key can be in the environment, in a .env file, in the configuration file or in an --api-key-file."
)


def marker_path() -> Path:
    return default_path().with_name(MARKER)


def logins() -> dict[str, tuple[str, ...]]:
    """The settings that are in the keyring, by provider. Raises ConfigError when the marker cannot be read."""
    try:
        lines = marker_path().read_text("utf-8").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{marker_path()} cannot be read: {error}.", "Remove it, then log in again.") from error
    found: dict[str, tuple[str, ...]] = {}
    for line in lines:
        name, _, setting = line.strip().partition(".")
        if setting:
            found[name] = (*found.get(name, ()), setting)
    return found


def stored_keys(provider: str, settings: tuple[str, ...]) -> dict[str, str]:
    """What the keyring holds of these settings. Raises ConfigError when it cannot be asked."""
    keys = {}
    with _explained(f"`voicechat logout {provider}` forgets the login."):
        for setting in settings:
            key = _keyring().get_password(SERVICE, f"{provider}.{setting}")
            if key:
                remember(key)
                keys[setting] = str(key)
    return keys


def store(provider: str, keys: Mapping[str, str]) -> None:
    """Keep the keys of a provider in the keyring, in place of those that are there.

    Raises ConfigError when that is not possible.
    """
    remember(*keys.values())
    before = logins()
    with _explained(""):
        keyring = _keyring()
        for setting in set(before.get(provider, ())) - set(keys):
            _delete(keyring, provider, setting)
        for setting, key in keys.items():
            keyring.set_password(SERVICE, f"{provider}.{setting}", key)
            if keyring.get_password(SERVICE, f"{provider}.{setting}") != key:  # some backends only pretend
                raise ConfigError("The system keyring does not keep what it is given.", ALTERNATIVES)
    _mark({**before, provider: tuple(keys)})


def unmark(provider: str) -> None:
    """Forget that there was a login: the keyring, which may not answer, is not asked for its keys any more."""
    before = logins()
    if provider in before:
        _mark({name: settings for name, settings in before.items() if name != provider})


def forget(provider: str) -> bool:
    """Take the provider's keys out of the keyring; False when there was no login.

    Whatever happens the keyring is not asked for them again. Raises ConfigError when it still holds them.
    """
    before = logins()
    if provider not in before:
        return False
    _mark({name: settings for name, settings in before.items() if name != provider})
    with _explained("They are not used any more, but may still be in the keyring."):
        keyring = _keyring()
        for setting in before[provider]:
            _delete(keyring, provider, setting)
    return True


def _delete(keyring: Any, provider: str, setting: str) -> None:
    if keyring.get_password(SERVICE, f"{provider}.{setting}") is not None:
        keyring.delete_password(SERVICE, f"{provider}.{setting}")


def _mark(found: Mapping[str, tuple[str, ...]]) -> None:
    path = marker_path()
    lines = [f"{name}.{setting}\n" for name, settings in sorted(found.items()) for setting in settings]
    try:
        if not lines:
            path.unlink(missing_ok=True)
            return
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = path.with_name(f"{MARKER}.new")
        new.write_text("".join(lines), "utf-8")
        new.replace(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.", "Check its permissions.") from error


def _keyring() -> Any:
    try:
        import keyring
    except ImportError as error:
        raise ConfigError(
            "The system keyring needs the extra `keyring`.",
            f"In voicechat's folder: pip install '.[keyring]'. {ALTERNATIVES}",
        ) from error
    return keyring


@contextlib.contextmanager
def _explained(more: str) -> Iterator[None]:
    """What a keyring raises, as a ConfigError. Backends are plug-ins that talk to daemons: it may be anything."""
    try:
        yield
    except ConfigError:
        raise
    except Exception as error:
        raise _failure(error, more) from error


def _failure(error: Exception, more: str) -> ConfigError:
    hint = f"{more} {ALTERNATIVES}".strip()
    if type(error).__name__ == "NoKeyringError":
        return ConfigError("There is no usable system keyring on this machine.", hint)
    said = (redact(str(error)).splitlines() or [""])[0].rstrip(".")
    return ConfigError(f"The system keyring failed: {said or type(error).__name__}.", hint)
