"""Changing one table of the configuration file; comments, order and everything else stay as they are."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from voicechat.errors import ConfigError


def put_table(path: Path, key: tuple[str, ...], values: Mapping[str, Any]) -> None:
    """Write the table `[key]`, in place of one that is there. Raises ConfigError for a file that cannot be changed."""
    import tomlkit

    document = _read(path)
    place: Any = document
    for part in key[:-1]:
        if part not in place:
            place[part] = tomlkit.table(is_super_table=True)
        place = place[part]
    table = tomlkit.table()
    table.update(dict(values))
    place[key[-1]] = table
    _write(path, tomlkit.dumps(document))


def remove_table(path: Path, key: tuple[str, ...]) -> bool:
    """Whether it was there. Raises ConfigError for a file that cannot be changed."""
    import tomlkit

    document = _read(path)
    place: Any = document
    for part in key[:-1]:
        place = place.get(part, {})
    if key[-1] not in place:
        return False
    del place[key[-1]]
    _write(path, tomlkit.dumps(document))
    return True


def _read(path: Path) -> Any:
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        return tomlkit.parse(path.read_text("utf-8") if path.exists() else "")
    except (OSError, UnicodeDecodeError, TOMLKitError) as error:
        raise ConfigError(f"{path} cannot be read: {error}.", "Put it right first; nothing was changed.") from error


def _write(path: Path, text: str) -> None:
    """In one step. A new file is for the user's eyes only; one that is there stays open to whom it is, since a server
    that runs as another user reads it again for tokens that are new or revoked. A link stays a link."""
    path = path.resolve()
    new = path.with_name(f"{path.name}.new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        if path.exists():
            _keep_access(path.stat(), new)
        new.replace(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.", "Choose another with --config.") from error


def _keep_access(before: os.stat_result, new: Path) -> None:
    """Owner and mode. Who is not root cannot give a file away: then its new group may not read what the old one did."""
    if sys.platform != "win32":
        made = new.stat()
        if (before.st_uid, before.st_gid) != (made.st_uid, made.st_gid):
            try:
                os.chown(new, before.st_uid, before.st_gid)
            except PermissionError:
                new.chmod(before.st_mode & 0o707)
                return
    new.chmod(before.st_mode & 0o777)
