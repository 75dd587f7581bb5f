"""WebSockets for one piece of text each, kept for the next piece where the protocol allows it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from voicechat.errors import ConnectionFailed, Refused, VoicechatError
from voicechat.realtime.codec import WireFrame
from voicechat.speech.base import Interrupted
from voicechat.wire.network import ConnectRequest, Network
from voicechat.wire.transport import Closed, HandshakeRefused
from voicechat.wire.websocket import WebSocketTransport

SILENCE_TIMEOUT_S = 30.0
REUSE_WITHIN_S = 50.0
"""DashScope closes a socket that was idle for 60 s after a task."""

Refusal = Callable[[int | None, int | None, str], VoicechatError]


class SpeechSocket:
    """A connection while it speaks one piece. Whatever ends it early is raised as Interrupted or VoicechatError."""

    def __init__(self, transport: WebSocketTransport, refusal: Refusal, fresh: bool):
        self.transport = transport
        self.fresh = fresh
        """Nothing has been said on it yet."""
        self.kept = False
        self.state: Any = None
        """What the protocol wants to remember of a connection that is kept."""
        self._refusal = refusal

    def keep(self) -> None:
        """The piece is over and the connection may serve another."""
        self.kept = True

    async def send(self, frame: WireFrame) -> None:
        try:
            await self.transport.send(frame)
        except Closed as closed:
            raise self._ended(closed) from closed

    async def receive(self) -> WireFrame:
        try:
            async with asyncio.timeout(SILENCE_TIMEOUT_S):
                return await self.transport.receive()
        except TimeoutError as error:
            raise Interrupted(
                ConnectionFailed(f"The service sent nothing for {SILENCE_TIMEOUT_S:.0f} s.", "Try again in a moment.")
            ) from error
        except Closed as closed:
            raise self._ended(closed) from closed

    def _ended(self, closed: Closed) -> VoicechatError | Interrupted:
        error = self._refusal(None, closed.code, closed.reason)
        return error if isinstance(error, Refused) else Interrupted(error)


class Sockets:
    """Connections of one service; at most as many as pieces are spoken at a time."""

    def __init__(self, request: ConnectRequest, refusal: Refusal, network: Network):
        self._network = network
        self._request = request
        self._refusal = refusal
        self._idle: list[tuple[WebSocketTransport, float, Any]] = []

    @asynccontextmanager
    async def take(self) -> AsyncIterator[SpeechSocket]:
        """A connection for one piece; closed afterwards unless `keep` was called."""
        socket = await self._open()
        try:
            yield socket
        finally:
            if socket.kept:
                self._idle.append((socket.transport, asyncio.get_running_loop().time(), socket.state))
            else:
                await socket.transport.close()

    async def _open(self) -> SpeechSocket:
        now = asyncio.get_running_loop().time()
        while self._idle:
            transport, since, state = self._idle.pop()
            if now - since < REUSE_WITHIN_S and transport.open:
                socket = SpeechSocket(transport, self._refusal, fresh=False)
                socket.state = state
                return socket
            await transport.close()
        transport = WebSocketTransport(self._request, network=self._network)
        try:
            await transport.connect()
        except HandshakeRefused as refused:
            error = self._refusal(refused.status, None, refused.body)
            if isinstance(error, Refused):
                raise error from refused
            raise Interrupted(error, refused.retry_after_s) from refused
        except ConnectionFailed as failed:
            raise Interrupted(failed, unreachable=True) from failed
        return SpeechSocket(transport, self._refusal, fresh=True)

    async def close(self) -> None:
        while self._idle:
            await self._idle.pop()[0].close()
