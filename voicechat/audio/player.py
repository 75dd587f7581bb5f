"""The player thread: takes blocks from the queue and writes them to the speaker, and does nothing else.

When there is nothing to play the device is left to drain: a stream kept full of silence would delay the next
answer by its whole buffer (35 ms on the card this was measured on).
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from voicechat.audio.frames import dbfs
from voicechat.audio.playback import PlaybackQueue
from voicechat.audio.reference import Reference
from voicechat.audio.streams import OutputStream, PacedStream
from voicechat.errors import AudioError

log = logging.getLogger(__name__)

PARTIAL_WAIT_S = 0.02
"""How long the rest of a half-filled block is waited for in mid-item before it is played with silence."""


@dataclass(frozen=True, slots=True)
class PlaybackStarted:
    """The first block of an item was given to the device at monotonic time `at`."""

    item_id: str
    at: float


@dataclass(frozen=True, slots=True)
class PlaybackDrained:
    """The queue ran empty; the device plays what it holds for `latency_ms` more."""

    at: float
    latency_ms: float


PlayerEvent = PlaybackStarted | PlaybackDrained | AudioError


class Playing:
    """The queue's blocks one after another, and what is told of them: for whoever writes them to a device."""

    def __init__(self, queue: PlaybackQueue, notify: Callable[[PlayerEvent], None]):
        self.sounding = False
        self._queue = queue
        self._notify = notify
        self._latest = b""

    def next(self, timeout_s: float | None, latency_ms: float) -> bytes | None:
        """The next block to write, or None when nothing came within the time; the device holds `latency_ms`."""
        block = self._queue.next_block(timeout_s)
        now = time.monotonic()
        if block is None:
            if self.sounding and not self._queue.busy:
                self.sounding, self._latest = False, b""
                self._notify(PlaybackDrained(now, latency_ms))
            return None
        self.sounding, self._latest = True, block.pcm
        if block.starts is not None:
            self._notify(PlaybackStarted(block.starts, now))
        return block.pcm

    @property
    def level_dbfs(self) -> float:
        """Of the latest block; worked out for whoever looks."""
        return dbfs(self._latest)


class Player:
    """Owns the thread that owns the output stream. `notify` is called from that thread."""

    def __init__(
        self,
        queue: PlaybackQueue,
        stream: OutputStream,
        notify: Callable[[PlayerEvent], None],
        reference: Reference | None = None,
    ):
        self.queue = queue
        self._stream = stream
        self._notify = notify
        self._playing = Playing(queue, notify)
        self._reference = reference
        self._stopping = False
        self.holes = 0
        """How often the device ran dry in the middle of a sound because this thread was late."""
        self.wrote_at: float | None = None
        self._thread = threading.Thread(target=self._run, name="voicechat-player", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> bool:
        """End the thread and close the stream; False when it hangs in the device, and was left alone."""
        self._stopping = True
        self.queue.close()
        if self._thread.is_alive():
            self._thread.join(timeout=0.5)
        if self._thread.is_alive():
            return False
        self._stream.close()
        return True

    @property
    def latency_ms(self) -> float:
        return self._stream.latency_ms

    @property
    def name(self) -> str:
        return self._stream.name

    @property
    def level_dbfs(self) -> float:
        return self._playing.level_dbfs

    def _run(self) -> None:
        playing = self._playing
        try:
            while not (self.queue.closed or self._stopping):
                block = playing.next(PARTIAL_WAIT_S if playing.sounding else None, self._stream.latency_ms)
                if block is None:
                    continue
                if self._reference is not None:
                    self._reference.write(block)
                now = self.wrote_at = time.monotonic()  # a write that never returns is a device that hangs
                late = self.queue.writing(now, self._stream.latency_ms)
                self.holes += late and isinstance(self._stream, PacedStream)  # a file holds nothing that could run dry
                self._stream.write(block)
                self.wrote_at = None
        except AudioError as error:
            self._notify(error)
        except Exception as error:  # a thread that dies silently would leave the conversation mute
            log.exception("player")
            self._notify(AudioError(f"The player failed: {type(error).__name__}: {error}."))
