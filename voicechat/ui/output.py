"""Writing lines to stdout for programs to read: flushed at once, and ending quietly when nobody reads."""

import asyncio
import contextlib
import io
import os
from typing import TextIO

from voicechat.errors import UsageError, VoicechatError
from voicechat.ui.base import OutputClosed


class LineOutput:
    """Lines to `stream`. `write` never raises: the failure is kept for `wait_closed`, later lines are dropped."""

    def __init__(self, stream: TextIO, encoding: str | None = None):
        """`encoding`: another one than the stream's own. What it cannot express is written as `\\uXXXX`."""
        self._stream = stream
        self._done = asyncio.Event()
        self._failure: VoicechatError | None = None
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding=encoding, errors="backslashreplace")

    @property
    def broken(self) -> bool:
        return self._failure is not None

    def write(self, line: str) -> None:
        if self._failure is not None or self._stream.closed:
            return
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except BrokenPipeError:
            self._fail(OutputClosed())
        except OSError as error:
            self._fail(
                UsageError(f"The output cannot be written: {error.strerror}.", "Send it to another file or terminal.")
            )

    async def wait_closed(self) -> None:
        """Return after `close`; raise OutputClosed or UsageError once writing has failed."""
        await self._done.wait()
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        self._done.set()

    def _fail(self, failure: VoicechatError) -> None:
        self._failure = failure
        self._done.set()
        # What the stream still buffers would fail once more when the interpreter flushes it at exit, loudly.
        with contextlib.suppress(OSError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
