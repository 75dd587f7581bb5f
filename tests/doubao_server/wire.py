"""Frames by hand: four header bytes, then numbers in network order."""

import gzip
import json
import zlib
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


class BadFrame(Exception):
    """What a client sent is no frame; the text goes into the error frame."""


@dataclass(frozen=True)
class ClientFrame:
    """A client's frame, taken apart. `fields` is the JSON of an event, `audio` the bytes of a TaskRequest."""

    event: int
    session_id: str
    fields: Json
    audio: bytes
    gzipped: bool


def number(data: bytes, at: int) -> int:
    if at + 4 > len(data):
        raise BadFrame("unable to decode V1 protocol message: the message is too short")
    return data[at] << 24 | data[at + 1] << 16 | data[at + 2] << 8 | data[at + 3]


def read(data: bytes) -> ClientFrame:
    """The frame in one WebSocket message. Raises BadFrame."""
    if len(data) < 4 or data[0] & 0x0F == 0:
        raise BadFrame("unable to decode V1 protocol message: no header")
    if data[0] >> 4 != 1:
        raise BadFrame(f"decode ws request failed: unsupported protocol version {data[0] >> 4}")
    kind, flags, gzipped = data[1] >> 4, data[1] & 0x0F, data[2] & 0x0F == 1
    if kind not in (1, 2) or flags != 0b0100:
        raise BadFrame(f"invalid message type {kind} or flags {flags}")
    at = (data[0] & 0x0F) * 4
    event = number(data, at)
    at += 4
    session_id = ""
    if event not in (1, 2):
        size = number(data, at)
        if size == 0:
            raise BadFrame("session ID length is zero")
        session_id = data[at + 4 : at + 4 + size].decode("utf-8", "replace")
        at += 4 + size
    size = number(data, at)
    body = data[at + 4 :]
    if size != len(body):
        raise BadFrame(
            "unable to decode V1 protocol message: declared body size does not match actual body size: "
            f"declared={size} actual={len(body)}"
        )
    try:
        if gzipped:
            body = gzip.decompress(body)
        fields = json.loads(body) if kind == 1 else {}
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise BadFrame(f"invalid payload: {error}") from error
    if not isinstance(fields, dict):
        raise BadFrame("the payload is not an object")
    return ClientFrame(event, session_id, fields, body if kind == 2 else b"", gzipped)


def event_frame(event: int, name: str, fields: Json, gzipped: bool = False) -> bytes:
    """A server's JSON event; `name` is the session id, for 50, 51 and 52 the connection id."""
    body = json.dumps(fields, ensure_ascii=False).encode()
    return _frame(b"\x11\x94\x11\x00" if gzipped else b"\x11\x94\x10\x00", event, name, body, gzipped)


def audio_frame(session_id: str, audio: bytes, gzipped: bool = False) -> bytes:
    return _frame(b"\x11\xb4\x01\x00" if gzipped else b"\x11\xb4\x00\x00", 352, session_id, audio, gzipped)


def error_frame(code: int, message: str) -> bytes:
    """No event, no id: a code, a size and the text as JSON."""
    body = json.dumps({"error": message}).encode()
    return b"\x11\xf0\x10\x00" + code.to_bytes(4, "big") + len(body).to_bytes(4, "big") + body


def _frame(head: bytes, event: int, name: str, body: bytes, gzipped: bool) -> bytes:
    if gzipped:
        body = gzip.compress(body)
    label = name.encode()
    return b"".join(
        [head, event.to_bytes(4, "big"), len(label).to_bytes(4, "big"), label, len(body).to_bytes(4, "big"), body]
    )
