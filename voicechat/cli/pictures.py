"""`--image`: pictures to begin a conversation with."""

from pathlib import Path
from typing import TYPE_CHECKING

from voicechat.errors import UsageError

if TYPE_CHECKING:
    from voicechat.conversation.pictures import Shown


def pictures(given: list[str], most_bytes: int) -> "tuple[Shown, ...]":
    """Read and prepared; `-` is stdin. Raises UsageError for one that cannot be shown."""
    from voicechat.conversation.pictures import MOST_WAITING, Shown
    from voicechat.pictures.prepare import prepare
    from voicechat.pictures.source import from_file, from_stdin

    if len(given) > MOST_WAITING:
        raise UsageError(f"{len(given)} pictures are too many.", f"{MOST_WAITING} are the most to begin with.")
    found = []
    for path in given:
        data, name = (from_stdin(), "stdin") if path == "-" else (from_file(path), Path(path).name)
        ready = prepare(data, name, most_bytes)
        found.append(Shown(ready.name, ready.jpeg, ready.width, ready.height))
    return tuple(found)
