"""The speaker's side while echo is cancelled: a stream that never stops, written in step with the capture.

The canceller's filter knows the way from a reference sample to its echo to the sample. So the way must stay what it
is through silence, pause, interruption and underrun, and it does if two things do: what the device holds is neither
more nor less than it was, and the canceller's reference is counted in the samples that the device plays.

For each block that the microphone gives, the speaker is given one: the next of the queue, or silence. That is all of
the pacing, and keeps as much in the device as was put there in the beginning, where a stream that is written as fast
as it takes would hold all it can and delay every answer by that. `Balance` notices what disturbs it.
"""

import logging
import math
import threading
import time
from collections.abc import Callable

from voicechat.audio.frames import BLOCK_MS, block_bytes, duration_ms, stretch
from voicechat.audio.playback import PlaybackQueue
from voicechat.audio.player import PlayerEvent, Playing
from voicechat.audio.streams import PacedStream

log = logging.getLogger(__name__)

HOLD_MS = 15.0
"""What the device holds when a block comes: a sound server fetches 10 to 12 at once, and a thread may be late."""
SPARE_MS = 10.0
"""A machine that was late by more may keep so much more in the device: each underrun adds what it lasted."""
PARTIAL_BLOCKS = 2
"""How many blocks of silence may pass before a half-filled block in mid-item is played as it is."""
JUMP_WINDOW, DRIFT_WINDOW = 50, 500
"""Blocks over which the balance is looked at: for a hole or a loss, and for two devices' clocks."""
JUMP_MS = 7.0
ECHO_BLOCKS = 100
"""So long after the last sound its echo may be heard, and the reference stays where it is."""
LOOK_BLOCKS = 5
"""In silence the device is looked at so seldom, if the thread is in time: a look costs as much as a block."""
LATE_S = 0.003
"""A block that is read later says little: the device has fetched meanwhile, or run dry for nobody knows how long."""
WAITED_S = 0.005
"""A captured block that comes so soon after the one before was done with has waited behind it."""
FETCH_S, FETCH_LOOKS = 0.016, 8
"""A device that is full after a standstill is given so long to fetch, and looked at so often. One that does not fetch
at all may not keep the microphone waiting for longer."""
RECENTLY_BLOCKS = 8
"""A device that was seen empty so few blocks ago has run dry in this standstill."""
DRIFT_SHARE, DRIFT_LEARNT = 0.4, 0.1
"""Of a deviation these shares are made up for over the next window, and over every one that follows."""
DRIFT_MOST = 0.08
"""Samples a block: 300 millionths, more than clocks differ by and less than is heard."""


class Punctuality:
    """How late a captured block is read, by the pace of those before: the thread's doing, not the devices'."""

    def __init__(self) -> None:
        self._count = 0
        self._earliest = self._coming = math.inf
        self._lost_at = -math.inf

    @property
    def lost(self) -> bool:
        """Captured sound was lost in the last seconds: every block has come later by as much since."""
        return self._count - self._lost_at < DRIFT_WINDOW

    def late_s(self, now: float) -> float:
        """Called once a block, at monotonic time `now`."""
        offset = now - self._count * BLOCK_MS / 1000
        self._count += 1
        self._coming = min(self._coming, offset)
        if self._count % JUMP_WINDOW == 0:  # clocks differ, and a block may have been lost
            if self._coming - self._earliest > JUMP_MS / 1000:
                self._lost_at = self._count
            self._earliest, self._coming = self._coming, math.inf
        self._earliest = min(self._earliest, offset)
        return offset - self._earliest


