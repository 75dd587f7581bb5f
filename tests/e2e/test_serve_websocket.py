"""The gateway's WebSocket, by a client that speaks the protocol by hand."""

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from websockets.frames import Frame, Opcode
from websockets.protocol import CLIENT, OPEN, Protocol

from tests.gateway import Served, served
from voicechat.serve.server import Address, bind
from voicechat.serve.websocket import MOST_WAITING, WebSocket
from voicechat.wire.cutting import text_frame

GARBAGE_TEXT = '{"type": "no.such.event"}'
GARBAGE = text_frame(GARBAGE_TEXT, masked=True)


def request(path: str, port: int) -> bytes:
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


class ByHand:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self._reader = reader
        self._protocol = Protocol(CLIENT, state=OPEN, max_size=None)
        self._seen: list[Frame] = []
        self.writer = writer

    async def frame(self) -> Frame:
        async with asyncio.timeout(20):
            while not self._seen:
                data = await self._reader.read(65_536)
                if not data:
                    raise EOFError
                self._protocol.receive_data(data)
                self._seen += [event for event in self._protocol.events_received() if isinstance(event, Frame)]
        return self._seen.pop(0)

    async def event(self, kind: str) -> dict[str, Any]:
        while True:
            frame = await self.frame()
            told: dict[str, Any] = json.loads(frame.data) if frame.opcode is Opcode.TEXT else {}
            if told.get("type") == kind:
                return told


@asynccontextmanager
async def by_hand(server: Served) -> AsyncIterator[ByHand]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(request("/v1/realtime?model=offline", server.port))
    assert b" 101 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
    try:
        yield ByHand(reader, writer)
    finally:
        writer.close()


def test_frames_may_come_in_any_pieces_and_forms(tmp_path: Path) -> None:
    async def main() -> None:
        async with served(tmp_path / "config.toml") as server, by_hand(server) as client:
            await client.event("session.created")
            for byte in GARBAGE:
                client.writer.write(bytes([byte]))
                await client.writer.drain()
            assert (await client.event("error"))["error"]["param"] == "type"
            said = b'{"type": "no.such.event", "event_id": "in pieces"}'
            parts = [Frame(Opcode.TEXT, said[:9], False), Frame(Opcode.CONT, said[9:20], False)]
            last = Frame(Opcode.CONT, said[20:])
            ping = Frame(Opcode.PING, b"still there?")
            whole = b"".join(frame.serialize(mask=True) for frame in (*parts, ping, last))
            client.writer.write(whole + GARBAGE)
            assert (await client.frame()).data == b"still there?"
            assert (await client.event("error"))["error"]["event_id"] == "in pieces"
            assert (await client.event("error"))["error"]["event_id"] is None
            # A message that ends while another one is not over is none.
            client.writer.write(parts[0].serialize(mask=True) + GARBAGE)
            while (frame := await client.frame()).opcode is not Opcode.CLOSE:
                pass
            assert int.from_bytes(frame.data[:2], "big") == 1002

    asyncio.run(main())


def test_what_is_sent_before_the_answer_is_read_too() -> None:
    async def main(cut: int) -> None:
        asked, let_in = asyncio.Event(), asyncio.Event()
        arrived: asyncio.Queue[int] = asyncio.Queue()
        said: list[str] = []

        class Watched(WebSocket):
            def data_received(self, data: bytes) -> None:
                super().data_received(data)
                arrived.put_nowait(len(data))

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            asked.set()
            await let_in.wait()
            await send({"type": "websocket.accept"})
            said.extend([(await receive())["text"] for _ in range(2)])

        server = uvicorn.Server(uvicorn.Config(app, ws=Watched, lifespan="off", log_config=None))
        listener = bind(Address("127.0.0.1", 0))
        running = asyncio.create_task(server.serve(sockets=[listener]))
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.getsockname()[1])
        writer.write(request("/", listener.getsockname()[1]))
        await asyncio.wait_for(asked.wait(), 20)
        await arrived.get()
        writer.write(GARBAGE[:cut])
        assert await asyncio.wait_for(arrived.get(), 20) == cut
        let_in.set()
        writer.write(GARBAGE[cut:] + GARBAGE)
        await reader.read()
        writer.close()
        assert said == [GARBAGE_TEXT] * 2
        server.should_exit = True
        await running

    for cut in (1, len(GARBAGE) - 1, len(GARBAGE)):
        asyncio.run(main(cut))


def test_what_is_no_utf_8_ends_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with served(tmp_path / "config.toml") as server, by_hand(server) as client:
            await client.event("session.created")
            client.writer.write(Frame(Opcode.TEXT, b'"\xff"').serialize(mask=True))
            while (frame := await client.frame()).opcode is not Opcode.CLOSE:
                pass
            assert int.from_bytes(frame.data[:2], "big") == 1007

    asyncio.run(main())


def test_no_more_is_read_than_may_wait(tmp_path: Path) -> None:
    """Whoever sends faster than it is answered and reads nothing fills the sockets, and not this process."""

    async def main() -> None:
        async with served(tmp_path / "config.toml") as server, by_hand(server) as client:
            await client.event("session.created")
            (relay,) = server.gateway.relays
            socket: Any = relay._client._at_once  # type: ignore[attr-defined]
            while not socket.read_paused:
                client.writer.write(GARBAGE * 1000)
                await asyncio.sleep(0)
            one_read = 262_144  # asyncio's
            assert socket.queue.qsize() < MOST_WAITING / 256 + one_read / len(GARBAGE)

    asyncio.run(main())


def test_a_session_that_is_cut_off_is_no_failure_of_the_server(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As one that somebody in a hurry ends by a second Ctrl-C."""

    async def main() -> None:
        async with served(tmp_path / "config.toml") as server, by_hand(server) as client:
            await client.event("session.created")
            (task,) = [one for one in asyncio.all_tasks() if "run_asgi" in str(one.get_coro())]
            task.cancel()
            await asyncio.wait([task])

    asyncio.run(main())
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []
