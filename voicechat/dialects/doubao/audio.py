"""The forms of a reply's sound, as pieces that may be cut anywhere, to s16le mono at 24 kHz."""

from typing import Protocol

FORMS = {"pcm16": "pcm_s16le", "float32": "pcm"}
"""Our names of them, and what StartSession calls them. Where none is named, Ogg/Opus comes: one is always named."""
_OGG = b"OggS"


class SoundDecoder(Protocol):
    broken: int

    def feed(self, data: bytes) -> bytes: ...


class Int16Decoder:
    """Whole samples; an odd byte waits for the next piece."""

    def __init__(self) -> None:
        self.broken = 0
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        data = self._rest + data
        whole = len(data) & ~1
        self._rest = data[whole:]
        return data[:whole]


class Float32Decoder:
    """32-bit little-endian floats of -1 to 1; what is out of range is clipped, what is no number is silence."""

    def __init__(self) -> None:
        self.broken = 0
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        import numpy as np

        data = self._rest + data
        whole = len(data) & ~3
        self._rest = data[whole:]
        samples = np.nan_to_num(np.frombuffer(data[:whole], "<f4"), nan=0.0, posinf=1.0, neginf=-1.0)
        pcm: bytes = np.rint(samples.clip(-1.0, 1.0) * 32767.0).astype("<i2").tobytes()
        return pcm


class NoDecoder:
    """Ogg/Opus, which was not asked for: as samples it would be noise, so it is left out and counted."""

    def __init__(self) -> None:
        self.broken = 0

    def feed(self, data: bytes) -> bytes:
        self.broken += 1
        return b""


class ReplySound:
    """The sound of one reply, in the form that was asked for; an Ogg container is known by its first bytes."""

    def __init__(self, form: str):
        self._form = form
        self._begin = b""
        self._decoder: SoundDecoder | None = None

    @property
    def broken(self) -> int:
        """Pieces that could not be decoded."""
        return self._decoder.broken if self._decoder else 0

    def feed(self, data: bytes) -> bytes:
        if self._decoder is None:
            data, self._begin = self._begin + data, b""
            if len(data) < len(_OGG) and _OGG.startswith(data):
                self._begin = data
                return b""
            decoder = Float32Decoder if self._form == "float32" else Int16Decoder
            self._decoder = NoDecoder() if data.startswith(_OGG) else decoder()
        return self._decoder.feed(data)
