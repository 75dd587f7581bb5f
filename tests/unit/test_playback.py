"""The playback queue: what is played, what is dropped, and what counts as heard."""

import threading
import time

import numpy as np
import pytest

from voicechat.audio.playback import Heard, PlaybackQueue

RATE = 24_000
BLOCK = 480


def tone(ms: float, value: int = 1000) -> bytes:
    return np.full(int(RATE * ms / 1000), value, "<i2").tobytes()


def drain(queue: PlaybackQueue, blocks: int) -> list[bytes]:
    taken = []
    for _ in range(blocks):
        block = queue.next_block(0)
        if block is None:
            break
        taken.append(block.pcm)
    return taken


def test_plays_what_was_put_in_order_and_in_blocks() -> None:
    queue = PlaybackQueue(RATE)
    queue.put(0, "a", 0, tone(15, 1))
    queue.put(0, "a", 0, tone(15, 2))
    blocks = drain(queue, 10)
    assert [len(b) for b in blocks] == [BLOCK] * 3
    assert b"".join(blocks) == tone(15, 1) + tone(15, 2)


def test_the_first_block_of_an_item_is_named() -> None:
    queue = PlaybackQueue(RATE)
    queue.put(0, "a", 0, tone(20))
    first, second = queue.next_block(0), queue.next_block(0)
    assert first is not None
    assert second is not None
    assert (first.starts, second.starts) == ("a", None)


def test_a_short_end_is_played_when_the_item_is_complete() -> None:
    queue = PlaybackQueue(RATE)
    queue.put(0, "a", 0, tone(14))
    queue.finish(0, "a", 0)
    assert b"".join(drain(queue, 5)) == tone(14).ljust(2 * BLOCK, b"\0")


def test_interrupt_fades_reports_what_was_heard_and_drops_the_rest() -> None:
    queue = PlaybackQueue(RATE)
    queue.put(0, "a", 0, tone(1000))
    drain(queue, 30)
    assert queue.interrupt() == Heard("a", 0, 310, 1000)  # the fade is heard too
    (tail,) = drain(queue, 10)
    samples = np.frombuffer(tail, "<i2")
    assert samples[0] == 1000
    assert samples[-1] == 0
    assert np.all(np.diff(samples) <= 0)
    assert not queue.busy


def test_audio_of_an_older_generation_is_never_played() -> None:
    queue = PlaybackQueue(RATE)
    queue.put(0, "a", 0, tone(100))
    drain(queue, 2)
    queue.interrupt()
    drain(queue, 1)
    assert queue.put(0, "a", 0, tone(100)) is False
    assert queue.next_block(0) is None
    assert queue.put(1, "b", 0, tone(10)) is True
    assert queue.next_block(0) is not None


def test_nothing_is_reported_when_everything_was_heard() -> None:
    queue = PlaybackQueue(RATE)
    queue.put(0, "a", 0, tone(20))
    drain(queue, 2)
    assert queue.interrupt() is None


def test_interrupt_before_the_first_block_reports_zero() -> None:
    queue = PlaybackQueue(RATE)
    queue.put(0, "a", 0, tone(50))
    assert queue.interrupt() == Heard("a", 0, 0, 50)


def test_the_item_that_was_heard_is_reported_not_the_one_after_it() -> None:
    queue = PlaybackQueue(RATE)
    queue.put(0, "a", 0, tone(100))
    queue.put(0, "b", 0, tone(100))
    drain(queue, 5)
    heard = queue.interrupt()
    assert heard is not None
    assert (heard.item_id, heard.heard_ms) == ("a", 60)


def test_pause_and_resume_lose_nothing() -> None:
    queue = PlaybackQueue(RATE)
    queue.put(0, "a", 0, tone(100))
    before = drain(queue, 3)
    assert queue.pause()
    (tail,) = drain(queue, 5)
    assert queue.next_block(0) is None
    queue.resume()
    queue.finish(0, "a", 0)
    after = drain(queue, 50)
    # the faded block is played again, fading in: 100 ms of the item plus the tail
    assert len(before) + len(after) == 10
    assert np.frombuffer(tail, "<i2")[-1] == 0
    again = np.frombuffer(after[0], "<i2")
    assert again[0] == 0
    assert again[-1] == 1000
    assert b"".join(after[1:]) == tone(60)
    assert queue.heard_ms("a") == 100


