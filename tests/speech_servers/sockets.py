"""What the two WebSocket services share: a server in a thread, a key, faults by number, and a lost connection."""

import argparse
import json
import socket
import sys
import threading
from http import HTTPStatus
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

from tests.speech_servers.sound import Fault, Faults, fault_for

KEY = "test-key-0123456789"
PIECE_BYTES = 8001
"""Of the sound in one frame: odd, so that samples are cut in two."""


class SocketServer:
    """Base: `path` is the service's, `hold` one conversation. `faults`: what the n-th piece of text (from 1) meets."""

    path = ""

    def __init__(self, port: int = 0, *, faults: Faults | None = None):
        self.faults = faults or {}
        self.received: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.connections = 0
        self.texts: list[str] = []
        self._lock = threading.Lock()
        self._open: set[ServerConnection] = set()
        self._server: Server = serve(
            self._serve, "127.0.0.1", port, process_request=self._admit, compression=None, max_size=None
        )
        self.url = f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="speech server")

    def __enter__(self) -> "SocketServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            connection.close()

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        self.paths.append(request.path)
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            body = json.dumps({"code": "InvalidApiKey", "message": "Invalid API-key provided."})
            return connection.respond(HTTPStatus.UNAUTHORIZED, body)
        if request.path.partition("?")[0].rstrip("/") != self.path:
            return connection.respond(HTTPStatus.NOT_FOUND, "")
        return None

    def _serve(self, connection: ServerConnection) -> None:
        with self._lock:
            self.connections += 1
            self._open.add(connection)
        try:
            self.hold(connection)
        except ConnectionClosed:
            return
        finally:
            with self._lock:
                self._open.discard(connection)

    def hold(self, connection: ServerConnection) -> None:
        raise NotImplementedError

    def take(self, connection: ServerConnection) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(connection.recv())
        with self._lock:
            self.received.append(event)
        return event

    def begin(self, text: str) -> Fault:
        """A piece of text is to be spoken; gives what is to go wrong with it."""
        with self._lock:
            self.texts.append(text)
            return fault_for(self.faults, len(self.texts), text) or Fault()


def lose(connection: ServerConnection) -> None:
    """Without a word: the line is dead."""
    connection.socket.shutdown(socket.SHUT_RDWR)


def run(server: type[SocketServer]) -> None:
    """The command line of a server that runs alone."""
    parser = argparse.ArgumentParser(description=server.__doc__)
    parser.add_argument("--port", type=int, default=8080)
    with server(parser.parse_args().port) as running:
        sys.stderr.write(f"{running.url}{server.path}  key: {KEY}\n")
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return
