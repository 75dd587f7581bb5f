"""The recorder thread, with a microphone of the test's; and the hand-over to the loop."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from voicechat.audio.frames import Frame, block_bytes, dbfs, rough_dbfs
from voicechat.audio.recorder import (
    FEW,
    HANDOVER_FRAMES,
    MANY,
    ONSET_BLOCKS,
    SOME,
    UNDECIDED_BLOCKS,
    HandOver,
    Losses,
    Recorder,
)
from voicechat.audio.reference import Reference
from voicechat.errors import AudioError

RATE = 16_000
BLOCK = block_bytes(RATE)


def block(value: int) -> bytes:
    return np.full(RATE // 100, value, "<i2").tobytes()


class Microphone:
    """Delivers the blocks it was given, then is lost. `before_read` is called on the recorder's thread."""

    name = "fake"
    rate_hz = RATE
    latency_ms = 0.0
    ended = False
    closed = False

    def __init__(self, blocks: list[bytes], before_read: Callable[[int], None] = lambda number: None):
        self._blocks = blocks
        self._before_read = before_read
        self._number = 0

    def read(self) -> bytes:
        self._before_read(self._number)
        self._number += 1
        if self._number > len(self._blocks):
            raise AudioError("The microphone 'fake' was lost.")
        return self._blocks[self._number - 1]

    def close(self) -> None:
        self.closed = True


class Opinions:
    """A detector that was told what to say: `v` voice, `s` speech, `b` both."""

    def __init__(self, said: str, dbfs: float = -70.0, floor_dbfs: float = -40.0):
        self._said = iter(said)
        self.level_dbfs = dbfs
        self.floor_dbfs = floor_dbfs
        self.speech = False

    def voiced(self, block: bytes, *, cancelled: bool = False) -> bool:
        verdict = next(self._said)
        self.speech = verdict in "sb"
        return verdict in "vb"


def record(microphone: Microphone, **options: Any) -> tuple[list[Frame], list[AudioError], Recorder]:
    """Everything it delivers of this microphone, until that is lost."""
    frames: list[Frame] = []
    errors: list[AudioError] = []
    over = threading.Event()

    def lost(error: AudioError) -> None:
        errors.append(error)
        over.set()

    recorder = Recorder(microphone, frames.append, lost, **{"apart": False, **options})
    recorder.start()
    assert over.wait(5)
    recorder.stop()
    assert microphone.closed
    return frames, errors, recorder


def test_two_quiet_blocks_make_a_frame_in_order_and_a_lost_microphone_is_told() -> None:
    frames, errors, _ = record(Microphone([block(n) for n in (1, 2, 3, 4)]))
    assert [frame.pcm for frame in frames] == [block(1) + block(2), block(3) + block(4)]
    assert [error.message for error in errors] == ["The microphone 'fake' was lost."]
    assert frames[0].captured_at <= frames[1].captured_at


