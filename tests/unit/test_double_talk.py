"""Who begins softly under an answer is heard at once, an echo that moved is nobody: by value, in simulated rooms."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.unit.test_echo_watch import (
    CAPTURE,
    EVERY_S,
    FIRST_S,
    RENDER,
    STEP_S,
    SUSPICION_BLOCKS,
    Samples,
    heard,
    heard_after_ms,
    longest,
    microphone,
    pairs,
    played,
    user_at,
    voiced,
    watch,
)
from tests.unit.test_vad import speech
from voicechat.audio.double_talk import AUDIBLE, CHECKED_BLOCKS, WINDOW, DoubleTalk
from voicechat.audio.echo_filter import LENGTH_MS, EchoFilter
from voicechat.audio.frames import BLOCK_MS

BLOCK = RENDER // 100
LATE = 80 * RENDER // 1000
"""Samples by which the reference is delayed, as it is once the way was found: the echo comes after 90 ms."""
LAST_S = FIRST_S + 2 * EVERY_S


def power_db(wave: NDArray[np.floating]) -> float:
    return 10 * float(np.log10(np.mean(wave**2) + 1e-9))


def blocks(captured: Samples, sound: Samples) -> list[tuple[Samples, Samples]]:
    """Both at RENDER, in blocks; the reference delayed."""
    down = captured.reshape(-1, 2).mean(axis=1)
    late = np.concatenate([np.zeros(LATE), sound])[: len(down)]
    return [(down[at : at + BLOCK], late[at : at + BLOCK]) for at in range(0, len(down) - BLOCK + 1, BLOCK)]


def softly(captured: Samples, at_s: float) -> Samples:
    """A user who takes a fifth of a second to become as loud as the echo."""
    said = np.frombuffer(speech("ss-0870.wav", CAPTURE), "<i2").astype(float)
    said = said[int(np.argmax(np.abs(said) > 300)) :][: round(1.5 * CAPTURE)]
    begin, both = round(at_s * CAPTURE), captured.copy()
    both[begin : begin + len(said)] += said
    return both


@pytest.mark.parametrize(("gain_db", "rt60_ms"), [(-12.0, 0), (-6.0, 300)])
def test_a_soft_beginning_is_heard_before_the_canceller_lets_it_through(gain_db: float, rt60_ms: int) -> None:
    sound, at_s = played("ss-0890.wav"), LAST_S + 0.8
    both = pairs(softly(heard(sound, (90,), gain_db, rt60_ms), at_s), sound)
    alone, watched = voiced(microphone(), both), voiced(watch(), both)
    assert heard_after_ms(watched, at_s) <= heard_after_ms(alone, at_s) - 40
    assert longest(watched[: round(at_s * 100)]) < 10  # a service takes a turn from a tenth of a second


def test_an_echo_that_comes_later_than_it_did_is_nobodys_voice() -> None:
    sound = played("ss-0890.wav")
    one, found, moved = DoubleTalk(CAPTURE, RENDER), [], []
    reference = np.concatenate([np.zeros(LATE), sound])[: len(sound)]
    for captured, late in pairs(heard(sound, (90, 110)), reference):
        one.hear(captured, late, agreed=False)
        found.append(one.speaking)
        moved.append(one.may_have_moved)
    assert not any(found[: round(STEP_S * 100) + 100])
    assert sum(found) < 15
    before, after = round((LAST_S - EVERY_S + 2.2) * 100), round((LAST_S + 0.3) * 100)
    assert not any(moved[before : before + 20])
    assert all(moved[after : after + 50])


END_S = LAST_S + 1
FILTER_BLOCKS = LENGTH_MS // BLOCK_MS


def late(sound: Samples, samples: float) -> Samples:
    spectrum = np.fft.rfft(sound, 2 * len(sound))
    spectrum *= np.exp(-1j * np.pi * samples / len(sound) * np.arange(len(spectrum)))
    return np.fft.irfft(spectrum)[: len(sound)]


def last(wave: Samples, blocks: int) -> list[bytes]:
    """The last ones before END_S."""
    size = BLOCK if len(wave) < END_S * CAPTURE else CAPTURE // 100
    end = round(END_S * 100) * size
    return [wave[at : at + size].astype("<i2").tobytes() for at in range(end - blocks * size, end, size)]


def learnt(captured: Samples, reference: Samples) -> DoubleTalk:
    """Has heard both until END_S."""
    one = DoubleTalk(CAPTURE, RENDER)
    for pair in pairs(captured, reference)[: round(END_S * 100)]:
        one.hear(*pair, agreed=False)
    return one


@pytest.mark.parametrize(("off", "later", "sure"), [(0, 0.0, True), (3, 0.0, False), (-0.5, 0.5, True)])
def test_a_reference_that_was_put_right_to_the_sample_leaves_the_filter_as_sure_as_it_was(
    off: float, later: float, sure: bool
) -> None:
    """`later`: what is left is told, and made up for."""
    sound = played("ss-0890.wav")
    captured, reference = heard(sound, (90,)), late(sound, LATE)
    right = late(reference, off)
    one, moved = learnt(captured, reference), []
    assert one.sure
    assert not DoubleTalk(CAPTURE, RENDER).sure
    one.again(last(captured, CHECKED_BLOCKS), last(right, CHECKED_BLOCKS + FILTER_BLOCKS), later)
    for pair in pairs(captured, right)[round(END_S * 100) :][:50]:
        one.hear(*pair, agreed=False)
        moved.append(one.may_have_moved)
    assert sure == (not all(moved)) == one.sure


@pytest.mark.parametrize("samples", [-3.5, -0.5, 0.0, 0.25, 2.0])
def test_where_an_echo_is_tells_to_a_part_of_a_sample_who_knows_its_way(samples: float) -> None:
    sound = played("ss-0890.wav")
    captured, reference = heard(sound, (90,)), late(sound, LATE)
    here, there = (last(late(reference, off), CHECKED_BLOCKS + FILTER_BLOCKS) for off in (240, -samples))
    asked = last(captured, CHECKED_BLOCKS), here, there
    assert learnt(captured, reference).step(*asked) == pytest.approx(samples, abs=0.13)
    assert DoubleTalk(CAPTURE, RENDER).step(*asked) == 0.0


@pytest.mark.parametrize("off", [7, 240])
def test_a_filter_that_has_learnt_denies_that_an_echo_has_moved_that_is_in_its_place(off: int) -> None:
    sound = played("ss-0890.wav")
    captured, reference = heard(sound, (90,)), late(sound, LATE)
    here, there = (last(late(reference, samples), CHECKED_BLOCKS + FILTER_BLOCKS) for samples in (0, off))
    asked = last(captured, CHECKED_BLOCKS), here, there
    assert learnt(captured, reference).step(*asked) is None
    assert DoubleTalk(CAPTURE, RENDER).step(*asked) is not None


@pytest.mark.parametrize("samples", [-3.5, -1.0, 0.5, 2.0])
def test_an_echo_that_has_slipped_by_a_few_samples_is_told_from_a_voice(samples: float) -> None:
    sound = played("ss-0890.wav")
    captured, reference = heard(sound, (90,)), late(sound, LATE)
    voice = softly(np.zeros_like(captured), END_S - 0.1)
    one, blocks = learnt(captured, reference), 4
    slipped = late(captured, 2 * samples)
    asked = last(reference, blocks + FILTER_BLOCKS)
    assert one.slipped(last(slipped, blocks), asked) == pytest.approx(samples, abs=0.13)
    assert one.slipped(last(captured, blocks), asked) is None
    assert one.slipped(last(captured + voice, blocks), asked) is None
    assert one.slipped(last(np.roll(captured, 480), blocks), asked) is None  # by more: that is looked for otherwise
    assert DoubleTalk(CAPTURE, RENDER).slipped(last(slipped, blocks), asked) is None


@pytest.mark.parametrize(("name", "samples"), [("ss-0870.wav", -2), ("ss-0890.wav", 2), ("ss-0890.wav", 3)])
@pytest.mark.parametrize("after_s", [0.6, 0.9])
def test_such_a_step_in_the_middle_of_an_answer_is_nobodys_voice(name: str, samples: int, after_s: float) -> None:
    """`samples` at CAPTURE; the filter is so right by then that what this leaves stands out of all it has left."""
    sound = played(name)
    echo, begin = heard(sound, (90,)), round((LAST_S + after_s) * CAPTURE)
    stepped = np.concatenate([echo[:begin], np.roll(echo, samples)[begin:]])
    assert longest(voiced(watch(), pairs(stepped, sound))) < 4


def test_what_was_left_until_a_step_was_found_is_not_usual() -> None:
    sound, blocks = played("ss-0890.wav"), 10
    echo, reference = heard(sound, (90,)), late(sound, LATE)
    one, begin = learnt(echo, reference), round(END_S * 100)
    stepped = np.roll(echo, 1)
    for pair in pairs(stepped, reference)[begin : begin + blocks]:
        one.hear(*pair, agreed=False)
    end = (begin + blocks) * BLOCK
    there = [
        stepped[at : at + 2 * BLOCK].astype("<i2").tobytes() for at in range(2 * (end - 4 * BLOCK), 2 * end, 2 * BLOCK)
    ]
    here = [
        reference[at : at + BLOCK].astype("<i2").tobytes()
        for at in range(end - (4 + FILTER_BLOCKS) * BLOCK, end, BLOCK)
    ]
    one.again(there, here, 0.5)
    for pair in pairs(stepped, reference)[begin + blocks :][:140]:
        one.hear(*pair, agreed=False)
    assert one.sure


@pytest.mark.parametrize("blocks", [2, 3, 6])
@pytest.mark.parametrize(("later_ms", "voice", "found"), [(0, 0, False), (-10, 0, True), (8.8, 0, True), (0, 4, False)])
def test_the_first_moments_of_an_echo_at_another_time_are_told_from_a_voice(
    later_ms: float, voice: float, found: bool, blocks: int
) -> None:
    sound, early, around = played("ss-0890.wav"), 20 * RENDER // 1000, 40 // BLOCK_MS
    captured, reference = heard(sound, (90,)), late(sound, LATE)
    one = learnt(captured, reference)
    there = np.roll(captured, round(later_ms * CAPTURE / 1000))
    there += voice * softly(np.zeros_like(captured), END_S - 0.06)
    asked = last(late(reference, -early), blocks + around + FILTER_BLOCKS)
    assert one.elsewhere(last(there, blocks), asked, early) == found


def around(reference: Samples, early: int, blocks: int) -> list[bytes]:
    """Of `late(reference, -early)`, with what is looked through beside it for an echo that comes 200 ms later."""
    return last(late(reference, -early), CHECKED_BLOCKS + blocks + FILTER_BLOCKS)


@pytest.mark.parametrize("later_ms", [-10, -0.5, 0.5, 3.7, 116])
def test_an_echo_at_another_time_is_located_to_the_sample(later_ms: float) -> None:
    sound, early, blocks = played("ss-0890.wav"), 20 * RENDER // 1000, 220 // BLOCK_MS
    captured, reference = heard(sound, (90,)), late(sound, LATE)
    voice = softly(np.zeros_like(captured), END_S - 0.06)
    one, asked = learnt(captured, reference), around(reference, early, blocks)
    samples = round(later_ms * RENDER / 1000)
    there = last(np.roll(captured, 2 * samples), CHECKED_BLOCKS)
    found = one.located(there, asked, early)
    assert found is not None
    assert (found[0] in (CHECKED_BLOCKS // 2, CHECKED_BLOCKS), found[1]) == (True, samples)
    assert DoubleTalk(CAPTURE, RENDER).located(there, asked, early) is None
    for nowhere in (captured, captured + voice, captured + 4 * voice, np.zeros_like(captured)):
        assert one.located(last(nowhere, CHECKED_BLOCKS), asked, early) is None
    assert one.located([*last(captured, CHECKED_BLOCKS)[:3], *there[3:]], asked, early) == (3, samples)


@pytest.mark.parametrize(("later_ms", "after_s"), [(0.4, 0.6), (0.4, 0.9), (120, 0.6)])
def test_such_an_echo_is_followed_within_some_hundredths(later_ms: float, after_s: float) -> None:
    """In sound of which the learnt way alone tells too little for that."""
    sound, moved_ms = played("ss-0890.wav"), []
    echo, begin = heard(sound, (90,)), round((LAST_S + after_s) * CAPTURE)
    stepped = np.concatenate([echo[:begin], np.roll(echo, round(later_ms * CAPTURE / 1000))[begin:]])
    one = watch()
    for pair in pairs(stepped, sound)[: begin * 100 // CAPTURE + 40]:
        one.process(*pair)
        moved_ms.append(0.0 if one.delay_ms is None else one.delay_ms - 90)
    found = [abs(ms - later_ms) < 0.15 for ms in moved_ms[begin * 100 // CAPTURE :]]
    assert True in found[:8]


def test_an_echo_as_loud_as_expected_at_another_time_is_told_from_a_voice() -> None:
    """What is left of it holds half of itself less of what was expected, however much it looks like a voice else."""
    sound, found = played("ss-0890.wav"), 0
    echo, reference = heard(sound, (90,)), np.concatenate([np.zeros(LATE), sound])[: len(sound)]
    for after_s, later_ms in ((0.3, -1), (0.3, 1), (0.6, -10), (0.6, 10), (0.8, -10), (0.8, 10)):
        begin, one, moved = round((LAST_S + after_s) * 100), DoubleTalk(CAPTURE, RENDER), echo.copy()
        moved[begin * 2 * BLOCK :] = np.roll(echo, later_ms * CAPTURE // 1000)[begin * 2 * BLOCK :]
        for number, (captured, late) in enumerate(pairs(moved, reference)[: begin + 20]):
            one.hear(captured, late, agreed=False)
            found += one.speaking and number >= begin
    assert found < 30  # of 120 blocks; 82 without looking at that


@pytest.mark.parametrize("name", ["ss-0870.wav", "ss-0890.wav"])
def test_a_short_first_syllable_is_heard_to_its_end_by_who_leaves_nothing_else(name: str) -> None:
    sound = played(name)
    captured = heard(sound, (90,))
    begin, end = round(END_S * 100), round(END_S * 100) + 8
    size = CAPTURE // 100
    captured[begin * size : end * size] += np.random.default_rng(3).normal(0, 300, (end - begin) * size)
    one, speaking = DoubleTalk(CAPTURE, RENDER), []
    for pair in pairs(captured, np.concatenate([np.zeros(LATE), sound])[: len(sound)])[: end + 30]:
        one.hear(*pair, agreed=False)
        speaking.append(one.speaking)
    assert one.sure
    assert all(speaking[end - 4 : end + 7])
    assert not any(speaking[end + 20 :])


def test_a_voice_that_is_denied_ends_at_once() -> None:
    sound = played("ss-0890.wav")
    one, begin = DoubleTalk(CAPTURE, RENDER), round((LAST_S + 0.8) * 100)
    reference = np.concatenate([np.zeros(LATE), sound])[: len(sound)]
    for captured, late in pairs(softly(heard(sound, (90,)), LAST_S + 0.8), reference)[begin - 600 :]:
        one.hear(captured, late, agreed=False)
        if one.speaking:
            break
    assert one.speaking
    assert one.left > 0.1
    one.deny()
    assert not one.speaking


def test_what_no_canceller_confirms_is_learnt_to_be_usual() -> None:
    """A loudspeaker that begins to rattle: the filter leaves more from now on, and it is nobody."""
    sound = played("ss-0890.wav")
    captured = heard(sound, (90,))
    captured += np.where(np.arange(len(captured)) > LAST_S * CAPTURE, 0.7 * np.abs(captured), 0)
    one, found = DoubleTalk(CAPTURE, RENDER), []
    reference = np.concatenate([np.zeros(LATE), sound])[: len(sound)]
    for block, late in pairs(captured, reference):
        one.hear(block, late, agreed=False)
        found.append(one.speaking)
    last = found[round(LAST_S * 100) :]
    assert any(last)
    assert not any(last[150:250])


@pytest.mark.parametrize("rt60_ms", [300, 500])
def test_the_late_echo_that_no_filter_reaches_is_known_by_the_rooms_decay(rt60_ms: int) -> None:
    sound = played("ss-0890.wav", 9000.0)
    sound[round((LAST_S + 1.5) * RENDER) :] = 0
    both = blocks(heard(sound, (90,), -6.0, rt60_ms), sound)
    one, rest_db, late_db = EchoFilter(BLOCK, 24), [], []
    for pair in both:
        _, rest = one.split(*pair, learn=True)
        rest_db.append(power_db(rest))
        late_db.append(10 * float(np.log10(np.sum(one.late) + 1e-9)))
    after = slice(round((LAST_S + 1.7) * 100), round((LAST_S + 1.8) * 100))  # the last of it has not left the filter
    assert np.median(late_db[after]) == pytest.approx(np.median(rest_db[after]), abs=4)


@pytest.mark.parametrize("rt60_ms", [0, 500])
def test_what_may_still_be_echo_of_a_first_answer_is_taken_for_it(rt60_ms: int) -> None:
    """Before there is anything usual: the filter itself knows what it does not know yet."""
    sound = played("ss-0890.wav")
    one, only, said = DoubleTalk(CAPTURE, RENDER), [], []
    reference = np.concatenate([np.zeros(LATE), sound])[: len(sound)]
    begin_s = FIRST_S + 1.0
    for captured, late in pairs(user_at(heard(sound, (90,), rt60_ms=rt60_ms), begin_s), reference):
        one.hear(captured, late, agreed=False)
        only.append(one.echo_only)
        said.append(not one.echo_only)
    before, begin = round((FIRST_S + 0.3) * 100), round(begin_s * 100)
    assert np.mean(only[before:begin]) > 0.9
    assert np.mean(said[begin + 5 : begin + 20]) > 0.6


@pytest.mark.parametrize(("name", "level"), [("ss-0870.wav", 3000.0), ("ss-0890.wav", 6000.0)])
def test_a_long_tail_is_nobodys_voice(name: str, level: float) -> None:
    sound = played(name, level)
    one, found = DoubleTalk(CAPTURE, RENDER), []
    reference = np.concatenate([np.zeros(LATE), sound])[: len(sound)]
    for captured, late in pairs(heard(sound, (90,), rt60_ms=500), reference):
        one.hear(captured, late, agreed=False)
        found.append(one.speaking)
    assert not any(found)


@pytest.mark.parametrize("tones_hz", [(110, 193), (180, 97)])
def test_new_tones_of_a_first_answer_are_nobodys(tones_hz: tuple[int, int]) -> None:
    """The filter is right for the tones it has heard, and is sure of what it makes of the others."""
    t = np.arange(round(0.6 * RENDER)) / RENDER
    voices = [sum(np.sin(2 * np.pi * hz * k * t + k * k) / k for k in range(1, 4000 // hz)) for hz in tones_hz]
    one, other = (voice * 3000 / np.sqrt(np.mean(voice**2)) for voice in voices)
    sound = np.concatenate([np.zeros(RENDER), one, np.zeros(RENDER // 5), other, np.zeros(RENDER)])
    reference = np.concatenate([np.zeros(LATE), sound])[: len(sound)]
    talk, found = DoubleTalk(CAPTURE, RENDER), []
    for captured, late in pairs(heard(sound, (90,)), reference):
        talk.hear(captured, late, agreed=False)
        found.append(not talk.echo_only and sum(talk._rests) > AUDIBLE * WINDOW)
    assert longest(found) < SUSPICION_BLOCKS
