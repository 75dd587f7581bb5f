"""A client WebSocket, with pings, proxies and certificates, and with errors in words."""

import asyncio
import logging
import socket
from typing import Any

from voicechat.errors import ConnectionFailed
from voicechat.realtime.codec import WireFrame
from voicechat.wire.network import (
    CONNECT_TIMEOUT_S,
    ConnectRequest,
    Network,
    explain_connect_error,
    retry_after_s,
    tls_context,
)
from voicechat.wire.proxy import proxy_for, proxy_of
from voicechat.wire.transport import Closed, HandshakeRefused
from voicechat.wire.urls import shown
from voicechat.wire.wirelog import described
from voicechat.wire.wirelog import log as wire

log = logging.getLogger(__name__)

FIRST_PING_S = 1.0
"""So soon the way is measured, when a session has begun."""
PING_INTERVAL_S = 30.0
PING_TIMEOUT_S = 15.0
"""A peer that is gone without a word is noticed within the two together."""
SEND_BUFFER_BYTES = 65_536
"""What may wait inside the system: one to two seconds of sound (Linux doubles it). Left to itself it grows to a
minute's on a slow line, sound that nobody can drop any more, and a ping waits behind it."""
CLOSE_TIMEOUT_S = 0.5
"""How long a polite end may take; a peer that has stopped reading would hold it up for ever."""


class WebSocketTransport:
    """A client WebSocket. Frames of any size are accepted; compression is off, base64 PCM hardly compresses.

    Certificates are always verified. The proxy of the environment is used, but never on the way to this machine. At
    the log level DEBUG every frame is a line.
    """

    def __init__(
        self,
        request: ConnectRequest,
        *,
        network: Network = Network(),
        ping_interval_s: float = PING_INTERVAL_S,
        ping_timeout_s: float = PING_TIMEOUT_S,
        timeout_s: float = CONNECT_TIMEOUT_S,
    ):
        self._request = request
        self._network = network
        self._ping_interval_s = ping_interval_s
        self._ping_timeout_s = ping_timeout_s
        self._timeout_s = timeout_s
        self._ws: Any = None
        self._gone: Any = None
        """websockets' error of a connection that has ended: to look it up costs as much as a frame."""
        self._pings: asyncio.Task[None] | None = None
        self._silent = False
        self.trace = ""
        self.round_trip_ms: float | None = None

    async def connect(self) -> None:
        from websockets.asyncio import client
        from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
        from websockets.typing import Subprotocol

        from voicechat.wire.connection import Connection

        class Connect(client.connect):
            def process_redirect(self, exc: Exception) -> Exception | str:
                return exc  # another host would be given the key

        host = shown(self._request.url)
        encrypted = self._request.url.startswith("wss:")
        log.debug("connecting to %s, waiting up to %.0f s", host, self._timeout_s)
        try:
            self._ws = await Connect(
                self._request.url,
                additional_headers=self._request.headers,
                subprotocols=[Subprotocol(name) for name in self._request.subprotocols] or None,
                max_size=None,
                compression=None,
                create_connection=Connection,
                ssl=tls_context(self._network.ca_file) if encrypted else None,
                proxy=proxy_for(self._request.url) or None,
                open_timeout=self._timeout_s,
                ping_interval=None,
                close_timeout=0.2,
            )
        except InvalidStatus as error:
            self._note_trace(error.response.headers)
            body = (error.response.body or b"").decode("utf-8", "replace")[:2000]
            after_s = retry_after_s(_header(error.response.headers, "Retry-After"))
            date = _header(error.response.headers, "Date")
            raise HandshakeRefused(error.response.status_code, body, after_s, date) from error
        except TimeoutError as error:
            way = f"the proxy {proxy}" if (proxy := proxy_of(self._request.url)) else "a proxy? a firewall?"
            raise ConnectionFailed(
                f"No answer from {host} within {self._timeout_s:.0f} s.",
                f"Check the address and the network ({way}), then try again.",
            ) from error
        except (OSError, WebSocketException, EOFError) as error:
            raise ConnectionFailed(*explain_connect_error(host, error, proxy_of(self._request.url))) from error
        except ValueError as error:  # websockets' InvalidURI is one, and so is a port that is no number
            raise ConnectionFailed(f"{host} is not a WebSocket address.", "Use ws://… or wss://….") from error
        self._gone = ConnectionClosed
        self._note_trace(self._ws.response.headers)
        self._ws.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self._pings = asyncio.create_task(self._keep_alive(), name="pings")

    async def _keep_alive(self) -> None:
        """Pings by a clock of our own: websockets' waits for room in the socket first, which a dead line never has."""
        pause_s = min(FIRST_PING_S, self._ping_interval_s)
        while True:
            await asyncio.sleep(pause_s)
            pause_s = self._ping_interval_s
            try:
                async with asyncio.timeout(self._ping_timeout_s):
                    self.round_trip_ms = 1000 * await (await self._ws.ping())
            except TimeoutError:
                self._silent = True
                self._ws.transport.abort()
                return
            except self._gone:
                return

    def _note_trace(self, headers: Any) -> None:
        name = self._request.trace_header
        value = _header(headers, name)[:100] if name else ""
        if value and value.isascii() and value.isprintable():
            self.trace = f"{name} {value}"
            log.debug("connected: %s", self.trace)

    @property
    def date(self) -> str:
        """The HTTP Date header of the upgrade's answer, "" before it or without one."""
        response = self._ws.response if self._ws is not None else None
        return _header(response.headers, "Date") if response is not None else ""

    @property
    def open(self) -> bool:
        """Connected, as far as is known here."""
        from websockets.protocol import State

        return self._ws is not None and self._ws.state is State.OPEN

    def send_now(self, frame: WireFrame) -> bool:
        if self._ws is None or not self._ws.send_now(frame):
            return False
        self._note("→", frame)
        return True

    async def send(self, frame: WireFrame) -> None:
        try:
            await self._ws.send(frame)
        except self._gone as error:
            raise self._closed(error) from error
        self._note("→", frame)

    async def receive(self) -> WireFrame:
        try:
            frame: WireFrame = await self._ws.next_frame()
        except self._gone as error:
            raise self._closed(error) from error
        self._note("←", frame)
        return frame

    def _note(self, way: str, frame: WireFrame) -> None:
        if wire.isEnabledFor(logging.DEBUG):
            wire.debug("%s %s", way, described(frame, self._network.log_audio))

    def _closed(self, error: Any) -> Closed:
        if self._silent:
            return Closed(1006, "no answer to pings")
        close = error.rcvd or error.sent
        return Closed(close.code, close.reason) if close else Closed(1006, "connection lost")

    async def close(self) -> None:
        """End the connection, within half a second whatever the peer does."""
        if self._pings is not None:
            self._pings.cancel()
        if self._ws is None:
            return
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._ws.close()
        except TimeoutError:
            self._ws.transport.abort()


def _header(headers: Any, name: str) -> str:
    """The first header of that name, "" without one: a proxy may well have doubled it."""
    values = headers.get_all(name)
    return str(values[0]) if values else ""
