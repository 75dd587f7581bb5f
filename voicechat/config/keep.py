"""Writing settings for the user: keys into the system's keyring or, without one, into `config.toml` with mode 0600."""

import os
from collections.abc import Mapping
from pathlib import Path

from voicechat.config import logins
from voicechat.config.paths import default_path
from voicechat.config.sources import SECRET_KEYS, read_file
from voicechat.errors import ConfigError
from voicechat.redaction import remember

Key = tuple[str, ...]


def keep_keys(provider: str, keys: Mapping[str, str]) -> tuple[Path | None, str]:
    """Keep the keys of a provider; gives the file that holds them and why, or (None, "") for the keyring.

    Raises ConfigError when neither takes them.
    """
    remember(*keys.values())
    try:
        logins.store(provider, keys)
    except ConfigError as error:
        path = write_settings({("providers", provider, setting): key for setting, key in keys.items()})
        logins.unmark(provider)
        return path, error.message
    return None, ""


def forget_keys(provider: str) -> list[str]:
    """Take the keys of a provider out of keyring and file; gives the places that held some, in words.

    Raises ConfigError when the keyring still holds them.
    """
    places = []
    table, _ = read_file(default_path(), explicit=False)
    section = table.get("providers", {}).get(provider, {})
    if held := [setting for setting in section if setting in SECRET_KEYS]:
        write_settings(dict.fromkeys((("providers", provider, setting) for setting in held), None))
        places.append(str(default_path()))
    if logins.forget(provider):
        places.insert(0, "the system keyring")
    return places


def write_settings(values: Mapping[Key, str | None]) -> Path:
    """Set these keys in `config.toml`, or remove them (None), and leave all else as it stands, comments too.

    Raises ConfigError when the file is no TOML or cannot be written.
    """
    import tomlkit

    path = default_path()
    _, text = read_file(path, explicit=False)
    document = tomlkit.parse(text)
    for (*tables, name), value in values.items():
        holder = document
        for table in tables:
            if table not in holder and value is not None:
                # A table that only holds others has no heading of its own.
                holder[table] = tomlkit.table(is_super_table=table != tables[-1])
            holder = holder.get(table, {})
        if value is not None:
            holder[name] = value
        elif name in holder:
            del holder[name]
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(path, tomlkit.dumps(document))
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.", "Check its permissions.") from error
    return path


def write_private(path: Path, text: str) -> None:
    """Write the file with mode 0600 from its first byte, and put it in place in one step. A link stays a link."""
    path = path.resolve()
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(path)
