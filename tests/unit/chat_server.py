"""A chat endpoint written by hand: it answers each request with the next script and keeps what it was asked."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

HANG = "HANG"
DROP = "DROP"


def chunk(text: str | None, finish: str | None = None, **delta: str) -> str:
    choice = {"index": 0, "delta": {"content": text, **delta}, "finish_reason": finish}
    return "data: " + json.dumps({"object": "chat.completion.chunk", "choices": [choice]})


def words(text: str) -> list[str]:
    """A whole answer, word by word."""
    return [chunk("", role="assistant"), *(chunk(word + " ") for word in text.split()), "data: [DONE]"]


@dataclass
class ChatServer:
    """Each script is a list of SSE lines; HANG waits until the client goes away, DROP closes without an end."""

    scripts: list[Sequence[str]]
    status: int = 200
    error: bytes = b'{"error": {"message": "model not loaded"}}'
    models: tuple[str, ...] = ("little-model",)
    line_end: str = "\n"
    content_type: str = "text/event-stream"
    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
        except asyncio.IncompleteReadError:  # a probe that only looks whether somebody listens
            writer.close()
            return
        self.headers.append(head)
        if head.startswith("GET"):
            body = json.dumps({"object": "list", "data": [{"id": name} for name in self.models]}).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)
        else:
            size = int(head.lower().split("content-length:")[1].split("\r\n")[0])
            self.requests.append(json.loads(await reader.readexactly(size)))
            self.asked.set()
            await self._answer(reader, writer)
        await writer.drain()
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.status != 200:
            body = self.error
            head = f"HTTP/1.1 {self.status} No\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            writer.write(head.encode() + body)
            return
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nTransfer-Encoding: chunked\r\n"
            b"Connection: close\r\n\r\n" % self.content_type.encode()
        )
        for line in self.scripts.pop(0):
            if line == DROP:
                return
            if line == HANG:
                await reader.read()
                self.gone.set()
                return
            data = (line + self.line_end * 2).encode()
            writer.write(b"%x\r\n%s\r\n" % (len(data), data))
            await writer.drain()
        writer.write(b"0\r\n\r\n")


@asynccontextmanager
async def chat_server(*scripts: Sequence[str], **options: Any) -> AsyncIterator[ChatServer]:
    chat = ChatServer(list(scripts), **options)
    server = await asyncio.start_server(chat._serve, "127.0.0.1", 0)
    chat.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    async with server:
        yield chat
