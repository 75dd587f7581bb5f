"""The server around the dialogues: sockets, credentials, faults, and what a test sees."""

import asyncio
import json
import threading
import time
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tests.doubao_server.script import Auth, Faults, Script
from tests.doubao_server.session import Dialogue
from tests.doubao_server.wire import BadFrame, ClientFrame, Json, audio_frame, error_frame, event_frame, read

PATH = "/api/v3/realtime/dialogue"
RESOURCE = "volc.speech.dialog"
APP_KEY = "PlgvMymc7f3tQnJ6"


@dataclass(frozen=True)
class Timed:
    """An event on the wire: its number, its fields (audio as `bytes` under "audio"), and when (monotonic)."""

    event: int
    fields: Json
    at: float
    session_id: str = ""


class Connection:
    """One client's connection, and the `Link` of its dialogue."""

    def __init__(self, server: "DoubaoServer", socket: ServerConnection):
        assert socket.request is not None
        self.server, self.socket, self.faults = server, socket, server.faults
        if self.faults.connections is not None and len(server.connections) >= self.faults.connections:
            self.faults = Faults()
        self.headers = {name.lower(): value for name, value in socket.request.headers.raw_items()}
        self.gzipped = False
        self.close_code: int | None = None
        self.dialogue = Dialogue(self, self.headers.get("x-api-connect-id") or str(uuid.uuid4()))
        self._seen: set[int] = set()

    @property
    def script(self) -> Script:
        return self.server.script

    def count(self, kind: str) -> int:
        return self.server.count(kind)

    async def event(self, event: int, name: str, fields: Json) -> None:
        self.server.note(self.server.sent, Timed(event, fields, time.monotonic(), name))
        await self.socket.send(event_frame(event, name, fields, self.script.compress))
        await self._afterwards(event, name)

    async def audio(self, session_id: str, data: bytes) -> None:
        self.server.note(self.server.sent, Timed(352, {"audio": data}, time.monotonic(), session_id))
        await self.socket.send(audio_frame(session_id, data, self.script.compress))
        await self._afterwards(352, session_id)

    async def error(self, code: int, message: str) -> None:
        await self.socket.send(error_frame(code, message))

    async def _afterwards(self, event: int, name: str) -> None:
        """The faults that are due after the first event of this number."""
        if event in self._seen:
            return
        self._seen.add(event)
        for frame in self.faults.inject.get(event, []):
            await self.socket.send(frame)
        if failure := self.faults.fail_at.get(event):
            if failure.form == "frame":
                await self.error(failure.code, failure.message)
            elif failure.form == "153":
                await self.event(153, name, {"error": f"sami error: codes={failure.code}, desc={failure.message}"})
            else:
                await self.event(599, name, {"status_code": str(failure.code), "message": failure.message})
        if self.faults.close_at == event:
            if self.faults.close_code == 1006:
                self.socket.transport.abort()
            else:
                await self.socket.close(self.faults.close_code)

    async def serve(self) -> None:
        try:
            async for message in self.socket:
                try:
                    frame = read(message.encode() if isinstance(message, str) else message)
                except BadFrame as bad:
                    await self._refuse(str(bad))
                    return
                self.server.note(self.server.received, _timed(frame))
                try:
                    await self.dialogue.handle(frame)
                except BadFrame as bad:
                    await self._refuse(str(bad))
                    return
        except ConnectionClosed:
            return
        finally:
            await self.dialogue.end()
            self.close_code = self.socket.close_code

    async def _refuse(self, message: str) -> None:
        self.server.broken_frames.append(message)
        await self.error(45000000, message)
        await self.socket.close(1011)


