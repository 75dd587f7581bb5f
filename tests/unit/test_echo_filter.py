"""What a linear filter takes away of an echo, and what it leaves: by value, in simulated rooms."""

import numpy as np
import pytest

from tests.unit.test_double_talk import BLOCK, LAST_S, blocks, late, power_db, softly
from tests.unit.test_echo_watch import FIRST_S, heard, played
from voicechat.audio.echo_filter import KEPT_BLOCKS, EchoFilter


@pytest.mark.parametrize(("rt60_ms", "left_db"), [(0, -25), (300, -20)])
def test_a_filter_leaves_little_of_an_echo_it_has_heard_for_some_seconds(rt60_ms: int, left_db: float) -> None:
    sound = played("ss-0890.wav")
    captured = heard(sound, (90,), rt60_ms=rt60_ms)
    one = EchoFilter(BLOCK, 24)
    split = [one.split(*pair, learn=True) for pair in blocks(captured, sound)]
    last = slice(round(LAST_S * 100), round((LAST_S + 2) * 100))
    rest = np.concatenate([rest for _, rest in split[last]])
    echo = np.concatenate([echo for echo, _ in split[last]])
    assert power_db(rest) - power_db(echo) < left_db


@pytest.mark.parametrize("samples", [-2.5, 0.5, 3.0])
def test_a_filter_expects_an_echo_later_when_it_is_told_so(samples: float) -> None:
    sound = played("ss-0890.wav")
    both = blocks(heard(sound, (90,)), sound)[: round(LAST_S * 100)]
    one = EchoFilter(BLOCK, 24)
    for pair in both:
        one.split(*pair, learn=True)
    before = one.expected(sound)
    one.delay(samples)
    first, after = 24 * BLOCK, one.expected(sound)
    difference = (after - late(before, samples))[first:]
    assert power_db(difference) < power_db(after[first:]) - 20


def test_what_was_learnt_at_the_wrong_place_is_forgotten() -> None:
    sound = played("ss-0890.wav")
    captured = heard(sound, (90,))
    begin = round((FIRST_S + 1.5) * 100)
    right, wrong = blocks(captured, sound), blocks(np.roll(captured, 480), sound)
    one = EchoFilter(BLOCK, 24)
    for pair in right[:begin]:
        one.split(*pair, learn=True)
    one.moved(1.0)
    for pair in wrong[begin : begin + KEPT_BLOCKS - 1]:
        one.split(*pair, learn=True)
    reference = np.concatenate([played for _, played in right[begin : begin + 40]])
    there = np.concatenate([there for there, _ in right[begin : begin + 40]])
    spoilt, before = (power_db((there - one.expected(reference, before=way))[24 * BLOCK :]) for way in (False, True))
    assert before < spoilt - 3
    one.restore()
    assert power_db((there - one.expected(reference))[24 * BLOCK :]) == before


def test_a_filter_that_does_not_learn_leaves_a_voice_as_it_is() -> None:
    sound = played("ss-0890.wav")
    alone = heard(sound, (90,))
    one = EchoFilter(BLOCK, 24)
    both = blocks(softly(alone, LAST_S), sound)
    begin = round(LAST_S * 100)
    for pair in both[:begin]:
        one.split(*pair, learn=True)
    rest = np.concatenate([one.split(*pair, learn=False)[1] for pair in both[begin : begin + 150]])
    voice = softly(np.zeros_like(alone), LAST_S).reshape(-1, 2).mean(axis=1)[begin * BLOCK :][: len(rest)]
    assert power_db(rest - voice) < power_db(voice) - 20
