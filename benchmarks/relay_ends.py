"""Both ends of a relayed session for benchmarks/relay.py: a talker and a service that speak by prepared bytes."""

import asyncio
import base64
import hashlib
import json
import os
import struct
import time
from collections import deque
from typing import Any

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
        self.goes_on = False

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
            if self.goes_on:
                self.speak()
        elif not self.ready.done():
            self.ready.set_result(None)

    def speak(self) -> None:
        self.sent.append(time.perf_counter())
        self.transport.write(APPEND)
