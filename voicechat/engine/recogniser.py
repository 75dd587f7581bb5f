"""Speech to text, streaming: the protocol.

A recogniser computes for a good part of the time somebody speaks, so a conversation runs it in a process of its
own: see `ear`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from voicechat.errors import ConfigError

RATE_HZ = 16_000
"""What a recogniser is fed: s16le mono at this rate."""
SETTLE_MS = 160
"""So long a silence may be the turn's end: whatever was said is then worth knowing in full."""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What has been understood so far. `settled`: of everything that was said, with nothing said since."""

    text: str = ""
    settled: bool = False


class Recogniser(Protocol):
    """One utterance at a time; not for several threads."""

    def begin(self) -> None:
        """A new utterance."""
        ...

    def accept(self, pcm: bytes, quiet_ms: int) -> Hypothesis:
        """Take s16le mono at `RATE_HZ`; nobody has spoken for the last `quiet_ms` of the utterance."""
        ...

    def finish(self) -> str:
        """The end of the utterance: its text, "" when nothing was understood."""
        ...


class NotLoaded(Exception):
    """This recogniser cannot be used on this machine; the message says why."""


@contextmanager
def loading(what: str) -> Iterator[None]:
    """Whatever a broken wheel or a foreign release raises inside, as NotLoaded."""
    try:
        yield
    except (NotLoaded, ConfigError):
        raise
    except Exception as error:
        raise NotLoaded(f"{what} does not load ({' '.join(str(error).split())[:160]})") from error
