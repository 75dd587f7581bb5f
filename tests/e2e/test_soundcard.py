"""The virtual sound card does what the end-to-end tests rely on."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.soundcard import RATE_HZ, SoundCard, tone


def loudest_hz(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * RATE_HZ / len(samples))


def test_what_is_played_is_heard_by_the_microphone(soundcard: SoundCard) -> None:
    with soundcard.record("mic") as mic:
        playing = soundcard.play(tone(0.6, 700))
        onset = mic.wait_for_sound(after=playing.started)
        playing.wait()
        silence = mic.wait_for_silence(after=onset)
    assert onset - playing.started < 0.5
    assert silence - onset == pytest.approx(0.6, abs=0.1)
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
    assert not mic.samples().any()


def test_in_a_room_the_microphone_hears_the_speaker_quieter() -> None:
    with SoundCard(room_gain_db=-12.0) as card, card.record() as speaker, card.record("mic") as mic:
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
