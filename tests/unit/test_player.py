"""The player thread, with a speaker of the test's whose every block is let through by hand."""

import queue
import threading

import numpy as np
import pytest

from voicechat.audio.frames import block_bytes
from voicechat.audio.playback import PlaybackQueue
from voicechat.audio.player import PlaybackDrained, PlaybackStarted, Player, PlayerEvent
from voicechat.audio.reference import Reference
from voicechat.errors import AudioError

RATE = 24_000
BLOCK = block_bytes(RATE)


def blocks(count: float, value: int = 1000) -> bytes:
    return np.full(int(RATE * count / 100), value, "<i2").tobytes()


class Speaker:
    """Takes a block when the test says so (`take`), as a device does when it has room."""

    name = "fake"
    rate_hz = RATE
    latency_ms = 12.5

    def __init__(self) -> None:
        self.closed = False
        self.fails = False
        self._offered: queue.Queue[bytes] = queue.Queue(maxsize=1)
        self._taken = threading.Semaphore(0)

    def write(self, block: bytes) -> None:
        if self.fails:
            raise AudioError("The speaker 'fake' was lost.")
        self._offered.put(block)
        assert self._taken.acquire(timeout=5)

    def take(self) -> bytes:
        block = self._offered.get(timeout=5)
        self._taken.release()
        return block

    def close(self) -> None:
        self.closed = True


class Stage:
    def __init__(self) -> None:
        self.queue = PlaybackQueue(RATE)
        self.speaker = Speaker()
        self.reference = Reference(RATE)
        self._events: queue.Queue[PlayerEvent] = queue.Queue(maxsize=100)
        self.player = Player(self.queue, self.speaker, self._events.put, self.reference)

    def __enter__(self) -> "Stage":
        self.player.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.player.stop()
        assert self.speaker.closed

    def event(self) -> PlayerEvent:
        return self._events.get(timeout=5)


def test_it_plays_what_is_queued_and_tells_start_and_end() -> None:
    with Stage() as stage:
        stage.queue.put(0, "a", 0, blocks(2.5))
        stage.queue.finish(0, "a", 0)
        taken = [stage.speaker.take() for _ in range(3)]
        assert b"".join(taken) == blocks(2.5).ljust(3 * BLOCK, b"\0")
        started, drained = stage.event(), stage.event()
        assert isinstance(started, PlaybackStarted)
        assert started.item_id == "a"
        assert isinstance(drained, PlaybackDrained)
        assert drained.latency_ms == 12.5
        assert drained.at >= started.at


def test_the_start_is_told_before_the_first_block_is_taken() -> None:
    with Stage() as stage:
        stage.queue.put(0, "a", 0, blocks(1))
        assert isinstance(stage.event(), PlaybackStarted)
        stage.speaker.take()


def test_the_canceller_gets_exactly_what_the_speaker_was_given() -> None:
    with Stage() as stage:
        stage.queue.put(0, "a", 0, blocks(2, 300))
        stage.queue.finish(0, "a", 0)
        taken = [stage.speaker.take(), stage.speaker.take()]
        stage.event(), stage.event()
        assert [stage.reference.read(), stage.reference.read()] == taken
        assert stage.reference.read() == bytes(BLOCK)


def test_nothing_is_written_while_nothing_is_queued() -> None:
    with Stage() as stage:
        stage.queue.put(0, "a", 0, blocks(1))
        stage.queue.finish(0, "a", 0)
        stage.speaker.take()
        stage.event(), stage.event()
        assert stage.reference.waiting_ms == 10  # one block was played, and no silence after it
        with pytest.raises(queue.Empty):
            stage.speaker._offered.get(timeout=0.1)


def test_an_interruption_ends_with_one_faded_block() -> None:
    with Stage() as stage:
        stage.queue.put(0, "a", 0, blocks(50))
        stage.speaker.take()
        stage.event()
        stage.speaker._offered.get(timeout=5)  # the second block is on its way: the device holds it
        heard = stage.queue.interrupt()
        stage.speaker._taken.release()
        tail = np.frombuffer(stage.speaker.take(), "<i2")
        assert (tail[0], tail[-1]) == (1000, 0)
        assert np.all(np.diff(tail) <= 0)
        assert heard is not None
        assert heard.heard_ms == 30
        assert isinstance(stage.event(), PlaybackDrained)


def test_the_level_is_that_of_what_sounds() -> None:
    with Stage() as stage:
        assert stage.player.level_dbfs == float("-inf")
        stage.queue.put(0, "a", 0, blocks(3, 3277))
        stage.speaker.take()
        stage.speaker._offered.get(timeout=5)
        assert stage.player.level_dbfs == pytest.approx(-20, abs=0.01)
        stage.speaker._taken.release()
        stage.speaker.take()
        stage.queue.finish(0, "a", 0)
        stage.event(), stage.event()
        assert stage.player.level_dbfs == float("-inf")


def test_a_lost_speaker_is_told_and_the_thread_ends() -> None:
    with Stage() as stage:
        stage.speaker.fails = True
        stage.queue.put(0, "a", 0, blocks(1))
        assert isinstance(stage.event(), PlaybackStarted)
        assert isinstance(stage.event(), AudioError)
        stage.player._thread.join(5)
        assert not stage.player._thread.is_alive()


@pytest.mark.parametrize(("latency_ms", "underruns"), [(60_000.0, 0), (0.0, 1)])
def test_a_pause_of_the_service_that_the_device_bridges_is_no_underrun(latency_ms: float, underruns: int) -> None:
    with Stage() as stage:
        stage.speaker.latency_ms = latency_ms
        stage.queue.put(0, "a", 0, blocks(1))
        stage.speaker.take()
        assert isinstance(stage.event(), PlaybackStarted)
        assert isinstance(stage.event(), PlaybackDrained)
        stage.queue.put(0, "a", 0, blocks(1))
        stage.speaker.take()
        assert stage.queue.underruns == underruns