def test_a_change_of_opinion_is_handed_over_at_once() -> None:
    frames, _, _ = record(Microphone([block(1)] * 6), detector=Opinions("..v..."))
    assert [(len(frame.pcm) // BLOCK, frame.voiced) for frame in frames] == [
        (2, False),
        (1, True),
        (1, False),
        (2, False),
    ]


def test_a_frame_carries_both_verdicts_and_they_hold_for_all_of_it() -> None:
    blocks = [block(n) for n in range(1, 9)]
    frames, _, _ = record(Microphone(blocks), detector=Opinions("...vbbs."))
    assert [(frame.pcm, frame.voiced, frame.speech) for frame in frames] == [
        (block(1) + block(2), False, False),
        (block(3), False, False),  # what waited goes first
        (block(4), True, False),
        (block(5) + block(6), True, True),
        (block(7), False, True),
        (block(8), False, False),
    ]


def test_in_silence_more_goes_into_a_frame_and_a_voice_splits_it() -> None:
    opinions = "." * (UNDECIDED_BLOCKS + MANY + 3) + "v" + "." * (MANY - 4)
    frames, _, _ = record(Microphone([block(1)] * len(opinions)), detector=Opinions(opinions))
    lengths = [len(frame.pcm) // BLOCK for frame in frames]
    assert lengths == [FEW] * (UNDECIDED_BLOCKS // FEW) + [MANY, 3, 1, MANY - 4]
    assert [frame.voiced for frame in frames][-3:] == [False, True, False]
    assert frames[-2].captured_at - frames[-3].captured_at == pytest.approx(0.01, abs=1e-6)


def test_what_is_loud_is_not_waited_with() -> None:
    quiet = [block(1)] * (UNDECIDED_BLOCKS + 1)
    frames, _, _ = record(Microphone([*quiet, block(1000), block(1001)]))
    assert [frame.pcm for frame in frames][-2:] == [block(1) + block(1000), block(1001)]


def test_what_is_loud_for_this_room_is_not_waited_with_either() -> None:
    """A microphone that is turned low: 52 dB under full scale, and 10 dB over the room."""
    blocks = [*[block(1)] * (UNDECIDED_BLOCKS + 1), block(80), block(81)]
    frames, _, _ = record(Microphone(blocks), detector=Opinions("." * len(blocks), floor_dbfs=-62.0))
    assert [frame.pcm for frame in frames][-2:] == [block(1) + block(80), block(81)]


def test_a_rough_level_is_the_level_but_for_2_db() -> None:
    rng = np.random.default_rng(1)
    tone = 3000 * np.sin(np.arange(480) * 2 * np.pi * 440 / 48_000)
    for sound in (rng.normal(0, 200, 480), rng.normal(0, 3000, 160), tone):
        pcm = sound.astype("<i2").tobytes()
        assert rough_dbfs(pcm) == pytest.approx(dbfs(pcm), abs=2)
    assert rough_dbfs(bytes(960)) == rough_dbfs(b"") == float("-inf")


def test_a_voice_is_sent_in_larger_pieces_once_it_has_begun_but_not_where_it_may_be_an_interruption() -> None:
    voice = [block(1000 + n) for n in range(ONSET_BLOCKS + SOME)]
    frames, _, _ = record(Microphone(voice), reference=Reference(RATE))
    assert [len(frame.pcm) // BLOCK for frame in frames] == [1] * ONSET_BLOCKS + [SOME]
    reference = Reference(RATE)
    reference.write(block(7))
    frames, _, _ = record(Microphone(voice), reference=reference)
    assert [len(frame.pcm) // BLOCK for frame in frames] == [1] * ONSET_BLOCKS + [FEW, FEW]


def test_sound_is_handed_over_block_by_block() -> None:
    frames, _, recorder = record(Microphone([block(1000)] * 3))
    assert [len(frame.pcm) for frame in frames] == [BLOCK] * 3
    assert frames[0].dbfs == recorder.level_dbfs
    assert -31 < frames[0].dbfs < -30


def test_each_block_is_cancelled_with_its_reference_then_judged_then_converted() -> None:
    reference = Reference(RATE)
    reference.write(block(7))
    pairs: list[tuple[bytes, bytes]] = []
    judged: list[tuple[bytes, bool]] = []

    def cancel(captured: bytes, played: bytes) -> bytes:
        pairs.append((captured, played))
        return block(5)

    class Detector(Opinions):
        def voiced(self, block: bytes, *, cancelled: bool = False) -> bool:
            judged.append((block, cancelled))
            return False

    frames, _, _ = record(
        Microphone([block(1), block(2)]),
        reference=reference,
        cancel=cancel,
        detector=Detector(""),
        convert=lambda pcm: pcm[: len(pcm) // 2],
        keep_reference=True,
    )
    assert pairs == [(block(1), block(7)), (block(2), bytes(BLOCK))]
    assert judged == [(block(5), True), (block(5), True)], "the echo may go on after the speaker's last sound"
    assert [(frame.pcm, frame.reference) for frame in frames] == [(block(5), block(7) + bytes(BLOCK))]


def test_muted_is_silence_in_time_and_zeros_of_the_device_are_counted() -> None:
    recorder: list[Recorder] = []

    def mute(number: int) -> None:
        if number == 2:
            recorder[0].muted = True

    over = threading.Event()
    frames: list[Frame] = []
    microphone = Microphone([block(9)] * 4 + [bytes(BLOCK)] * 2, mute)
    recorder.append(Recorder(microphone, frames.append, lambda error: over.set()))
    recorder[0].start()
    assert over.wait(5)
    recorder[0].stop()
    assert [frame.pcm for frame in frames] == [block(9) * 2, bytes(2 * BLOCK), bytes(2 * BLOCK)]
    assert recorder[0].zero_ms == 20  # the device's own zeros, not ours
    assert recorder[0].sounded


def test_stopping_is_no_loss() -> None:
    reading, go_on = threading.Event(), threading.Event()
    errors: list[AudioError] = []

    def wait(number: int) -> None:
        reading.set()
        assert go_on.wait(5)

    microphone = Microphone([], wait)
    recorder = Recorder(microphone, lambda frame: None, errors.append)
    recorder.start()
    assert reading.wait(5)
    stopping = threading.Thread(target=recorder.stop)
    stopping.start()
    while not recorder._stopping:
        stopping.join(0.001)
    go_on.set()
    stopping.join(5)
    assert errors == []
    assert microphone.closed


# -- reading and working off are two threads -------------------------------------------------------------------


def test_the_microphone_is_read_and_the_speaker_written_while_a_block_is_worked_off() -> None:
    read_on = threading.Event()

    def reading(number: int) -> None:
        if number == 40:
            read_on.set()

    def cancel(captured: bytes, reference: bytes) -> bytes:
        assert read_on.wait(5)
        return captured

    blocks = [block(n) for n in range(1, 41)]
    frames, errors, recorder = record(Microphone(blocks, reading), cancel=cancel, apart=True)
    assert b"".join(frame.pcm for frame in frames) == b"".join(blocks)  # all of it, before the loss is told
    assert [error.message for error in errors] == ["The microphone 'fake' was lost."]
    assert recorder.dropped == 0


def test_what_nobody_works_off_is_dropped_the_oldest_first_and_counted() -> None:
    read_on = threading.Event()

    def reading(number: int) -> None:
        if number == len(blocks):
            read_on.set()

    def cancel(captured: bytes, reference: bytes) -> bytes:
        assert read_on.wait(5)
        return captured

    blocks = [block(n % 100 + 1) for n in range(FEW * (HANDOVER_FRAMES + 30))]
    frames, _, recorder = record(
        Microphone(blocks, reading), cancel=cancel, detector=Opinions("." * len(blocks)), apart=True
    )
    assert recorder.dropped in (29, 30)  # one may have been taken before the first of them came
    heard = [frame.pcm for frame in frames]
    assert heard[-HANDOVER_FRAMES:] == [b"".join(blocks[n : n + FEW]) for n in range(FEW * 30, len(blocks), FEW)]


def test_a_source_has_ended_when_its_last_sound_was_worked_off() -> None:
    last, seen = threading.Event(), []

    def reading(number: int) -> None:
        microphone.ended = number >= 1
        if number == 2 * FEW:
            last.set()

    def cancel(captured: bytes, reference: bytes) -> bytes:
        assert last.wait(5)
        seen.append(recorder.ended)
        return captured

    over = threading.Event()
    microphone = Microphone([block(1)] * 2 * FEW, reading)
    recorder = Recorder(microphone, lambda frame: None, lambda error: over.set(), cancel=cancel)
    recorder.start()
    assert over.wait(5)
    recorder.stop()
    assert not any(seen[:FEW])
    assert recorder.ended


def test_a_canceller_that_fails_is_told() -> None:
    def cancel(captured: bytes, reference: bytes) -> bytes:
        raise ValueError("no block of mine")

    _, errors, _ = record(Microphone([block(1)] * FEW), cancel=cancel, apart=True)
    assert "The recorder failed: ValueError: no block of mine." in [error.message for error in errors]


# -- the hand-over ---------------------------------------------------------------------------------------------


def frame(number: int) -> Frame:
    return Frame(b"", False, 0.0, float(number))


def test_frames_reach_the_loop_in_order() -> None:
    async def main() -> list[float]:
        delivered: list[float] = []
        done = asyncio.Event()

        def deliver(one: Frame) -> None:
            delivered.append(one.captured_at)
            if len(delivered) == 200:
                done.set()

        loop = asyncio.get_running_loop()
        hand_over = HandOver(loop, deliver)

        def produce() -> None:
            for number in range(200):
                hand_over.put(frame(number))
                if number % 50 == 49:  # the loop takes what there is before more comes
                    asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(5)

        await asyncio.to_thread(produce)
        await asyncio.wait_for(done.wait(), 5)
        assert hand_over.dropped == 0
        return delivered

    assert asyncio.run(main()) == [float(number) for number in range(200)]


def test_a_loop_that_does_not_keep_up_loses_the_oldest_and_it_is_counted() -> None:
    async def main() -> tuple[list[float], int]:
        delivered: list[float] = []
        hand_over = HandOver(asyncio.get_running_loop(), lambda one: delivered.append(one.captured_at))
        thread = threading.Thread(target=lambda: [hand_over.put(frame(n)) for n in range(HANDOVER_FRAMES + 30)])
        thread.start()
        thread.join()  # the loop stands still meanwhile
        await asyncio.sleep(0)
        hand_over.put(frame(1000))
        await asyncio.sleep(0)
        return delivered, hand_over.dropped

    delivered, dropped = asyncio.run(main())
    assert delivered == [*(float(number) for number in range(30, HANDOVER_FRAMES + 30)), 1000.0]
    assert dropped == 30


def test_a_closed_loop_does_not_break_the_thread() -> None:
    loop = asyncio.new_event_loop()
    hand_over = HandOver(loop, lambda one: None)
    loop.close()
    hand_over.put(frame(1))
    assert hand_over.dropped == 0


@pytest.mark.parametrize(
    ("offsets_ms", "count"),
    [
        ({}, 0),
        ({250: 60.0}, 1),
        ({250: 60.0, 700: 30.0}, 2),
        ({250: 3.0}, 0),
        ({0: -40.0}, 0),
    ],
    ids=["nothing", "one", "two", "a thread that is late", "a backlog at the beginning"],
)
def test_sound_was_lost_when_every_block_comes_later_from_then_on(offsets_ms: dict[int, float], count: int) -> None:
    losses, later_s = Losses(), 0.0
    for block in range(1200):
        later_s += offsets_ms.get(block, 0.0) / 1000
        losses.captured(block * 0.01 * 1.0002 + later_s + (0.02 if block % 7 else 0.0))
    assert losses.count == count


def test_a_standstill_whose_sound_the_device_has_kept_is_no_loss() -> None:
    losses = Losses()
    for block in range(1200):
        losses.captured(max(block * 0.01, 3.9 if block >= 310 else 0.0))
    assert losses.count == 0
