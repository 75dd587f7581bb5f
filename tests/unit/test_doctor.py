"""The doctor's arithmetic by values, and its findings from what it was given."""

import math
import time
from email.utils import formatdate

import numpy as np
import pytest

from voicechat.doctor import signals
from voicechat.doctor.checks import Check, attempt, exit_code, failed, not_tested
from voicechat.doctor.service import clock_check
from voicechat.errors import AudioError, ConnectionFailed, CredentialsError, Refused

RATE_HZ = 24_000


def room(sound: np.ndarray, delay_ms: float, gain_db: float, noise_dbfs: float) -> np.ndarray:
    """`sound` as a microphone hears it, with a weaker reflection 9 ms after it."""
    lag, later = round(delay_ms * RATE_HZ / 1000), round(0.009 * RATE_HZ)
    heard = np.random.default_rng(1).normal(0, 10 ** (noise_dbfs / 20), len(sound))
    heard[lag:] += sound[: len(sound) - lag] * 10 ** (gain_db / 20)
    heard[lag + later :] += sound[: len(sound) - lag - later] * 10 ** (gain_db / 20) * 0.4
    return heard


def played() -> np.ndarray:
    """A second of nothing, the chirp, and a second for its echo."""
    return np.concatenate([np.zeros(RATE_HZ), signals.chirp(RATE_HZ), np.zeros(RATE_HZ)])


@pytest.mark.parametrize("delay_ms", [3.0, 47.0, 180.0, 520.0])
@pytest.mark.parametrize("gain_db", [0.0, -12.0, -40.0])
def test_an_echo_is_found_where_it_is_and_as_loud_as_it_is(delay_ms: float, gain_db: float) -> None:
    sound = played()
    echo = signals.find_echo(room(sound, delay_ms, gain_db, -65), sound, RATE_HZ)
    assert echo is not None
    assert echo.delay_ms == pytest.approx(delay_ms, abs=0.5)
    assert echo.gain_db == pytest.approx(gain_db, abs=1.5)


@pytest.mark.parametrize("delay_ms", [900.0, 2400.0])
def test_a_wireless_speakers_echo_is_found_by_looking_for_longer(delay_ms: float) -> None:
    sound = np.concatenate([played(), np.zeros(2 * RATE_HZ)])
    heard = room(sound, delay_ms, -12, -65)
    assert signals.find_echo(heard, sound, RATE_HZ) is None
    echo = signals.find_echo(heard, sound, RATE_HZ, 3.0)
    assert echo is not None
    assert echo.delay_ms == pytest.approx(delay_ms, abs=0.5)


@pytest.mark.parametrize("most_s", [signals.MOST_ECHO_S, 3.0])
@pytest.mark.parametrize("noise_dbfs", [-90, -60, -20])
def test_noise_alone_is_no_echo(noise_dbfs: float, most_s: float) -> None:
    sound = np.concatenate([played(), np.zeros(2 * RATE_HZ)])
    for seed in range(5):
        noise = np.random.default_rng(seed).normal(0, 10 ** (noise_dbfs / 20), len(sound))
        assert signals.find_echo(noise, sound, RATE_HZ, most_s) is None


def test_silence_and_the_sound_of_somebody_talking_are_no_echo() -> None:
    sound = played()
    assert signals.find_echo(np.zeros(len(sound)), sound, RATE_HZ) is None
    talk = signals.speech_like(RATE_HZ, 3.0)[: len(sound)]
    assert signals.find_echo(talk, sound, RATE_HZ) is None


def test_a_recording_is_described_in_decibels() -> None:
    t = np.arange(RATE_HZ) / RATE_HZ
    tone = 0.5 * np.sin(2 * math.pi * 440 * t)
    heard = signals.describe(tone, RATE_HZ)
    assert heard.level_dbfs == pytest.approx(-9.0, abs=0.1)
    assert heard.peak_dbfs == pytest.approx(-6.0, abs=0.1)
    assert (heard.clipped, heard.zeros_only) == (0, False)
    loud = signals.samples(signals.pcm(tone * 3))
    assert signals.describe(loud, RATE_HZ).clipped > RATE_HZ / 2
    assert signals.describe(np.zeros(RATE_HZ), RATE_HZ).zeros_only


def test_the_floor_is_the_quiet_between_words() -> None:
    quiet = np.random.default_rng(1).normal(0, 10 ** (-60 / 20), RATE_HZ)
    quiet[: RATE_HZ // 2] += signals.speech_like(RATE_HZ, 0.5)
    heard = signals.describe(quiet, RATE_HZ)
    assert heard.floor_dbfs == pytest.approx(-60, abs=1)
    assert heard.level_dbfs > -32


def test_the_reduction_is_counted_where_there_was_an_echo() -> None:
    noise = np.random.default_rng(1).normal(0, 10 ** (-60 / 20), RATE_HZ)
    echo = np.zeros(RATE_HZ)
    echo[: RATE_HZ // 2] = signals.speech_like(RATE_HZ, 0.5)
    assert signals.reduction_db(echo + noise, 0.1 * echo + noise, RATE_HZ, -60) == pytest.approx(20, abs=0.5)
    assert signals.reduction_db(noise, noise, RATE_HZ, -60) is None


def test_a_clock_is_judged_no_finer_than_the_header_allows() -> None:
    now = 1_790_000_000.0
    right = clock_check(formatdate(now, usegmt=True), now, now + 0.2)
    assert right.passed
    assert abs(float(right.figures["skew_s"] or 0)) <= 0.6
    behind = clock_check(formatdate(now + 300, usegmt=True), now, now + 0.2)
    assert behind.passed is False
    assert behind.exit_code == 0
    assert "behind" in behind.detail
    assert "ahead of" in clock_check(formatdate(now - 300, usegmt=True), now, now).detail
    slow_answer = clock_check(formatdate(now + 40, usegmt=True), now, now + 80)
    assert slow_answer.passed
    assert clock_check("", now, now).passed is None
    assert clock_check("yesterday", now, now).passed is None
    assert clock_check(formatdate(time.time()), time.time(), time.time()).passed


def test_the_exit_code_is_that_of_the_first_failure_that_matters() -> None:
    harmless = Check("terminal", False, "small", "wider")
    assert exit_code([harmless, not_tested("echo", "no"), Check("clock", True, "right")]) == 0
    found = [harmless, failed("keys", CredentialsError("none")), failed("microphone", AudioError("gone"))]
    assert exit_code(found) == 3
    assert exit_code([failed("microphone", AudioError("gone")), failed("session", Refused("no"))]) == 4
    assert exit_code([failed("echo", AudioError("none"), necessary=False), failed("s", ConnectionFailed("x"))]) == 5


def test_an_error_of_a_library_is_a_finding_and_not_the_end() -> None:
    def broken() -> Check:
        raise OSError(19, "No such device")

    found = attempt("devices", broken)
    assert (found.passed, found.exit_code) == (False, 5)
    assert "No such device" in found.detail
    assert attempt("devices", broken, necessary=False).exit_code == 0
