"""websockets' client connection, with a shorter way for plain text frames (cutting.py). Imported when one is made."""

import asyncio
from collections import deque
from typing import Any

from websockets import frames
from websockets.asyncio.client import ClientConnection
from websockets.protocol import Event, State

from voicechat.realtime.codec import WireFrame
from voicechat.wire.cutting import Cutter, text_frame

MOST_WAITING = 65_536
"""Characters that may wait for `next_frame` before nothing more is read."""
_HEAD_END = b"\r\n\r\n"


class Connection(ClientConnection):
    """`next_frame` in place of `recv`, in one task at a time; it raises as that does."""

    def __init__(self, *arguments: Any, **named: Any):
        super().__init__(*arguments, **named)
        self._cutter: Cutter | None = None
        self._inbox: deque[str | None] = deque()
        """None: the next message, or the end, is the library's to tell."""
        self._waiting = 0
        self._stopped = False
        self._some: asyncio.Future[None] | None = None

    def data_received(self, data: bytes) -> None:
        if self._cutter is None:
            head, end, rest = data.partition(_HEAD_END)
            opening = self.protocol.state is not State.OPEN
            super().data_received(head + end if opening else data)
            if opening and end and self.protocol.state is State.OPEN:
                self._cutter, data = Cutter(masked=False), rest
            elif opening and rest:
                super().data_received(rest)
                return
            else:
                return
        for piece in self._cutter.feed(data):
            if isinstance(piece, str) and self.protocol.state is State.OPEN:
                self._put(piece)
            else:
                super().data_received(text_frame(piece, masked=False) if isinstance(piece, str) else piece)

    def process_event(self, event: Event) -> None:
        super().process_event(event)
        if isinstance(event, frames.Frame) and event.fin and event.opcode in frames.DATA_OPCODES:
            self._put(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if hasattr(self, "transport"):  # TLS inside a proxy failed: it is lost before it was made
            super().connection_lost(exc)
        self._put(None)

    def _put(self, message: str | None) -> None:
        self._inbox.append(message)
        self._waiting += len(message or "")
        if self._waiting > MOST_WAITING and not self._stopped:
            self._stopped = True
            self.transport.pause_reading()
        if self._some is not None and not self._some.done():
            self._some.set_result(None)

    async def next_frame(self) -> WireFrame:
        while not self._inbox:
            self._some = self.loop.create_future()
            await self._some
        message = self._inbox.popleft()
        if message is None:
            if self.protocol.state is not State.OPEN and not self._inbox:
                self._inbox.append(None)  # whoever asks again is told again
            return await self.recv()
        self._waiting -= len(message)
        if self._stopped and not self._waiting:
            self._stopped = False
            self.transport.resume_reading()
        return message

    def send_now(self, frame: WireFrame) -> bool:
        """Without waiting, if nothing else does; whether it was sent."""
        if (
            not isinstance(frame, str)
            or self.protocol.state is not State.OPEN
            or self.transport.get_write_buffer_size()
        ):
            return False
        self.transport.write(text_frame(frame, masked=True))
        return True
