"""uvicorn's WebSocket, with less to do for each frame: a relay of sound has a hundred of them a second and session.

Plain text frames take the short way (wire/cutting.py). uvicorn stops reading after each message until the application
has taken it, which is a change of what the system watches, twice a message: here that comes when more than a little
waits. And an application may write, and be told of a message, at once (`scope["extensions"][AT_ONCE]`), where ASGI's
`send` and `receive` need a task to wait in.
"""

from collections.abc import Callable
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import State

from voicechat.wire.cutting import Cutter, text_frame

AT_ONCE = "voicechat.at_once"
"""The connection itself: its `send_now`, and its `take_now` to be set."""
MOST_WAITING = 65_536
"""Bytes that may wait for the application before nothing more is read."""
MESSAGE_BYTES = 256
"""What a message takes beside what it says."""


class WebSocket(WebSocketsSansIOProtocol):
    def __init__(self, *arguments: Any, **named: Any):
        super().__init__(*arguments, **named)
        self._cutter: Cutter | None = None
        self._in_step = True
        """Frames begin where the request ends."""
        self._waiting = 0
        self._awaited = False
        self.take_now: Callable[[str], bool] | None = None
        """Asked before a message is put where `receive` finds it, while the application waits there; whether that is
        not needed any more."""

    def handle_connect(self, event: Any) -> None:
        super().handle_connect(event)
        if not self.handshake_complete:
            extensions: Any = self.scope["extensions"]
            extensions[AT_ONCE] = self

    def data_received(self, data: bytes) -> None:
        if self._cutter is None:
            if self.conn.state is not State.OPEN:
                self._in_step = not self.handshake_initiated and data.endswith(b"\r\n\r\n")
            if self.conn.state is not State.OPEN or not self._in_step:
                super().data_received(data)
                return
            self._cutter = Cutter(masked=True, most_bytes=self.config.ws_max_size)
        for piece in self._cutter.feed(data):
            if isinstance(piece, bytes):
                super().data_received(piece)
            elif self.conn.state is not State.OPEN:
                super().data_received(text_frame(piece, masked=True))
            elif not (self.take_now is not None and self._awaited and self.queue.empty() and self.take_now(piece)):
                self._put({"type": "websocket.receive", "text": piece}, len(piece))

    def send_receive_event_to_app(self) -> None:
        size = sum(map(len, self.frames))
        paused, self.read_paused = self.read_paused, True  # or it would be
        super().send_receive_event_to_app()
        self.read_paused = paused
        self._filled(size)

    def _put(self, message: Any, size: int) -> None:
        if not self.close_sent:
            self.queue.put_nowait(message)
            self._filled(size)

    def _filled(self, size: int) -> None:
        self._waiting += size + MESSAGE_BYTES
        if self._waiting > MOST_WAITING and not self.read_paused and not self.close_sent:
            self.read_paused = True
            self.transport.pause_reading()

    async def receive(self) -> Any:
        self._awaited = True
        try:
            message = await super().receive()
        finally:
            self._awaited = False
        if self.queue.empty():
            self._waiting = 0
        return message

    async def send(self, message: Any) -> None:
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            self.handshake_complete = True  # by a refusal: uvicorn would call it an error, until the connection is gone

    def send_now(self, text: str) -> bool:
        """Without waiting, if nothing else does; whether it was sent."""
        if (
            not self.handshake_complete
            or self.close_sent
            or self.conn.state is not State.OPEN
            or self.transport.is_closing()
            or self.transport.get_write_buffer_size()
        ):
            return False
        self.transport.write(text_frame(text, masked=False))
        return True
