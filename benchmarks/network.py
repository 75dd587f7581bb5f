"""A network of a known round trip between a client and a service on loopback: TCP, every byte half of it later."""

import asyncio
import contextlib
import threading
import time


class DelayLine:
    """Context manager, in a thread of its own. Listens on `port`, passes everything on to `target_port` and back."""

    def __init__(self, target_port: int, rtt_ms: float):
        self.port = 0
        self._target_port = target_port
        self._delay_s = rtt_ms / 2000
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="delay line")

    def __enter__(self) -> "DelayLine":
        self._thread.start()
        self._started.wait(5)
        return self

    def __exit__(self, *_: object) -> None:
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        async with server:
            await self._stop.wait()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        await asyncio.gather(self._pass(reader, far_writer), self._pass(far_reader, writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=10_000)

        async def deliver() -> None:
            while True:
                due, piece = await pieces.get()
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                if not piece:
                    writer.close()
                    return
                writer.write(piece)

        task = asyncio.create_task(deliver())
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(65536):
                await pieces.put((time.monotonic() + self._delay_s, piece))
        await pieces.put((time.monotonic() + self._delay_s, b""))
        await task