def test_resume_before_the_player_noticed_the_pause_is_seamless() -> None:
    queue = PlaybackQueue(RATE)
    queue.put(0, "a", 0, tone(50))
    drain(queue, 1)
    queue.pause()
    queue.resume()
    assert b"".join(drain(queue, 10)) == tone(40)


def test_audio_that_comes_while_paused_waits() -> None:
    queue = PlaybackQueue(RATE)
    queue.put(0, "a", 0, tone(30))
    drain(queue, 1)
    queue.pause()
    drain(queue, 1)
    queue.put(0, "a", 0, tone(30))
    assert queue.next_block(0) is None
    assert queue.queued_ms == 40


def test_interrupt_while_paused_counts_only_what_was_played() -> None:
    queue = PlaybackQueue(RATE)
    queue.put(0, "a", 0, tone(200))
    drain(queue, 5)
    queue.pause()
    drain(queue, 1)
    assert queue.interrupt() == Heard("a", 0, 60, 200)
    assert queue.next_block(0) is None
    assert not queue.paused


def test_an_underrun_is_a_gap_inside_an_item_and_not_one_after_it() -> None:
    queue = PlaybackQueue(RATE)
    queue.put(0, "a", 0, tone(10))
    drain(queue, 3)
    queue.put(0, "a", 0, tone(10))
    assert queue.underruns == 1
    drain(queue, 3)
    queue.finish(0, "a", 0)
    queue.put(0, "b", 0, tone(10))
    assert queue.underruns == 1


@pytest.mark.parametrize(("ahead_ms", "plays"), [(50, False), (150, True)])
def test_the_head_buffer_holds_a_reply_until_enough_has_come(ahead_ms: int, plays: bool) -> None:
    queue = PlaybackQueue(RATE)
    queue.prime_ms = 100
    queue.put(0, "a", 0, tone(ahead_ms))
    assert (queue.next_block(0) is not None) is plays


def test_the_head_buffer_is_released_by_the_end_of_the_item_and_never_primes_in_mid_reply() -> None:
    queue = PlaybackQueue(RATE)
    queue.prime_ms = 100
    queue.put(0, "a", 0, tone(50))
    queue.finish(0, "a", 0)
    assert len(drain(queue, 10)) == 5
    queue.put(0, "b", 0, tone(100))
    assert len(drain(queue, 10)) == 10
    queue.put(0, "b", 0, tone(10))  # late, in mid-item: at once
    assert queue.next_block(0) is not None


def test_a_waiting_player_is_woken_by_sound_and_by_close() -> None:
    queue = PlaybackQueue(RATE)
    got: list[object] = []
    woken = threading.Event()

    def take() -> None:
        got.append(queue.next_block(5))
        woken.set()
        got.append(queue.next_block(5))

    thread = threading.Thread(target=take)
    thread.start()
    queue.put(0, "a", 0, tone(10))
    assert woken.wait(2)
    queue.close()
    thread.join(2)
    assert not thread.is_alive()
    assert got[0] is not None
    assert got[1] is None


def test_the_head_buffer_is_not_waited_for_longer_than_its_own_length() -> None:
    queue = PlaybackQueue(RATE)
    queue.prime_ms = 40
    queue.put(0, "a", 0, tone(20))  # and nothing more comes
    assert queue.next_block(2.0) is not None or queue.next_block(2.0) is not None


def test_the_head_buffer_is_released_in_time_although_the_player_waited_before_the_reply_began() -> None:
    queue = PlaybackQueue(RATE)
    queue.prime_ms = 40
    got: list[object] = []
    thread = threading.Thread(target=lambda: got.append(queue.next_block()))
    thread.start()
    queue.put(0, "a", 0, tone(20))  # and nothing more comes
    thread.join(2)
    queue.close()
    thread.join(2)
    assert got != [None]


