"""Writing sound files: the format by the file's ending or by name, and an encoder for each.

Every file is valid whenever it is closed. WAV's header is true after each write; libsndfile encodes MP3, FLAC and
Ogg Opus, PyAV (the extra `aac`) AAC.
"""

import contextlib
import logging
import os
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from voicechat.errors import ConfigError, UsageError

log = logging.getLogger(__name__)

ENCODINGS = ("wav", "mp3", "flac", "opus", "aac", "pcm")
"""What a file may hold; `opus` is Ogg Opus, `aac` is ADTS, `pcm` is s16le mono without a header."""
_ENDINGS = {"raw": "pcm", "ogg": "opus", "oga": "opus"}
ENDINGS = (*ENCODINGS, *_ENDINGS)
"""What the name of a file may end in; each means the same in every command."""
OPUS_RATES_HZ = (8_000, 12_000, 16_000, 24_000, 48_000)
MP3_RATES_HZ = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
AAC_RATES_HZ = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
_RATES_HZ = {"opus": OPUS_RATES_HZ, "mp3": MP3_RATES_HZ, "aac": AAC_RATES_HZ}
_ANY_RATE_HZ = (4_000, 192_000)


class Encoder(Protocol):
    def write(self, pcm: bytes) -> object: ...

    def close(self) -> object: ...


def encoding_of(path: str, asked: str = "") -> str:
    """The encoding of a file: `asked`, else by its ending; stdout (`-`) is PCM. Raises UsageError for another one."""
    ending = Path(path).suffix.lower().lstrip(".")
    encoding = asked.lower() or ("pcm" if path == "-" else _ENDINGS.get(ending, ending))
    if asked and encoding not in ENCODINGS:
        raise UsageError(f"The format {asked!r} is not one this program writes.", f"It writes {', '.join(ENCODINGS)}.")
    if encoding not in ENCODINGS:
        endings = ", ".join(f".{ending}" for ending in ENDINGS)
        raise UsageError(f"{path!r} has no ending of a sound format that is written here.", f"It takes {endings}.")
    if path == "-" and encoding != "pcm":
        raise UsageError("stdout takes raw PCM only.", "Write a file, or leave --format out.")
    return encoding


def check_rate(encoding: str, rate_hz: int) -> None:
    """Raise UsageError for a rate that the encoding does not have."""
    rates = _RATES_HZ.get(encoding)
    if rates is not None and rate_hz not in rates:
        raise UsageError(
            f"{encoding.upper()} has no sample rate of {rate_hz} Hz.", f"--rate takes {', '.join(map(str, rates))}."
        )
    if not _ANY_RATE_HZ[0] <= rate_hz <= _ANY_RATE_HZ[1]:
        raise UsageError(f"A sample rate of {rate_hz} Hz is of no use.", "--rate takes 8000 to 48000, usually.")


def open_encoder(path: str, encoding: str, rate_hz: int) -> Encoder:
    """An encoder of s16le mono into a new file. Raises OSError or soundfile's RuntimeError, ConfigError for AAC."""
    if path == "-":
        return _Stdout()
    if encoding == "wav":
        return WavFile(path, rate_hz)
    if encoding == "pcm":
        return RawFile(path)
    if encoding == "aac":
        return _Aac(Path(path).open("wb"), rate_hz)
    return _Sndfile(path, encoding, rate_hz)


def require(encoding: str) -> None:
    """Raise ConfigError when the encoder is not installed."""
    if encoding == "aac":
        from importlib.util import find_spec

        if find_spec("av") is None:
            raise ConfigError("Writing AAC needs PyAV.", "In voicechat's folder: pip install '.[aac]'")


class RawFile:
    """A file of s16le without any header; what was written is on its way to the disk."""

    def __init__(self, path: str | Path):
        self._handle = Path(path).open("wb")  # noqa: SIM115 - closed in close()

    def write(self, pcm: bytes) -> None:
        self._handle.write(pcm)
        self._handle.flush()

    def close(self) -> None:
        self._handle.close()


WAV_BYTES = (1 << 32) - 4096
"""The most sound in one WAV file, whose sizes have 32 bits: a day of one channel at 24 kHz."""


