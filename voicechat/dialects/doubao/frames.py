"""The binary frame of Volcengine's speech gateway, both directions, sans I/O.

    byte 0   protocol version 1 | header size in words of 4 bytes (more than 1: extensions, skipped)
    byte 1   message type       | flags: 0100 an event number, 0001 and 0011 a sequence number
    byte 2   serialization      | compression
    byte 3   reserved
    then     [error code] [sequence] [event] [id size, id] payload size, payload

All integers are big-endian; the payload's size is that of the compressed bytes. No flag announces the id: a server's
event has one always (a connection id for events 50 to 52, else the session's), a client's has the session id except
for events 1 and 2. One WebSocket message is one frame.
"""

import gzip
import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

MAX_PAYLOAD = 16 * 1024 * 1024
"""Bytes a payload may have after inflation. The largest known frames have some kilobytes."""

Sender = Literal["client", "server"]


class FrameError(ValueError):
    """The bytes are not a frame, or the values cannot be written as one."""


class MessageType(IntEnum):
    CLIENT_FULL = 0x1
    CLIENT_AUDIO = 0x2
    SERVER_FULL = 0x9
    SERVER_AUDIO = 0xB
    FRONT_END = 0xC
    ERROR = 0xF


class Serialization(IntEnum):
    RAW = 0x0
    JSON = 0x1
    PROTOBUF = 0x2
    THRIFT = 0x3
    CUSTOM = 0xF


_HAS_EVENT = 0b0100
_TYPES = {int(kind): kind for kind in MessageType}
_SERIALIZATIONS = {int(kind): kind for kind in Serialization}
_CLIENT_CONNECTION = frozenset({1, 2})
_INT = struct.Struct(">i")
_SIZE = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class BinaryFrame:
    """One frame. `payload` is inflated; `event` None means that no event number is on the wire.

    `id` is the session's, or the connection's for a server's events 50 to 52. `flags` are only the two sequence bits
    (0, 1, 2 or 3): the event bit follows from `event`.
    """

    kind: MessageType
    event: int | None = None
    id: str = ""
    payload: bytes = b"{}"
    serialization: Serialization = Serialization.JSON
    gzipped: bool = False
    flags: int = 0
    sequence: int = 0
    error_code: int = 0


def encode(frame: BinaryFrame, sender: Sender = "client") -> bytes:
    """The bytes of `frame`. Raises FrameError for values that have no place in it."""
    if not 0 <= frame.flags <= 3:
        raise FrameError(f"the sequence bits are 0 to 3, not {frame.flags}")
    flags = frame.flags | (0 if frame.event is None else _HAS_EVENT)
    payload = gzip.compress(frame.payload, mtime=0) if frame.gzipped else frame.payload
    try:
        parts = [bytes((0x11, frame.kind << 4 | flags, frame.serialization << 4 | frame.gzipped, 0))]
        if frame.kind is MessageType.ERROR:
            parts.append(_SIZE.pack(frame.error_code))
        if frame.flags & 1:
            parts.append(_INT.pack(frame.sequence))
        if frame.event is not None:
            parts.append(_INT.pack(frame.event))
            if _carries_id(frame.event, sender):
                name = frame.id.encode()
                if not name and _needs_id(frame.event, sender):
                    raise FrameError("session ID length is zero")
                parts += [_SIZE.pack(len(name)), name]
        parts += [_SIZE.pack(len(payload)), payload]
    except (struct.error, UnicodeEncodeError) as error:
        raise FrameError(f"a field cannot be written: {error}") from error
    return b"".join(parts)


def decode(data: bytes, sender: Sender = "server") -> BinaryFrame:
    """The frame in `data`. Raises FrameError, and nothing else, for anything that is not exactly one frame."""
    if len(data) < 4:
        raise FrameError(f"a header has 4 bytes, this message {len(data)}")
    if data[0] >> 4 != 1:
        raise FrameError(f"unsupported protocol version {data[0] >> 4}")
    at = (data[0] & 0x0F) * 4
    if at == 0:
        raise FrameError("the header size is 0")
    if at > len(data):
        raise FrameError(f"the header of {at} bytes does not end within the message")
    kind, flags = _TYPES.get(data[1] >> 4), data[1] & 0x0F
    if kind is None:
        raise FrameError(f"unknown message type 0x{data[1] >> 4:X}")
    if flags > 7:
        raise FrameError(f"unknown flags {flags:04b}")
    serialization, compression = _SERIALIZATIONS.get(data[2] >> 4), data[2] & 0x0F
    if serialization is None:
        raise FrameError(f"unknown serialization 0x{data[2] >> 4:X}")
    if compression > 1:
        raise FrameError(f"unknown compression 0x{compression:X}")
    error_code = sequence = 0
    event, name = None, ""
    if kind is MessageType.ERROR:
        error_code, at = _size(data, at, "error code")
    if flags & 1:
        sequence, at = _int(data, at, "sequence")
    if flags & _HAS_EVENT:
        event, at = _int(data, at, "event")
        if _carries_id(event, sender):
            name, at = _id(data, at)
            if not name and _needs_id(event, sender):
                raise FrameError("session ID length is zero")
        elif at + 4 <= len(data) and at + 4 + _SIZE.unpack_from(data, at)[0] != len(data):
            name, at = _id(data, at)  # a client that sends a connection id, which nothing announces
    size, at = _size(data, at, "payload size")
    if at + size != len(data):
        raise FrameError(f"declared body size {size} does not match actual body size {len(data) - at}")
    payload = data[at:]
    if compression:
        payload = inflate(payload)
    return BinaryFrame(kind, event, name, payload, serialization, compression == 1, flags & 3, sequence, error_code)


def inflate(data: bytes) -> bytes:
    """One whole gzip stream of at most MAX_PAYLOAD bytes. Raises FrameError."""
    stream = zlib.decompressobj(wbits=31)
    try:
        plain = stream.decompress(data, MAX_PAYLOAD)
    except zlib.error as error:
        raise FrameError(f"invalid gzip: {error}") from error
    if stream.unconsumed_tail:
        raise FrameError(f"a payload inflates to more than {MAX_PAYLOAD} bytes")
    if not stream.eof:
        raise FrameError("the gzip stream is cut off")
    if stream.unused_data:
        raise FrameError("bytes follow the gzip stream")
    return plain


def _carries_id(event: int, sender: Sender) -> bool:
    return sender == "server" or event not in _CLIENT_CONNECTION


def _needs_id(event: int, sender: Sender) -> bool:
    """The service refuses a client's session event without one; its own ids may be empty."""
    return sender == "client" and event not in _CLIENT_CONNECTION


def _int(data: bytes, at: int, name: str) -> tuple[int, int]:
    if at + 4 > len(data):
        raise FrameError(f"the message ends within the {name}")
    return _INT.unpack_from(data, at)[0], at + 4


def _size(data: bytes, at: int, name: str) -> tuple[int, int]:
    if at + 4 > len(data):
        raise FrameError(f"the message ends within the {name}")
    return _SIZE.unpack_from(data, at)[0], at + 4


def _id(data: bytes, at: int) -> tuple[str, int]:
    size, at = _size(data, at, "id size")
    if at + size > len(data):
        raise FrameError(f"the id of {size} bytes does not end within the message")
    try:
        return data[at : at + size].decode(), at + size
    except UnicodeDecodeError as error:
        raise FrameError(f"the id is not UTF-8: {error.reason}") from error
