"""Reading a text aloud piece by piece: one piece ahead, and a piece that fails is asked for again.

What of a failed piece has gone to a file is taken back; what has been heard cannot be, so as much of the second
attempt is left out: nothing is spoken twice.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, Protocol

from voicechat.errors import ConnectionFailed, VoicechatError
from voicechat.speech.base import Interrupted, SpeechService
from voicechat.wire.retry import Retry, RetryPolicy

log = logging.getLogger(__name__)

PATIENCE = RetryPolicy(delays_s=(0.5, 1.0, 2.0), jitter=0.0)
"""For each piece. A service that wants us to stay away longer than the policy waits is not waited for."""
BLOCK_BYTES = 8192
BLOCKS_AHEAD = 256
"""2 MB: 40 s of 24 kHz PCM, the most that is held of the piece that comes next."""

Sleep = Callable[[float], Awaitable[object]]


class Sink(Protocol):
    """Where the sound goes."""

    async def write(self, sound: bytes) -> None:
        """Take some sound of the current piece; waits while there is enough of it."""
        ...

    def rewind(self) -> int:
        """The current piece begins anew; gives how many bytes of it cannot be taken back."""
        ...

    async def piece_done(self) -> None:
        """The current piece is complete."""
        ...


class Reader:
    """Speaks pieces into a sink. `on_piece` is told each piece's text when all of it has been written.

    `wait` is how a pause before another attempt is spent.
    """

    def __init__(
        self,
        service: SpeechService,
        sink: Sink,
        on_piece: Callable[[str], None] = lambda piece: None,
        wait: Sleep = asyncio.sleep,
    ):
        self._service = service
        self._sink = sink
        self._on_piece = on_piece
        self._wait = wait
        self._reached = False

    async def read(self, pieces: AsyncIterator[str]) -> int:
        """Speak all pieces in their order and give their number. Raises VoicechatError.

        A piece whose sound does not come ends the reading after the pieces before it were written.
        """
        count = 0
        current = await self._fetch_next(pieces)
        while current is not None:
            ahead = asyncio.ensure_future(self._fetch_next(pieces))
            try:
                await self._deliver(current)
                self._on_piece(current.text)
                following = await ahead
            except BaseException:
                await _cancel(current.task, ahead)
                if not ahead.cancelled() and ahead.exception() is None and (unheard := ahead.result()) is not None:
                    await _cancel(unheard.task)
                raise
            current, count = following, count + 1
        return count

    async def _fetch_next(self, pieces: AsyncIterator[str]) -> "_Fetched | None":
        text = await anext(pieces, None)
        return _Fetched(text, self._fetch) if text is not None else None

    async def _deliver(self, piece: "_Fetched") -> None:
        sink, skip = self._sink, 0
        while (item := await piece.next()) is not None:
            if isinstance(item, VoicechatError):
                raise item
            if isinstance(item, _Again):
                skip = sink.rewind()
                continue
            part = item[skip:]
            skip -= len(item) - len(part)
            if part:
                await sink.write(part)
        await sink.piece_done()

    async def _fetch(self, text: str, queue: "asyncio.Queue[_Item]") -> None:
        """Ask until the piece is complete; what goes wrong for good is the queue's last item."""
        retry = Retry(PATIENCE)
        while True:
            received = 0
            try:
                async with aclosing(self._service.speak(text)) as stream:
                    async for sound in stream:
                        received += len(sound)
                        for start in range(0, len(sound), BLOCK_BYTES):
                            await queue.put(sound[start : start + BLOCK_BYTES])
                if not received:
                    raise Interrupted(ConnectionFailed("The service sent no sound.", "Another voice or model?"))
                self._reached = True
                await queue.put(None)
                return
            except Interrupted as interruption:
                worth = not interruption.unreachable or self._reached or received > 0
                wait_s = interruption.retry_after_s
                worth = worth and (wait_s is None or wait_s <= PATIENCE.longest_wait_s)
                attempt = retry.attempt
                pause_s = retry.next_delay_s(wait_s) if worth else None
                if pause_s is None:
                    await queue.put(_final(interruption))
                    return
                log.info("attempt %d failed, another in %.1f s: %s", attempt, pause_s, interruption.error.message)
                await queue.put(_Again())
                await self._wait(pause_s)
            except VoicechatError as error:
                await queue.put(error)
                return


class _Again:
    """The piece begins anew."""


_Item = bytes | _Again | VoicechatError | None


class _Fetched:
    """A piece whose sound is on its way."""

    def __init__(self, text: str, fetch: "Callable[[str, asyncio.Queue[_Item]], Awaitable[None]]"):
        self.text = text
        self.queue: asyncio.Queue[_Item] = asyncio.Queue(BLOCKS_AHEAD)
        self.task = asyncio.ensure_future(fetch(text, self.queue))

    async def next(self) -> _Item:
        """What comes next. Raises what the fetching raised, should it ever."""
        if self.queue.empty():
            getter = asyncio.ensure_future(self.queue.get())
            try:
                await asyncio.wait([getter, self.task], return_when=asyncio.FIRST_COMPLETED)
            finally:
                if not getter.done():
                    getter.cancel()
            if not getter.cancelled() and getter.done():
                return getter.result()
            await self.task
        return self.queue.get_nowait()


def _final(interruption: Interrupted) -> VoicechatError:
    error, after_s = interruption.error, interruption.retry_after_s
    if after_s is not None and after_s > PATIENCE.longest_wait_s:
        return type(error)(error.message, f"It asks to come back in {after_s:.0f} s.")
    return error


async def _cancel(*tasks: "asyncio.Task[Any]") -> None:
    running = [task for task in tasks if not task.done()]
    for task in running:
        task.cancel()
    if running:
        await asyncio.wait(running)
