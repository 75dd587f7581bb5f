"""uvicorn's HTTP with patience that ends: for who does not say what they want, and who does not read what they get."""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S = 10.0
"""From a request's first byte, or the connection, to the end of its head."""
BODY_S = 180.0
"""The largest recording comes whole in it at 1.2 Mbit/s."""
READING_S = 20.0
"""How long somebody may read nothing of what waits."""
FULL = (
    b'{"error":{"message":"All places are taken at the moment. Try again later.","type":"server_error","param":null,'
    b'"code":"server_busy"}}'
)


class Connection(H11Protocol):
    """One connection, until it is a WebSocket's. `config.limit_concurrency` is how many there may be."""

    head_s = HEAD_S
    body_s = BODY_S
    reading_s = READING_S

    def __init__(self, *arguments: Any, **named: Any):
        super().__init__(*arguments, **named)
        self._most, self.limit_concurrency = self.limit_concurrency, None  # uvicorn's own lets idle ones in
        self._awaited: object = None
        """What has to be complete in time: the head, or the body of this cycle."""
        self._coming: asyncio.TimerHandle | None = None
        self._going: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self._most is not None and len(self.connections) > self._most:
            head = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nConnection: close\r\n"
            transport.write(head + b"Retry-After: 5\r\nContent-Length: %d\r\n\r\n" % len(FULL) + FULL)
            transport.close()
            return
        self._await_next()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        super().data_received(data)
        self._await_next()

    def handle_websocket_upgrade(self, event: Any) -> None:
        super().handle_websocket_upgrade(event)
        self._await(None, 0.0)

    def connection_lost(self, exc: Exception | None) -> None:
        self._await(None, 0.0)
        self.resume_writing()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._abort_later()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._going is not None:
            self._going.cancel()
            self._going = None

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._abort_later()
        elif not self.cycle.response_complete:  # the next request came with this one
            self._await_next()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._abort_later()

    def _await_next(self) -> None:
        if self not in self.connections:  # it is a WebSocket's
            return
        if self.cycle is None or self.cycle.response_complete:
            self._await("head", self.head_s)
        elif self.cycle.more_body:
            self._await(self.cycle, self.body_s)
        else:
            self._await(None, 0.0)

    def _await(self, what: object, within_s: float) -> None:
        if what is self._awaited:
            return
        self._awaited = what
        if self._coming is not None:
            self._coming.cancel()
        self._coming = None if what is None else self.loop.call_later(within_s, self._came_not)

    def _came_not(self) -> None:
        """Whoever asked nothing is owed no answer; an answer that is being given is not cut for want of a body."""
        if self._awaited == "head" or not self.cycle.response_started:
            self.transport.abort()

    def _abort_later(self) -> None:
        """Unless it is read before, or gone."""
        if self._going is None:
            self._going = self.loop.call_later(self.reading_s, self.transport.abort)
