"""The two transports: a pair of queues, and a WebSocket against a server of the test's on this machine."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.server import Server, ServerConnection, serve

from voicechat.wire.memory import MemoryTransport
from voicechat.wire.network import ConnectRequest
from voicechat.wire.transport import Closed
from voicechat.wire.websocket import WebSocketTransport

PATIENCE_S = 5.0


# -- in memory -------------------------------------------------------------------------------------------------


def test_frames_of_both_kinds_cross_in_order_and_both_ways() -> None:
    async def main() -> None:
        near, far = MemoryTransport.pair()
        await near.send("one")
        await near.send(b"two")
        await far.send("back")
        assert [await far.receive(), await far.receive(), await near.receive()] == ["one", b"two", "back"]

    asyncio.run(main())


def test_what_was_sent_before_the_end_still_arrives_and_then_both_ends_are_closed() -> None:
    async def main() -> None:
        near, far = MemoryTransport.pair()
        await near.send("last words")
        await near.close()
        await near.close()
        assert await far.receive() == "last words"
        for end in (near, far):
            with pytest.raises(Closed) as closed:
                await asyncio.wait_for(end.receive(), PATIENCE_S)
            assert closed.value.code == 1000
            with pytest.raises(Closed):
                await end.send("too late")

    asyncio.run(main())


def test_a_receiver_that_waits_is_woken_by_the_other_end_closing() -> None:
    async def main() -> None:
        near, far = MemoryTransport.pair()
        waiting = asyncio.create_task(far.receive())
        await asyncio.sleep(0)
        await near.close()
        with pytest.raises(Closed):
            await asyncio.wait_for(waiting, PATIENCE_S)

    asyncio.run(main())


def test_the_queue_is_bounded() -> None:
    async def main() -> int:
        near, far = MemoryTransport.pair()
        sent = 0

        async def flood() -> None:
            nonlocal sent
            while sent < 100_000:
                await near.send("x")
                sent += 1

        flooding = asyncio.create_task(flood())
        await asyncio.wait([flooding], timeout=0.2)
        assert not flooding.done()
        flooding.cancel()
        await asyncio.wait([flooding])
        await far.receive()
        await asyncio.wait_for(near.send("there is room again"), PATIENCE_S)
        return sent

    assert asyncio.run(main()) == 1000


# -- a WebSocket -----------------------------------------------------------------------------------------------

Handler = Callable[[ServerConnection], Awaitable[None]]


@asynccontextmanager
async def server(handler: Handler, **options: Any) -> AsyncIterator[str]:
    """Its address."""
    running: Server = await serve(handler, "127.0.0.1", 0, **options)
    async with running:
        yield f"ws://127.0.0.1:{next(iter(running.sockets)).getsockname()[1]}/v1/realtime?model=m"


@asynccontextmanager
async def connected(request: ConnectRequest) -> AsyncIterator[WebSocketTransport]:
    transport = WebSocketTransport(request)
    await transport.connect()
    try:
        yield transport
    finally:
        await transport.close()


def test_headers_subprotocol_and_frames_of_any_size_get_through() -> None:
    async def main() -> None:
        seen: dict[str, str | None] = {}

        async def echo(peer: ServerConnection) -> None:
            assert peer.request is not None
            seen["key"] = peer.request.headers["Authorization"]
            seen["path"] = peer.request.path
            seen["subprotocol"] = peer.subprotocol
            seen["compression"] = peer.request.headers.get("Sec-WebSocket-Extensions")
            async for frame in peer:
                await peer.send(frame)

        async with server(echo, subprotocols=["realtime"], max_size=None) as url:
            request = ConnectRequest(url, {"Authorization": "Bearer secret"}, ("realtime",))
            async with connected(request) as transport:
                for frame in ("text", b"bytes", "x" * 3_000_000):
                    await transport.send(frame)
                    assert await asyncio.wait_for(transport.receive(), PATIENCE_S) == frame
        assert seen == {
            "key": "Bearer secret",
            "path": "/v1/realtime?model=m",
            "subprotocol": "realtime",
            "compression": None,
        }

    asyncio.run(main())


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (3000, "invalid_request_error"), (4000, "no such model")])
def test_the_servers_close_code_and_reason_are_told(code: int, reason: str) -> None:
    async def main() -> None:
        async def leave(peer: ServerConnection) -> None:
            await peer.send("first")
            await peer.close(code, reason)

        async with server(leave) as url, connected(ConnectRequest(url)) as transport:
            assert await asyncio.wait_for(transport.receive(), PATIENCE_S) == "first"
            with pytest.raises(Closed) as closed:
                await asyncio.wait_for(transport.receive(), PATIENCE_S)
            assert (closed.value.code, closed.value.reason) == (code, reason)
            with pytest.raises(Closed):
                await transport.send("anybody there?")

    asyncio.run(main())


def test_a_connection_that_breaks_is_1006() -> None:
    async def main() -> None:
        async def vanish(peer: ServerConnection) -> None:
            peer.transport.abort()

        async with server(vanish) as url, connected(ConnectRequest(url)) as transport:
            with pytest.raises(Closed) as closed:
                await asyncio.wait_for(transport.receive(), PATIENCE_S)
            assert closed.value.code == 1006

    asyncio.run(main())


def test_the_way_there_and_back_is_measured() -> None:
    async def handler(connection: ServerConnection) -> None:
        await connection.wait_closed()

    async def main() -> None:
        async with server(handler) as url:
            transport = WebSocketTransport(ConnectRequest(url), ping_interval_s=0.01)
            await transport.connect()
            assert transport.round_trip_ms is None
            ping, pings, twice = transport._ws.ping, [], asyncio.Event()

            async def watched() -> asyncio.Future[float]:
                pings.append(await ping())
                if len(pings) > 1:
                    twice.set()
                return pings[-1]

            transport._ws.ping = watched
            await asyncio.wait_for(twice.wait(), PATIENCE_S)
            assert transport.round_trip_ms == 1000 * pings[0].result() > 0
            await transport.close()

    asyncio.run(main())


@asynccontextmanager
async def deaf_server() -> AsyncIterator[str]:
    """Takes a connection and then reads nothing more, as a line that went half-open: the sender's buffers fill."""
    writers: list[asyncio.StreamWriter] = []

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = next(line for line in head.splitlines() if line.lower().startswith("sec-websocket-key:")).split()[1]
        accept = base64.b64encode(hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        upgrade = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        writer.write(upgrade + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        writer.transport.pause_reading()  # type: ignore[attr-defined]

    running = await asyncio.start_server(serve_one, "127.0.0.1", 0)
    try:
        yield f"ws://127.0.0.1:{running.sockets[0].getsockname()[1]}"
    finally:
        running.close()
        for writer in writers:
            writer.transport.abort()


async def fill(transport: WebSocketTransport) -> None:
    while True:
        await transport.send(bytes(65_536))


def test_a_line_that_went_half_open_is_noticed_although_the_way_out_is_full() -> None:
    async def main() -> None:
        async with deaf_server() as url:
            transport = WebSocketTransport(ConnectRequest(url), ping_interval_s=0.3, ping_timeout_s=0.2)
            await transport.connect()
            sender = asyncio.create_task(fill(transport))
            with pytest.raises(Closed) as closed:
                await asyncio.wait_for(transport.receive(), PATIENCE_S)
            assert (closed.value.code, closed.value.reason) == (1006, "no answer to pings")
            with pytest.raises(Closed):
                await asyncio.wait_for(sender, PATIENCE_S)
            await transport.close()

    asyncio.run(main())


def test_a_peer_that_reads_nothing_does_not_hold_up_the_end() -> None:
    async def main() -> None:
        async with deaf_server() as url:
            transport = WebSocketTransport(ConnectRequest(url))
            await transport.connect()
            sender = asyncio.create_task(fill(transport))
            await asyncio.wait([sender], timeout=0.5)  # by then it waits for room
            await asyncio.wait_for(transport.close(), PATIENCE_S)
            with pytest.raises(Closed):
                await asyncio.wait_for(sender, PATIENCE_S)

    asyncio.run(main())
