"""A voice whose words can be read from the samples, and what a service may do wrong."""

import io
import struct
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

CHAR_MS = 10


def voice(text: str, rate_hz: int = 24_000) -> bytes:
    """s16le mono, 10 ms of one value for each character."""
    return b"".join(struct.pack("<H", ord(letter) & 0xFFFF) * (rate_hz * CHAR_MS // 1000) for letter in text)


def heard(pcm: bytes, rate_hz: int = 24_000) -> str:
    """The text in such a sound. A part of a character's 10 ms shows as U+FFFD."""
    samples = np.frombuffer(pcm, "<u2")
    each = rate_hz * CHAR_MS // 1000
    text = []
    for start in range(0, len(samples), each):
        block = samples[start : start + each]
        whole = len(block) == each and bool((block == block[0]).all())
        text.append(chr(int(block[0])) if whole else "\ufffd")
    return "".join(text)


@cache
def encoded(text: str, encoding: str, rate_hz: int = 24_000) -> bytes:
    """The same in a container, as services send it: a streamed WAV does not know its length.

    Kept, because two encodings of an Ogg stream differ in its serial number.
    """
    pcm = voice(text, rate_hz)
    if encoding == "pcm":
        return pcm
    if encoding == "wav":
        form = struct.pack("<HHIIHH", 1, 1, rate_hz, rate_hz * 2, 2, 16)
        unknown = b"\xff\xff\xff\xff"
        return b"RIFF" + unknown + b"WAVEfmt \x10\0\0\0" + form + b"data" + unknown + pcm
    if encoding == "aac":
        return _aac(pcm, rate_hz)
    import soundfile

    container, subtype = {"mp3": ("MP3", None), "flac": ("FLAC", "PCM_16"), "opus": ("OGG", "OPUS")}[encoding]
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", rate_hz, 1, subtype, format=container) as sound:
        sound.buffer_write(pcm, "int16")
    return file.getvalue()


def _aac(pcm: bytes, rate_hz: int) -> bytes:
    import av

    file = io.BytesIO()
    with av.open(file, "w", format="adts") as container:
        stream: Any = container.add_stream("aac", rate=rate_hz, layout="mono")
        samples = np.frombuffer(pcm, "<i2").astype(np.float32) / 32768
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="fltp", layout="mono")
        frame.sample_rate = rate_hz
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return file.getvalue()


Faults = dict[int | str, "Fault"]
"""What goes wrong, by the number of the request (from 1), or once with a text that holds a word."""


def fault_for(faults: Faults, number: int, text: str) -> "Fault | None":
    for key in [key for key in faults if isinstance(key, str) and key in text]:
        return faults.pop(key)
    return faults.get(number)


@dataclass(frozen=True, slots=True)
class Fault:
    """What one answer does wrong. `status`: an HTTP status with `body`; `cut_after`: bytes of sound, then the
    connection is lost; `message`: an error event; `content`: sent in place of the sound."""

    status: int = 0
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    code: str = ""
    message: str = ""
    content: bytes | None = None
    content_type: str = ""
    hang_after: int | None = None
    """Bytes of sound, then nothing more comes."""
