"""What a call of a tool costs beside the tool and the model: the real program against a service on loopback.

    python -m benchmarks.tool_calls [--turns 40] [--json]

Taken at the service: from its last word of the response that calls (`response.done` is sent) to the request for the
answer about the result (`response.create` has come). The tool itself returns at once: in a thread, awaited, or as four
calls of one response side by side. The way through the loopback socket is part of it. The service does nothing with
what it is told: the scripted one of the tests looks at every item and answers it, which took longer than all the rest.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tests.program import Program

TOOLS = """
from voicechat.tools import tool

@tool(read_only=True)
def threaded(n: int) -> int:
    '''Give it back.'''
    return n

@tool(read_only=True)
async def awaited(n: int) -> int:
    '''Give it back.'''
    return n
"""
KINDS = {"in a thread": ("threaded",), "awaited": ("awaited",), "four side by side": ("threaded",) * 4}


class Service:
    """Answers every second request with calls, and every other one with words. Times are seconds."""

    def __init__(self, tools: tuple[str, ...]):
        self.tools = tools
        self.done: list[float] = []
        self.asked: list[float] = []
        self.port = 0
        self._requests = 0

    async def serve(self, connection: ServerConnection) -> None:
        with suppress(ConnectionClosed):  # the program has ended
            await self._session(connection)

    async def _session(self, connection: ServerConnection) -> None:
        await _send(connection, "session.created", session={"id": "s"})
        async for frame in connection:
            kind = json.loads(frame)["type"]
            if kind == "session.update":
                await _send(connection, "session.updated", session={"id": "s"})
            elif kind == "response.create":
                at = time.monotonic()
                self._requests += 1
                if self._requests % 2:
                    await self._call(connection, f"r{self._requests}")
                else:
                    self.asked.append(at)
                    await self._say(connection, f"r{self._requests}")

    async def _call(self, connection: ServerConnection, name: str) -> None:
        await _send(connection, "response.created", response={"id": name, "status": "in_progress"})
        for index, tool in enumerate(self.tools):
            ids = {"response_id": name, "output_index": index}
            item = {"id": f"{name}i{index}", "type": "function_call", "name": tool, "call_id": f"{name}c{index}"}
            told = {**ids, "item_id": item["id"], "call_id": item["call_id"], "name": tool, "arguments": '{"n": 1}'}
            await _send(connection, "response.output_item.added", **ids, item={**item, "arguments": ""})
            await _send(connection, "response.function_call_arguments.done", **told)
            await _send(connection, "response.output_item.done", **ids, item={**item, "arguments": '{"n": 1}'})
        self.done.append(time.monotonic())
        await _send(connection, "response.done", response={"id": name, "status": "completed", "output": []})

    async def _say(self, connection: ServerConnection, name: str) -> None:
        await _send(connection, "response.created", response={"id": name, "status": "in_progress"})
        place = {"response_id": name, "item_id": f"{name}i", "content_index": 0}
        await _send(connection, "response.output_text.delta", **place, delta="Done.")
        await _send(connection, "response.done", response={"id": name, "status": "completed", "output": []})


async def _send(connection: ServerConnection, kind: str, **fields: Any) -> None:
    await connection.send(json.dumps({"type": kind, **fields}))


@contextmanager
def running(service: Service) -> Iterator[None]:
    """The service, in a thread of its own."""
    loop, up, over = asyncio.new_event_loop(), threading.Event(), asyncio.Event()

    async def main() -> None:
        async with serve(service.serve, "127.0.0.1", 0, compression=None) as server:
            service.port = next(iter(server.sockets)).getsockname()[1]
            up.set()
            await over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()), name="service")
    thread.start()
    up.wait(10)
    try:
        yield
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--turns", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = {kind: measured(calls, options.turns) for kind, calls in KINDS.items()}
    if options.json:
        sys.stdout.write(json.dumps(figures) + "\n")
        return 0
    for kind, (median, worst) in figures.items():
        sys.stdout.write(f"{kind:<20} median {median:5.2f} ms, 95 of 100 within {worst:5.2f} ms\n")
    return 0


def measured(tools: tuple[str, ...], turns: int) -> tuple[float, float]:
    """Milliseconds: the median, and what 95 of 100 stay within."""
    service = Service(tools)
    with tempfile.TemporaryDirectory() as folder, running(service):
        file = Path(folder) / "tools.py"
        file.write_text(TOOLS)
        quiet = Path(folder) / "quiet.raw"
        quiet.write_bytes(bytes(32_000 * 300))
        url = f"ws://127.0.0.1:{service.port}/v1"
        words = ["manual", "--provider", "openai", "--url", url, "--json", "--tools", str(file)]
        sound = ["--input", str(quiet), "--output", str(Path(folder) / "out.wav")]
        lines = "go\n" * turns
        with Program([*words, *sound], env={"OPENAI_API_KEY": "x" * 20}, stdin=lines.encode()) as program:
            program.wait_for("assistant", count=turns, timeout_s=30 + 2 * turns)
    took = sorted((to - at) * 1000 for at, to in zip(service.done, service.asked, strict=False))
    return round(statistics.median(took), 2), round(took[int(len(took) * 0.95) - 1], 2)


if __name__ == "__main__":
    sys.exit(main())
