"""A client's WebSocket as ASGI gives it: frames in, frames out, a close with its reason."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, Protocol

from voicechat.realtime.codec import WireFrame
from voicechat.serve.refusals import Refusal
from voicechat.wire.transport import Closed

if TYPE_CHECKING:
    from voicechat.serve.websocket import WebSocket

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_REASON_BYTES = 120


class Client(Protocol):
    async def receive(self) -> WireFrame: ...
    async def send(self, frame: WireFrame) -> None: ...
    def send_now(self, frame: WireFrame) -> bool: ...
    def take_now(self, take: Callable[[str], bool]) -> None: ...
    async def close(self, code: int, reason: str = "") -> None: ...


class ClientSocket:
    """`send` waits while the client reads too slowly, so that nothing piles up; both raise Closed once it has gone."""

    def __init__(self, receive: Receive, send: Send, at_once: "WebSocket | None" = None):
        self._receive = receive
        self._send = send
        self._at_once = at_once

    async def accept(self, subprotocol: str | None) -> None:
        await self._receive()  # websocket.connect
        # Of a client that has gone the server tells in its own way, and wants to be told so.
        await self._send({"type": "websocket.accept", "subprotocol": subprotocol, "headers": []})

    async def receive(self) -> WireFrame:
        message = await self._receive()
        if message["type"] != "websocket.receive":
            raise Closed(message.get("code") or 1006, message.get("reason") or "")
        text = message.get("text")
        return text if text is not None else bytes(message["bytes"])

    async def send(self, frame: WireFrame) -> None:
        await self._put({"type": "websocket.send", ("text" if isinstance(frame, str) else "bytes"): frame})

    def send_now(self, frame: WireFrame) -> bool:
        """Without waiting, if that is possible; whether it was."""
        return self._at_once is not None and isinstance(frame, str) and self._at_once.send_now(frame)

    def take_now(self, take: Callable[[str], bool]) -> None:
        """Ask `take` of each text before `receive` gives it, while that is awaited; whether it has been dealt with."""
        if self._at_once is not None:
            self._at_once.take_now = take

    async def close(self, code: int, reason: str = "") -> None:
        short = reason.encode()[:_REASON_BYTES].decode(errors="ignore")
        await self._put({"type": "websocket.close", "code": code, "reason": short})

    async def refuse(self, refusal: Refusal) -> None:
        """After the upgrade."""
        await self.send(refusal.event())
        await self.close(refusal.close_code, refusal.reason)

    async def refuse_by_status(self, refusal: Refusal) -> None:
        """In place of the upgrade."""
        await self._receive()
        body = json.dumps(refusal.body()).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        if refusal.retry_after_s is not None:
            headers.append((b"retry-after", str(refusal.retry_after_s).encode()))
        await self._send({"type": "websocket.http.response.start", "status": refusal.status, "headers": headers})
        await self._send({"type": "websocket.http.response.body", "body": body})

    async def _put(self, message: Message) -> None:
        try:
            await self._send(message)
        except (OSError, RuntimeError) as error:  # gone, or closed from the other side
            raise Closed(1006) from error
