"""A bad network on purpose: a proxy between the real program and its server, which knows WebSocket frames only.

It reads where frames and messages begin and end and nothing else, so it serves every dialect. A `Plan` per
connection says what goes wrong; whole outages are made with `down`, `up` and `drop`.
"""

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

NONE = range(0)
ALL = range(1, 1_000_000)
HELD_S = 0.2
_ABORT_LINGER = struct.pack("ii", 1, 0)  # on, 0 s: close() sends RST


Then = Literal["", "cut", "reset", "freeze", "crawl"]


class Mark(Enum):
    """What else than bytes comes by in the order of the server's messages."""

    THEN = "the plan's fault"
    END = "the server has ended the stream"


@dataclass(frozen=True)
class Plan:
    """What goes wrong on one connection. Messages are the server's, counted from 1; pings and pongs do not count.

    `then` happens right after message number `after` (0: after the handshake, -1: before its answer): `cut` ends the
    stream without a close frame, `reset` sends RST, `freeze` swallows everything in both directions and keeps the
    sockets open (a half-open connection), `crawl` goes on with `bytes_per_s` in both directions.
    `jitter_ms`: the most that a message is delayed by, in order. `duplicate` numbers messages that are sent twice,
    `swap` those that are sent after their next neighbour (or `HELD_S` later when there is none).
    `status`: the handshake is answered with this HTTP status and `headers` instead.
    """

    after: int = -1
    then: Then = ""
    bytes_per_s: float = 1.0
    jitter_ms: float = 0.0
    duplicate: range = NONE
    swap: range = NONE
    status: int = 0
    headers: tuple[str, ...] = ()


@dataclass(eq=False)
class Link:
    """One connection through the proxy."""

    plan: Plan
    client: asyncio.StreamWriter
    messages: int = 0
    """Messages of the server that were passed on."""
    swallows: bool = False
    bytes_per_s: float = 0.0
    queue: "asyncio.Queue[tuple[float, bytes | Mark]]" = field(default_factory=lambda: asyncio.Queue(1000))
    last_due: float = 0.0


