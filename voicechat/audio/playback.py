"""What is still to be played and what has been: the queue between the conversation and the player thread.

Every response's audio carries the generation it was asked under. An interruption raises the generation, so a
late delta of an old answer can never be played. What was heard is counted in samples the device took.
"""

import threading
import time
from collections import deque
from dataclasses import dataclass

from voicechat.audio.frames import BLOCK_MS, block_bytes, duration_ms, fade

REMEMBERED_ITEMS = 100


@dataclass(frozen=True, slots=True)
class Heard:
    """How much of an item was played. `heard_ms` ≤ `received_ms`, both of this item's audio only."""

    item_id: str
    content_index: int
    heard_ms: int
    received_ms: int


@dataclass(frozen=True, slots=True)
class Block:
    """Ten milliseconds to write. `starts` is the item whose first sound this is, else None."""

    pcm: bytes
    starts: str | None = None


@dataclass(slots=True, eq=False)
class _Item:
    item_id: str
    content_index: int
    received: int = 0
    consumed: int = 0
    done: bool = False
    announced: bool = False  # its first sound was given to the player
    starved: bool = False  # the player found nothing more of it, and it was not complete
    padded: bool = False  # its last block was filled up with silence

    @property
    def over(self) -> bool:
        """All of it was taken, and no more will come."""
        return self.done and self.consumed >= self.received


