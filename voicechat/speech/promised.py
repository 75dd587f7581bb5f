"""Whether a service sent what it was asked for. The Content-Type is no proof: the bytes are looked at.

Gateways answer with WAV or MP3 where PCM was asked for, and with a page or a JSON error under status 200.
"""

import io
import struct
from collections.abc import Iterator

from voicechat.audio.resample import Resampler
from voicechat.errors import Refused, VoicechatError

_HEAD_BYTES = 12
_MAX_HEADER = 4096
_UNKNOWN_SIZE = 0x7FFF_0000
"""From here on the size of a WAV's sound is a streaming server's way of saying that it does not know; so is 0."""
_MAX_WHOLE = 64_000_000
"""The most that is kept of a sound file that has to be decoded as a whole."""
_MAX_FRAMES = 48_000 * 3600
"""The most that it may become: silence compresses without end."""


def kind_of(head: bytes, content_type: str = "") -> str:
    """`wav`, `mp3`, `flac`, `opus`, `aac`, `text`, or "" for what may be PCM. `head`: the first bytes."""
    for magic, kind in ((b"RIFF", "wav"), (b"fLaC", "flac"), (b"OggS", "opus"), (b"ID3", "mp3")):
        if head.startswith(magic):
            return kind
    media = content_type.partition(";")[0].strip().lower()
    if media.startswith("text/") or media.endswith("json") or head.lstrip()[:9].lower() in (b"<!doctype", b'{"error":'):
        return "text"
    if len(head) >= 4 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0 and (not media or "pcm" not in media):
        if head[1] & 0xF6 == 0xF0:
            return "aac"
        # Layer III with a legal bit rate and sample rate: PCM rarely looks so, and never when it says that it is MPEG.
        legal = head[1] & 0x06 == 0x02 and head[2] & 0xF0 not in (0, 0xF0) and head[2] & 0x0C != 0x0C
        if legal and ("mpeg" in media or "mp3" in media):
            return "mp3"
    return ""


def _chunks(wav: bytes) -> Iterator[tuple[bytes, int]]:
    """Name and place of each chunk up to `data`, the last one that need not be complete."""
    at = 12
    while at + 8 <= len(wav):
        name, size = wav[at : at + 4], int.from_bytes(wav[at + 4 : at + 8], "little")
        yield name, at
        if name == b"data":
            return
        at += 8 + size + size % 2


class Promised:
    """One answer's sound: `feed` gives what can be passed on. PCM comes out in whole samples at `rate_hz`.

    Raises Refused for an answer that is no sound, or a sound in another format that was to be kept as it is.
    """

    def __init__(self, title: str, encoding: str, rate_hz: int, content_type: str = ""):
        self._title = title
        self._encoding = encoding
        self._rate_hz = rate_hz
        self._content_type = content_type
        self._kind: str | None = None
        self._held = bytearray()
        self._resampler: Resampler | None = None
        self._left: int | None = None
        """Bytes that are still to come of a WAV's sound, where its header says so; others may follow them."""

    def feed(self, data: bytes, last: bool = False) -> bytes:
        self._held += data
        if self._kind is None:
            if len(self._held) < _HEAD_BYTES and not last:
                return b""
            self._kind = self._accept(kind_of(bytes(self._held[:64]), self._content_type))
        if self._kind == "wav-header":
            self._strip_header()
        if self._kind == "whole":
            if len(self._held) > _MAX_WHOLE:
                raise self._error("more sound than can be decoded")
            return self._decode() if last else b""
        if self._kind == "wav-header":
            return b""
        if self._encoding != "pcm":
            out, self._held = bytes(self._held), bytearray()
            return out
        if self._left is not None:
            del self._held[self._left :]
        whole = len(self._held) // 2 * 2
        out = bytes(self._held[:whole])
        del self._held[:whole]
        if self._left is not None:
            self._left -= whole
        return self._resampler.feed(out, last) if self._resampler else out

    def _accept(self, kind: str) -> str:
        if kind == "text":
            raise self._error("text")
        if self._encoding == "pcm":
            return "" if kind == "" else "wav-header" if kind == "wav" else "whole"
        # An MP3 frame can only be told by its Content-Type; AAC's sync word is unmistakable among the others.
        if kind not in ("", self._encoding) or (kind == "" and self._encoding in ("flac", "opus")):
            raise self._error(kind.upper() or "something unknown")
        return self._encoding

    def _error(self, what: str) -> VoicechatError:
        return Refused(
            f"{self._title} was asked for {self._encoding.upper()} and sent {what}.",
            "Is the address that of a speech endpoint? Another --format may work.",
        )

    def _strip_header(self) -> None:
        held = bytes(self._held[:_MAX_HEADER])
        chunks = dict(_chunks(held))
        data, form = chunks.get(b"data", -1), chunks.get(b"fmt ", -1)
        if data < 0:
            if len(self._held) >= _MAX_HEADER:
                self._kind = "whole"
            return
        if not 0 <= form <= data - 24:  # the format comes first, or it is no WAV that can be streamed
            self._kind = "whole"
            return
        code, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", held, form + 8)
        if code not in (1, 0xFFFE) or channels != 1 or bits != 16 or not 4000 <= rate <= 192_000:
            self._kind = "whole"
            return
        (size,) = struct.unpack_from("<I", held, data + 4)
        self._left = size if 0 < size < _UNKNOWN_SIZE else None
        del self._held[: data + 8]
        self._resampler = Resampler(rate, self._rate_hz, "HQ")
        self._kind = ""

    def _decode(self) -> bytes:
        import soundfile

        try:
            samples, rate = soundfile.read(
                io.BytesIO(bytes(self._held)), frames=_MAX_FRAMES, dtype="int16", always_2d=True
            )
        except (RuntimeError, OSError) as error:
            raise self._error("a sound that cannot be decoded") from error
        self._held.clear()
        mono = samples.mean(axis=1).astype("<i2").tobytes() if samples.shape[1] > 1 else samples.tobytes()
        return Resampler(rate, self._rate_hz, "HQ").feed(mono, last=True)