class Balance:
    """Whether what the device holds, less what the reference lags, is what it was; all in samples.

    The two may grow together. Their difference is the way's only part that can change on this side of the device:
    it grows when the device ran dry and falls when captured sound was lost, at once; and it moves steadily when
    the two devices' clocks differ.
    """

    def __init__(self, rate_hz: int):
        self.deviation = 0.0
        self._aim = HOLD_MS * rate_hz / 1000
        self.settled = False
        self._drift = 0.0
        self._tolerated = JUMP_MS * rate_hz / 1000
        self._off = 0.0
        self._short: list[float] = []
        self._long: list[float] = []

    def jump(self, value: float, blocks: int = 1) -> int:
        """The balance as it is, and was not looked at for so many blocks. The samples by which it has jumped for good,
        else 0."""
        self._short += [value] * blocks
        self._long += [value] * blocks
        if len(self._short) < JUMP_WINDOW:
            return 0
        off = _middle(self._short) - self._aim
        self._short.clear()
        before, self._off = self._off, off if abs(off) >= self._tolerated else 0.0
        if before * self._off <= 0:  # once may be chance
            return 0
        self._off = 0.0
        self._long.clear()
        return round(off)

    def shift(self, samples: int) -> None:
        """From now on the balance is another by so much."""
        self._aim += samples

    def drift(self) -> int:
        """Samples that the device must be given more (below 0: fewer) over the next blocks; 0 mostly."""
        if len(self._long) < DRIFT_WINDOW:
            return 0
        middle = _middle(self._long)
        self._long.clear()
        if not self.settled:  # what the device's own rhythm makes of it is as good
            self.settled, self._aim = True, middle
        self.deviation = middle - self._aim
        if abs(self.deviation) < self._tolerated * 0.7 and not self._drift:  # servers fetch a little earlier or later
            return 0
        self._drift += self.deviation * DRIFT_LEARNT
        most = DRIFT_MOST * DRIFT_WINDOW
        return -int(min(max(self._drift + self.deviation * DRIFT_SHARE, -most), most))


def _middle(values: list[float]) -> float:
    """The mean of the middle half: a late thread sees the device emptier than it is, some values are always out."""
    values = sorted(values)
    quarter = len(values) // 4
    return sum(values[quarter : len(values) - quarter]) / (len(values) - 2 * quarter)


