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

_HEADER = struct.Struct("<cI")


class NotUnderstood(Exception):
    """The recogniser failed; the message says how."""


class Utterance(Protocol):
    """One stretch of the user's speech on its way through the recogniser."""

    async def feed(self, pcm: bytes) -> None:
        """s16le mono at `recogniser.RATE_HZ`."""
        ...

    async def finish(self) -> None:
        """No more sound will come."""
        ...

    async def abandon(self) -> None:
        """Forget it; `text` is "" then."""
        ...

    async def text(self) -> str:
        """The final text. Raises NotUnderstood when the recogniser failed."""
        ...


class Ear(Protocol):
    """Hears one conversation."""

    async def start(self) -> None: ...

    async def listen(self, commands: bool, on_partial: Callable[[str], None]) -> Utterance: ...

    async def close(self) -> None: ...


class ProcessEar:
    """An `Ear` whose recogniser is a child of this process. `start` returns at once; loading goes on in the child."""

    def __init__(self) -> None:
        self._child: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
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
        self._reader = asyncio.create_task(self._read(self._child), name="offline-ear")

    async def listen(self, commands: bool, on_partial: Callable[[str], None]) -> Utterance:
        utterance = _ProcessUtterance(self, on_partial)
        if self._failure:
            utterance.fail(self._failure)
        else:
            self._waiting.append(utterance)
            await self.send(b"B", b"\x01" if commands else b"\x00")
        return utterance

    async def send(self, kind: bytes, payload: bytes = b"") -> None:
        stdin = self._child.stdin if self._child else None
        if stdin is None or self._failure:
            return
        try:
            stdin.write(_HEADER.pack(kind, len(payload)) + payload)
            await stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            log.debug("the recogniser has gone")  # `_read` sees the end too, and fails what waits

    async def close(self) -> None:
        child, reader = self._child, self._reader
        if child is None or reader is None:
            return
        self._failure = self._failure or "closed"
        if child.stdin is not None:
            child.stdin.close()
        if child.returncode is None:
            child.kill()
        await asyncio.wait({reader})
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
        while self._waiting:
            self._waiting.popleft().fail(self._failure)


class _ProcessUtterance:
    def __init__(self, ear: ProcessEar, on_partial: Callable[[str], None]):
        self._ear = ear
        self._on_partial = on_partial
        self._ended = False
        self._wanted = True
        self._result: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def feed(self, pcm: bytes) -> None:
        await self._ear.send(b"A", pcm)

    async def finish(self) -> None:
        if not self._ended:
            self._ended = True
            await self._ear.send(b"E")

    async def abandon(self) -> None:
        self._wanted = False
        if not self._ended:
            self._ended = True
            await self._ear.send(b"X")

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