def test_a_pause_in_the_last_block_is_not_the_end() -> None:
    queue = PlaybackQueue(RATE)
    queue.put(0, "a", 0, tone(30))
    queue.finish(0, "a", 0)
    drain(queue, 2)
    assert queue.pause()
    drain(queue, 5)
    assert queue.busy
    queue.resume()
    assert len(drain(queue, 5)) == 1
    assert not queue.busy


def test_a_pause_that_spans_two_items_gives_each_its_own_sound_back() -> None:
    queue = PlaybackQueue(RATE)
    queue.put(0, "a", 0, tone(15, 1))
    queue.finish(0, "a", 0)
    queue.put(0, "b", 0, tone(15, 2))
    drain(queue, 1)
    queue.pause()
    queue.resume()
    assert (queue.heard_ms("a"), queue.heard_ms("b")) == (10, 0)
    assert b"".join(drain(queue, 5)) == tone(5, 1) + tone(15, 2)


@pytest.mark.parametrize("player_saw_the_end", [True, False])
def test_a_reply_that_waits_is_not_the_one_that_was_played_out_before_it(player_saw_the_end: bool) -> None:
    queue = PlaybackQueue(RATE)
    queue.put(0, "a", 0, tone(50))
    queue.finish(0, "a", 0)
    drain(queue, 10 if player_saw_the_end else 5)
    queue.put(0, "b", 0, tone(100))
    assert queue.interrupt() == Heard("b", 0, 0, 100)


def test_an_item_completed_after_it_ran_dry_is_played_out_too() -> None:
    queue = PlaybackQueue(RATE)
    queue.put(0, "a", 0, tone(50))
    drain(queue, 10)
    queue.finish(0, "a", 0)
    queue.prime_ms = 100
    queue.put(0, "b", 0, tone(50))
    assert queue.next_block(0) is None  # the head buffer of a new reply
    assert not queue.pause()  # nothing sounds


def test_an_item_that_begins_within_a_block_is_named_with_it() -> None:
    queue = PlaybackQueue(RATE)
    queue.put(0, "a", 0, tone(15))
    queue.finish(0, "a", 0)
    queue.put(0, "b", 0, tone(15))
    blocks = [queue.next_block(0) for _ in range(3)]
    assert [block.starts for block in blocks if block is not None] == ["a", "b", None]


def test_what_the_device_still_holds_covers_a_late_piece() -> None:
    queue = PlaybackQueue(RATE)
    now = time.monotonic()
    queue.put(0, "a", 0, tone(20))
    for _ in drain(queue, 5):
        queue.writing(now, 5000.0)
    queue.put(0, "a", 0, tone(20))
    assert queue.underruns == 0
    queue.writing(now - 20.0, 5000.0)
    for _ in drain(queue, 5):
        queue.writing(now - 20.0, 0.0)
    queue.put(0, "a", 0, tone(20))
    assert queue.underruns == 0  # it follows what the device holds
    queue.reopen()  # another device holds nothing
    for _ in drain(queue, 5):
        queue.writing(now - 20.0, 0.0)
    queue.put(0, "a", 0, tone(20))
    assert queue.underruns == 1


def test_a_block_that_was_there_and_comes_after_the_device_has_run_dry_is_late() -> None:
    queue, late = PlaybackQueue(RATE), []
    queue.put(0, "a", 0, tone(40))
    for at in (1.0, 1.01, 1.02, 1.5):  # the device holds 20 ms
        assert queue.next_block(0) is not None
        late.append(queue.writing(at, 20.0))
    assert queue.next_block(0.001) is None
    queue.put(0, "a", 0, tone(10))
    assert queue.next_block(0) is not None
    late.append(queue.writing(2.0, 20.0))  # nothing was there: that is the network's
    assert late == [False, False, False, True, False]


def test_silence_put_into_an_item_is_an_underrun_whatever_the_device_holds() -> None:
    queue = PlaybackQueue(RATE)
    queue.put(0, "a", 0, tone(15))
    for _ in drain(queue, 5):
        queue.writing(time.monotonic(), 5000.0)
    queue.put(0, "a", 0, tone(15))
    assert queue.underruns == 1
