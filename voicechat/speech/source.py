"""Where the text comes from, a string or a stream, and the pieces it is spoken in."""

import asyncio
import codecs
import os
import threading
from collections import deque
from collections.abc import AsyncGenerator
from typing import Protocol

from voicechat.text.sentences import SentenceSplitter, speakable

READ_CHARS = 4096
PAUSE_S = 0.4
"""A finished sentence at the end of a stream that rests for so long is spoken without waiting for what follows."""
_CHUNKS_AHEAD = 4


class TextSource(Protocol):
    @property
    def ready(self) -> bool:
        """`read` will answer without waiting."""
        ...

    async def read(self) -> str:
        """The next text, "" at the end."""
        ...


class WholeText:
    """A text that is there already."""

    ready = True

    def __init__(self, text: str):
        self._text = text
        self._at = 0

    async def read(self) -> str:
        chunk = self._text[self._at : self._at + READ_CHARS]
        self._at += len(chunk)
        return chunk


class StreamedText:
    """UTF-8 text from a file descriptor, read by a thread that runs no more than a few chunks ahead.

    What is not UTF-8 becomes U+FFFD. The thread is a daemon: one that waits for input cannot be woken up.
    """

    def __init__(self, descriptor: int):
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._chunks: asyncio.Queue[bytes] = asyncio.Queue(_CHUNKS_AHEAD + 1)
        self._room = threading.Semaphore(_CHUNKS_AHEAD)
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
        self._ended = False
        threading.Thread(target=self._run, name="voicechat-text", daemon=True).start()

    @property
    def ready(self) -> bool:
        return self._ended or not self._chunks.empty()

    async def read(self) -> str:
        while not self._ended:
            chunk = await self._chunks.get()
            self._room.release()
            self._ended = not chunk
            if text := self._decoder.decode(chunk, final=self._ended):
                return text
        return ""

    def _run(self) -> None:
        chunk = b"-"
        while chunk:
            self._room.acquire()
            try:
                chunk = os.read(self._descriptor, READ_CHARS)
            except OSError:  # the terminal or the pipe is gone, which is an end too
                chunk = b""
            try:
                self._loop.call_soon_threadsafe(self._chunks.put_nowait, chunk)
            except RuntimeError:  # the loop is closed: nobody reads any more
                return


async def pieces(
    source: TextSource, first_chars: int, most_chars: int, pause_s: float = PAUSE_S
) -> AsyncGenerator[str, None]:
    """Pieces to speak: whole sentences while they fit, the first piece as soon as there is a sentence.

    The first piece ends with the sentence in which `first_chars` are reached, later ones hold as much as has come,
    up to `most_chars`.
    """
    splitter = SentenceSplitter(most_chars)
    sentences: deque[str] = deque()
    waiting: asyncio.Task[str] | None = None
    ended, target = False, first_chars

    def enough() -> bool:
        return sum(map(len, sentences)) >= target

    try:
        while True:
            while not ended and not enough():
                if sentences and not (waiting.done() if waiting else source.ready):
                    break  # speak what there is
                waiting = waiting or asyncio.ensure_future(source.read())
                done, _ = await asyncio.wait([waiting], timeout=pause_s)
                if not done:
                    sentences.extend(splitter.pause())
                    if not sentences:
                        await asyncio.wait([waiting])
                    continue
                text, waiting = waiting.result(), None
                ended = not text
                sentences.extend(splitter.flush() if ended else splitter.feed(text))
            piece = ""
            while sentences and (not piece or (len(piece) < target and len(piece + sentences[0]) <= most_chars)):
                piece += sentences.popleft()
            if speakable(piece):
                target = most_chars
                yield piece.strip()
            if ended and not sentences:
                return
    finally:
        if waiting is not None:
            waiting.cancel()
