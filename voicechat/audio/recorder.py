"""Two threads: one reads the microphone, and one cancels echo, detects voice and hands frames over.

The one that reads does nothing else, for the speaker is written by it, too (`Lockstep`): a block that is read late is
written late, the speaker runs dry, and its echo comes at another time. To find that costs more than a block lasts, and
on one thread would be the next late block.

What they hand over is bounded: when the other side does not keep up, sound is dropped and counted, never queued
without end.
"""

import asyncio
import contextlib
import logging
import math
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from voicechat.audio.frames import BLOCK_MS, Frame, dbfs, is_silent, rough_dbfs
from voicechat.audio.streams import InputStream
from voicechat.audio.vad import VoiceDetector
from voicechat.errors import AudioError

SOUND_DBFS = -45.0
"""What is louder is somebody who begins to speak, or it is nothing that lasts."""
ZEROS_DBFS = float("-inf")
ONSET_BLOCKS = 8
"""So many blocks above that level are worked off one by one: ten milliseconds matter when somebody begins to speak."""
FEW, SOME, MANY = 2, 4, 16
"""Blocks that are worked off together, in haste, of a voice that goes on, and in silence: the first after a wait costs
as much as three others."""
UNDECIDED_BLOCKS = 100
"""So long after the detector's last change of opinion a silence may be the end of a turn, for which somebody waits."""
ECHO_BLOCKS = 60
"""So long after the speaker's last sound what is loud may be somebody who talks over it, or its echo."""
LOSS_BLOCKS, LOSS_S = 100, 0.008
"""So much sound is looked at for a loss, and so much must be missing."""
log = logging.getLogger(__name__)

HANDOVER_FRAMES = 500
"""Frames that may wait: five to eighty seconds. A machine that stands still costs time, and no words."""


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


class Losses:
    """How often captured sound was lost: from then on every block comes later than by the pace of those before.

    PyAudio's blocking streams do not say so themselves: they close at an overflow that they are to report.
    """

    def __init__(self) -> None:
        self.count = 0
        self.blocks = 0
        """So many were captured."""
        self._usual = self._before = self._earliest = math.inf

    def captured(self, at: float) -> None:
        """Called once for each block, with the monotonic time at which it was read."""
        self._earliest = min(self._earliest, at - self.blocks * BLOCK_MS / 1000)
        self.blocks += 1
        if self.blocks % LOSS_BLOCKS:
            return
        # One late window may be a standstill whose sound the device has kept. Usual is what was, since clocks differ.
        later = min(self._earliest, self._before)
        if later < math.inf and later - self._usual > LOSS_S:
            self.count += 1
        self._usual = later if later < math.inf else self._usual
        self._before, self._earliest = self._earliest, math.inf


class ReferenceSource(Protocol):
    """What the loudspeaker was given (`Reference`), or is given with each captured block (`Lockstep`)."""

    def read(self) -> bytes:
        """The block that belongs to the block just captured."""
        ...


@dataclass(slots=True)
class Batch:
    """Captured blocks that are worked off together."""

    blocks: list[tuple[bytes, bytes, bool]] = field(default_factory=list)
    """Each with its reference, and whether there may be an echo in it that is cancelled."""
    captured_at: float = 0.0
    """The last of them, in monotonic time."""
    ended: bool = False
    """The source had no more sound then."""


