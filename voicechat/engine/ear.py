"""The recogniser in a process of its own, so that neither the event loop nor the sound ever waits for it.

The child reads frames from its stdin (one letter, four bytes of length, the payload) and writes one JSON object per
line: `{"partial": text}` while speech goes on, `{"final": text}` at its end, `{"error": text}` before it gives up.
It ends when its stdin does. Utterances are recognised one after another in the order of their beginnings.
"""

import asyncio
import json
import logging
import struct
import sys
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from voicechat.engine.recogniser import RATE_HZ, PocketsphinxRecogniser, Recogniser
from voicechat.errors import VoicechatError
from voicechat.interpreter import child_python

log = logging.getLogger(__name__)

CHUNK_BYTES = RATE_HZ * 2 * 40 // 1000
"""The child works in 40 ms pieces, so that a partial is never far behind."""
PARTIAL_EVERY_MS = 160
BACKLOG_MS = 120_000
"""Sound that may wait for the child: a recording may be sent all at once, and is understood faster than it sounds."""

_BEHIND = f"The recogniser is more than {BACKLOG_MS // 1000} s behind."
_HEADER = struct.Struct("<cI")


class NotUnderstood(Exception):
    """The recogniser failed; the message says how."""


class Utterance(Protocol):
    """One stretch of the user's speech on its way through the recogniser. Only `text` waits."""

    def feed(self, pcm: bytes) -> None:
        """s16le mono at `recogniser.RATE_HZ`."""
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


class Ear(Protocol):
    """Hears one conversation. Nobody who feeds it ever waits for it: however slow it is, a cancel must get by."""

    async def start(self) -> None: ...

    def listen(self, commands: bool, on_partial: Callable[[str], None]) -> Utterance: ...

    async def close(self) -> None: ...


class ProcessEar:
    """An `Ear` whose recogniser is a child of this process. `start` returns at once; loading goes on in the child."""

    def __init__(self) -> None:
        self._child: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._writer: asyncio.Task[None] | None = None
        self._frames: deque[tuple[bytes, bytes]] = deque()
        self._backlog_bytes = 0
        self._some = asyncio.Event()
        self._waiting: deque[_ProcessUtterance] = deque()
        self._failure = ""

    async def start(self) -> None:
        command, environment = child_python("-m", "voicechat.engine.ear")
        self._child = await asyncio.create_subprocess_exec(
            *command,
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C in the terminal is for the conversation: it closes the ear itself
        )
        assert self._child.stdin is not None
        self._reader = asyncio.create_task(self._read(self._child), name="offline-ear")
        self._writer = asyncio.create_task(self._write(self._child.stdin), name="offline-ear-feed")

    def listen(self, commands: bool, on_partial: Callable[[str], None]) -> Utterance:
        utterance = _ProcessUtterance(self, on_partial)
        if self._failure or self._is_behind():
            utterance.fail(self._failure or _BEHIND)
        else:
            self._waiting.append(utterance)
            self.send(b"B", b"\x01" if commands else b"\x00")
        return utterance

    def send(self, kind: bytes, payload: bytes = b"") -> None:
        """Queue a frame for the child. Sound beyond BACKLOG_MS is dropped: the recogniser hangs, or cannot follow."""
        if self._failure:
            return
        if kind == b"A":
            if self._is_behind():
                return
            self._backlog_bytes += len(payload)
            if self._is_behind():
                log.warning(_BEHIND)
        self._frames.append((kind, payload))
        self._some.set()

    def _is_behind(self) -> bool:
        return self._backlog_bytes > BACKLOG_MS * RATE_HZ * 2 // 1000

    async def _write(self, stdin: asyncio.StreamWriter) -> None:
        try:
            while True:
                while self._frames:
                    kind, payload = self._frames.popleft()
                    stdin.write(_HEADER.pack(kind, len(payload)) + payload)
                    await stdin.drain()
                    if kind == b"A":
                        self._backlog_bytes -= len(payload)
                self._some.clear()
                await self._some.wait()
        except (BrokenPipeError, ConnectionResetError):
            log.debug("the recogniser has gone")  # `_read` sees the end too, and fails what waits

    async def close(self) -> None:
        child, reader, writer = self._child, self._reader, self._writer
        if child is None or reader is None or writer is None:
            return
        self._failure = self._failure or "closed"
        writer.cancel()
        if child.stdin is not None:
            child.stdin.close()
        if child.returncode is None:
            child.kill()
        await asyncio.wait({reader, writer})
        await child.wait()

    async def _read(self, child: asyncio.subprocess.Process) -> None:
        assert child.stdout is not None
        failure = "The recogniser ended unexpectedly."
        while line := await child.stdout.readline():
            message: dict[str, str] = json.loads(line)
            if "error" in message:
                failure = message["error"]
            elif "final" in message and self._waiting:
                self._waiting.popleft().succeed(message["final"])
            elif "partial" in message and self._waiting:
                self._waiting[0].partial(message["partial"])
        self._failure = self._failure or failure
        self._frames.clear()
        while self._waiting:
            self._waiting.popleft().fail(self._failure)


class _ProcessUtterance:
    def __init__(self, ear: ProcessEar, on_partial: Callable[[str], None]):
        self._ear = ear
        self._on_partial = on_partial
        self._ended = False
        self._wanted = True
        self._result: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def feed(self, pcm: bytes) -> None:
        if not self._ended:
            self._ear.send(b"A", pcm)

    def finish(self) -> None:
        if not self._ended:
            self._ended = True
            self._ear.send(b"E")

    def abandon(self) -> None:
        self._wanted = False
        if not self._ended:
            self._ended = True
            self._ear.send(b"X")

    async def text(self) -> str:
        text = await asyncio.shield(self._result)
        if isinstance(text, _Failure):
            raise NotUnderstood(str(text))
        return text

    def partial(self, text: str) -> None:
        if self._wanted:
            self._on_partial(text)

    def succeed(self, text: str) -> None:
        if not self._result.done():
            self._result.set_result(text)

    def fail(self, message: str) -> None:
        self._ended = True
        self.succeed(_Failure(message))


class _Failure(str):
    """A failure kept as a result: an exception nobody asks for would be reported as never retrieved."""

    __slots__ = ()


def recognise(recogniser: Recogniser, read: Callable[[int], bytes], write: Callable[[dict[str, str]], None]) -> None:
    """The child's work: serve utterances until `read` is at its end."""
    last = ""
    since = 0
    while len(header := read(_HEADER.size)) == _HEADER.size:
        kind, size = _HEADER.unpack(header)
        payload = read(size) if size else b""
        if kind == b"B":
            recogniser.begin(bool(payload[0]))
            last, since = "", 0
        elif kind == b"A":
            for start in range(0, len(payload), CHUNK_BYTES):
                text = recogniser.accept(payload[start : start + CHUNK_BYTES])
                since += CHUNK_BYTES
                if text and text != last and since >= PARTIAL_EVERY_MS * RATE_HZ * 2 // 1000:
                    write({"partial": text})
                    last, since = text, 0
        else:
            text = recogniser.finish()
            write({"final": text if kind == b"E" else ""})


def main() -> int:
    def write(message: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()

    try:
        recognise(PocketsphinxRecogniser(), sys.stdin.buffer.read, write)
    except VoicechatError as error:
        write({"error": error.message})
        return error.exit_code
    except BrokenPipeError:
        return 0  # the conversation has gone
    return 0


if __name__ == "__main__":
    sys.exit(main())