class DoubaoServer:
    """A scripted service on loopback: `with` it, and it runs in a thread of its own; or `await start()`.

    `script`, `faults` and `auth` may be exchanged at any time; faults hold for connections made afterwards.
    """

    def __init__(
        self, script: Script | None = None, faults: Faults | None = None, auth: Auth | None = None, port: int = 0
    ):
        self.script, self.faults, self.auth, self.port = script or Script(), faults or Faults(), auth or Auth(), port
        self.received: list[Timed] = []
        self.sent: list[Timed] = []
        self.connections: list[Connection] = []
        self.broken_frames: list[str] = []
        self.log_id = "20250506234111719BC62BBA7C4C0C635A"
        self._counts: dict[str, int] = {}
        self._changed = threading.Condition()
        self._server: Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stop = asyncio.Event()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}{PATH}"

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._server = await serve(
            self._serve,
            "127.0.0.1",
            self.port,
            process_request=self._admit,
            process_response=self._add_log_id,
            max_size=16 * 1024 * 1024,
            ping_interval=20,
            close_timeout=1,
        )
        self.port = next(iter(self._server.sockets)).getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    def __enter__(self) -> "DoubaoServer":
        started = threading.Event()

        async def main() -> None:
            self._stop = asyncio.Event()
            await self.start()
            started.set()
            await self._stop.wait()
            await self.close()

        self._thread = threading.Thread(target=lambda: asyncio.run(main()), name="doubao server")
        self._thread.start()
        if not started.wait(10):
            raise RuntimeError("the scripted server did not start")
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()

    def run(self, step: Coroutine[Any, Any, None]) -> None:
        """Let a dialogue do something of its own accord, from the test's thread."""
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(step, self._loop).result(10)

    # what a test sees

    def note(self, log: list[Timed], timed: Timed) -> None:
        with self._changed:
            log.append(timed)
            self._changed.notify_all()

    def count(self, kind: str) -> int:
        number = self._counts.get(kind, 0)
        self._counts[kind] = number + 1
        return number

    def events(self, event: int) -> list[Timed]:
        """Those of this number, from the client or to it."""
        with self._changed:
            return [timed for timed in (self.received if _is_clients(event) else self.sent) if timed.event == event]

    def numbers(self, of: Callable[["DoubaoServer"], list[Timed]]) -> list[int]:
        """The numbers of a log in order, audio left out."""
        with self._changed:
            return [timed.event for timed in of(self) if timed.event not in (200, 352)]

    def wait_for(self, event: int, timeout_s: float = 10.0, *, count: int = 1) -> Timed:
        """The `count`-th event of this number. Raises AssertionError after `timeout_s`."""
        with self._changed:
            self._changed.wait_for(lambda: len(self.events(event)) >= count, timeout_s)
        found = self.events(event)
        assert len(found) >= count, f"{len(found)} of {count} events {event} within {timeout_s} s"
        return found[count - 1]

    # the handshake

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        headers = request.headers

        def refuse(status: HTTPStatus, error: str) -> Response:
            return connection.respond(status, json.dumps({"error": error}))

        if request.path.split("?")[0] != PATH:
            return refuse(HTTPStatus.NOT_FOUND, "no such path")
        if not headers.get("X-Api-Resource-Id"):
            return refuse(HTTPStatus.FORBIDDEN, "get resource id empty")
        if headers["X-Api-Resource-Id"] != RESOURCE:
            return refuse(HTTPStatus.BAD_REQUEST, f"resourceId {headers['X-Api-Resource-Id']} is not allowed")
        if not self._known(headers):
            return refuse(HTTPStatus.UNAUTHORIZED, "load grant: requested grant not found")
        if not self.auth.granted or headers.get("X-Api-App-Key") != APP_KEY:
            return refuse(HTTPStatus.FORBIDDEN, f"[resource_id={RESOURCE}] requested resource not granted")
        return None

    def _known(self, headers: Headers) -> bool:
        old = (headers.get("X-Api-App-ID", ""), headers.get("X-Api-Access-Key", ""))
        new = headers.get("X-Api-Key", "")
        if bool(all(old)) == bool(new):  # neither, or both
            return False
        if new:
            return self.auth.api_key in ("", new)
        return self.auth.app_id in ("", old[0]) and self.auth.access_key in ("", old[1])

    def _add_log_id(self, _: ServerConnection, __: Request, response: Response) -> None:
        response.headers["X-Tt-Logid"] = self.log_id

    async def _serve(self, socket: ServerConnection) -> None:
        connection = Connection(self, socket)
        self.connections.append(connection)
        await connection.serve()


def _timed(frame: ClientFrame) -> Timed:
    fields: dict[str, Any] = {"audio": frame.audio} if frame.event == 200 else frame.fields
    return Timed(frame.event, fields, time.monotonic(), frame.session_id)


def _is_clients(event: int) -> bool:
    """The upper half of each hundred is the server's."""
    return event % 100 < 50
