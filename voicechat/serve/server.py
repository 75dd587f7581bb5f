"""Listening: the socket, uvicorn on it, and an end in order."""

import asyncio
import contextlib
import gc
import logging
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any

import uvicorn

from voicechat.errors import UsageError
from voicechat.serve.app import create_app
from voicechat.serve.connections import Connection
from voicechat.serve.gateway import Gateway
from voicechat.serve.websocket import WebSocket
from voicechat.signals import endings, on_signals

log = logging.getLogger(__name__)

PING_S = 20.0
BACKLOG = 1024
HTTP_S = 10.0
"""How long connections may take to close once the sessions and answers are gone."""


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int
    cert: str = ""
    key: str = ""

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.cert else 'http'}://{host}:{self.port}"


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # they are ours


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's, where that is installed: a relayed piece of sound takes a third less of the processor on it."""
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def run(served: Coroutine[Any, Any, int]) -> int:
    """What `serve` came to, on the fastest loop there is."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(served)


async def serve(
    gateway: Gateway,
    address: Address,
    listener: socket.socket,
    listening: Callable[[], None] = lambda: None,
    life: int | None = None,
) -> int:
    """Serve until a signal, or the end of the descriptor `life`; the exit code. `listening` is called once it does."""
    try:
        server = server_on(gateway, address)
        stop = asyncio.Event()

        def on_signal() -> None:
            if stop.is_set():  # a second one: somebody is in a hurry
                server.force_exit = server.should_exit = True
            stop.set()

        def on_orphaned() -> None:
            asyncio.get_running_loop().remove_reader(life or 0)
            stop.set()

        if life is not None:
            asyncio.get_running_loop().add_reader(life, on_orphaned)
        with on_signals({number: on_signal for number in endings() if number != getattr(signal, "SIGHUP", None)}):
            # What is loaded by now stays; to look for garbage in it takes tens of milliseconds, and nobody is relayed.
            gc.freeze()
            running = asyncio.create_task(server.serve(sockets=[listener]), name="server")
            listening()
            stopped = asyncio.create_task(stop.wait(), name="stop")
            await asyncio.wait((running, stopped), return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set():
                draining = asyncio.create_task(gateway.drain(), name="drain")
                await asyncio.wait((draining, running), return_when=asyncio.FIRST_COMPLETED)
                draining.cancel()
            server.should_exit = True
            stopped.cancel()
            await running
        return 0
    finally:
        await gateway.close()
        listener.close()


def bind(address: Address) -> socket.socket:
    """A listening socket. Raises UsageError when there is none to be had."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    # The protocol is named, or asyncio leaves Nagle's algorithm on: every piece of sound would wait for the next one.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if hasattr(socket, "SO_REUSEADDR"):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address.host, address.port))
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"{address.host} port {address.port} cannot be listened on: {reason}.",
            "--port 0 takes a free one; --host takes an address of this machine.",
        ) from error
    return listener


def server_on(gateway: Gateway, address: Address) -> uvicorn.Server:
    """A server that leaves signals alone; `serve` and `should_exit` are uvicorn's."""
    config = uvicorn.Config(
        create_app(gateway),
        http=Connection,
        limit_concurrency=gateway.limits.sessions + gateway.limits.more_connections,
        ws=WebSocket,
        ws_max_size=gateway.limits.message_bytes,
        ws_ping_interval=PING_S,
        ws_ping_timeout=PING_S,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(HTTP_S),
        ssl_certfile=address.cert or None,
        ssl_keyfile=address.key or None,
    )
    return _Server(config)
