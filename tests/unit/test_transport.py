"""The two transports: a pair of queues, and a WebSocket against a server of the test's on this machine."""

import asyncio
import base64
import email.utils
import hashlib
import http
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN, SERVER, Protocol

from voicechat.errors import ConnectionFailed
from voicechat.wire.memory import MemoryTransport
from voicechat.wire.network import ConnectRequest, explain_connect_error, retry_after_s
from voicechat.wire.proxy import proxy_of
from voicechat.wire.transport import Closed, HandshakeRefused
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


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_an_http_refusal_carries_status_body_and_patience(form: str) -> None:
    async def main() -> None:
        def refuse(peer: ServerConnection, request: Any) -> Any:
            response = peer.respond(http.HTTPStatus.TOO_MANY_REQUESTS, '{"error": "quota"}')
            at = email.utils.formatdate(time.time() + 8, usegmt=True)
            response.headers["Retry-After"] = "7" if form == "seconds" else at
            return response

        async def never(peer: ServerConnection) -> None:
            raise AssertionError("it was refused")

        async with server(never, process_request=refuse) as url:
            with pytest.raises(HandshakeRefused) as refused:
                await WebSocketTransport(ConnectRequest(url)).connect()
        assert (refused.value.status, refused.value.body) == (429, '{"error": "quota"}')
        after_s = refused.value.retry_after_s
        assert after_s == 7.0 if form == "seconds" else after_s is not None and 5.0 < after_s <= 8.0

    asyncio.run(main())


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("5", 5.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("1e99", None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
    ],
)
def test_retry_after_values(header: str, seconds: float | None) -> None:
    assert retry_after_s(header) == seconds


@pytest.mark.parametrize("zone", ["GMT", "-0000", "+0000"])
def test_retry_after_may_be_a_date(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    try:
        found = retry_after_s(time.strftime(f"%a, %d %b %Y %H:%M:%S {zone}", time.gmtime(time.time() + 30)))
    finally:
        monkeypatch.undo()
        time.tzset()
    assert found is not None
    assert 27 <= found <= 31


def failure(url: str, timeout_s: float = PATIENCE_S) -> ConnectionFailed:
    async def main() -> ConnectionFailed:
        with pytest.raises(ConnectionFailed) as failed:
            await WebSocketTransport(ConnectRequest(url), timeout_s=timeout_s).connect()
        return failed.value

    return asyncio.run(main())


def test_a_closed_port_is_told_as_such_and_the_query_is_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    error = failure(f"ws://127.0.0.1:{port}/v1/realtime?model=m")
    assert error.message == f"Nothing listens at ws://127.0.0.1:{port}/v1/realtime."


def test_a_server_that_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        error = failure(f"ws://127.0.0.1:{silent.getsockname()[1]}/", timeout_s=0.2)
    assert error.message.startswith("No answer from ws://127.0.0.1:")


PROXIES = ("http_proxy", "https_proxy", "all_proxy", "ws_proxy", "wss_proxy", "no_proxy")


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.usefixtures("no_proxies")
def test_a_proxy_that_does_not_answer_is_named_and_the_service_is_not_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        proxy = f"127.0.0.1:{unused.getsockname()[1]}"
    monkeypatch.setenv("https_proxy", f"http://user:pa55@{proxy}/")
    error = failure("wss://voice.example/v1?model=m")
    assert error.message == f"Nothing listens at the proxy {proxy}, which is to lead to wss://voice.example/v1."
    assert "no_proxy" in error.hint
    monkeypatch.setenv("https_proxy", "http://user:pa55@proxy.invalid:3128")
    error = failure("wss://voice.example/v1")
    assert error.message == "The proxy proxy.invalid:3128, which is to lead to wss://voice.example/v1, was not found."
    with socket.create_server(("127.0.0.1", 0)) as silent:
        proxy = f"127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("https_proxy", f"http://user:pa55@{proxy}")
        error = failure("wss://voice.example/v1", timeout_s=0.2)
    assert error.hint == f"Check the address and the network (the proxy {proxy}), then try again."


@pytest.mark.usefixtures("no_proxies")
def test_a_proxy_that_refuses_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            client, _ = listener.accept()
            with client:
                client.recv(65536)
                client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=refuse)
        thread.start()
        proxy = f"127.0.0.1:{listener.getsockname()[1]}"
        monkeypatch.setenv("https_proxy", f"http://user:pa55@{proxy}")
        error = failure("wss://voice.example/v1")
        thread.join()
    assert error.message.startswith(f"wss://voice.example/v1 could not be reached through the proxy {proxy}: ")
    assert "407" in error.message


@pytest.mark.usefixtures("no_proxies")
def test_which_proxy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    assert proxy_of("wss://voice.example") == ""
    monkeypatch.setenv("https_proxy", "user:p@ss@proxy:1")
    monkeypatch.setenv("all_proxy", "socks5://user:pass@socks:2/")
    monkeypatch.setenv("no_proxy", "near.example")
    assert proxy_of("wss://u:p@voice.example/x") == proxy_of("https://voice.example") == "proxy:1"
    assert proxy_of("http://voice.example") == "socks:2"
    assert proxy_of("wss://near.example:9/x") == proxy_of("wss://127.0.0.1") == ""


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "nonsense", "ws://127.0.0.1:port/"])
def test_what_is_no_websocket_address_is_told(url: str) -> None:
    assert "is not a WebSocket address" in failure(url).message or "could not be reached" in failure(url).message


def test_tls_with_a_server_that_speaks_none_fails_clearly() -> None:
    async def main() -> str:
        async def never(peer: ServerConnection) -> None:
            raise AssertionError("no handshake can succeed")

        async with server(never) as url:
            with pytest.raises(ConnectionFailed) as failed:
                await WebSocketTransport(ConnectRequest(url.replace("ws:", "wss:"))).connect()
        return str(failed.value)

    assert "Is it really a wss:// service?" in asyncio.run(main())


def test_the_cause_below_is_what_is_explained() -> None:
    def wrapped(cause: BaseException) -> tuple[str, str]:
        try:
            try:
                raise cause
            except type(cause) as inner:
                raise OSError("outer") from inner
        except OSError as outer:
            return explain_connect_error("wss://api.example.com", outer)

    certificate = ssl.SSLCertVerificationError("x")
    certificate.verify_message = "certificate has expired"
    assert wrapped(certificate)[0] == (
        "The certificate of wss://api.example.com was not accepted: certificate has expired."
    )
    assert "clock" in wrapped(certificate)[1]
    assert "was not found" in wrapped(socket.gaierror(-2, "Name or service not known"))[0]
    assert wrapped(ConnectionRefusedError())[0] == "Nothing listens at wss://api.example.com."
    assert explain_connect_error("h", OSError("first line\nsecond"))[0] == "h could not be reached: first line."
    assert explain_connect_error("h", EOFError())[0] == "h could not be reached: EOFError."
    told = explain_connect_error("h", OSError("ftp://user:pw@proxy?x=y isn't a valid proxy"))
    assert told[0] == "h could not be reached: ftp://proxy isn't a valid proxy."


# -- the short way of plain frames --------------------------------------------------------------------------------


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
