"""What the argument of a command may be: names, and files in a folder."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from voicechat.cli.slash.command import Desk

MOST = 200
"""So many files of a folder are looked at."""
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".jp2", ".ico", ".ppm", ".tga")


def names(given: Callable[[Desk], Iterable[str]]) -> Callable[[Desk, str], list[str]]:
    """One of these names, however it is written."""

    def complete(desk: Desk, begun: str) -> list[str]:
        return sorted(name for name in given(desk) if name.lower().startswith(begun.lower()))

    return complete


def pictures(desk: Desk, begun: str) -> list[str]:
    """Files that are pictures by their name, and folders."""
    return _files(begun, lambda name: name.lower().endswith(PICTURES))


def files(desk: Desk, begun: str) -> list[str]:
    return _files(begun, lambda name: True)


def folders(desk: Desk, begun: str) -> list[str]:
    return _files(begun, lambda name: False)


def _files(begun: str, wanted: Callable[[str], bool]) -> list[str]:
    folder, beginning = os.path.split(begun)
    found = []
    try:
        with os.scandir(Path(folder or ".").expanduser()) as entries:
            for entry, _ in zip(entries, range(MOST), strict=False):
                if not entry.name.startswith(beginning) or (entry.name.startswith(".") and not beginning):
                    continue
                if entry.is_dir():
                    found.append(os.path.join(folder, entry.name, ""))
                elif wanted(entry.name):
                    found.append(os.path.join(folder, entry.name))
    except (OSError, RuntimeError, ValueError):  # no such folder, or ~nobody
        return []
    return sorted(found)
