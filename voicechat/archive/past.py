"""What an earlier conversation leaves for one that goes on with it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from voicechat.archive import lines
from voicechat.archive.folder import find, ids
from voicechat.errors import VoicechatError
from voicechat.text.window import MOST_ITEMS

MOST_EMPTY = 50
"""How many conversations without a word are passed over."""


class Spoken(NamedTuple):
    """One thing that a new session is told. Of a tool `text` is the result of `call`."""

    role: Literal["user", "picture", "assistant", "tool"]
    text: str
    call: lines.Called | None = None


@dataclass(frozen=True, slots=True)
class Past:
    """The conversation with this id, and what was said in it and in those that it went on with, oldest first."""

    id: str
    said: tuple[Spoken, ...]


def past_of(folder: Path, conversation: str) -> Past:
    """As much as a new session is told. Raises UsageError and ConfigError for the conversation itself."""
    kept = lines.read(folder, conversation)
    said = _spoken(kept)
    seen = {conversation}
    while kept.continues and kept.continues not in seen and len(said) < MOST_ITEMS:
        seen.add(kept.continues)
        try:
            kept = lines.read(folder, kept.continues)
        except VoicechatError:  # it was deleted since: what is there goes on
            break
        said = [*_spoken(kept), *said]
    return Past(conversation, tuple(said[-MOST_ITEMS:]))


def newest_past(folder: Path) -> Past:
    """The newest conversation in which something was said. Raises UsageError when there is none, ConfigError."""
    newest = find(folder, "last")
    for name in reversed(ids(folder)[-MOST_EMPTY:]):
        if (past := past_of(folder, name)).said:
            return past
    return Past(newest, ())


def _spoken(kept: lines.Kept) -> list[Spoken]:
    """Of an answer, what was heard; of a picture, its name."""
    spoken = []
    for said in kept.said:
        if said.call is not None:
            spoken.append(Spoken("tool", said.call.output, said.call))
        elif said.text.strip() and said.who != "tool" and not said.aside:
            spoken.append(Spoken(said.who, said.text))
    return spoken
