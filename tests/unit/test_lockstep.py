"""Speaker and microphone in lockstep: two simulated devices, what disturbs them, and what the canceller leaves."""

import math
from dataclasses import dataclass

import numpy as np
import pytest

from tests.unit.lockstep_room import CAPTURE, RENDER, Speaker, Trouble, delay_ms, impulse_response, run
from tests.unit.test_vad import speech
from voicechat.audio.echo import CleanMicrophone, EchoCanceller
from voicechat.audio.frames import block_bytes, stretch
from voicechat.audio.lockstep import FETCH_S, HOLD_MS, JUMP_MS, LOOK_BLOCKS, SPARE_MS, Balance, Lockstep
from voicechat.audio.playback import PlaybackQueue
from voicechat.audio.vad import VoiceDetector

ROOM = impulse_response(-12, 60)
EVERY_S, REPLY_S, FIRST_S = 3.7037, 2.0, 2.0
"""Replies begin at any moment of the two devices' rhythms."""


def replies(count: int) -> list[tuple[float, bytes]]:
    names = ["ss-0870.wav", "ss-0890.wav"]
    size = int(RENDER * REPLY_S) * 2
    return [(FIRST_S + n * EVERY_S, speech(names[n % 2], RENDER)[n * 2400 :][:size]) for n in range(count)]


def delays(pairs: list[tuple[bytes, bytes]], count: int) -> list[float]:
    """The echo's delay in each reply."""
    starts = [round(100 * (FIRST_S + n * EVERY_S)) for n in range(count)]
    return [delay_ms(pairs, start, start + round(100 * REPLY_S)) for start in starts]


def voiced(pairs: list[tuple[bytes, bytes]]) -> int:
    """Blocks of echo that the detector takes for the user."""
    canceller = EchoCanceller(CAPTURE, RENDER)
    canceller.warm_up()
    microphone, detector = CleanMicrophone(canceller), VoiceDetector(CAPTURE)
    return sum(detector.voiced(microphone.process(*pair)) for pair in pairs)


@pytest.mark.parametrize("pull", [120, 288, 480])
@pytest.mark.parametrize("phase_s", [0.0, 0.0033])
def test_the_way_is_the_same_in_every_reply_and_nothing_of_it_is_taken_for_the_user(pull: int, phase_s: float) -> None:
    lockstep, pairs = run(Speaker(pull=pull, phase_s=phase_s), replies(3), 13.5, ROOM)
    found = delays(pairs, 3)
    assert max(found) - min(found) < 0.1
    assert voiced(pairs) == 0
    assert (lockstep.holes, lockstep.losses) == (0, 0)


def test_the_device_holds_little_and_never_runs_dry() -> None:
    held: list[float] = []
    speaker = Speaker()
    run(speaker, replies(2), 10, ROOM, jitter_s=0.001, each=lambda lockstep, queue, now: held.append(speaker.held / 24))
    assert min(held[50:]) > 1
    assert float(np.median(held)) <= HOLD_MS + 3


def test_pause_resume_and_interruption_leave_the_way_as_it_is() -> None:
    def meddle(lockstep: Lockstep, queue: PlaybackQueue, now: float) -> None:
        block = round(now * 100)
        if block == 250:
            queue.pause()
        elif block == 277:
            queue.resume()
        elif block == 641:
            queue.interrupt()

    _, pairs = run(Speaker(), replies(3), 13.5, ROOM, each=meddle)
    # the second reply was cut after half a second
    first, third = delay_ms(pairs, 200, 430), delay_ms(pairs, 941, 1141)
    assert abs(first - third) < 0.1
    assert voiced(pairs) == 0


@pytest.mark.parametrize("ppm", [-200.0, 200.0])
def test_clocks_that_differ_move_the_way_no_further_than_the_canceller_follows(ppm: float) -> None:
    """Left alone it would move by 8 ms in this time, and the device would run dry or over."""
    speaker = Speaker(drift_ppm=ppm)
    lockstep, pairs = run(speaker, replies(10), 40, ROOM)
    found = delays(pairs, 10)
    assert max(found) - min(found) < JUMP_MS
    assert abs(found[-1] - found[-3]) < 1.5
    assert (lockstep.holes, lockstep.losses) == (0, 0)


@pytest.mark.parametrize("at_s", [6.5, 8.5])
@pytest.mark.parametrize("late_s", [0.025, 0.06])
def test_after_a_late_wake_up_the_way_is_nearly_what_it_was(at_s: float, late_s: float) -> None:
    """In a reply, and in silence. What the device holds is known to 2 ms; the canceller learns that much at once."""
    _, pairs = run(Speaker(), replies(4), 17, ROOM, troubles=(Trouble(at_s, late_s=late_s),))
    found = delays(pairs, 4)
    assert abs(found[0] - found[3]) < JUMP_MS
    assert voiced(pairs) < 40


def test_a_longer_standstill_is_put_right_and_what_the_device_holds_too_much_of_goes_in_silence() -> None:
    held: list[float] = []
    speaker = Speaker()
    troubles = (Trouble(6.5, late_s=0.2),)
    _, pairs = run(speaker, replies(4), 17, ROOM, troubles=troubles, each=lambda *_: held.append(speaker.held / 24))
    found = delays(pairs, 4)
    assert abs(found[0] - found[3]) < 3
    assert float(np.median(held[-200:])) <= HOLD_MS + SPARE_MS + 3