class PlaybackQueue:
    """Thread-safe; every method holds the lock for a few assignments only. Audio is s16le mono at `rate_hz`.

    `prime_ms` is the head buffer: a reply that starts on an idle speaker waits until that much has come, or
    until its audio is complete. It is never waited for again in mid-reply.
    """

    def __init__(self, rate_hz: int):
        self.rate_hz = rate_hz
        self.generation = 0
        self.prime_ms = 0.0
        self.underruns = 0
        self._block = block_bytes(rate_hz)
        self._changed = threading.Condition()
        self._items: dict[tuple[str, int], _Item] = {}
        self._pieces: deque[tuple[_Item, bytes]] = deque()
        self._queued = 0
        self._current: _Item | None = None
        self._tail: bytes | None = None  # the faded block that ends an interrupted or paused sound
        self._resume: list[tuple[_Item, bytes]] = []  # the same block unfaded, to begin again with
        self._paused = False
        self._primed = False
        self._priming_since: float | None = None
        self._lasts_until = 0.0  # monotonic: when the device will have played all it was given
        self._waited = True  # the player found nothing to play since its last block
        self._closed = False

    # -- the conversation's side -------------------------------------------------------------------------------

    def put(self, generation: int, item_id: str, content_index: int, pcm: bytes) -> bool:
        """Queue audio of an answer asked for under `generation`; False when that generation is over."""
        with self._changed:
            if generation != self.generation:
                return False
            if (item_id, content_index) not in self._items and len(self._items) > REMEMBERED_ITEMS:
                self._items = {key: item for key, item in self._items.items() if not item.done}
            item = self._items.setdefault((item_id, content_index), _Item(item_id, content_index))
            item.received += len(pcm)
            if item.starved:
                if item.padded or time.monotonic() > self._lasts_until:
                    self.underruns += 1
                item.starved = item.padded = False
            if not self._primed and self._priming_since is None:
                self._priming_since = time.monotonic()
            self._pieces.append((item, pcm))
            self._queued += len(pcm)
            self._changed.notify()
            return True

    def finish(self, generation: int, item_id: str, content_index: int) -> None:
        """No more audio will come for this item: its last, shorter block may be played."""
        with self._changed:
            item = self._items.get((item_id, content_index))
            if item is not None and generation == self.generation:
                item.done = True
                self._starve_done()
                self._changed.notify()

    def finish_all(self, generation: int) -> None:
        """The response is over: nothing more will come for any of its items."""
        with self._changed:
            if generation == self.generation:
                for item in self._items.values():
                    item.done = True
                self._starve_done()
                self._changed.notify()

    def interrupt(self) -> Heard | None:
        """Drop what was not played, fade out over one block and start a new generation.

        Returns what was heard of the item playing, None when nothing unheard was dropped. What the device already
        holds cannot be taken back and will be heard, so its latency is not subtracted: measured from outside, the
        figure is within a few milliseconds of the sound (docs/performance.md, `truncate`).
        """
        with self._changed:
            self.generation += 1
            heard = None
            if self._queued:
                item = self._current
                if item is None or item.over:  # played out: what waits has not been heard
                    item = self._pieces[0][0]
                if item.consumed and not self._paused:
                    self._tail = _faded(self._take(self._block), self._block)
                heard = Heard(
                    item.item_id,
                    item.content_index,
                    round(min(duration_ms(item.consumed, self.rate_hz), duration_ms(item.received, self.rate_hz))),
                    round(duration_ms(item.received, self.rate_hz)),
                )
            self._forget()
            self._changed.notify()
            return heard

    def pause(self) -> bool:
        """Fade out over one block and hold the rest; False when nothing was playing."""
        with self._changed:
            if self._paused or not self._queued or self._current is None:
                return False
            self._resume = self._take(self._block)
            self._tail = _faded(self._resume, self._block)
            self._paused = True
            self._changed.notify()
            return True

    def resume(self) -> None:
        """Go on where `pause` stopped: the faded block is played again, fading in."""
        with self._changed:
            if not self._paused:
                return
            self._paused = False
            pcm = b"".join(part for _, part in self._resume)
            if self._tail is not None:  # the pause was over before the player noticed it
                self._tail = None
            else:
                pcm = fade(pcm, 0.0, 1.0)
            end = len(pcm)
            for item, part in reversed(self._resume):
                item.consumed -= len(part)
                self._pieces.appendleft((item, pcm[end - len(part) : end]))
                end -= len(part)
            self._queued += len(pcm)
            self._resume = []
            self._changed.notify()

    @property
    def paused(self) -> bool:
        return self._paused

    @property
    def busy(self) -> bool:
        """Something is queued or paused, or the tail of something is to be played."""
        return bool(self._queued or self._paused or self._tail is not None)

    @property
    def ready(self) -> bool:
        """The next block is there, whole."""
        with self._changed:
            return self._playable()

    @property
    def queued_ms(self) -> float:
        return duration_ms(self._queued, self.rate_hz)

    def heard_ms(self, item_id: str, content_index: int = 0) -> int:
        """How much of this item the device has taken so far."""
        with self._changed:
            item = self._items.get((item_id, content_index))
            return round(duration_ms(item.consumed, self.rate_hz)) if item else 0

    # -- the player thread's side ------------------------------------------------------------------------------

    def next_block(self, timeout_s: float | None = None) -> Block | None:
        """The next block to write; None when nothing came within `timeout_s`, or when the queue was closed."""
        give_up_at = None if timeout_s is None else time.monotonic() + timeout_s
        with self._changed:
            while not (self._closed or self._playable()):
                self._starve()
                wait_s = self._patience_s(give_up_at)
                if wait_s is not None and wait_s <= 0:
                    break
                self._waited = True
                self._changed.wait(wait_s)
            if self._closed:
                return None
            if self._tail is not None:
                tail, self._tail = self._tail, None
                return Block(tail)
            # What is left may be shorter than a block, and nothing came after it in time: it is played as it is.
            if not self._playable() and (self._paused or not self._queued or not self._primed):
                return None
            self._primed, self._priming_since = True, None
            parts = self._take(self._block)
            new = next((item for item, _ in parts if not item.announced), None)
            if new is not None:
                new.announced = True
            pcm, last = b"".join(part for _, part in parts), parts[-1][0]
            last.padded = len(pcm) < self._block and not last.done
            return Block(pcm.ljust(self._block, b"\0"), new.item_id if new is not None else None)

    def writing(self, at: float, latency_ms: float) -> bool:
        """The player gives the device a block at monotonic time `at`; True when that comes too late.

        It follows what the device holds; on a silent device it is heard after the device's latency. Too late means
        that the block was there, and the device has run dry before it all the same.
        """
        with self._changed:
            late = at > self._lasts_until and not self._waited
            self._waited = False
            begins = self._lasts_until if self._lasts_until > at else at + latency_ms / 1000
            self._lasts_until = begins + BLOCK_MS / 1000
            return late

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def reopen(self) -> None:
        """Another player takes over where the one before stopped."""
        with self._changed:
            self._closed = False
            self._waited = True
            self._lasts_until = 0.0

    @property
    def closed(self) -> bool:
        return self._closed

    # -- under the lock ----------------------------------------------------------------------------------------

    def _playable(self) -> bool:
        if self._tail is not None:
            return True
        if self._paused or not self._queued:
            return False
        if not self._primed and self.prime_ms and not self._pieces[0][0].done:
            waited_ms = (time.monotonic() - (self._priming_since or 0.0)) * 1000
            return waited_ms >= self.prime_ms or self._queued >= self.prime_ms * self.rate_hz / 500
        return self._queued >= self._block or self._pieces[0][0].done

    def _patience_s(self, give_up_at: float | None) -> float | None:
        """How long to wait for something to play; None is for ever. The head buffer is waited for no longer than it is.

        Asked anew after every change, for a reply may begin while the player waits.
        """
        now = time.monotonic()
        ends = [] if give_up_at is None else [give_up_at]
        if self._queued and not self._primed and not self._paused and self._priming_since is not None:
            ends.append(self._priming_since + self.prime_ms / 1000)
        return min(ends) - now if ends else None

    def _starve(self) -> None:
        """The player finds too little: if the current item is not complete, the device may run dry in it."""
        if self._paused or not self._primed:
            return
        if self._current is not None and not self._current.done:
            self._current.starved = True
        elif not self._queued:
            self._current = None  # played out: whatever comes begins anew
            self._primed = False

    def _starve_done(self) -> None:
        """An item was completed: it is played out if the player has found nothing more of it already."""
        if self._current is not None and self._current.starved:
            self._starve()

    def _take(self, size: int) -> list[tuple[_Item, bytes]]:
        """Consume up to `size` bytes. A block may span items; each is credited with its own part."""
        parts: list[tuple[_Item, bytes]] = []
        while self._pieces and size:
            item, pcm = self._pieces.popleft()
            part = pcm[:size]
            parts.append((item, part))
            size -= len(part)
            item.consumed += len(part)
            self._queued -= len(part)
            self._current = item
            if len(part) < len(pcm):
                self._pieces.appendleft((item, pcm[len(part) :]))
        return parts

    def _forget(self) -> None:
        self._items.clear()
        self._pieces.clear()
        self._queued = 0
        self._current = None
        self._resume = []
        self._paused = False
        self._primed = False
        self._priming_since = None


def _faded(parts: list[tuple[_Item, bytes]], size: int) -> bytes:
    """One block of `size` bytes that ends a sound."""
    return fade(b"".join(part for _, part in parts), 1.0, 0.0).ljust(size, b"\0")
