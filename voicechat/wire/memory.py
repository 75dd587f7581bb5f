"""A transport inside this process: a pair of queues, for frames or for the values themselves."""

import asyncio

from voicechat.realtime.codec import Parcel
from voicechat.wire.transport import Closed


class MemoryTransport:
    """Two bounded queues: one end for the client, `peer` for a service in the same process."""

    trace = ""
    round_trip_ms: float | None = None

    def __init__(self) -> None:
        self._inbox: asyncio.Queue[Parcel | None] = asyncio.Queue(maxsize=1000)
        self._closed = False
        self.peer: MemoryTransport = self

    @classmethod
    def pair(cls) -> "tuple[MemoryTransport, MemoryTransport]":
        near, far = cls(), cls()
        near.peer, far.peer = far, near
        return near, far

    async def connect(self) -> None:
        """Nothing to do: the two ends are born joined."""

    async def send(self, frame: Parcel) -> None:
        if self._closed or self.peer._closed:
            raise Closed(1000)
        await self.peer._inbox.put(frame)

    def send_now(self, frame: Parcel) -> bool:
        if self._closed or self.peer._closed or self.peer._inbox.full():
            return False
        self.peer._inbox.put_nowait(frame)
        return True

    async def receive(self) -> Parcel:
        frame = None if self._closed and self._inbox.empty() else await self._inbox.get()
        if frame is None:
            self._closed = True
            raise Closed(1000)
        return frame

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        for end in (self, self.peer):
            try:
                end._inbox.put_nowait(None)
            except asyncio.QueueFull:
                end._closed = True
