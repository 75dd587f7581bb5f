"""Where settings are read from: the TOML file, `.env` and the environment. Values only; their meaning is `load`'s."""

import os
import re
import shlex
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from voicechat.errors import ConfigError, UsageError

SECRET_KEYS = frozenset({"api_key", "token", "access_key", "chat_key"})
DOTENV = ".env"
_SEARCHED_LINES = 2000


def read_file(path: Path, explicit: bool) -> tuple[dict[str, Any], str]:
    """The table in a TOML file and its text; both empty when the file is not there and nobody asked for it by name.

    Raises UsageError when a file asked for by name is missing, ConfigError when it is unreadable, no TOML (the line
    is named), or holds a key and may be read by other users.
    """
    try:
        raw = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        if explicit:
            raise UsageError(
                f"The configuration file {path} does not exist.",
                f"`voicechat config init --config {shlex.quote(str(path))}` writes one.",
            ) from error
        return {}, ""
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.", "Check the path and its permissions.") from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}, line {line}: not UTF-8 text.", "Save the file as UTF-8.") from error
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(*_syntax_error(path, text, str(error))) from error
    _refuse_shared_keys(path, table)
    return table, text


def _syntax_error(path: Path, text: str, message: str) -> tuple[str, str]:
    what, _, where = message.partition(" (at ")
    found = re.search(r"line (\d+)", where)
    lines = text.split("\n")
    line = int(found[1]) if found else len(text.rstrip("\n").split("\n"))  # "at end of document"
    # Only the name of the key on that line is shown: what follows it may be a secret.
    named = re.match(r"\s*([A-Za-z0-9_.-]{1,40})\s*=", lines[min(line, len(lines)) - 1])
    return (
        f"{path}, line {line}{f', {named[1]}' if named else ''}: {what}.",
        'A text is written in quotes (voice = "Cherry"), true and false without.',
    )


def _refuse_shared_keys(path: Path, table: Mapping[str, Any]) -> None:
    if os.name != "posix":
        return
    sections = table.get("providers")
    tables = [entry for entry in sections.values() if isinstance(entry, dict)] if isinstance(sections, dict) else []
    holds_key = any(entry.get(key) for entry in tables for key in SECRET_KEYS)
    servers = table.get("mcp")
    listed = [entry for entry in servers.values() if isinstance(entry, dict)] if isinstance(servers, dict) else []
    holds_key = holds_key or any(entry.get("headers") or entry.get("env") for entry in listed)
    if holds_key and stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise ConfigError(
            f"{path} holds a key and other users may read it.", f"Run: chmod 600 {shlex.quote(str(path))}"
        )


def line_of(text: str, keys: tuple[str, ...]) -> int | None:
    """The line (from 1) on which the statement that sets `keys` begins, in text that is valid TOML.

    The first prefix of the text that is TOML and holds the keys ends with their statement: so inline tables, dotted
    keys and long strings are found as surely as plain lines.
    """
    lines = text.splitlines(keepends=True)
    begins = 1
    for count in range(1, min(len(lines), _SEARCHED_LINES) + 1):
        try:
            table: Any = tomllib.loads("".join(lines[:count]))
        except tomllib.TOMLDecodeError:
            continue
        for key in keys:
            if isinstance(table, list):
                break
            table = table.get(key) if isinstance(table, dict) else None
        if table is not None:
            return begins
        begins = count + 1
    return None


def read_dotenv(folder: Path) -> dict[str, str]:
    """The variables of `.env` in `folder`; the environment of this process is left alone, so that no proxy and no
    certificate of other libraries is named there.

    Raises ConfigError when the file is there and cannot be read.
    """
    path = folder / DOTENV
    if not path.is_file():
        return {}
    from dotenv import dotenv_values

    try:
        values = dotenv_values(path, interpolate=False, encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path} cannot be read: {error}.", "Check its permissions; it must be UTF-8 text."
        ) from error
    return {name: value for name, value in values.items() if value}
