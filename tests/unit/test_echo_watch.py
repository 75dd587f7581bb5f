"""What the canceller leaves is told from the user, and a way that moves is put right: by value, in simulated rooms."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.unit.lockstep_room import Speaker, Trouble, impulse_response, run
from tests.unit.test_lockstep import replies as lockstep_replies
from tests.unit.test_vad import speech
from voicechat.audio.echo import CleanMicrophone, EchoCanceller
from voicechat.audio.echo_path import MOST_DELAY_MS, RATE_HZ, RESPONSE_MS, SEGMENT_MS, WINDOW_MS, EchoPath, find_echo
from voicechat.audio.echo_watch import EchoWatch
from voicechat.audio.vad import VoiceDetector

CAPTURE, RENDER = 48_000, 24_000
FIRST_S, REPLY_S, EVERY_S = 1.0, 2.5, 4.0
COUNT = 3
STEP_S = FIRST_S + (COUNT - 1) * EVERY_S - 0.7
"""In the silence before the last reply."""
SUSPICION_BLOCKS = 3
"""So many voiced ones in a row pause an answer."""
UNHEARD_BLOCKS = 5
"""A service takes a turn from a tenth of a second."""
Samples = NDArray[np.float64]
Pairs = list[tuple[bytes, bytes]]


def played(name: str = "ss-0870.wav", level: float = 3000.0) -> Samples:
    """Replies, each another piece of a voice, at RENDER."""
    voice = np.frombuffer(speech(name, RENDER), "<i2").astype(float)
    voice = np.tile(voice * level / np.sqrt(np.mean(voice**2)), 2)
    sound = np.zeros(round((FIRST_S + COUNT * EVERY_S) * RENDER))
    for number in range(COUNT):
        begin, size = round((FIRST_S + number * EVERY_S) * RENDER), round(REPLY_S * RENDER)
        sound[begin : begin + size] = voice[number * 23_757 :][:size]
    return sound


def heard(sound: Samples, delays_ms: Sequence[float], gain_db: float = -12, rt60_ms: int = 0) -> Samples:
    """At the microphone; from STEP_S on with the second delay."""
    both = []
    for delay_ms in delays_ms:
        impulse = impulse_response(gain_db, delay_ms, rt60_ms)
        size = 1 << (len(sound) + len(impulse)).bit_length()
        both.append(np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(impulse, size), size)[: len(sound)])
    step = round(STEP_S * RENDER)
    joined = np.concatenate([both[0][:step], both[-1][step:]])
    return np.repeat(joined, 2) + np.random.default_rng(5).normal(0, 4, 2 * len(joined))


def pairs(captured: Samples, reference: Samples) -> Pairs:
    heard_pcm, played_pcm = (wave.clip(-32768, 32767).astype("<i2").tobytes() for wave in (captured, reference))
    count = len(captured) // 480
    return [(heard_pcm[n * 960 : n * 960 + 960], played_pcm[n * 480 : n * 480 + 480]) for n in range(count)]


def microphone() -> CleanMicrophone:
    canceller = EchoCanceller(CAPTURE, RENDER)
    canceller.hint_delay(60)
    canceller.warm_up()
    return CleanMicrophone(canceller)


def voiced(one: CleanMicrophone | EchoWatch, sound: Pairs) -> list[bool]:
    detector = VoiceDetector(CAPTURE)
    return [detector.voiced(one.process(*pair)) for pair in sound]


def longest(found: list[bool]) -> int:
    """The most voiced blocks in a row."""
    return max(map(len, "".join("x" if one else " " for one in found).split()), default=0)


def watch() -> EchoWatch:
    return EchoWatch(microphone(), CAPTURE, RENDER)


def user_at(captured: Samples, seconds: float) -> Samples:
    said = np.frombuffer(speech("goforward.raw", CAPTURE), "<i2").astype(float)
    said = said[int(np.argmax(np.abs(said) > 1500)) :][: round(1.2 * CAPTURE)]
    begin, both = round(seconds * CAPTURE), captured.copy()
    both[begin : begin + len(said)] += said
    return both


def heard_after_ms(found: list[bool], seconds: float) -> int:
    begin = round(seconds * 100)
    return next(10 * n for n in range(SUSPICION_BLOCKS, 150) if all(found[begin + n - SUSPICION_BLOCKS : begin + n]))


@pytest.mark.parametrize("rt60_ms", [0, 300])
@pytest.mark.parametrize("step_ms", [20, 100, 200, -40])
def test_a_way_that_moves_in_mid_conversation_pauses_nothing_and_is_measured(step_ms: int, rt60_ms: int) -> None:
    sound, one = played(), watch()
    found = voiced(one, pairs(heard(sound, (90, 90 + step_ms), rt60_ms=rt60_ms), sound))
    assert longest(found) < UNHEARD_BLOCKS
    assert sum(found) <= 10
    assert one.delay_ms == pytest.approx(90 + step_ms, abs=1)


@pytest.mark.parametrize(("first_ms", "heard_until_s"), [(90, 0.0), (2500, 4.0)])
def test_a_way_that_grows_beyond_what_is_looked_for_at_first_is_followed(first_ms: int, heard_until_s: float) -> None:
    """A sound server that keeps each standstill for ever makes it a second in half an hour, or three."""
    sound, one = np.tile(played(), 2), watch()
    delays_ms = [first_ms + 170 * number for number in range(2 * COUNT)]
    echo = np.zeros(2 * len(sound))
    for number, delay_ms in enumerate(delays_ms):
        begin = round((FIRST_S + number * EVERY_S - 0.7) * CAPTURE)
        impulse = impulse_response(-12, delay_ms)
        size = 1 << (len(sound) + len(impulse)).bit_length()
        heard_ = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(impulse, size), size)[: len(sound)]
        echo[begin:] = np.repeat(heard_, 2)[begin:]
    found = voiced(one, pairs(echo + np.random.default_rng(5).normal(0, 4, len(echo)), sound))
    assert longest(found[round(100 * heard_until_s) :]) < UNHEARD_BLOCKS
    assert one.delay_ms == pytest.approx(delays_ms[-1], abs=1)


@pytest.mark.parametrize("delays_ms", [(700,), (1000,), (2000,), (90, 700), (90, 1000)])
def test_an_echo_that_comes_later_than_any_loudspeaker_nearby_is_found_in_the_first_answer(
    delays_ms: tuple[int, ...],
) -> None:
    """A wireless speaker's, from the beginning or when the system moves the stream to it."""
    sound, one = played(), watch()
    found = voiced(one, pairs(heard(sound, delays_ms), sound))
    assert 1 <= sum(found) <= 45  # of that one something is heard
    assert sum(found[found.index(True) + 100 :]) <= 5
    assert one.delay_ms == pytest.approx(delays_ms[-1], abs=1)