class WavFile:
    """A WAV file of s16le whose header is true after every write, so that it is valid whatever ends us.

    What one file cannot hold goes on in further ones: `name.2.wav`, `name.3.wav`, … `opener` is that of `open`.
    """

    def __init__(
        self, path: str | Path, rate_hz: int, channels: int = 1, opener: Callable[[str, int], int] | None = None
    ):
        self._path = Path(path)
        self._opener = opener
        self._format = (channels, 2, rate_hz, 0, "NONE", "not compressed")
        self._most = WAV_BYTES // (2 * channels) * (2 * channels)
        self._files = 1
        self._open(self._path)

    def _open(self, path: Path) -> None:
        self._handle = open(path, "wb", opener=self._opener)  # noqa: SIM115 - closed in close()
        self._wave = wave.open(self._handle, "wb")  # noqa: SIM115 - closed in close()
        self._wave.setparams(self._format)
        self._room = self._most
        try:
            self._wave.writeframes(b"")
            self._handle.flush()
        except OSError:
            with contextlib.suppress(OSError):  # the same error again
                self.close()
            raise

    def write(self, pcm: bytes) -> None:
        while len(pcm) > self._room:
            first, pcm = pcm[: self._room], pcm[self._room :]
            self._put(first)
            self._go_on()
        self._put(pcm)

    def _put(self, pcm: bytes) -> None:
        self._wave.writeframes(pcm)
        self._handle.flush()
        self._room -= len(pcm)

    def _go_on(self) -> None:
        """The next file; one that is there already is somebody else's."""
        self.close()
        path = self._path
        while path.exists():
            self._files += 1
            path = self._path.with_suffix(f".{self._files}{self._path.suffix}")
        log.info("%s is full: going on in %s", self._path, path)
        self._open(path)

    def close(self) -> None:
        try:
            self._wave.close()
        finally:
            self._handle.close()


class _Stdout:
    """Raw PCM on stdout, which is the shell's to close."""

    def write(self, pcm: bytes) -> None:
        view = memoryview(pcm)
        while view:
            view = view[os.write(1, view) :]

    def close(self) -> None:
        return


class _Sndfile:
    def __init__(self, path: str, encoding: str, rate_hz: int):
        import soundfile

        container, subtype = {"mp3": ("MP3", "MPEG_LAYER_III"), "flac": ("FLAC", "PCM_16"), "opus": ("OGG", "OPUS")}[
            encoding
        ]
        # Given a file object, libsndfile would only print what goes wrong while writing; a path it answers for.
        self._sound: Any = soundfile.SoundFile(path, "w", rate_hz, 1, subtype, format=container)
        self._path = path
        self._second = self._unsynced = 2 * rate_hz

    def write(self, pcm: bytes) -> None:
        try:
            self._sound.buffer_write(pcm, "int16")
            self._unsynced += len(pcm)
            if self._unsynced >= self._second:  # each time the disk is waited for: not for every block
                self._sound.flush()
                self._unsynced = 0
        except AssertionError as error:  # soundfile's way to say that not everything was written
            raise OSError(f"{self._path} did not take all of the sound") from error

    def close(self) -> None:
        self._sound.close()


class _Aac:
    """ADTS, where every frame stands for itself, so that a file that was cut off is valid too."""

    def __init__(self, file: BinaryIO, rate_hz: int):
        import av

        self._av = av
        self._file = file
        self._rate_hz = rate_hz
        self._container = av.open(file, "w", format="adts")
        self._stream: Any = self._container.add_stream("aac", rate=rate_hz, layout="mono")
        self._at = 0

    def write(self, pcm: bytes) -> None:
        import numpy as np

        samples = np.frombuffer(pcm, "<i2").astype(np.float32) / 32768
        if not len(samples):
            return
        frame = self._av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="fltp", layout="mono")
        frame.sample_rate = self._rate_hz
        frame.pts, self._at = self._at, self._at + len(samples)
        for packet in self._stream.encode(frame):
            self._container.mux(packet)

    def close(self) -> None:
        try:
            for packet in self._stream.encode(None):
                self._container.mux(packet)
            self._container.close()
        finally:
            self._file.close()
