"""How many real-time sessions one core relays: `voicechat serve` beside a bare relay made of `websockets`.

    python -m benchmarks.relay [--seconds 4] [--most-ms 20] [--service-port P --proxy http://127.0.0.1:4000]

A session sends 20 ms of 24 kHz sound fifty times a second and is sent as much: each piece that it sends crosses to the
service, which answers it with a piece of its own, so that the way is timed there and back. The relay has a core to
itself, and both relays the gateway's event loop; load and service share the other core and speak the protocol by
prepared bytes. `direct` is the way without a relay, and *late* how late the load itself was, in 99 of 100 cases: where
it is late, the figure means nothing.

`--proxy` measures another gateway as well, one that was started by hand on the core 0 and leads to
`ws://127.0.0.1:P/v1/realtime` (LiteLLM's: `litellm_params` with `model: openai/any`, `api_base: http://127.0.0.1:P/v1`,
`model_info` with `mode: realtime`, served as `--proxy-model`).
"""

import argparse
import asyncio
import base64
import contextlib
import hashlib
import json
import multiprocessing
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from voicechat.serve.server import loop_factory

PIECE_S = 0.02
PCM = bytes(range(256)) * 3 + bytes(192)
SOUND = base64.b64encode(PCM).decode()
DELTA = b"audio.delta"
PATH = "/v1/realtime?model=newapi/any"
KEY = "sk-none"
"""Whoever demands tokens is to take this one."""
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def framed(text: str, *, masked: bool = False) -> bytes:
    """A text frame. Its mask is zero: whoever takes it off works as much as for any other."""
    data, flag = text.encode(), 0x80 if masked else 0
    size = struct.pack("!BBH", 0x81, flag | 126, len(data)) if len(data) > 125 else bytes([0x81, flag | len(data)])
    return size + (bytes(4) if masked else b"") + data


APPEND = framed(f'{{"type":"input_audio_buffer.append","audio":"{SOUND}"}}', masked=True)
ANSWER = framed(
    '{"type":"response.output_audio.delta","event_id":"event_1","response_id":"resp_1","item_id":"item_1",'
    f'"output_index":0,"content_index":0,"delta":"{SOUND}"}}'
)
_SESSION: dict[str, Any] = {"type": "realtime", "id": "sess_1", "object": "realtime.session", "model": "any"}
CREATED = framed(json.dumps({"type": "session.created", "event_id": "event_0", "session": _SESSION}))
UPDATED = framed(json.dumps({"type": "session.updated", "event_id": "event_0", "session": _SESSION}))
_RESPONSE: dict[str, Any] = {"id": "resp_1", "object": "realtime.response", "status": "in_progress", "output": []}
BEGUN = framed(json.dumps({"type": "response.created", "event_id": "event_0", "response": _RESPONSE}))