def test_what_was_found_far_away_does_not_keep_the_reference_from_a_near_echo() -> None:
    sound, one = played(), watch()
    far, near = heard(sound, (1000,)), heard(sound, (90,))
    switch = round((FIRST_S + 1.3) * CAPTURE)  # too early for the first to be known
    both = np.concatenate([far[:switch], near[switch:]])
    found = voiced(one, pairs(both, sound))
    assert one.delay_ms == pytest.approx(90, abs=1)
    assert sum(found[round(100 * (FIRST_S + EVERY_S)) :]) <= 5
    assert 0 <= one._history.shift * 1000 / RENDER <= 90


def test_an_echo_that_is_late_already_is_looked_for_around_its_place() -> None:
    sound, one = played(), watch()
    voiced(one, pairs(heard(sound, (2000, 3100)), sound))
    assert one.delay_ms == pytest.approx(3100, abs=1)


def test_without_the_watch_such_a_step_would_cut_the_answer() -> None:
    sound = played()
    assert longest(voiced(microphone(), pairs(heard(sound, (90, 190)), sound))) > 10


def test_a_standstill_of_the_room_is_shifted_back_when_it_has_drained() -> None:
    sound, one = played(), watch()
    there = heard(sound, (90, 190))
    for captured, reference in pairs(there, sound):
        one.process(captured, reference)
    back = pairs(heard(sound, (90, 90)), sound)
    found = voiced(one, back)
    assert one.shifts == 2
    assert one.delay_ms == pytest.approx(90, abs=1)
    assert sum(found) <= 10


