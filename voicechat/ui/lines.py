"""Lines from a stdin that is no keyboard of ours: a pipe, a file, or a terminal under `--plain`.

A thread reads, because a loop can wait for neither a file nor a Windows console. It reads the descriptor itself:
a thread inside `sys.stdin` when the interpreter ends would hold its lock and bring the program down.
"""

import asyncio
import codecs
import os
import threading
from collections.abc import Callable, Coroutine, Iterator
from types import TracebackType
from typing import Any

from voicechat.ui.base import Controls
from voicechat.ui.tasks import run_beside

WAITING_LINES = 100
"""How many lines are read ahead of the conversation."""
LINE_CHARS = 1 << 20
"""A longer line is delivered in pieces."""


class LineReader:
    """An asynchronous iterator of the lines of descriptor `fd`, without their ends, as UTF-8.

    A context manager: on leaving, nothing more is delivered. The daemon thread ends with the input, or with the
    program when it is still waiting for input then.
    """

    def __init__(self, fd: int = 0):
        self._fd = fd
        self._loop = asyncio.get_running_loop()
        self._lines: asyncio.Queue[str | None] = asyncio.Queue(maxsize=WAITING_LINES + 1)
        self._room = threading.Semaphore(WAITING_LINES)
        self._closed = False
        self._thread = threading.Thread(target=self._read, name="stdin lines", daemon=True)

    def __enter__(self) -> "LineReader":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closed = True
        self._room.release()

    def __aiter__(self) -> "LineReader":
        return self

    async def __anext__(self) -> str:
        line = await self._lines.get()
        if line is None:
            raise StopAsyncIteration
        self._room.release()
        return line

    def _read(self) -> None:
        for line in split_lines(self._chunk):
            self._room.acquire()
            if not self._deliver(line):
                return
        self._deliver(None)

    def _chunk(self) -> bytes:
        try:
            return os.read(self._fd, 65536)
        except OSError:  # a terminal that was hung up says EIO: the input has ended
            return b""

    def _deliver(self, line: str | None) -> bool:
        if self._closed:
            return False
        try:
            self._loop.call_soon_threadsafe(self._lines.put_nowait, line)
        except RuntimeError:  # the loop is closed: the program ends
            return False
        return True


def split_lines(read: Callable[[], bytes]) -> Iterator[str]:
    """The lines of what `read` gives until it gives nothing; a last line needs no end."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    rest = ""
    while chunk := read():
        *lines, rest = (rest + decoder.decode(chunk)).split("\n")
        yield from (line.removesuffix("\r") for line in lines)
        while len(rest) > LINE_CHARS:
            yield rest[:LINE_CHARS]
            rest = rest[LINE_CHARS:]
    if rest := rest + decoder.decode(b"", final=True):
        yield rest.removesuffix("\r")


async def deliver_lines(controls: Controls, fd: int = 0) -> None:
    """Submit every line of `fd`, then say that the input has ended: from a keyboard (Ctrl-D), that the user leaves."""
    with LineReader(fd) as lines:
        async for line in lines:
            controls.submit(line)
    if os.isatty(fd):
        controls.quit()
    else:
        controls.end_of_input()


async def run_with_lines(work: Coroutine[Any, Any, None], controls: Controls | None, fd: int = 0) -> None:
    """Run `work` to its end; meanwhile the lines of `fd` go to `controls`, unless that is None."""
    if controls is None:
        await work
    else:
        await run_beside(work, deliver_lines(controls, fd))