class Peer(asyncio.Protocol):
    """One end of a WebSocket, as much of it as is needed here."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        if not self._open:
            if b"\r\n\r\n" not in self._data:
                return
            head, _, rest = bytes(self._data).partition(b"\r\n\r\n")
            self._data, self._open = bytearray(rest), True
            self.opened(head)
        while (frame := self._frame()) is not None:
            opcode, payload = frame
            if opcode == 1:
                self.text(payload)

    def _frame(self) -> tuple[int, bytes] | None:
        data = self._data
        if len(data) < 2:
            return None
        size, at = data[1] & 127, 2
        if size == 126:
            if len(data) < 4:
                return None
            size, at = struct.unpack_from("!H", data, 2)[0], 4
        mask_bytes = 4 if data[1] & 128 else 0
        if len(data) < at + mask_bytes + size:
            return None
        mask, payload = data[at : at + mask_bytes], bytes(data[at + mask_bytes : at + mask_bytes + min(size, 64)])
        opcode = data[0] & 15
        del data[: at + mask_bytes + size]
        if mask_bytes:  # only the beginning is ever looked at
            payload = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
        return opcode, payload

    def opened(self, head: bytes) -> None: ...

    def text(self, payload: bytes) -> None: ...


class Service(Peer):
    """Answers each piece with one of its own."""

    def opened(self, head: bytes) -> None:
        names = [line.partition(b":") for line in head.split(b"\r\n")]
        key = next(value.strip() for name, _, value in names if name.lower() == b"sec-websocket-key")
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
        self.transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
            + accept + b"\r\n\r\n" + CREATED
        )  # fmt: skip
        self._begun = False

    def text(self, payload: bytes) -> None:
        if payload.startswith(b'{"type":"input_audio_buffer.append'):
            if not self._begun:
                self._begun = True
                self.transport.write(BEGUN)
            self.transport.write(ANSWER)
        elif b"session.update" in payload:
            self.transport.write(UPDATED)


class Talker(Peer):
    def __init__(self, host: str, path: str = PATH) -> None:
        super().__init__()
        self._host = host
        self._path = path
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.sent: deque[float] = deque()
        self.took_ms: list[float] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        key = base64.b64encode(os.urandom(16)).decode()
        self.transport.write(
            f"GET {self._path} HTTP/1.1\r\nHost: {self._host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            f"Authorization: Bearer {KEY}\r\n\r\n".encode()
        )

    def text(self, payload: bytes) -> None:
        if DELTA in payload:
            if self.sent:
                self.took_ms.append((time.perf_counter() - self.sent.popleft()) * 1000)
        elif not self.ready.done():
            self.ready.set_result(None)

    def speak(self) -> None:
        self.sent.append(time.perf_counter())
        self.transport.write(APPEND)


def serve_service(port: Connection, wanted: int) -> None:
    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Service, "127.0.0.1", wanted, backlog=1024)
        port.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


def serve_bare(port: Connection, upstream: int) -> None:
    from websockets.asyncio.client import connect
    from websockets.asyncio.server import ServerConnection, serve
    from websockets.exceptions import ConnectionClosed

    async def relay(client: ServerConnection) -> None:
        assert client.request is not None
        address = f"ws://127.0.0.1:{upstream}{client.request.path}"
        async with connect(address, compression=None, max_size=None, proxy=None, ping_interval=None) as service:

            async def move(source: Any, target: Any) -> None:
                with contextlib.suppress(ConnectionClosed):
                    async for message in source:
                        await target.send(message)

            await asyncio.wait(
                [asyncio.create_task(move(client, service)), asyncio.create_task(move(service, client))],
                return_when=asyncio.FIRST_COMPLETED,
            )

    async def main() -> None:
        async with serve(relay, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
            port.send(server.sockets[0].getsockname()[1])
            await server.serve_forever()

    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(main())


async def load(port: int, sessions: int, seconds: float, path: str = PATH) -> tuple[list[float], list[float], int]:
    """Times there and back in ms, how late the load was in ms, and how many pieces never came back."""
    loop = asyncio.get_running_loop()
    host = f"127.0.0.1:{port}"
    talkers: list[Talker] = []
    for _ in range(sessions):
        _, talker = await loop.create_connection(lambda: Talker(host, path), "127.0.0.1", port)
        async with asyncio.timeout(20):
            await talker.ready
        talkers.append(talker)
    await asyncio.sleep(0.5)
    late_ms: list[float] = []
    began = loop.time() + 0.1
    ticks = int((seconds + 1) / PIECE_S)
    for tick in range(ticks):
        for number, talker in enumerate(talkers):
            due = began + (tick + number / sessions) * PIECE_S
            if (wait := due - loop.time()) > 0.0005:
                await asyncio.sleep(wait)
            elif not number % 16:
                await asyncio.sleep(0)
            late_ms.append((loop.time() - due) * 1000)
            talker.speak()
    await asyncio.sleep(0.5)
    lost = sum(len(talker.sent) for talker in talkers)
    took = [value for talker in talkers for value in talker.took_ms[int(1 / PIECE_S) :]]
    for talker in talkers:
        talker.transport.abort()
    await asyncio.sleep(0.5)
    return took, late_ms, lost


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else float("inf")


def memory_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextlib.contextmanager
def child(target: Any, *arguments: Any, core: int) -> Iterator[tuple[int, int]]:
    """A process on one core: its port and id."""
    near, far = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=target, args=(far, *arguments), daemon=True)
    process.start()
    assert process.pid is not None
    os.sched_setaffinity(process.pid, {core})
    try:
        yield near.recv(), process.pid
    finally:
        process.terminate()
        process.join()


@contextlib.contextmanager
def gateway(upstream: int, core: int) -> Iterator[tuple[int, int]]:
    with tempfile.TemporaryDirectory() as home:
        config = Path(home) / "config.toml"
        config.write_text(
            f'[providers.newapi]\nurl = "ws://127.0.0.1:{upstream}/v1/realtime"\ndialect = "ga"\n'
            "[serve]\nmax_sessions = 5000\n"
        )
        command = [sys.executable, "-m", "voicechat", "serve", "--port", "0", "--json", "--config", str(config)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        os.sched_setaffinity(process.pid, {core})
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["port"], process.pid
        finally:
            process.send_signal(signal.SIGINT)
            process.send_signal(signal.SIGINT)
            process.wait(20)


def tell(name: str, sessions: int, took: list[float], late: list[float], more: str = "") -> None:
    p50, p99, late_ms = percentile(took, 0.5), percentile(took, 0.99), percentile(late, 0.99)
    print(
        f"{name:10} {sessions:4} sessions: there and back p50 {p50:6.2f} p99 {p99:7.2f}, late {late_ms:5.2f} ms {more}",
        flush=True,
    )


def most_sessions(name: str, port: int, pid: int, seconds: float, most_ms: float, start: int, path: str = PATH) -> int:
    """The largest number tried whose p99 stays below, to within a sixteenth."""
    best, worst, sessions = 0, 0, start
    while sessions > 0 and not (best and worst and worst - best <= best / 16):
        before = memory_mb(pid)
        took, late, lost = asyncio.run(load(port, sessions, seconds, path))
        tell(name, sessions, took, late, f"lost {lost}, memory {before:.0f} → {memory_mb(pid):.0f} MB")
        if percentile(took, 0.99) <= most_ms and not lost:
            best = sessions
        else:
            worst = sessions
        sessions = (best + worst) // 2 if worst else int(best * 1.25)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--most-ms", type=float, default=20.0)
    parser.add_argument("--start", type=int, default=80)
    parser.add_argument("--service-port", type=int, default=0)
    parser.add_argument("--proxy", default="", help="the address of another gateway")
    parser.add_argument("--proxy-pid", type=int, default=os.getpid())
    parser.add_argument("--proxy-model", default="any")
    options = parser.parse_args()
    os.sched_setaffinity(0, {1})
    found = {}
    with child(serve_service, options.service_port, core=1) as (service, _):
        for sessions in (1, options.start):
            took, late, _ = asyncio.run(load(service, sessions, 2.0))
            tell("direct", sessions, took, late)
        for name, opened, start in (
            ("bare", child(serve_bare, service, core=0), options.start),
            ("voicechat", gateway(service, core=0), options.start * 2 // 3),
        ):
            with opened as (port, pid):
                took, late, _ = asyncio.run(load(port, 1, 2.0))
                tell(name, 1, took, late)
                found[name] = most_sessions(name, port, pid, options.seconds, options.most_ms, start)
        if options.proxy:
            other, path = urlsplit(options.proxy), f"/v1/realtime?model={options.proxy_model}"
            took, late, _ = asyncio.run(load(other.port or 80, 1, 2.0, path))
            tell("proxy", 1, took, late)
            found["proxy"] = most_sessions(
                "proxy", other.port or 80, options.proxy_pid, options.seconds, options.most_ms, 10, path
            )
    share = found["voicechat"] / max(1, found["bare"])
    print(", ".join(f"{name} {sessions}" for name, sessions in found.items()), f"sessions a core: {share:.0%}")


if __name__ == "__main__":
    main()
