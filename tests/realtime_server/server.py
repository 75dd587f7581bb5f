"""The server around the sessions: sockets, keys, faults, and what a test sees and steers."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from tests.realtime_server.beta import Beta
from tests.realtime_server.dialects import Ga, Json
from tests.realtime_server.qwen import Qwen
from tests.realtime_server.rules import ClientError
from tests.realtime_server.script import Auth, Faults, Script
from tests.realtime_server.session import Session
from tests.realtime_server.wire import parse

DIALECTS: dict[str, type[Ga]] = {"ga": Ga, "beta": Beta, "qwen": Qwen}
PATHS = {
    "ga": ("/v1/realtime", "/openai/v1/realtime"),
    "beta": ("/v1/realtime", "/openai/realtime"),
    "qwen": ("/api-ws/v1/realtime",),
}
KEY_SUBPROTOCOL = "openai-insecure-api-key."


@dataclass(frozen=True)
class Timed:
    """A JSON event on the wire: when (monotonic) and on which connection, counted from 1."""

    event: Json
    at: float
    connection: int

    @property
    def type(self) -> str:
        return str(self.event.get("type"))


@dataclass
class Connection:
    """One client's connection, and the `Link` of its session."""

    server: "RealtimeServer"
    socket: ServerConnection
    number: int
    faults: Faults
    query: dict[str, str] = field(default_factory=dict)
    broken_frames: int = 0
    close_code: int | None = None
    """The code of the close frame that the client sent or agreed to, once the connection is over."""
    _events: int = 0
    _types: set[str] = field(default_factory=set)

    @property
    def script(self) -> Script:
        return self.server.script

    @property
    def headers(self) -> dict[str, str]:
        """The handshake's headers, lower case."""
        assert self.socket.request is not None
        return {name.lower(): value for name, value in self.socket.request.headers.raw_items()}

    def next_turn(self) -> int:
        return self.server.count("turn")

    def next_response(self) -> int:
        return self.server.count("response")

    async def send(self, event: Json) -> None:
        """One event, then the faults that are due right after it."""
        if self.faults.silent == "connect":
            return
        self.server.note(self.server.sent, event, self.number)
        await self.socket.send(json.dumps(event, ensure_ascii=False))
        self._events += 1
        points: set[int | str] = {self._events} | ({event["type"]} - self._types)
        self._types.add(event["type"])
        for point in points & set(self.faults.inject):
            for frame in self.faults.inject[point]:
                await self.socket.send(frame)
        if self.faults.expire_at in points:
            text = "Your session hit the maximum duration of 60 minutes."
            error = {"type": "invalid_request_error", "code": "session_expired", "message": text, "param": None}
            await self.send({"type": "error", "event_id": "event_expired", "error": {**error, "event_id": None}})
            await self.close(1001, text)
        if self.faults.close_at in points:
            await self.close(self.faults.close_code, self.faults.close_reason)

    async def close(self, code: int, reason: str = "") -> None:
        if code == 1006:
            self.socket.transport.abort()
        else:
            await self.socket.close(code, reason)


