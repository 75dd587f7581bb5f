"""What waits for a client: bounded, sent in order, a few frames at a time."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from voicechat.realtime.codec import Parcel, WireFrame
from voicechat.wire.transport import Transport

MOST_UNREAD = 1_000_000
"""Characters that may wait for the client before whoever fills this has to."""
HEARTBEAT = '{"type":"voicechat.heartbeat"}'
BURST = 8
"""So many frames go out before everybody else gets a turn."""


class Outbox:
    """`put` never waits, `run` sends; whoever puts much waits for `room` while it is `full`.

    `send_now` sends without waiting if it can, and says whether it could: so a frame before which nothing waits needs
    no other task.
    """

    def __init__(
        self, send: Callable[[WireFrame], Awaitable[None]], send_now: Callable[[WireFrame], bool] = lambda _: False
    ):
        self._send = send
        self._send_now = send_now
        self._at_rest = False
        self._frames: deque[WireFrame] = deque()
        self.chars = 0
        """What waits, in characters."""
        self._some = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._room = asyncio.Event()
        self._room.set()

    def put(self, frames: list[WireFrame]) -> None:
        if self._at_rest and frames and not self._frames:
            sent = 0
            while sent < len(frames) and self._send_now(frames[sent]):
                sent += 1
            frames = frames[sent:]
        if not frames:
            return
        self._empty.clear()
        self._frames.extend(frames)
        self.chars += sum(map(len, frames))
        if self.chars > MOST_UNREAD:
            self._room.clear()
        self._some.set()

    async def beat(self, every_s: float) -> None:
        """Put a sign of life every so often, until cancelled: a page is shown no pings, nor that they stay away."""
        while True:
            await asyncio.sleep(every_s)
            if not self._frames:  # else it is alive, or will not read this either
                self.put([HEARTBEAT])

    @property
    def full(self) -> bool:
        return not self._room.is_set()

    async def room(self) -> None:
        await self._room.wait()

    async def all_sent(self) -> None:
        await self._empty.wait()

    async def run(self) -> None:
        """Send until cancelled; raises what `send` raises."""
        sent = 0
        while True:
            while self._frames:
                frame = self._frames.popleft()
                await self._send(frame)
                sent += 1
                if not sent % BURST:
                    await asyncio.sleep(0)
                self.chars -= len(frame)
                if self.chars < MOST_UNREAD // 2:
                    self._room.set()
            self._empty.set()
            self._some.clear()
            self._at_rest = True
            await self._some.wait()
            self._at_rest = False


class Patient:
    """A transport that gives what it receives only while there is room for it."""

    def __init__(self, transport: Transport, outbox: Outbox):
        self._transport = transport
        self._outbox = outbox
        self.connect, self.send, self.close = transport.connect, transport.send, transport.close
        self.send_now = transport.send_now

    @property
    def trace(self) -> str:
        return self._transport.trace

    @property
    def round_trip_ms(self) -> float | None:
        return self._transport.round_trip_ms

    async def receive(self) -> Parcel:
        if self._outbox.full:
            await self._outbox.room()
        return await self._transport.receive()