def test_what_ran_dry_early_in_a_long_answer_is_put_right_after_it() -> None:
    """It is found a second later, in an answer that goes on for longer than that is remembered otherwise."""
    put_later: list[int] = []
    long_reply = [(6.0, speech("ss-0870.wav", RENDER) * 3)]
    seconds = 6.0 + len(long_reply[0][1]) / 2 / RENDER
    assert seconds > 12
    lockstep, _ = run(
        Speaker(),
        long_reply,
        seconds + 4,
        ROOM,
        troubles=(Trouble(6.9, late_s=0.04),),
        each=lambda one, *_: put_later.append(one.put_later),
    )
    assert not any(put_later[: round(100 * seconds)])
    assert lockstep.put_later > 0


def test_a_lost_block_is_made_up_for_in_the_next_silence() -> None:
    lockstep, pairs = run(Speaker(), replies(4), 17, ROOM, troubles=(Trouble(6.5, lost=1),))
    found = delays(pairs, 4)
    assert lockstep.losses <= 1  # the device may have run dry for as long meanwhile
    assert abs(found[0] - found[3]) < JUMP_MS


@dataclass
class Standing(Speaker):
    """Stands still with the thread, and a little longer, then fetches all at once what it is late by."""

    since_s: float = 0.0
    until_s: float = 0.0

    def run_until(self, now: float) -> None:
        super().run_until(now if now >= self.until_s else min(now, self.since_s))
        self.now = now


@pytest.mark.parametrize("at_s", [6.5, 8.5])
def test_a_device_that_stood_still_as_well_is_waited_for_and_the_way_stays(at_s: float) -> None:
    speaker = Standing(since_s=at_s, until_s=at_s + 0.024)
    lockstep, pairs = run(speaker, replies(4), 17, ROOM, troubles=(Trouble(at_s, late_s=0.02),))
    found = delays(pairs, 4)
    assert max(found) - min(found) < 0.1
    assert (lockstep.holes, lockstep.losses) == (0, 0)


@pytest.mark.parametrize(("at_s", "pull"), [(0.0, 288), (4.0, 288), (6.5, 240), (6.5, 120)])
def test_what_has_waited_in_a_standstill_is_caught_up_with_at_once(at_s: float, pull: int) -> None:
    """Or the user would be heard later by as much from then on. At the beginning it is the time a canceller takes."""
    late_ms: list[float] = []
    run(
        Speaker(pull=pull),
        replies(3),
        11,
        ROOM,
        troubles=(Trouble(at_s, late_s=0.4),),
        each=lambda _, __, now: late_ms.append(1000 * now - 10 * len(late_ms) - 10),
    )
    late = max(round(100 * at_s) - 1, 0)
    assert late_ms[late] > 390
    assert max(late_ms[late + 60 :]) < 3
    assert max(late_ms[:late], default=0) < 3


def test_a_device_that_fetches_no_more_keeps_the_microphone_waiting_once() -> None:
    speaker, waits = Speaker(phase_s=math.inf), []
    lockstep = Lockstep(PlaybackQueue(RENDER), speaker, lambda event: None, lambda: speaker.now, waits.append)
    for number in range(60):
        speaker.now = 1 + number / 100 if number < 20 else 1.2 + number / 1e4
        lockstep.read()
    assert sum(waits) == pytest.approx(FETCH_S)


class Watched(Speaker):
    looks = 0

    @property
    def room_samples(self) -> int:
        self.looks += 1
        return super().room_samples


def test_the_device_is_looked_at_seldom_in_silence_and_at_once_when_the_thread_was_late() -> None:
    """A device that ran dry meanwhile is only seen to be empty now."""
    looks: list[tuple[int, bool]] = []
    speaker = Watched()
    run(
        speaker,
        replies(1),
        6,
        ROOM,
        troubles=(Trouble(5.5, late_s=0.06),),
        each=lambda lockstep, *_: looks.append((speaker.looks, lockstep.found_empty)),
    )
    in_silence, in_a_reply = looks[180][0] - looks[80][0], looks[380][0] - looks[280][0]
    assert (in_silence, in_a_reply) == (100 // LOOK_BLOCKS, 100)
    late = next(at for at in range(1, len(looks)) if looks[at][1] and not looks[at - 1][1])
    assert (late, looks[late][0] - looks[late - 1][0]) == (550, 1)


def test_a_half_filled_block_waits_for_its_rest() -> None:
    """Pieces of 15 ms in real time: one short silence, then whole blocks."""
    queue, speaker = PlaybackQueue(RENDER), Speaker()
    lockstep = Lockstep(queue, speaker, lambda event: None, clock=lambda: speaker.now)
    given: list[bytes] = []
    for number in range(40):
        speaker.run_until(number / 100)
        if number >= 4 and number % 3 != 2:
            queue.put(0, "a", 0, b"\1\0" * 360)
        given.append(lockstep.read())
    sound = b"".join(given).strip(b"\0")
    assert sound.count(b"\0\0" * 240) <= 1


def test_balance_sees_a_jump_that_stays_and_no_single_window() -> None:
    balance = Balance(RENDER)
    usual = HOLD_MS * RENDER / 1000
    values = [usual] * 100 + [usual + 200] * 50 + [usual] * 100 + [usual - 240] * 100
    assert [jump for value in values if (jump := balance.jump(value))] == [-240]


def test_a_block_may_be_a_sample_longer_or_shorter() -> None:
    block = np.linspace(-1000, 1000, 240).astype("<i2").tobytes()
    longer = np.frombuffer(stretch(block, 241), "<i2")
    assert len(longer) == 241
    assert (longer[0], longer[-1]) == (-1000, 1000)
    assert np.max(np.abs(np.diff(longer))) <= 9
    assert stretch(bytes(block_bytes(RENDER)), 239) == bytes(478)
