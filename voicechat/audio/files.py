"""Files and pipes in place of devices, paced in real time so that everything above them is the same.

`-` is raw s16le mono: 16 kHz on stdin by default, the player's rate on stdout. Read is whatever libsndfile reads, and
`.raw` and `.pcm` as raw 16 kHz; written is what `encode` names.
"""

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from voicechat.audio.encode import Encoder, check_rate, encoding_of, open_encoder, require
from voicechat.audio.frames import BLOCK_MS, block_bytes
from voicechat.audio.resample import Resampler
from voicechat.errors import AudioError, UsageError

log = logging.getLogger(__name__)

RAW_RATE_HZ = 16_000
BUFFERED_MS = 20.0
"""How far ahead of real time a file may be written: the latency of an ordinary sound card."""

PIPE_MS = 2000.0
"""What waits in a pipe at most: its 64 kB at 16 kHz."""

Clock = Callable[[], float]
Sleep = Callable[[float], None]


class Pace:
    """Real time in blocks: `wait` returns when the next block is due.

    `ahead_ms`: how much a speaker takes before it blocks. `behind_ms`: how much of a delay is made up for; a
    microphone does so, since sound waits for nobody, a speaker that ran dry does not.
    """

    def __init__(
        self,
        ahead_ms: float = 0.0,
        clock: Clock = time.monotonic,
        sleep: Sleep = time.sleep,
        *,
        behind_ms: float = 200.0,
    ):
        self._ahead_s = ahead_ms / 1000
        self._behind_s = behind_ms / 1000
        self._clock = clock
        self._sleep = sleep
        self._due = clock()

    def wait(self) -> None:
        """Sleep until the next block is due. After a longer pause of the caller, time starts anew."""
        now = self._clock()
        self._due = max(self._due, now - self._behind_s) + BLOCK_MS / 1000
        if (rest := self._due - self._ahead_s - now) > 0:
            self._sleep(rest)


def pipe_pace(clock: Clock = time.monotonic, sleep: Sleep = time.sleep) -> Pace:
    """Of a pipe, in which a live microphone's sound has waited for a session: it is not to stay late by that."""
    return Pace(0.0, clock, sleep, behind_ms=PIPE_MS)


def open_input(path: str, rate_hz: int, raw_rate_hz: int = RAW_RATE_HZ) -> "FileInput":
    """An InputStream at `rate_hz` from a file or from stdin (`-`). Raises UsageError when it cannot be used."""
    if path == "-":
        return FileInput("stdin", _descriptor(0), raw_rate_hz, rate_hz, pace=pipe_pace())
    file = Path(path)
    hint = "--input takes a sound file, or - for raw PCM on stdin."
    if file.is_dir():
        raise UsageError(f"The input {path!r} is a folder.", hint)
    if not file.exists():
        raise UsageError(f"There is no input file {path!r}.", hint)
    if file.is_file() and file.stat().st_size == 0:
        raise UsageError(f"The input file {path!r} is empty.", hint)
    try:
        if file.suffix.lower() in {".raw", ".pcm"}:
            handle = file.open("rb")
            return FileInput(path, _raw_file(handle), raw_rate_hz, rate_hz, closes=handle)
        import soundfile

        sound = soundfile.SoundFile(file)
    except (OSError, RuntimeError) as error:  # soundfile's own error is a RuntimeError
        raise UsageError(
            f"The input file {path!r} cannot be read as sound: {_reason(error)}.",
            "Give a wav, flac, ogg or mp3 file, or raw s16le 16 kHz mono as .raw.",
        ) from error
    if sound.frames == 0:
        sound.close()
        raise UsageError(f"The input file {path!r} holds no sound.", "Give a file with at least one sample.")
    return FileInput(path, _sound_file(sound), sound.samplerate, rate_hz, closes=sound)


def _reason(error: OSError | RuntimeError) -> str:
    """Why, without the path and the period: the system's words, or libsndfile's."""
    said = getattr(error, "strerror", None) or getattr(error, "error_string", None) or str(error)
    return str(said).rstrip(".")


