"""The short way of plain WebSocket frames: in any pieces, in their order, and no more than may wait."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN, SERVER, Protocol

from tests.unit.test_transport import PATIENCE_S
from voicechat.wire.network import ConnectRequest
from voicechat.wire.transport import Closed
from voicechat.wire.websocket import WebSocketTransport


@asynccontextmanager
async def speaking(frames: bytes, pieces: int) -> AsyncIterator[tuple[str, "asyncio.Queue[bytes]"]]:
    """A service that says these frames right behind its answer, in pieces of so many bytes; what it is sent."""
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        key = next(
            line.split(b": ")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")
        )
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        answer = (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        data = answer + frames
        for start in range(0, len(data), pieces):
            writer.write(data[start : start + pieces])
            await writer.drain()
        while told := await reader.read(65_536):
            heard.put_nowait(told)
        writer.close()

    server = await asyncio.start_server(serve_one, "127.0.0.1", 0)
    try:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", heard
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("pieces", [1, 7, 130, 65_536])
def test_frames_of_every_kind_come_in_their_order_in_whatever_pieces(pieces: int) -> None:
    frames = [
        Frame(Opcode.TEXT, b"one"),
        Frame(Opcode.TEXT, "zwei ü".encode()),
        Frame(Opcode.BINARY, b"\xff"),
        Frame(Opcode.TEXT, b"in ", False),
        Frame(Opcode.PING, b"?"),
        Frame(Opcode.CONT, b"parts"),
        Frame(Opcode.TEXT, b"x" * 70_000 if pieces > 7 else b"x" * 200),
        Frame(Opcode.TEXT, b"last"),
        Frame(Opcode.CLOSE, b"\x03\xe8bye"),
    ]
    data = b"".join(frame.serialize(mask=False) for frame in frames)

    async def main() -> None:
        async with speaking(data, pieces) as (address, _):
            transport = WebSocketTransport(ConnectRequest(address, {}))
            await transport.connect()
            received = [await asyncio.wait_for(transport.receive(), PATIENCE_S) for _ in range(6)]
            assert received[:4] == ["one", "zwei ü", b"\xff", "in parts"]
            assert set(received[4]) == {"x"}
            assert received[5] == "last"
            for _ in range(2):
                with pytest.raises(Closed) as closed:
                    await asyncio.wait_for(transport.receive(), PATIENCE_S)
                assert (closed.value.code, closed.value.reason) == (1000, "bye")
            assert not transport.send_now("too late")
            await transport.close()

    asyncio.run(main())


def test_a_frame_is_sent_without_waiting_while_nothing_waits() -> None:
    async def main() -> None:
        async with speaking(b"", 65_536) as (address, heard):
            transport = WebSocketTransport(ConnectRequest(address, {}))
            assert not transport.send_now("not connected yet")
            await transport.connect()
            assert transport.send_now("hello")
            protocol = Protocol(SERVER, state=OPEN)
            protocol.receive_data(await asyncio.wait_for(heard.get(), PATIENCE_S))
            (frame,) = protocol.events_received()
            assert isinstance(frame, Frame)
            assert (frame.opcode, frame.data) == (Opcode.TEXT, b"hello")
            assert not transport.send_now(b"binary goes the other way")
            while transport.send_now("x" * 60_000):  # the other end reads them, but not as fast
                pass
            transport._ws.transport.abort()
            await transport.close()

    asyncio.run(main())


def test_no_more_is_received_than_may_wait() -> None:
    frames = Frame(Opcode.TEXT, b"x" * 1000).serialize(mask=False) * 3000

    async def main() -> None:
        async with speaking(frames, 65_536) as (address, _):
            transport = WebSocketTransport(ConnectRequest(address, {}))
            await transport.connect()
            while not transport._ws._stopped:  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0)
            assert transport._ws._waiting < 65_536 + 300_000  # and one read of the system's
            for _ in range(3000):
                assert len(await asyncio.wait_for(transport.receive(), PATIENCE_S)) == 1000
            await transport.close()

    asyncio.run(main())
