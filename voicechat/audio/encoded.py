"""Encoding sound as it comes, for whoever reads it meanwhile: each format as bytes that are never taken back."""

import io
import struct
from typing import Any, Protocol

from voicechat.audio.encode import require

_UNKNOWN = 0xFFFFFFFF
"""The sizes of a WAV whose end nobody knows yet."""

_KBPS_64 = 0.6


class StreamEncoder(Protocol):
    def feed(self, pcm: bytes) -> bytes:
        """What of the encoded sound is ready by now."""
        ...

    def finish(self) -> bytes:
        """The rest of it."""
        ...


def stream_encoder(encoding: str, rate_hz: int) -> StreamEncoder:
    """An encoder of s16le mono (`encode.ENCODINGS`). Raises ConfigError for one that is not installed."""
    require(encoding)
    if encoding == "pcm":
        return _Raw(b"")
    if encoding == "wav":
        return _Raw(wav_header(rate_hz))
    return _Aac(rate_hz) if encoding == "aac" else _Sndfile(encoding, rate_hz)


def wav_header(rate_hz: int, sound_bytes: int | None = None) -> bytes:
    """Of s16le mono; None is a sound whose length is not known."""
    size = _UNKNOWN if sound_bytes is None else sound_bytes
    whole = _UNKNOWN if sound_bytes is None else sound_bytes + 36
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate_hz, 2 * rate_hz, 2, 16)
    return struct.pack("<4sI4s", b"RIFF", whole, b"WAVE") + form + struct.pack("<4sI", b"data", size)


class _Raw:
    def __init__(self, head: bytes):
        self._head = head

    def feed(self, pcm: bytes) -> bytes:
        head, self._head = self._head, b""
        return head + pcm

    def finish(self) -> bytes:
        return self.feed(b"")


class _Written(io.BytesIO):
    """A file that gives what was added to it. An encoder that goes back to correct its head comes too late."""

    _given = 0

    def close(self) -> None:
        """What is in it is still wanted."""

    def more(self) -> bytes:
        with self.getbuffer() as written:
            added = bytes(written[self._given :])
        self._given += len(added)
        return added


class _Sndfile:
    def __init__(self, encoding: str, rate_hz: int):
        import soundfile

        container, subtype = {"mp3": ("MP3", "MPEG_LAYER_III"), "flac": ("FLAC", "PCM_16"), "opus": ("OGG", "OPUS")}[
            encoding
        ]
        # Of a varying rate the head would have to tell the length, which is not known before the end.
        constant = {"bitrate_mode": "CONSTANT", "compression_level": _KBPS_64} if encoding == "mp3" else {}
        self._file = _Written()
        self._sound: Any = soundfile.SoundFile(self._file, "w", rate_hz, 1, subtype, format=container, **constant)

    def feed(self, pcm: bytes) -> bytes:
        self._sound.buffer_write(pcm, "int16")
        self._sound.flush()
        return self._file.more()

    def finish(self) -> bytes:
        self._sound.close()
        return self._file.more()


class _Aac:
    """ADTS, in which every frame stands for itself."""

    def __init__(self, rate_hz: int):
        import av

        self._av = av
        self._rate_hz = rate_hz
        self._file = _Written()
        self._container = av.open(self._file, "w", format="adts")
        self._stream: Any = self._container.add_stream("aac", rate=rate_hz, layout="mono")
        self._at = 0

    def feed(self, pcm: bytes) -> bytes:
        import numpy as np

        samples = np.frombuffer(pcm, "<i2").astype(np.float32) / 32768
        if len(samples):
            frame = self._av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="fltp", layout="mono")
            frame.sample_rate = self._rate_hz
            frame.pts, self._at = self._at, self._at + len(samples)
            self._mux(frame)
        return self._file.more()

    def finish(self) -> bytes:
        self._mux(None)
        self._container.close()
        return self._file.more()

    def _mux(self, frame: Any) -> None:
        for packet in self._stream.encode(frame):
            self._container.mux(packet)