class FaultyProxy:
    """`with FaultyProxy(server.url, plans) as proxy`: runs in a thread of its own; the program connects to `url`.

    The n-th connection follows `plans[n]`, later ones `otherwise`; both may be exchanged at any time.
    """

    def __init__(self, upstream: str, plans: tuple[Plan, ...] = (), otherwise: Plan = Plan()):
        self.plans, self.otherwise = plans, otherwise
        self.links: list[Link] = []
        self._upstream = urlsplit(upstream)
        self._port = 0
        self._random = random.Random(1)
        self._server: asyncio.Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), name="faulty proxy")
        self._started = threading.Event()

    @property
    def url(self) -> str:
        return urlunsplit(self._upstream._replace(netloc=f"127.0.0.1:{self._port}"))

    def __enter__(self) -> "FaultyProxy":
        self._thread.start()
        if not self._started.wait(10):
            raise RuntimeError("the proxy did not start")
        return self

    def __exit__(self, *_: object) -> None:
        assert self._loop is not None
        assert self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    # what a test does

    def down(self) -> None:
        """A server that is being restarted: connections are refused, those that there are end."""
        self._run(self._close())

    def up(self) -> None:
        """Listen again, at the same address."""
        self._run(self._listen())

    def drop(self) -> None:
        """Cut every connection; new ones are welcome."""
        self._run(self._drop())

    def fail(self, then: Then) -> None:
        """This happens to every connection, now."""
        assert self._loop is not None
        for link in self.links:
            self._loop.call_soon_threadsafe(self._fail, link, then)

    # inside

    def _run(self, action: Coroutine[Any, Any, None]) -> None:
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(action, self._loop).result(10)

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        await self._listen()
        self._started.set()
        await self._stop.wait()
        await self._close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._drop()

    async def _drop(self) -> None:
        for link in self.links:
            link.client.transport.abort()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        plan = self.plans[len(self.links)] if len(self.links) < len(self.plans) else self.otherwise
        link = Link(plan, writer)
        self.links.append(link)
        task = asyncio.create_task(self._serve(link, reader))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, link: Link, reader: asyncio.StreamReader) -> None:
        upstream: asyncio.StreamWriter | None = None
        try:
            if link.plan.status:
                await self._refuse(link, reader)
                return
            answers, upstream = await asyncio.open_connection(self._upstream.hostname, self._upstream.port)
            async with asyncio.TaskGroup() as pumps:
                up = pumps.create_task(self._upward(link, reader, upstream))
                pumps.create_task(self._queue_messages(link, answers))
                pumps.create_task(self._downward(link))
                await up  # the client has gone
                raise ConnectionResetError
        except* (OSError, asyncio.IncompleteReadError):
            pass  # either side ended, which is what this is all about
        finally:
            for writer in (link.client, upstream):
                if writer is not None:
                    writer.transport.abort()

    async def _refuse(self, link: Link, reader: asyncio.StreamReader) -> None:
        await reader.readuntil(b"\r\n\r\n")
        lines = [f"HTTP/1.1 {link.plan.status} As planned", *link.plan.headers, "Content-Length: 9"]
        link.client.write(("\r\n".join([*lines, "Connection: close", "", "Refused.\n"])).encode())
        await link.client.drain()
        link.client.write_eof()

    async def _upward(self, link: Link, reader: asyncio.StreamReader, upstream: asyncio.StreamWriter) -> None:
        while data := await reader.read(max(1, int(link.bytes_per_s)) if link.bytes_per_s else 65536):
            if link.swallows:
                continue
            upstream.write(data)
            await upstream.drain()
            if link.bytes_per_s:
                await asyncio.sleep(len(data) / link.bytes_per_s)

    async def _queue_messages(self, link: Link, answers: asyncio.StreamReader) -> None:
        """Everything of the server into the queue, each piece with the time at which it is due."""
        plan = link.plan
        try:
            if plan.after == -1:
                await self._put(link, Mark.THEN)
            await self._put(link, await answers.readuntil(b"\r\n\r\n"))
            if plan.after == 0:
                await self._put(link, Mark.THEN)
            async with contextlib.aclosing(_with_swaps(answers, plan.swap)) as messages:
                async for message, counts in messages:
                    if not counts:
                        await self._put(link, message)
                        continue
                    link.messages += 1
                    for _ in range(2 if link.messages in plan.duplicate else 1):
                        await self._put(link, message)
                    if link.messages == plan.after:
                        await self._put(link, Mark.THEN)
        except asyncio.IncompleteReadError as end:
            await self._put(link, end.partial)
            await self._put(link, Mark.END)

    async def _put(self, link: Link, data: bytes | Mark) -> None:
        now = asyncio.get_running_loop().time()
        link.last_due = max(link.last_due, now + self._random.random() * link.plan.jitter_ms / 1000)
        await link.queue.put((link.last_due, data))

    async def _downward(self, link: Link) -> None:
        while True:
            due, data = await link.queue.get()
            await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
            if data is Mark.THEN:
                self._fail(link, link.plan.then)
            elif link.swallows:
                continue
            elif data is Mark.END:
                link.client.write_eof()
            elif not link.bytes_per_s:
                link.client.write(data)
                await link.client.drain()
            else:
                step = max(1, int(link.bytes_per_s / 20))
                for at in range(0, len(data), step):
                    link.client.write(data[at : at + step])
                    await asyncio.sleep(step / link.bytes_per_s)

    def _fail(self, link: Link, then: Then) -> None:
        match then:
            case "cut":
                link.swallows = True  # whatever is still on its way meets no RST
                link.client.write_eof()
            case "reset":
                raw = link.client.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT_LINGER)
                link.client.transport.abort()
            case "freeze":
                link.swallows = True
            case "crawl":
                link.bytes_per_s = link.plan.bytes_per_s


async def _messages(reader: asyncio.StreamReader) -> AsyncIterator[tuple[bytes, bool]]:
    """The raw bytes of each whole message, and whether it is one: not a ping, pong or close (RFC 6455, section 5.2)."""
    parts: list[bytes] = []
    while True:
        head = await reader.readexactly(2)
        size = head[1] & 0x7F  # a server's frames carry no mask
        if size >= 126:
            longer = await reader.readexactly(2 if size == 126 else 8)
            head, size = head + longer, int.from_bytes(longer, "big")
        frame = head + await reader.readexactly(size)
        if head[0] & 0x08:
            yield frame, False
            continue
        parts.append(frame)
        if head[0] & 0x80:
            yield b"".join(parts), True
            parts.clear()


async def _with_swaps(reader: asyncio.StreamReader, swap: range) -> AsyncGenerator[tuple[bytes, bool], None]:
    """The same, with the messages of these numbers after their next neighbour."""
    messages = _messages(reader)
    number = 0
    coming = asyncio.ensure_future(anext(messages))
    try:
        while True:
            message, counts = await coming
            coming = asyncio.ensure_future(anext(messages))
            number += counts
            if counts and number in swap:
                done, _ = await asyncio.wait([coming], timeout=HELD_S)
                if done and not coming.exception():
                    yield coming.result()
                    number += coming.result()[1]
                    coming = asyncio.ensure_future(anext(messages))
            yield message, counts
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
