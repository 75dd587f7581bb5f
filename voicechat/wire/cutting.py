"""The frames that a relay of sound moves by the hundred, without the general way through a WebSocket library.

Whole text frames of usual size are cut out of the stream and made here, which is little work. All else is the
library's, which is given it byte by byte as it came: pings, closes, fragments, long frames, whatever is malformed. It
never sees part of a frame that was cut out, so that between two pieces it is always where a frame begins.
"""

import secrets
import struct

try:
    from websockets.speedups import apply_mask
except ImportError:  # no wheel for this machine
    from websockets.utils import apply_mask

MOST_BYTES = 65_535
"""Of a frame that is cut out; a longer one is not even waited for here."""
_WHOLE_TEXT = 0x81


class Cutter:
    """`masked`: as frames from a client are; `most_bytes` is what the library would let pass."""

    def __init__(self, *, masked: bool, most_bytes: int | None = None):
        self._masked = masked
        self._most = min(MOST_BYTES, MOST_BYTES if most_bytes is None else most_bytes)
        self._rest = b""
        """The beginning of a frame."""
        self._in_parts = False
        """A message has begun, and parts of it are still to come."""
        self._owed = 0
        """Bytes of a long frame that the library waits for."""

    def feed(self, data: bytes) -> list[str | bytes]:
        """In their order: texts, and what is the library's as bytes."""
        pieces: list[str | bytes] = []
        at = 0
        if self._owed:
            at = min(self._owed, len(data))
            self._owed -= at
            pieces.append(data[:at])
        elif self._rest:
            data, self._rest = self._rest + data, b""
        end = len(data)
        while end - at >= 2:
            size, start = data[at + 1] & 127, at + 2
            if size > 125:
                start = at + (4 if size == 126 else 10)
                if start > end:
                    break
                size = int.from_bytes(data[at + 2 : start], "big")
            masked = data[at + 1] >= 128
            if masked:
                start += 4
            stop = start + size
            head = data[at]
            if size > self._most:
                self._note(head)
                pieces.append(data[at:stop])
                self._owed = max(0, stop - end)
                at = min(stop, end)
                continue
            if stop > end:
                break
            text = None
            if head == _WHOLE_TEXT and masked is self._masked and not self._in_parts:
                payload = data[start:stop]
                text = _text(apply_mask(payload, data[start - 4 : start]) if masked else payload)
            if text is None:
                self._note(head)
                pieces.append(data[at:stop])
            else:
                pieces.append(text)
            at = stop
        self._rest = data[at:]
        return pieces

    def _note(self, head: int) -> None:
        """`head` is a frame's first byte: its last-part flag and its kind, of which those from 8 on are no messages."""
        if head & 15 < 8:
            self._in_parts = head < 0x80


def _text(payload: bytes) -> str | None:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return None


def text_frame(text: str, *, masked: bool) -> bytes:
    data = text.encode()
    size, flag = len(data), 0x80 if masked else 0
    if size <= 125:
        head = bytes((_WHOLE_TEXT, flag | size))
    elif size <= 65_535:
        head = struct.pack("!BBH", _WHOLE_TEXT, flag | 126, size)
    else:
        head = struct.pack("!BBQ", _WHOLE_TEXT, flag | 127, size)
    if not masked:
        return head + data
    mask = secrets.token_bytes(4)
    return head + mask + apply_mask(data, mask)
