"""Writing lines to stdout for programs to read: at once, never waited for, and ending quietly when nobody reads."""

import asyncio
import contextlib
import io
import logging
import os
import sys
from collections.abc import Callable
from typing import TextIO

from voicechat.backlog import Backlog
from voicechat.errors import UsageError, VoicechatError
from voicechat.ui.base import OutputClosed

log = logging.getLogger(__name__)

MOST_LINES = 20_000
"""What may wait for a reader that has stopped, beside what the pipe holds: half an hour of a lively conversation."""
PATIENCE_S = 3.0
"""At the end: how long a reader may take nothing at all before it is left."""


class LineOutput:
    """Lines to `stream`. `write` neither raises nor waits: the failure is kept for `wait_closed`, later lines are
    dropped. What a reader has no time for waits in the order of writing; beyond MOST_LINES the oldest are left out, and
    the line `missing` makes of their number stands in their place.

    A thread writes, and to the descriptor itself: one inside the stream when the interpreter ends would hold its lock
    and bring the program down. A stream without a descriptor, and a Windows console, are written to at once.
    """

    def __init__(
        self,
        stream: TextIO,
        encoding: str | None = None,
        *,
        missing: Callable[[int], str] = lambda count: f"[{count} lines are missing here: they were not read in time]",
        beside: "LineOutput | None" = None,
    ):
        """`encoding`: another one than the stream's own. What it cannot express is written as `\\uXXXX`. `beside`: if
        that one leads to the same place, the order of both is kept."""
        self._stream = stream
        self._missing = missing
        self._loop: asyncio.AbstractEventLoop | None = None
        self._done = asyncio.Event()
        self._closed = False
        self._failure: VoicechatError | None = None
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding=encoding, errors="backslashreplace")
        self._fd = _descriptor(stream)
        self._encoding = encoding or getattr(stream, "encoding", None) or "utf-8"
        together = beside is not None and beside.leads_to(self._fd)
        self._backlog: Backlog = beside._backlog if beside and together else Backlog("output", MOST_LINES)

    @property
    def broken(self) -> bool:
        return self._failure is not None

    def leads_to(self, fd: int | None) -> bool:
        """Whether what is written here and to `fd` is seen at the same place."""
        return self._fd is not None and fd is not None and os.path.sameopenfile(self._fd, fd)

    def write(self, line: str) -> None:
        if self._failure is not None or self._stream.closed:
            return
        if self._fd is None:
            self._safely(lambda: self._print(line))
        else:
            self._backlog.add(lambda: self._safely(lambda: self._send(line)))

    async def wait_closed(self) -> None:
        """Return after `close`; raise OutputClosed or UsageError once writing has failed."""
        self._loop = asyncio.get_running_loop()  # a failure from here on wakes it; one from before is seen
        if self._failure is None and not self._closed:
            await self._done.wait()
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Give a reader that reads all that waits."""
        if not self._backlog.end(PATIENCE_S) and not self._closed:
            log.warning("nobody reads the output: %d lines are left out at its end", len(self._backlog) + 1)
        self._closed = True
        self._done.set()

    def _print(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()

    def _send(self, line: str) -> None:
        """On the backlog's thread."""
        assert self._fd is not None
        lost = self._backlog.take_lost()
        for text in [*([self._missing(lost)] if lost else []), line]:
            view = memoryview((text + os.linesep).encode(self._encoding, "backslashreplace"))
            while view:
                view = view[os.write(self._fd, view) :]

    def _safely(self, write: Callable[[], None]) -> None:
        if self._failure is not None:
            return
        try:
            write()
        except BrokenPipeError:
            self._fail(OutputClosed())
        except OSError as error:
            self._fail(
                UsageError(f"The output cannot be written: {error.strerror}.", "Send it to another file or terminal.")
            )

    def _fail(self, failure: VoicechatError) -> None:
        self._failure = failure
        # What others still buffer in the stream would fail once more when the interpreter flushes it at exit, loudly.
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._done.set)


def _descriptor(stream: TextIO) -> int | None:
    """Where the stream's text ends up, with what it holds on its way; None to write to the stream itself."""
    try:
        if sys.platform == "win32" and stream.isatty():  # a console takes text and no bytes
            return None
        stream.flush()
        return stream.fileno()
    except (OSError, ValueError):
        return None
