"""The recorder thread: reads the microphone, cancels echo, detects voice, counts, and hands frames over.

The hand-over to the event loop is bounded: when the loop does not keep up, the oldest frames are dropped and
counted, never queued without end.
"""

import asyncio
import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from voicechat.audio.frames import Frame, dbfs, is_silent
from voicechat.audio.streams import InputStream
from voicechat.audio.vad import VoiceDetector
from voicechat.errors import AudioError

SOUND_DBFS = -45.0
ONSET_BLOCKS = 8
"""So many blocks above that level are handed over one by one: ten milliseconds matter when somebody begins to speak."""
FRAME_BLOCKS, STEADY_BLOCKS, STEADY_AFTER = 2, 4, 100
"""Blocks of a frame, also once the detector has not changed its opinion for so many: nobody waits for these."""
log = logging.getLogger(__name__)

HANDOVER_FRAMES = 100
"""Frames the loop may be behind: one to four seconds."""


class HandOver:
    """Frames from the recorder thread to a callback on the loop, in order, at most HANDOVER_FRAMES behind."""

    def __init__(self, loop: asyncio.AbstractEventLoop, deliver: Callable[[Frame], None]):
        self.dropped = 0
        self._loop = loop
        self._deliver = deliver
        self._frames: deque[Frame] = deque()
        self._woken = False

    def put(self, frame: Frame) -> None:
        """Called from the thread. deque's append and popleft are atomic, so no lock is held."""
        if len(self._frames) >= HANDOVER_FRAMES:
            with contextlib.suppress(IndexError):
                self._frames.popleft()
                self.dropped += 1
        self._frames.append(frame)
        if not self._woken:
            self._woken = True
            with contextlib.suppress(RuntimeError):  # the loop is closed: the program is ending
                self._loop.call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        self._woken = False
        while self._frames:
            self._deliver(self._frames.popleft())


class ReferenceSource(Protocol):
    """What the loudspeaker was given (`Reference`), or is given with each captured block (`Lockstep`)."""

    def read(self) -> bytes:
        """The block that belongs to the block just captured."""
        ...


class Recorder:
    """Owns the thread that owns the input stream.

    `cancel` maps (captured block, reference block) to the block without echo, at the stream's rate; `convert`
    brings that to the rate of the frames. Two blocks make a frame, which halves the cost of everything after it, and
    four while nothing changes; a change of the detector's opinion is handed over at once.
    """

    def __init__(
        self,
        stream: InputStream,
        deliver: Callable[[Frame], None],
        lost: Callable[[AudioError], None],
        *,
        reference: ReferenceSource | None = None,
        cancel: Callable[[bytes, bytes], bytes] | None = None,
        detector: VoiceDetector | None = None,
        convert: Callable[[bytes], bytes] | None = None,
        keep_reference: bool = False,
    ):
        self.muted = False
        self.level_dbfs = float("-inf")
        self.zero_ms = 0
        self.captured_at = time.monotonic()
        self._stream = stream
        self._deliver = deliver
        self._lost = lost
        self._reference = reference
        self._cancel = cancel
        self._detector = detector
        self._convert = convert
        self._keep_reference = keep_reference
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="voicechat-recorder", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> bool:
        """End the thread and close the stream; False when it hangs in a pipe or a device, and was left alone."""
        self._stopping = True
        if self._thread.is_alive():
            self._thread.join(timeout=0.2)
        if self._thread.is_alive():
            return False
        self._stream.close()
        return True

    @property
    def name(self) -> str:
        return self._stream.name

    @property
    def ended(self) -> bool:
        """The source is a file or a pipe and has no more sound."""
        return self._stream.ended

    def _run(self) -> None:
        try:
            self._capture()
        except AudioError as error:
            if not self._stopping:
                self._lost(error)
        except Exception as error:  # a thread that dies silently would leave the conversation deaf
            log.exception("recorder")
            self._lost(AudioError(f"The recorder failed: {type(error).__name__}: {error}."))

    def _capture(self) -> None:
        opinion, same, loud = (False, False), 0, 0
        waiting: list[bytes] = []
        references: list[bytes] = []
        while not self._stopping:
            block = self._stream.read()
            now = time.monotonic()
            self.zero_ms = self.zero_ms + 10 if is_silent(block) else 0
            if self.muted:
                block = bytes(len(block))
            reference = self._reference.read() if self._reference is not None else b""
            if self._cancel is not None:
                block = self._cancel(block, reference)
            before, level = opinion, self.level_dbfs
            if self._detector is not None:
                opinion = self._detector.voiced(block), self._detector.speech
                self.level_dbfs = self._detector.level_dbfs
            else:
                self.level_dbfs = dbfs(block)
            if opinion != before and waiting:  # what waited was judged otherwise
                self._hand_over(waiting, references, before, level)
            self.captured_at = now
            waiting.append(block)
            if self._keep_reference:
                references.append(reference)
            same = same + 1 if opinion == before else 0
            loud = loud + 1 if self.level_dbfs > SOUND_DBFS else 0
            together = STEADY_BLOCKS if same > STEADY_AFTER else FRAME_BLOCKS
            if opinion != before or 0 < loud <= ONSET_BLOCKS or len(waiting) >= together:
                self._hand_over(waiting, references, opinion, self.level_dbfs)

    def _hand_over(
        self, waiting: list[bytes], references: list[bytes], opinion: tuple[bool, bool], level: float
    ) -> None:
        """Everything that waited, as one frame: the last block was captured at `captured_at`."""
        pcm = b"".join(waiting)
        if self._convert is not None:
            pcm = self._convert(pcm)
        voiced, speech = opinion
        self._deliver(Frame(pcm, voiced, level, self.captured_at, b"".join(references), speech))
        waiting.clear()
        references.clear()