class Lockstep:
    """Stands where a Player and a Reference stand without a canceller; the recorder's thread does all of it.

    `read` is called once for each captured block; `notify` is called from there. `holes` counts how often the device
    ran dry, `losses` how often captured sound was missing.
    """

    def __init__(
        self,
        queue: PlaybackQueue,
        stream: PacedStream,
        notify: Callable[[PlayerEvent], None],
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
    ):
        self.queue = queue
        self.holes = 0
        self.losses = 0
        self.found_empty = False  # it ran dry, or PortAudio has opened anew, wherever it could, what was pulled out
        self.wrote_at: float | None = None
        self.put_later = 0
        """Samples by which the reference was put later in silence, in all, for what was heard later since an answer."""
        self._stream = stream
        self._playing = Playing(queue, notify)
        self._clock, self._wait = clock, wait
        self._block = block_bytes(queue.rate_hz)
        self._silence = bytes(self._block)
        self._balance = Balance(queue.rate_hz)
        self._lag = bytearray()  # what the device was given and no captured block was paired with yet
        self._spare = 0  # so many bytes of lag are kept: this machine needs them
        self._capacity = 0
        self._partial = 0
        self._punctuality = Punctuality()
        self._done_at = 0.0
        self._room = 0
        self._looks = FETCH_LOOKS  # that this standstill may still take
        self._emptied = DRIFT_WINDOW
        self._quiet = ECHO_BLOCKS  # blocks since the last sound
        self._owes = False  # it ran dry in an answer, and the reference was not put later yet
        self._trim = self._untrimmed = 0
        self._unseen = 0  # blocks since the device was looked at
        self._lock = threading.Lock()
        self._stopping = False

    def start(self) -> None:
        """The first captured block starts it."""

    def stop(self) -> bool:
        """Close the stream; False when the recorder hangs inside it, and it was left alone."""
        self._stopping = True
        self.queue.close()
        if not self._lock.acquire(timeout=0.2):
            return False
        try:
            self._stream.close()
        finally:
            self._lock.release()
        return True

    @property
    def latency_ms(self) -> float:
        """How long a block that is given now waits in the device."""
        return HOLD_MS + duration_ms(len(self._lag), self.queue.rate_hz)

    @property
    def name(self) -> str:
        return self._stream.name

    @property
    def level_dbfs(self) -> float:
        return self._playing.level_dbfs

    @property
    def deviation_ms(self) -> float:
        """How far two devices' clocks have moved the way, and it was not made up for yet."""
        return self._balance.deviation * 1000 / self.queue.rate_hz

    def read(self) -> bytes:
        """A block was captured: give the device one, and return the one to cancel. Raises AudioError."""
        with self._lock:
            if not self._stopping:
                self._keep_balance()
                self._done_at = self._clock()
            block = bytes(self._lag[: self._block])
            del self._lag[: self._block]
        return block.ljust(self._block, b"\0")

    def _keep_balance(self) -> None:
        """Write, then look: a stream that was lost says so when written to, but PortAudio opens it anew, wherever it
        can, when asked for its room.
        """
        now = self._clock()
        if not self._capacity:
            self._capacity = self._stream.room_samples
            self._stream.write(bytes(round(HOLD_MS * self.queue.rate_hz / 1000) * 2))
        waited = now - self._done_at < WAITED_S
        late_s = self._punctuality.late_s(now)
        if not waited:
            self._looks = FETCH_LOOKS
        elif not self._takes_more():
            return
        given = self._give(now)
        if not given:
            return
        self._unseen += 1
        if not (self._playing.sounding or waited or late_s >= LATE_S or self._unseen >= LOOK_BLOCKS):
            return
        unseen, self._unseen = self._unseen, 0
        self._room = self._stream.room_samples
        held = self._capacity - self._room - given
        self._emptied = self._emptied + unseen if held > 0 else 0
        self.found_empty = self.found_empty or held <= 0
        if held > 0 and late_s < LATE_S:
            lag = len(self._lag) / 2 - given
            if jump := self._balance.jump(held + late_s * self.queue.rate_hz - lag, unseen):
                self._repair(jump)
        self._trim = self._balance.drift() or self._trim

    def _takes_more(self) -> bool:
        """After a standstill blocks come at once. If the device ran dry in it, it holds too much now; else it has stood
        still as well, and fetches in a moment what it is late by: to leave a block out would be a step of the echo.
        """
        while self._looks and self._emptied >= RECENTLY_BLOCKS and 2 * self._room < self._block:
            self._looks -= 1
            self._wait(FETCH_S / FETCH_LOOKS)
            self._room = self._stream.room_samples
        return 2 * self._room >= self._block

    def _repair(self, jump: int) -> None:
        """The balance has moved by so many samples: put it right where the reason is known.

        Else the sound server fetches earlier or later than it did: the way is what it was, and this is the balance now.
        While an echo may be heard nothing is put right: that would be another step of it. It will be found again.
        """
        counts = self._balance.settled  # until then it is how this device begins
        ran_dry = jump > 0 and (self._owes or self._emptied < DRIFT_WINDOW)
        if self._quiet < ECHO_BLOCKS and (ran_dry or self._punctuality.lost):
            self._owes = ran_dry
            return
        if ran_dry:
            self.holes += counts
            self.put_later += jump if self._owes or self._emptied >= self._quiet else 0
            self._owes = False
            self._spare = min(len(self._lag) + 2 * jump, round(SPARE_MS * self.queue.rate_hz / 1000) * 2)
            self._lag += bytes(2 * jump)
            log.debug("the speaker ran dry for %.1f ms", jump * 1000 / self.queue.rate_hz)
        elif jump < 0 and (self._punctuality.lost or not counts):
            if self._playing.sounding:
                return
            self.losses += counts
            self._stream.write(bytes(-2 * jump))
            log.debug("%.1f ms of captured sound were lost", -jump * 1000 / self.queue.rate_hz)
        elif counts:
            self._balance.shift(jump)

    def _give(self, now: float) -> int:
        """Write the next block; returns how many samples."""
        block = self._next()
        self._quiet = 0 if block is not None else self._quiet + 1
        if block is None:
            if len(self._lag) >= self._spare + self._block:
                return 0  # what the device holds too much of goes in silence, out of both at once
            block = self._silence
        else:
            self.queue.writing(now, self.latency_ms)
        self._lag += block
        block = self._trimmed(block)
        self.wrote_at = now  # a write that never returns is a device that hangs
        self._stream.write(block)
        self.wrote_at = None
        return len(block) // 2

    def _next(self) -> bytes | None:
        if not (self.queue.busy or self._playing.sounding):  # most of the time
            return None
        if self.queue.ready or not self.queue.busy or self._partial >= PARTIAL_BLOCKS:
            self._partial = 0
            return self._playing.next(0.0, self.latency_ms)
        self._partial += 1
        return None

    def _trimmed(self, block: bytes) -> bytes:
        """The block, a sample longer or shorter when it is time for that."""
        if not self._trim:
            return block
        self._untrimmed += 1
        if self._untrimmed * abs(self._trim) < DRIFT_WINDOW:
            return block
        self._untrimmed = 0
        count = len(block) // 2 + (1 if self._trim > 0 else -1)
        self._trim -= 1 if self._trim > 0 else -1
        return stretch(block, count)