class Recorder:
    """Owns the thread that owns the input stream, and the one that works off what is captured.

    `cancel` maps (captured block, reference block) to the block without echo, at the stream's rate; `convert`
    brings that to the rate of the frames. All of that is done for several blocks at a time, which costs half; only
    when it grows loud is each block worked off as it comes.
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
        apart: bool = True,
    ):
        """Not `apart`, all is done on the thread that reads: for a stream that has no clock, and waits for that."""
        self.muted = False
        self.level_dbfs = float("-inf")
        self.zero_ms = 0
        self.sounded = False
        """Something else than exact zeros was captured."""
        self.captured_at = time.monotonic()
        self.losses = Losses()
        self.dropped = 0
        """Batches that were captured and not worked off, since that was HANDOVER_FRAMES behind."""
        self.ended = False
        """The source is a file or a pipe, and all of its sound was worked off."""
        self._stream = stream
        self._deliver = deliver
        self._lost = lost
        self._reference = reference
        self._cancel = cancel
        self._detector = detector
        self._convert = convert
        self.keep_reference = keep_reference
        self._opinion = False, False  # voiced, speech
        self._same = 0  # blocks since it has changed
        self._loud_dbfs = SOUND_DBFS  # in a quiet room, or with a microphone that is turned low, it is less
        self._stopping = False
        self._thread = threading.Thread(
            target=self._guarded, args=[self._capture], name="voicechat-recorder", daemon=True
        )
        self._batches: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()  # no more than HANDOVER_FRAMES
        self._worker: threading.Thread | None = None
        if apart:
            self._worker = threading.Thread(
                target=self._guarded, args=[self._work], name="voicechat-canceller", daemon=True
            )

    def start(self) -> None:
        if self._worker is not None:
            self._worker.start()
        self._thread.start()

    def stop(self) -> bool:
        """End the threads and close the stream; False when the one that reads hangs, and was left alone."""
        self._stopping = True
        self._batches.put(None)
        for thread in (self._thread, self._worker):
            if thread is not None and thread.is_alive():
                thread.join(timeout=0.2)
        if self._thread.is_alive():
            return False
        self._stream.close()
        return True

    @property
    def name(self) -> str:
        return self._stream.name

    @property
    def quiet_s(self) -> float:
        """For how long neither of the detector's verdicts has found a voice."""
        return 0.0 if any(self._opinion) else self._same * BLOCK_MS / 1000

    def _guarded(self, run: Callable[[], None]) -> None:
        try:
            run()
        except Exception as error:  # a thread that dies silently would leave the conversation deaf
            log.exception("recorder")
            self._lost(AudioError(f"The recorder failed: {type(error).__name__}: {error}."))

    # -- the thread that reads -------------------------------------------------------------------------------------

    def _capture(self) -> None:
        try:
            self._read()
        except AudioError as error:
            self._batches.put(None)
            if self._worker is not None:
                self._worker.join()  # what was captured before is heard before
            if not self._stopping:
                self._lost(error)

    def _read(self) -> None:
        batch = Batch()
        loud, played = 0, ECHO_BLOCKS
        while not self._stopping:
            block = self._stream.read()
            self.captured_at = batch.captured_at = time.monotonic()
            self.losses.captured(self.captured_at)
            level = rough_dbfs(block)
            zeros = level == ZEROS_DBFS and is_silent(block)
            self.zero_ms = self.zero_ms + 10 if zeros else 0
            self.sounded = self.sounded or not zeros
            if self.muted:
                block, level = bytes(len(block)), ZEROS_DBFS
            reference = self._reference.read() if self._reference is not None else b""
            loud = loud + 1 if level > self._loud_dbfs else 0
            played = played + 1 if is_silent(reference) else 0
            batch.blocks.append((block, reference, self._cancel is not None and played < ECHO_BLOCKS))
            haste = played < ECHO_BLOCKS if loud else self._same < UNDECIDED_BLOCKS
            if 0 < loud <= ONSET_BLOCKS or len(batch.blocks) >= (FEW if haste else SOME if loud else MANY):
                batch.ended = self._stream.ended
                self._pass_on(batch)
                batch = Batch()

    def _pass_on(self, batch: Batch) -> None:
        if self._worker is None:
            self._work_off(batch)
            return
        if self._batches.qsize() >= HANDOVER_FRAMES:
            with contextlib.suppress(queue.Empty):
                self._batches.get_nowait()
                self.dropped += 1
        self._batches.put(batch)

    # -- the thread that works off ---------------------------------------------------------------------------------

    def _work(self) -> None:
        while (batch := self._batches.get()) is not None and not self._stopping:
            self._work_off(batch)

    def _work_off(self, batch: Batch) -> None:
        """Make a frame of these blocks and their references, or more where the detector changes its opinion."""
        frame: list[bytes] = []
        references: list[bytes] = []
        at = batch.captured_at - len(batch.blocks) * BLOCK_MS / 1000
        for block, reference, cancelled in batch.blocks:
            if self._cancel is not None:
                block = self._cancel(block, reference)
            opinion, level = self._judged(block, cancelled)
            if opinion != self._opinion and frame:
                self._hand_over(frame, references, at)
            self._same = self._same + 1 if opinion == self._opinion else 0
            self._opinion, self.level_dbfs = opinion, level
            at += BLOCK_MS / 1000
            frame.append(block)
            if self.keep_reference:
                references.append(reference)
        self._hand_over(frame, references, batch.captured_at)
        self.ended = batch.ended
        if self._detector is not None:
            self._loud_dbfs = min(SOUND_DBFS, self._detector.floor_dbfs)

    def _judged(self, block: bytes, cancelled: bool) -> tuple[tuple[bool, bool], float]:
        """The detector's two verdicts, and the level."""
        if self._detector is None:
            return (False, False), dbfs(block)
        voiced = self._detector.voiced(block, cancelled=cancelled)
        return (voiced, self._detector.speech), self._detector.level_dbfs

    def _hand_over(self, frame: list[bytes], references: list[bytes], captured_at: float) -> None:
        """Blocks of one opinion, the last of which was captured then; they are used up."""
        pcm = b"".join(frame)
        if self._convert is not None:
            pcm = self._convert(pcm)
        voiced, speech = self._opinion
        self._deliver(Frame(pcm, voiced, self.level_dbfs, captured_at, b"".join(references), speech))
        frame.clear()
        references.clear()