def _descriptor(number: int) -> Iterator[bytes]:
    """Raw PCM from a file descriptor; os.read, because a buffered reader blocks the interpreter's exit."""
    odd = b""
    while piece := os.read(number, 4096):
        piece = odd + piece
        odd = piece[-1:] if len(piece) % 2 else b""
        yield piece[: len(piece) - len(odd)]


def _raw_file(handle: BinaryIO) -> Iterator[bytes]:
    while piece := handle.read(8192):
        yield piece[: len(piece) // 2 * 2]


def _sound_file(sound: Any) -> Iterator[bytes]:
    # soundfile seeks to where it is after every read, and libsndfile's mp3 decoder loses its state by that.
    sound.seekable = lambda: False
    while len(samples := sound.read(4096, dtype="int16", always_2d=True)):
        yield samples.mean(axis=1).astype("<i2").tobytes() if samples.shape[1] > 1 else samples.tobytes()


class FileInput:
    """A file or a pipe as an InputStream. After its end it goes on with silence, as a room does."""

    latency_ms = 0.0

    def __init__(
        self,
        name: str,
        pieces: Iterator[bytes],
        source_hz: int,
        rate_hz: int,
        closes: contextlib.AbstractContextManager[Any] | None = None,
        pace: Pace | None = None,
    ):
        self.name = name
        self.rate_hz = rate_hz
        self.ended = False
        self._pieces = pieces
        self._resampler = Resampler(source_hz, rate_hz, "HQ")
        self._closes = closes
        self._pace = pace or Pace()
        self._size = block_bytes(rate_hz)
        self._ready = bytearray()
        self._exhausted = False

    def read(self) -> bytes:
        while len(self._ready) < self._size and not self._exhausted:
            try:
                piece = next(self._pieces, None)
            except (OSError, RuntimeError) as error:
                raise AudioError(f"Reading {self.name} failed: {_reason(error)}.", "Is the file damaged?") from error
            self._exhausted = piece is None
            self._ready += self._resampler.feed(piece or b"", last=piece is None)
        block = bytes(self._ready[: self._size])
        del self._ready[: self._size]
        self.ended = self._exhausted and not block
        self._pace.wait()
        return block.ljust(self._size, b"\0")

    def close(self) -> None:
        if self._closes is not None:
            self._closes.__exit__(None, None, None)


def open_output(path: str, rate_hz: int) -> "FileOutput":
    """An OutputStream into a file or stdout (`-`, raw). Raises UsageError when it cannot be written, ConfigError when
    its encoder is not installed."""
    encoding = encoding_of(path)
    require(encoding)
    check_rate(encoding, rate_hz)
    try:
        encoder = open_encoder(path, encoding, rate_hz)
    except (OSError, RuntimeError) as error:
        raise UsageError(
            f"{path!r} cannot be written: {_reason(error)}.", "Does the folder exist, and is it yours?"
        ) from error
    return FileOutput("stdout" if path == "-" else path, rate_hz, encoder)


class FileOutput:
    """A file or a pipe as an OutputStream: it takes blocks no faster than a sound card would."""

    latency_ms = BUFFERED_MS

    def __init__(self, name: str, rate_hz: int, sink: Encoder, pace: Pace | None = None):
        self.name = name
        self.rate_hz = rate_hz
        self._sink = sink
        self._failed = False
        self._pace = pace or Pace(BUFFERED_MS, behind_ms=0.0)

    def write(self, block: bytes) -> None:
        try:
            self._sink.write(block)
        except (OSError, RuntimeError) as error:
            self._failed = True
            raise AudioError(
                f"Writing {self.name} failed: {_reason(error)}.", "Is the disk full, or the pipe's reader gone?"
            ) from error
        self._pace.wait()

    def close(self) -> None:
        try:
            self._sink.close()
        except (OSError, RuntimeError) as error:
            if not self._failed:  # else it was said, and closing writes the same bytes again
                log.warning("%s is not complete: %s", self.name, _reason(error))
