"""The virtual sound card does what the end-to-end tests rely on."""

import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from tests.room import Room
from tests.soundcard import RATE_HZ, Recording, SoundCard, lag_ms, tone


def loudest_hz(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * RATE_HZ / len(samples))


@pytest.mark.realtime
def test_what_is_played_is_heard_by_the_microphone(soundcard: SoundCard) -> None:
    with soundcard.record("mic") as mic:
        playing = soundcard.play(tone(0.6, 700))
        onset = mic.wait_for_sound(after=playing.started)
        playing.wait()
        silence = mic.wait_for_silence(after=onset)
    assert onset - playing.started < 0.5
    assert silence - onset == pytest.approx(0.6, abs=0.25)  # a machine that stands still tears it
    assert loudest_hz(mic.samples(onset, onset + 0.4)) == pytest.approx(700, abs=5)


def test_what_a_program_plays_on_the_default_speaker_is_recorded_and_not_heard_by_the_microphone(
    soundcard: SoundCard, tmp_path: Path
) -> None:
    sound = tmp_path / "sound.raw"
    sound.write_bytes(tone(0.5, 500, 24_000))
    with soundcard.record("speaker.monitor") as speaker, soundcard.record("mic") as mic:
        subprocess.run(
            ["pacat", "-p", "--raw", "--rate=24000", "--channels=1", "--format=s16le", str(sound)],
            env=soundcard.env,
            check=True,
            timeout=10,
        )
        onset = speaker.wait_for_sound()
        speaker.wait_for_silence(after=onset)
    assert loudest_hz(speaker.samples(onset, onset + 0.4)) == pytest.approx(500, abs=5)
    assert np.abs(mic.samples()).max() <= 1  # the card's own hum


@pytest.mark.realtime
def test_in_a_room_the_echo_keeps_its_delay_whatever_else_begins() -> None:
    noise = np.random.default_rng(1).normal(0, 3000, 16_000 * 3).astype(np.int16)
    with SoundCard(room=Room(delay_ms=80)) as card, card.record() as speaker, card.record("mic") as mic:
        playing = card.play(noise, into="speaker")
        onset = speaker.wait_for_sound()
        speaker.wait_for_sound(after=onset + 1)
        with card.record(), card.record("mic"):  # more streams on either sink
            card.play(tone(0.1, level=0.001)).wait()
            playing.wait()
        played, heard = speaker.samples(), mic.samples()
        assert card.room is not None
        stumbles = card.room.stumbles
    start = int(np.argmax(np.abs(played) > 1000))
    lags = [lag_ms(played[at : at + 24_000], heard[at : at + 48_000]) for at in (start + 9600, start + 96_000)]
    if not stumbles:  # else the machine held the room up, and with it the echo
        assert lags[1] == pytest.approx(lags[0], abs=0.05)
        assert 0 < lags[0] < 300  # the recordings did not begin together


def test_a_room_has_noise_and_reverberation() -> None:
    click = np.zeros(4800, np.int16)
    click[:96] = 20_000
    with SoundCard(room=Room(rt60_ms=400, noise_dbfs=-50)) as card, card.record("mic") as mic:
        noise = over = mic.wait_for_sound(level=60)
        clicks = []
        for _ in range(3):  # a machine that stands still tears one of them
            card.play(click, 48_000, into="speaker").wait()
            clicks.append(mic.wait_for_sound(level=800, after=over))
            over = mic.wait_for_sound(level=60, after=clicks[-1] + 0.6)
        quiet = np.median([level for _, level in mic.levels(noise, clicks[0] - 0.02)])
        tails = [[median(mic, loud + after) for after in (0.01, 0.11, 0.5)] for loud in clicks]
    tail = np.median(tails, axis=0)
    assert quiet == pytest.approx(32768 * 10 ** (-50 / 20), rel=0.2)
    assert tail[0] > 2 * tail[1] > 2 * tail[2]
    assert tail[2] == pytest.approx(quiet, rel=0.2)


def median(recording: Recording, start: float) -> float:
    """Of the levels of a tenth of a second."""
    return float(np.median([level for _, level in recording.levels(start, start + 0.1)]))


def test_in_a_room_voices_sound_beside_each_other_until_they_are_stopped() -> None:
    room = Room(noise_dbfs=-100, background="goforward.raw", background_dbfs=-50)
    with SoundCard(room=room) as card, card.record("mic") as mic:
        mic.wait_for_sound(level=100)
        whistle, hum = card.play(tone(5.0, 2000)), card.play(tone(1.0, 500))
        hum.wait()
        both = mic.samples(hum.started + 0.3, hum.started + 0.8).astype(float)
        whistle.close()
        mic.wait_for_silence(after=time.monotonic() + 0.2, level=1000)
    spectrum = np.abs(np.fft.rfft(both * np.hanning(len(both))))
    for hz in (500, 2000):
        at = hz * len(both) // RATE_HZ
        assert spectrum[at - 3 : at + 4].max() > 20 * np.median(spectrum)


def test_in_a_room_the_microphone_hears_the_speaker_quieter() -> None:
    with SoundCard(room=Room(gain_db=-12.0)) as card, card.record() as speaker, card.record("mic") as mic:
        card.play(tone(0.8, level=0.2), into="speaker").wait()
        onset = mic.wait_for_sound()
        loud = max(rms for _, rms in speaker.levels())
        quiet = max(rms for _, rms in mic.levels(onset))
    assert 20 * np.log10(quiet / loud) == pytest.approx(-12, abs=1.5)


def test_an_unplugged_microphone_is_gone_until_it_is_plugged_in_again(soundcard: SoundCard) -> None:
    with soundcard.record("mic") as mic:
        soundcard.unplug("mic")
        mic.wait_until_ended()
    with pytest.raises(RuntimeError, match="nothing can be recorded from 'mic'"):
        soundcard.record("mic")
    soundcard.replug("mic")
    with soundcard.record("@DEFAULT_SOURCE@") as mic:
        soundcard.play(tone(0.3)).wait()
        mic.wait_for_sound()


def test_an_unplugged_speaker_ends_what_plays_on_it(soundcard: SoundCard) -> None:
    playing = soundcard.play(tone(5.0), into="speaker")
    with soundcard.record("speaker.monitor") as speaker:
        speaker.wait_for_sound()
        soundcard.unplug("speaker")
        with pytest.raises(AssertionError, match="pacat failed"):
            playing.wait()
    soundcard.replug("speaker")
    with soundcard.record("speaker.monitor") as speaker:
        soundcard.play(tone(0.3), into="speaker").wait()
        speaker.wait_for_sound()


def test_it_leaves_nothing_behind() -> None:
    with SoundCard() as card:
        assert card.dir.exists()
        card.play(tone(5.0))
        card.record("mic")
    assert not card.dir.exists()
    assert card._daemon.returncode is not None


def test_without_pulseaudio_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="pulseaudio is not installed"):
        SoundCard().__enter__()
