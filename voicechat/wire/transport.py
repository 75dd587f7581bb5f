"""The wire under a codec.

A transport moves frames (`str` or `bytes`; within this process the values themselves) and knows nothing of their
meaning. `connect` raises `HandshakeRefused` when the server answered the upgrade with an HTTP error,
`ConnectionFailed` when nobody answered; `receive` raises `Closed` when the connection has ended, from either side.
"""

from typing import Protocol

from voicechat.realtime.codec import Parcel


class HandshakeRefused(Exception):
    """The server answered the WebSocket upgrade with an HTTP status other than 101."""

    def __init__(self, status: int, body: str = "", retry_after_s: float | None = None, date: str = ""):
        super().__init__(f"HTTP {status}")
        self.status = status
        self.body = body
        self.retry_after_s = retry_after_s
        self.date = date
        """The answer's HTTP Date header, "" without one."""


class Closed(Exception):
    """The connection has ended. `code` is the WebSocket close code, 1006 when there was none."""

    def __init__(self, code: int, reason: str = ""):
        super().__init__(f"closed {code} {reason}".rstrip())
        self.code = code
        self.reason = reason


class Transport(Protocol):
    @property
    def trace(self) -> str:
        """What the service calls this connection, once it has answered, where it tells; else ""."""
        ...

    @property
    def round_trip_ms(self) -> float | None:
        """To the other end and back, as last measured by a ping; None where there is no way."""
        ...

    async def connect(self) -> None: ...

    async def send(self, frame: Parcel) -> None: ...

    def send_now(self, frame: Parcel) -> bool:
        """Send it without waiting, if nothing else waits and the connection is open; whether it was. Never raises."""
        ...

    async def receive(self) -> Parcel: ...

    async def close(self) -> None: ...