@pytest.mark.parametrize(("gain_db", "delay_ms", "rt60_ms"), [(-6, 150, 0), (-6, 150, 300), (-12, 90, 300)])
def test_the_first_reply_in_a_loud_room_is_not_taken_for_the_user(
    gain_db: float, delay_ms: float, rt60_ms: int
) -> None:
    sound, one = played("ss-0890.wav", level=6500), watch()
    found = voiced(one, pairs(heard(sound, (delay_ms,), gain_db, rt60_ms), sound))
    assert longest(found) < 10  # a service takes a turn from a tenth of a second
    assert sum(found) <= 20


@pytest.mark.parametrize("at_s", [FIRST_S + 0.3, FIRST_S + EVERY_S + 0.9])
@pytest.mark.parametrize("gain_db", [-200.0, -12.0])
def test_the_user_is_heard_over_it_as_soon_as_without_the_watch(gain_db: float, at_s: float) -> None:
    """With headphones, and in a room."""
    sound = played()
    both = pairs(user_at(heard(sound, (90,), gain_db), at_s), sound)
    alone, watched = voiced(microphone(), both), voiced(watch(), both)
    assert heard_after_ms(watched, at_s) <= heard_after_ms(alone, at_s) + 20


def test_an_answer_may_begin_with_the_first_block() -> None:
    sound = played()[round(FIRST_S * RENDER) :]
    one = watch()
    for pair in pairs(heard(sound, [90]), sound)[:150]:
        one.process(*pair)
    assert one.delay_ms == pytest.approx(90, abs=1)


