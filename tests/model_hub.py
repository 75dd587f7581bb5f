"""A hub of models, written by hand: files by path, as the Hugging Face hub answers for them, and its bad days.

A large file answers with a redirect to another host's path that carries its SHA-256 (`X-Linked-ETag`); a small one
with its content and git's SHA-1 of it as `ETag`.
"""

import hashlib
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from voicechat.models.catalogue import Model, ModelFile

LARGE = 1000
SMALL_CATALOGUE = """
import sys
import voicechat.models.catalogue as it
from voicechat.models.catalogue import Model, ModelFile
models = {models!r}
it.catalogue = lambda: models
from voicechat.cli import main
sys.argv = ["voicechat", *{arguments!r}]
main()
"""


@dataclass
class Hub:
    """`drops[path]`: after how many bytes each of the next answers for it breaks off. `statuses`: what the next answers
    are instead. `hang`: send so many bytes of a file, then nothing until the hub closes."""

    files: dict[str, bytes]
    drops: dict[str, list[int]] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    ranges: bool = True
    tags: bool = True
    hang: dict[str, int] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Each file that was sent, with the range that was asked for."""
    sent: threading.Event = field(default_factory=threading.Event)
    """A hanging file has begun."""
    closing: threading.Event = field(default_factory=threading.Event)
    url: str = ""


@contextmanager
def model_hub(files: dict[str, bytes]) -> Iterator[Hub]:
    hub = Hub(files)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

        def do_GET(self) -> None:
            answer(hub, self)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        hub.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


def answer(hub: Hub, request: BaseHTTPRequestHandler) -> None:
    path = request.path
    if hub.statuses:
        request.send_response(hub.statuses.pop(0))
        for name, value in hub.headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", "0")
        request.end_headers()
        return
    cdn = path.startswith("/cdn/")
    name = path.removeprefix("/cdn/") if cdn else path.partition("/resolve/")[2].partition("/")[2]
    data = hub.files.get(name)
    if data is None:
        request.send_error(404)
        return
    sha = hashlib.sha256(data).hexdigest()
    if len(data) >= LARGE and not cdn:
        request.send_response(302)
        request.send_header("Location", f"/cdn/{name}")
        if hub.tags:
            request.send_header("X-Linked-ETag", f'"{sha}"')
        request.send_header("Content-Length", "0")
        request.end_headers()
        return
    asked = request.headers.get("Range", "")
    hub.asked.append((name, asked))
    start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and hub.ranges else 0
    if start and start >= len(data):
        request.send_error(416)
        return
    body = data[start:]
    request.send_response(206 if start else 200)
    request.send_header("Content-Length", str(len(body)))
    if start:
        request.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
    if hub.tags:
        git = hashlib.sha1(f"blob {len(data)}\0".encode() + data, usedforsecurity=False).hexdigest()
        request.send_header("ETag", f'"{git}"' if not cdn else '"a-tag-of-the-cdn"')
    request.end_headers()
    if name in hub.hang:
        request.wfile.write(body[: hub.hang[name]])
        request.wfile.flush()
        hub.sent.set()
        hub.closing.wait()
        return
    drops = hub.drops.get(name)
    request.wfile.write(body[: drops.pop(0)] if drops else body)


def model_of(files: dict[str, bytes], *, sums: bool = True, **changes: object) -> Model:
    """A model of the catalogue with these files."""
    listed = tuple(
        ModelFile(name, len(data), hashlib.sha256(data).hexdigest() if sums else "") for name, data in files.items()
    )
    whole = {
        "name": "small",
        "title": "A small one",
        "use": "ears",
        "kind": "whisper",
        "languages": ("zh",),
        "licence": "MIT",
        "repository": "somebody/small",
        "revision": "abc123",
        "files": listed,
    }
    return Model(**{**whole, **changes})  # type: ignore[arg-type]


def program(model: Model, *arguments: str) -> list[str]:
    """The command line of `voicechat ARGUMENTS` with a catalogue of that one model."""
    return [sys.executable, "-c", SMALL_CATALOGUE.format(models={model.name: model}, arguments=list(arguments))]


def home_variables(home: Path, hub: Hub) -> dict[str, str]:
    """Where the program keeps models, and whom it asks for them."""
    data = {name: str(home) for name in ("HOME", "USERPROFILE", "LOCALAPPDATA", "APPDATA", "XDG_DATA_HOME")}
    return {**data, "HF_ENDPOINT": hub.url, "NO_PROXY": "127.0.0.1"}
