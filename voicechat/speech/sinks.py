"""Where sound goes: the loudspeaker, or a file. Both implement `reading.Sink`."""

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from voicechat.audio.encode import Encoder, open_encoder
from voicechat.audio.engine import AudioPlan, Engine
from voicechat.audio.playback import PlaybackQueue
from voicechat.audio.player import PlaybackDrained, PlaybackStarted, PlayerEvent
from voicechat.audio.resample import Resampler
from voicechat.errors import AudioError, UsageError
from voicechat.speech.mpeg import join_mp3

AHEAD_MS = 3000.0
LOW_MS = 1500.0
"""The speaker's queue is filled up to `AHEAD_MS` when it has run down to `LOW_MS`."""
HELD_BYTES = 8_000_000
"""The most of an unfinished piece that is kept back from its file."""
_ITEM = "text"


class SpeakerSink:
    """Plays. `paused` may be changed at any time; `close` stops within one block."""

    def __init__(self, rate_hz: int, output_device: str, started: Callable[[], None] = lambda: None):
        self._queue = PlaybackQueue(rate_hz)
        self._engine = Engine(AudioPlan(output_device=output_device, microphone=False), rate_hz, self._queue)
        self._started = started
        self._piece_bytes = 0
        self._going = asyncio.Event()
        self._going.set()
        self._drained = asyncio.Event()
        self._wake = asyncio.Event()
        self._lost: AudioError | None = None

    async def open(self) -> None:
        """Open the device. Raises AudioError or UsageError."""
        await self._engine.start(lambda frame: None, self._played)

    async def write(self, sound: bytes) -> None:
        self._piece_bytes += len(sound)
        if self._queue.queued_ms > AHEAD_MS:
            await self._run_down(LOW_MS)
        await self._going.wait()
        self._check()
        self._queue.put(self._queue.generation, _ITEM, 0, sound)

    async def _run_down(self, level_ms: float) -> None:
        """Until the queue holds no more than this; playing takes its time, so does waiting for it."""
        while (rest_ms := self._queue.queued_ms - level_ms) > 0:
            self._check()
            await self._going.wait()
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(rest_ms, 10.0) / 1000):
                    await self._wake.wait()

    def rewind(self) -> int:
        return self._piece_bytes

    async def piece_done(self) -> None:
        self._piece_bytes = 0

    async def finish(self) -> None:
        """Until all has been played."""
        self._drained.clear()
        self._queue.finish_all(self._queue.generation)
        if self._queue.busy:
            await self._drained.wait()
            self._check()
        await asyncio.sleep(self._engine.output_latency_ms / 1000)

    def pause_or_resume(self) -> bool:
        """Whether it is paused now."""
        if self._going.is_set():
            self._going.clear()
            self._queue.pause()
        else:
            self._queue.resume()
            self._going.set()
        self._wake.set()
        return not self._going.is_set()

    async def close(self) -> None:
        self._queue.interrupt()
        await self._engine.end()

    def _played(self, event: PlayerEvent) -> None:
        if isinstance(event, PlaybackStarted):
            self._started()
        elif isinstance(event, PlaybackDrained):
            self._drained.set()
        else:
            self._lost = event
            for waiting in (self._drained, self._going, self._wake):
                waiting.set()

    def _check(self) -> None:
        if self._lost is not None:
            raise self._lost


class FileSink:
    """Writes a file, a piece when it is complete; stdout at once. Nothing is created before there is sound for it.

    `source_hz`: the rate of the PCM that comes; 0 when the service's own encoding comes and is kept as it is.
    """

    def __init__(self, path: str, encoding: str, rate_hz: int, source_hz: int):
        self.path = path
        self.encoding = encoding
        self.rate_hz = rate_hz
        self.written = 0
        """Bytes of PCM, or of the service's encoding, that the file has taken."""
        self._source_hz = source_hz
        self._held = bytearray()
        self._spilled = 0
        self._pieces = 0
        self._encoder: Encoder | None = None
        self._resampler = Resampler(source_hz, rate_hz, "HQ") if source_hz else None
        check_writable(path)

    async def write(self, sound: bytes) -> None:
        self._held += sound
        if self.path == "-" or len(self._held) > HELD_BYTES:
            self._spilled += len(self._held)
            await self._save(bytes(self._held))
            self._held.clear()

    def rewind(self) -> int:
        self._held.clear()
        return self._spilled

    async def piece_done(self) -> None:
        sound, self._held = bytes(self._held), bytearray()
        if self.encoding == "mp3" and self._resampler is None and self._pieces and not self._spilled:
            sound = join_mp3(sound)
        self._pieces += 1
        self._spilled = 0
        await self._save(sound)

    async def close(self) -> None:
        """Write what is held and complete the file: after an interruption, what has come of the last piece too."""
        rest, self._held = bytes(self._held), bytearray()
        if self._resampler is not None and (self._encoder is not None or rest):
            await self._save(rest, last=True)
        elif rest:
            await self._save(rest)
        if self._encoder is not None:
            encoder, self._encoder = self._encoder, None
            try:
                await asyncio.to_thread(encoder.close)
            except (OSError, RuntimeError) as error:
                raise self._failed(error) from error

    async def _save(self, sound: bytes, last: bool = False) -> None:
        if self._resampler is not None:
            sound = self._resampler.feed(sound, last)
        try:
            if self._encoder is None:
                if not sound:
                    return
                raw = self._resampler is None
                self._encoder = open_encoder(self.path, "pcm" if raw else self.encoding, self.rate_hz)
            await asyncio.to_thread(self._encoder.write, sound)
        except (OSError, RuntimeError) as error:
            if self._encoder is not None:
                encoder, self._encoder = self._encoder, None
                with contextlib.suppress(OSError, RuntimeError):  # the same error again
                    encoder.close()
            raise self._failed(error) from error
        self.written += len(sound)

    def _failed(self, error: OSError | RuntimeError) -> AudioError:
        reason = getattr(error, "strerror", None) or getattr(error, "error_string", None) or str(error)
        name = "stdout" if self.path == "-" else self.path
        return AudioError(f"Writing {name} failed: {str(reason).rstrip('.')}.", "Is the disk full, or the reader gone?")


def check_writable(path: str) -> None:
    """Raise UsageError when it is plain already that the file cannot be written. An existing file is left alone."""
    if path == "-":
        return
    file = Path(path)
    hint = "-o takes the name of a file in a folder that exists and is yours."
    if file.is_dir():
        raise UsageError(f"The output {path!r} is a folder.", hint)
    if not file.parent.is_dir():
        raise UsageError(f"There is no folder {str(file.parent)!r}.", hint)
    if not os.access(file if file.exists() else file.parent, os.W_OK):
        raise UsageError(f"{path!r} cannot be written: permission denied.", hint)