def test_while_the_speaker_is_silent_nothing_is_touched() -> None:
    captured = user_at(np.random.default_rng(5).normal(0, 5, 3 * CAPTURE), 1.0)
    one = watch()
    for pair in pairs(captured, np.zeros(len(captured) // 2)):
        assert one.process(*pair) == pair[0]
    assert one.delay_ms is None


@pytest.mark.parametrize("trouble", [Trouble(8.5, late_s=0.06), Trouble(6.5, late_s=0.2), Trouble(6.5, lost=1)])
def test_with_two_devices_in_lockstep_a_standstill_or_a_loss_is_over_at_once(trouble: Trouble) -> None:
    """In mid-reply its sound is torn itself."""
    _, sound = run(Speaker(), lockstep_replies(4), 17, impulse_response(-12, 60), troubles=(trouble,))
    assert sum(voiced(watch(), sound)) <= 15


@pytest.mark.parametrize("trouble", [Trouble(6.3, late_s=0.04), Trouble(8.5, late_s=0.06)])
def test_a_speaker_that_ran_dry_moves_the_echo_once_and_not_back_again(trouble: Trouble) -> None:
    """It is found in the answer. In silence the reference is put later, too, and the watch's own shift is over."""
    put_later: list[int] = []
    lockstep, sound = run(
        Speaker(),
        lockstep_replies(4),
        17,
        impulse_response(-12, 60),
        troubles=(trouble,),
        each=lambda one, *_: put_later.append(one.put_later),
    )
    put_later = [*put_later[1:], lockstep.put_later]
    now, detector = iter(put_later), VoiceDetector(CAPTURE)
    latest = [0]
    one = EchoWatch(microphone(), CAPTURE, RENDER, lambda: latest[0])
    voices = 0
    for pair in sound:
        latest[0] = next(now)
        voices += detector.voiced(one.process(*pair))
    assert put_later[-1] > 0
    assert one.shifts == 1
    assert voices <= 5
    changed = next(number for number, samples in enumerate(put_later) if samples)
    assert not any(any(reference) for _, reference in sound[changed - 80 : changed]), "not while its echo is heard"


@pytest.mark.parametrize("ppm", [-200.0, 200.0])
def test_clocks_that_differ_are_followed(ppm: float) -> None:
    _, sound = run(
        Speaker(drift_ppm=ppm, phase_s=0.0033), lockstep_replies(6), 24, impulse_response(-12, 60), jitter_s=0.001
    )
    assert longest(voiced(watch(), sound)) < SUSPICION_BLOCKS


# -- the arithmetic --------------------------------------------------------------------------------------------


def at_rate(name: str) -> Samples:
    return np.frombuffer(speech(name, 24_000), "<i2").astype(float).reshape(-1, 3).mean(axis=1)


def delayed(sound: Samples, ms: float) -> Samples:
    count = round(ms * RATE_HZ / 1000)
    return np.concatenate([np.zeros(count), sound[: len(sound) - count]])


@pytest.mark.parametrize("delay_ms", [0.5, 47.25, 333.0, 590.0])
def test_an_echo_is_found_in_a_tenth_of_a_second(delay_ms: float) -> None:
    sound, end = at_rate("ss-0870.wav"), 2 * RATE_HZ
    captured = delayed(sound, delay_ms)[end - RATE_HZ // 10 : end]
    echo = find_echo(captured, sound[end - RATE_HZ // 10 - MOST_DELAY_MS * RATE_HZ // 1000 : end])
    assert echo.delay_ms == pytest.approx(delay_ms, abs=0.1)
    assert echo.share > 0.95
    assert echo.clarity > 12


def test_another_voice_is_no_echo() -> None:
    sound, other = at_rate("ss-0870.wav"), at_rate("ss-0880.wav")
    size, most = RATE_HZ // 10, MOST_DELAY_MS * RATE_HZ // 1000
    echoes = [
        find_echo(other[end - size : end], sound[end - size - most : end]) for end in range(RATE_HZ, 5 * RATE_HZ, 400)
    ]
    assert sum(echo.share > 0.4 and echo.clarity > 8.5 for echo in echoes) == 0


def learnt(delay_ms: float) -> EchoPath:
    path, sound = EchoPath(), at_rate("ss-0870.wav")
    captured, size = delayed(sound, delay_ms) * 0.3, SEGMENT_MS * RATE_HZ // 1000
    for begin in range(0, 5 * size, size // 2):
        path.learn(captured[begin : begin + size], sound[begin : begin + size])
    return path


def test_a_path_that_was_learnt_explains_its_echo_and_nobody_else() -> None:
    path, sound, other = learnt(80), at_rate("ss-0890.wav"), at_rate("ss-0880.wav")
    assert path.known
    assert path.delay_ms == pytest.approx(80, abs=0.2)
    end, size = 3 * RATE_HZ, WINDOW_MS * RATE_HZ // 1000
    reference = sound[end - size - RESPONSE_MS * RATE_HZ // 1000 : end]
    assert path.explained(delayed(sound, 80)[end - size : end], reference) > 0.9
    assert path.explained(other[end - size : end], reference) < 0.4
    at_once, later = path.explained_at(delayed(sound, 100)[end - size : end], reference, (0.0, 20.0))
    assert at_once < 0.5
    assert later > 0.9


@pytest.mark.parametrize("later_ms", [-12.5, -0.5, 0.0, 0.625, 10.0])
def test_what_was_expected_is_found_a_little_later_or_earlier(later_ms: float) -> None:
    path, sound = learnt(80), at_rate("ss-0890.wav")
    end, size = 3 * RATE_HZ, 40 * RATE_HZ // 1000
    captured = delayed(sound, 80 + later_ms)[end - size : end]
    early = 20 * RATE_HZ // 1000
    reference = sound[end + early - size - (40 + RESPONSE_MS) * RATE_HZ // 1000 : end + early]
    assert path.later_ms(captured, reference, 40, usual_ms=20.0) - 20 == pytest.approx(later_ms, abs=0.126)


def test_of_a_tones_periods_the_nearest_is_taken() -> None:
    path, t, random = learnt(80), np.arange(2 * RATE_HZ) / RATE_HZ, np.random.default_rng(1)
    buzz = np.sum([3000 * np.sin(2 * np.pi * 125 * k * t) / k for k in range(1, 9)], axis=0)  # a period is 8 ms
    end, size, early = RATE_HZ, 40 * RATE_HZ // 1000, 20 * RATE_HZ // 1000
    reference = buzz[end + early - size - (40 + RESPONSE_MS) * RATE_HZ // 1000 : end + early]
    for _ in range(10):
        captured = delayed(buzz, 81)[end - size : end] + random.normal(0, 200, size)
        assert path.later_ms(captured, reference, 40, usual_ms=20.0) - 20 == pytest.approx(1.0, abs=0.3)


def test_somebody_elses_voice_is_not_learnt_until_it_stays() -> None:
    path, sound = learnt(80), at_rate("ss-0890.wav")
    size = SEGMENT_MS * RATE_HZ // 1000
    elsewhere = delayed(sound, 200)
    taken = [path.learn(elsewhere[at : at + size], sound[at : at + size]) for at in range(0, 4 * size, size // 2)]
    assert taken == [False] * 6 + [True] * 2
