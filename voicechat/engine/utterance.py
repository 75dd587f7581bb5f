"""One stretch of the user's speech, and the frames in which it goes to the recogniser's process."""

import asyncio
import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from voicechat.engine.recogniser import RATE_HZ, Hypothesis

MOST_CHILDREN = 3
"""An utterance is given to so many of them, one after the other."""
MOST_KEPT_BYTES = 60 * RATE_HZ * 2
"""A longer one is not: whoever reads a book aloud gets a new child for the next chapter."""

HEADER = struct.Struct("<cHI")
"""Of a frame: one letter, the quiet in ms, the length of the payload."""
_MOST_QUIET_MS = 0xFFFF


class NotUnderstood(Exception):
    """The recogniser failed; the message says how."""


class Utterance(Protocol):
    """One stretch of the user's speech on its way through the recogniser."""

    def feed(self, pcm: bytes, quiet_ms: int) -> None:
        """s16le mono at `recogniser.RATE_HZ`; nobody has spoken for the last `quiet_ms` of the utterance."""
        ...

    def finish(self) -> None:
        """No more sound will come."""
        ...

    def abandon(self) -> None:
        """Forget it; `text` is "" then."""
        ...

    async def text(self) -> str:
        """The final text. Raises NotUnderstood when the recogniser failed."""
        ...


class Child(Protocol):
    """A recogniser process."""

    def send(self, frame: bytes) -> None: ...


class ProcessUtterance:
    """Goes from child to child until one understands it."""

    def __init__(self, on_partial: Callable[[Hypothesis], None]):
        self.ended = False
        self._child: Child | None = None
        self._children = 0
        self._on_partial = on_partial
        self._wanted = True
        self._result: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._frames = [_frame(b"B")]
        self._kept_bytes = 0
        self._spoken_bytes = 0
        """Up to here somebody has spoken."""

    @property
    def movable(self) -> bool:
        """Another child may be given it."""
        return self._wanted and self._children < MOST_CHILDREN and self._kept_bytes <= MOST_KEPT_BYTES

    def given_to(self, child: Child) -> list[bytes]:
        """What it has sent so far."""
        self._child = child
        self._children += 1
        return self._frames

    def feed(self, pcm: bytes, quiet_ms: int) -> None:
        if not self.ended:
            self._kept_bytes += len(pcm)
            quiet_bytes = quiet_ms * RATE_HZ * 2 // 1000
            if quiet_bytes < len(pcm):
                self._spoken_bytes = self._kept_bytes - quiet_bytes
            self._send(_frame(b"A", pcm, quiet_ms))

    def finish(self) -> None:
        self._end(b"E")

    def abandon(self) -> None:
        self._wanted = False
        self._end(b"X")

    async def text(self) -> str:
        text = await asyncio.shield(self._result)
        if isinstance(text, _Failure):
            raise NotUnderstood(str(text))
        return text

    def partial(self, hypothesis: Hypothesis, at: int) -> None:
        """Of its first `at` bytes. A child that is slow may tell of a silence which somebody has ended since."""
        if self._wanted:
            settled = hypothesis.settled and at >= self._spoken_bytes
            self._on_partial(replace(hypothesis, settled=settled))

    def succeed(self, text: str) -> None:
        self._frames = []
        if not self._result.done():
            self._result.set_result(text)

    def fail(self, message: str) -> None:
        self.succeed(_Failure(message) if self._wanted else "")

    def _end(self, kind: bytes) -> None:
        if not self.ended:
            self.ended = True
            self._send(_frame(kind))

    def _send(self, frame: bytes) -> None:
        if self._result.done():
            return
        if self._kept_bytes <= MOST_KEPT_BYTES:
            self._frames.append(frame)
        else:
            self._frames = []
        if self._child is not None:
            self._child.send(frame)


def _frame(kind: bytes, payload: bytes = b"", quiet_ms: int = 0) -> bytes:
    return HEADER.pack(kind, min(quiet_ms, _MOST_QUIET_MS), len(payload)) + payload


class _Failure(str):
    """A failure kept as a result: an exception nobody asks for would be reported as never retrieved."""

    __slots__ = ()
