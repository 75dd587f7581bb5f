"""The folder of kept conversations: its place, its names, who may read it, and what leaves it again.

A conversation that began at 20261126-171204 is `20261126-171204.jsonl` with a `.md` and a `.wav` beside it; where a
second one began within that second it is `20261126-171204-2`. The name is its id.
"""

import contextlib
import os
import re
import stat
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO

from voicechat.errors import ConfigError, UsageError

LINES = ".jsonl"
_ID = re.compile(r"\d{8}-\d{6}(-\d+)?")
_STAMP = "%Y%m%d-%H%M%S"
PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600


def default_folder() -> Path:
    """In the platform's folder for a user's data; it need not be there yet."""
    import platformdirs

    return platformdirs.user_data_path("voicechat", appauthor=False) / "history"


def make_folder(folder: Path) -> None:
    """Have the folder there; one that is made is the user's alone. Raises OSError."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=PRIVATE_FOLDER if each == folder else 0o777, exist_ok=True)


def close_to_others(folder: Path) -> None:
    """The folder that is ours by name is for nobody else, whoever made it."""
    with contextlib.suppress(OSError):  # not ours: then it is somebody's who knows
        if stat.S_IMODE(folder.stat().st_mode) & 0o077:
            folder.chmod(PRIVATE_FOLDER)


def opener(path: str, flags: int) -> int:
    """For `open(…, opener=opener)`: what is made is readable by the user alone, from its first byte."""
    return os.open(path, flags, PRIVATE_FILE)


def claim(folder: Path, now: datetime) -> tuple[str, IO[str]]:
    """A new conversation's id and its lines, open for writing; no other program has the same. Raises OSError."""
    stamp = now.strftime(_STAMP)
    number = 1
    while True:
        name = stamp if number == 1 else f"{stamp}-{number}"
        if not any((folder / f"{name}{ending}").exists() for ending in (".wav", ".md")):
            with contextlib.suppress(FileExistsError):
                path = folder / f"{name}{LINES}"
                return name, open(path, "x", encoding="utf-8", errors="backslashreplace", opener=opener)
        number += 1


def is_id(word: str) -> bool:
    """Whether this may be the id of a conversation."""
    return _ID.fullmatch(word) is not None


def ids(folder: Path) -> list[str]:
    """The conversations of a folder, the oldest first; none where there is no folder. Raises ConfigError."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name.removesuffix(LINES) for entry in entries if entry.name.endswith(LINES)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigError(f"{folder} cannot be read: {error.strerror}.") from error
    return sorted((name for name in names if is_id(name)), key=_order)


def _order(name: str) -> tuple[str, int]:
    day, second, *number = name.split("-")
    return f"{day}-{second}", int(number[0]) if number else 1


def find(folder: Path, wanted: str) -> str:
    """The id that is `wanted`, or begins so and is the only one; "" and "last" are the newest. Raises UsageError."""
    known = ids(folder)
    if wanted in ("", "last"):
        if known:
            return known[-1]
        raise UsageError(
            f"No conversation is kept in {folder}.", "`[history] enabled = true`, or --save DIR, keeps them."
        )
    found = [wanted] if wanted in known else [name for name in known if name.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"{wanted} may be {len(found)} conversations.", f"The newest of them is {found[-1]}.")
    raise UsageError(f"There is no conversation {wanted!r} in {folder}.", "`voicechat history list` shows them.")


def files_of(folder: Path, conversation: str) -> list[Path]:
    """Every file of a conversation, the lines first, a recording's further files (`.2.wav`) included."""
    others = re.compile(rf"{re.escape(conversation)}(\.md|(\.\d+)?\.wav)")
    lines = folder / f"{conversation}{LINES}"
    rest = sorted(path for path in folder.iterdir() if others.fullmatch(path.name))
    return [lines, *rest] if lines.exists() else rest


def sounds_of(folder: Path, conversation: str) -> list[Path]:
    """The files of its recording in their order; none where only the words were kept."""
    sounds = [path for path in files_of(folder, conversation) if path.suffix == ".wav"]
    return sorted(sounds, key=lambda path: int(path.suffixes[0][1:]) if len(path.suffixes) > 1 else 1)


def delete(folder: Path, conversation: str) -> int:
    """Remove a conversation; returns the bytes freed. Raises ConfigError."""
    freed = 0
    try:
        for path in reversed(files_of(folder, conversation)):  # the lines last: what is left half is found again
            freed += path.stat().st_size
            path.unlink()
    except OSError as error:
        raise ConfigError(f"{error.filename} cannot be removed: {error.strerror}.") from error
    return freed


def sweep(folder: Path, keep_days: int, now: datetime) -> list[str]:
    """Remove what was begun more than `keep_days` ago; returns the ids. 0 keeps everything. Raises ConfigError."""
    if keep_days <= 0:
        return []
    oldest = (now - timedelta(days=keep_days)).strftime(_STAMP)
    gone = [name for name in ids(folder) if _order(name)[0] < oldest]
    for name in gone:
        delete(folder, name)
    return gone