class RealtimeServer:
    """A scripted service on loopback: `async with` it, or plain `with` it to run it in a thread of its own.

    `script`, `faults` and `auth` may be exchanged at any time; faults hold for connections made afterwards.
    """

    def __init__(
        self,
        dialect: str = "ga",
        *,
        script: Script | None = None,
        faults: Faults | None = None,
        auth: Auth | None = None,
        voices: frozenset[str] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ):
        self.dialect = dialect
        self.script, self.faults, self.auth = script or Script(), faults or Faults(), auth or Auth()
        self.voices, self.host, self.port = voices, host, port
        self.received: list[Timed] = []
        self.sent: list[Timed] = []
        self.connections: list[Connection] = []
        self._counts: dict[str, int] = {}
        self._changed = threading.Condition()
        self._server: Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stop = asyncio.Event()

    # life

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._server = await serve(
            self._serve,
            self.host,
            self.port,
            process_request=self._admit,
            select_subprotocol=select_subprotocol,
            compression=None,
            max_size=64 * 1024 * 1024,
            ping_interval=20,
            close_timeout=1,
        )
        self.port = next(iter(self._server.sockets)).getsockname()[1]

    async def close(self) -> None:
        """End every connection (1001) and stop listening; `start` may follow, on the same port."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    async def __aenter__(self) -> "RealtimeServer":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def start_in_thread(self) -> None:
        started = threading.Event()

        async def main() -> None:
            self._stop = asyncio.Event()
            await self.start()
            started.set()
            await self._stop.wait()
            await self.close()

        self._thread = threading.Thread(target=lambda: asyncio.run(main()), name="realtime server")
        self._thread.start()
        if not started.wait(10):
            raise RuntimeError("the scripted server did not start")

    def stop_thread(self) -> None:
        if self._thread is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()
            self._thread = None

    def __enter__(self) -> "RealtimeServer":
        self.start_in_thread()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_thread()

    # what a test sees

    @property
    def url(self) -> str:
        """The WebSocket address without a query; a client adds `model`."""
        return f"ws://{self.host}:{self.port}{PATHS[self.dialect][0]}"

    def wait(
        self,
        type: str,
        count: int = 1,
        timeout_s: float = 10.0,
        predicate: Callable[[Json], bool] = lambda event: True,
    ) -> Timed:
        """The `count`-th event of this type, received or sent, past ones included. Raises AssertionError."""

        def found() -> list[Timed]:
            return [timed for timed in self.received + self.sent if timed.type == type and predicate(timed.event)]

        with self._changed:
            self._changed.wait_for(lambda: len(found()) >= count, timeout_s)
            events = found()
            seen = [timed.type for timed in self.received]
        if len(events) < count:
            raise AssertionError(
                f"{len(events)} of {count} events {type!r} within {timeout_s} s; received {seen[-30:]}"
            )
        return events[count - 1]

    async def wait_for(
        self,
        type: str,
        count: int = 1,
        timeout_s: float = 10.0,
        predicate: Callable[[Json], bool] = lambda event: True,
    ) -> Timed:
        """`wait` for a test that shares the server's loop."""
        return await asyncio.to_thread(self.wait, type, count, timeout_s, predicate)

    def received_of(self, type: str) -> list[Json]:
        with self._changed:
            return [timed.event for timed in self.received if timed.type == type]

    def sent_of(self, type: str) -> list[Json]:
        with self._changed:
            return [timed.event for timed in self.sent if timed.type == type]

    # what a test does

    async def send(self, event: Json) -> None:
        """Send an event of the test's own on the newest connection."""
        await self.connections[-1].send(event)

    async def send_raw(self, frame: str | bytes) -> None:
        await self.connections[-1].socket.send(frame)

    async def drop(self, code: int = 1006, reason: str = "") -> None:
        """Close the newest connection; 1006 without a close frame."""
        await self.connections[-1].close(code, reason)

    def run(self, action: Coroutine[Any, Any, Any], timeout_s: float = 10.0) -> Any:
        """Do one of the above from another thread than the server's."""
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(action, self._loop).result(timeout_s)

    # inside

    def note(self, log: list[Timed], event: Json, connection: int) -> None:
        with self._changed:
            log.append(Timed(event, time.monotonic(), connection))
            self._changed.notify_all()

    def count(self, what: str) -> int:
        """0, 1, 2, … over all connections, so that a script goes on after a reconnect."""
        number = self._counts.get(what, 0)
        self._counts[what] = number + 1
        return number

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """The handshake's verdict: a status other than 101, or None to go on."""
        url = urlsplit(request.path)
        if url.path not in PATHS[self.dialect]:
            return connection.respond(HTTPStatus.NOT_FOUND, "There is no realtime service at this path.\n")
        if self.auth.status is not None:
            return connection.respond(HTTPStatus(self.auth.status), "Refused as scripted.\n")
        azure, query = url.path.startswith("/openai/"), parse_qs(url.query)
        by_status = azure or self.dialect == "qwen" or self.auth.refuse == "http"
        if by_status and self.auth.key and credential(request) != self.auth.key:
            return connection.respond(HTTPStatus.UNAUTHORIZED, "Access denied due to invalid credentials.\n")
        if azure and ("api-version" in query) != (self.dialect == "beta"):
            return connection.respond(HTTPStatus.UNAUTHORIZED, "Access denied: wrong api-version.\n")
        return None

    async def _serve(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        query = {name: values[0] for name, values in parse_qs(urlsplit(socket.request.path).query).items()}
        number = len(self.connections) + 1
        faulty = self.faults.connections is None or number <= self.faults.connections
        connection = Connection(self, socket, number, self.faults if faulty else Faults(), query)
        self.connections.append(connection)
        model = query.get("model") or query.get("deployment") or ""
        session = Session(connection, DIALECTS[self.dialect](model, self.voices))
        try:
            if await self._refused(connection, model):
                return
            await session.open()
            if self.dialect == "qwen" and self.auth.models is not None and model not in self.auth.models:
                await connection.close(1000)
                return
            async for frame in socket:
                try:
                    event = parse(frame)
                except ClientError as error:
                    connection.broken_frames += 1
                    await session.error(error)
                    continue
                self.note(self.received, event, number)
                await session.handle(event)
        except ConnectionClosed:
            return  # the client's right at any moment
        finally:
            await session.end()
            await socket.wait_closed()
            connection.close_code = socket.close_code

    async def _refused(self, connection: Connection, model: str) -> bool:
        """Refuse after the upgrade, as OpenAI does: one error event, then a close that names it."""
        assert connection.socket.request is not None
        type_, unknown = "invalid_request_error", self.auth.models is not None and model not in self.auth.models
        if self.auth.key and credential(connection.socket.request) is None:
            code, message, close = None, "Missing bearer or basic authentication in header", 3000
        elif self.auth.key and credential(connection.socket.request) != self.auth.key:
            code, message, close = "invalid_api_key", "Incorrect API key provided.", 3000
        elif self.dialect == "ga" and "openai-beta" in connection.headers:
            code, message, close = "beta_api_shape_disabled", "The Beta API shape is disabled.", 4000
        elif not model:
            code, message, close = "missing_model", "You must provide a model parameter.", 4000
        elif unknown and self.dialect != "qwen":
            code, message, close = "invalid_model", f'Model "{model}" is not supported in realtime mode', 4000
        else:
            return False
        error = {"type": type_, "code": code, "message": message, "param": None, "event_id": None}
        await connection.send({"type": "error", "event_id": "event_refused", "error": error})
        await connection.close(close, f"{type_}.{code}" if code else type_)
        return True


def credential(request: Request) -> str | None:
    """The client's key, from wherever the dialects allow it."""
    bearer = request.headers.get("Authorization", "")
    if bearer.startswith("Bearer "):
        return bearer.removeprefix("Bearer ")
    for offered in request.headers.get("Sec-WebSocket-Protocol", "").split(","):
        if offered.strip().startswith(KEY_SUBPROTOCOL):
            return offered.strip().removeprefix(KEY_SUBPROTOCOL)
    query = parse_qs(urlsplit(request.path).query)
    return request.headers.get("api-key") or query.get("api-key", [None])[0]


def select_subprotocol(connection: ServerConnection, offered: Any) -> Subprotocol | None:
    """`realtime` when it is offered; never the item that carries the key."""
    return Subprotocol("realtime") if "realtime" in offered else None
