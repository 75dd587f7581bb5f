"""Local voice detection, on recordings of people and on the noises that fool detectors."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests import recordings
from voicechat.audio import vad
from voicechat.audio.vad import VoiceDetector
from voicechat.conversation.barge_in import BargeIn, Verdict


def speech(name: str, rate_hz: int) -> bytes:
    return recordings.pcm(recordings.speech(name, rate_hz))


def noise(dbfs: float, seconds: float, rate_hz: int = 16_000) -> NDArray[np.int16]:
    rng = np.random.default_rng(3)
    return rng.normal(0, 32768 * 10 ** (dbfs / 20), int(rate_hz * seconds)).astype(np.int16)


def verdicts(detector: VoiceDetector, pcm: bytes, rate_hz: int = 16_000) -> list[bool]:
    size = rate_hz // 100 * 2
    return [detector.voiced(pcm[at : at + size]) for at in range(0, len(pcm) - size + 1, size)]


@pytest.mark.parametrize("rate_hz", [16_000, 24_000, 48_000])
@pytest.mark.parametrize("name", recordings.NAMES)
def test_people_are_heard_at_every_rate(name: str, rate_hz: int) -> None:
    found = verdicts(VoiceDetector(rate_hz), speech(name, rate_hz), rate_hz)
    assert sum(found) / len(found) > 0.4


@pytest.mark.parametrize("rate_hz", [16_000, 24_000, 48_000])
def test_a_voice_is_noticed_within_some_blocks(rate_hz: int) -> None:
    pcm = speech("goforward.raw", rate_hz)
    samples = np.abs(np.frombuffer(pcm, "<i2").astype(int))
    onset_ms = int(np.argmax(samples > 1500)) * 1000 // rate_hz
    found = verdicts(VoiceDetector(rate_hz), pcm, rate_hz)
    first = next(i for i in range(len(found)) if all(found[i : i + 3]))
    assert first * 10 - onset_ms <= 50


def test_silence_is_nobody() -> None:
    detector = VoiceDetector(16_000)
    assert not any(verdicts(detector, bytes(32_000)))
    assert detector.level_dbfs == float("-inf")


@pytest.mark.parametrize("dbfs", [-70.0, -50.0, -35.0])
def test_steady_noise_is_nobody_once_the_floor_has_followed_it(dbfs: float) -> None:
    found = verdicts(VoiceDetector(16_000), noise(dbfs, 4).tobytes())
    assert sum(found[200:]) == 0


def test_a_loud_whistle_is_nobody() -> None:
    t = np.arange(32_000) / 16_000
    whistle = (np.sin(2 * np.pi * 6000 * t) * 8000).astype("<i2").tobytes()
    detector = VoiceDetector(16_000)
    verdicts(detector, bytes(16_000))
    assert sum(verdicts(detector, whistle)[15:]) == 0


def test_speech_is_heard_over_a_fan() -> None:
    detector = VoiceDetector(16_000)
    verdicts(detector, noise(-50, 3).tobytes())
    said = np.frombuffer(speech("ss-0870.wav", 16_000), "<i2")
    mixed = np.clip(said.astype(int) + noise(-50, 10)[: len(said)], -32768, 32767).astype("<i2")
    found = verdicts(detector, mixed.tobytes())
    assert sum(found) / len(found) > 0.35


def test_a_whisper_below_the_floor_is_not_speech_and_above_it_is() -> None:
    said = np.frombuffer(speech("goforward.raw", 16_000), "<i2")
    quiet = (said * 10 ** (-12 / 20)).astype("<i2").tobytes()
    assert not any(verdicts(VoiceDetector(16_000, floor_dbfs=-20.0), quiet))
    assert sum(verdicts(VoiceDetector(16_000, floor_dbfs=-55.0), quiet)) > 30


# -- the sure verdict ------------------------------------------------------------------------------------------


def pink(count: int, seed: int = 12) -> NDArray[np.float64]:
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(size=count))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    spectrum[: count * 40 // 16_000] = 0
    return np.fft.irfft(spectrum, count)


def white(count: int) -> NDArray[np.float64]:
    return np.random.default_rng(11).normal(size=count)


def at_dbfs(sound: NDArray[np.float64], dbfs: float) -> NDArray[np.float64]:
    return sound / np.sqrt(np.mean(sound**2)) * 32768 * 10 ** (dbfs / 20)


def pcm(sound: NDArray[np.float64]) -> bytes:
    return sound.clip(-32768, 32767).astype("<i2").tobytes()


def both(detector: VoiceDetector, sound: bytes) -> tuple[list[bool], list[bool]]:
    """The quick and the sure verdict on each block."""
    judged = [(detector.voiced(sound[at : at + 320]), detector.speech) for at in range(0, len(sound) - 319, 320)]
    return [voiced for voiced, _ in judged], [is_speech for _, is_speech in judged]


def pauses(verdicts: list[bool]) -> int:
    """How often an answer would be paused: runs of three and more."""
    runs = "".join("#" if verdict else "." for verdict in verdicts).split(".")
    return sum(len(run) >= 3 for run in runs)


def everybody() -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Two seconds of nothing before each recording of people, and which blocks are within 20 dB of the loud ones."""
    pieces: list[NDArray[np.float64]] = []
    for name in ("goforward.raw", "ss-0870.wav", "ss-0880.wav", "ss-0890.wav"):
        said = np.frombuffer(speech(name, 16_000), "<i2").astype(float)
        pieces += [np.zeros(32_000), said[: len(said) // 160 * 160]]
    clean = np.concatenate(pieces)
    levels = np.sqrt(np.mean(clean.reshape(-1, 160) ** 2, axis=1))
    return clean, levels > np.percentile(levels[levels > 0], 95) / 10


@pytest.mark.parametrize("make", [white, pink])
def test_speech_is_found_in_noise_that_hides_most_of_it_and_the_noise_is_none(
    make: Callable[[int], NDArray[np.float64]],
) -> None:
    clean, said = everybody()
    loud = np.sqrt(np.mean(clean.reshape(-1, 160)[said] ** 2))
    noise = at_dbfs(make(len(clean)), 20 * np.log10(loud / 32768) - 5)
    voiced, found = both(VoiceDetector(16_000), pcm(clean + noise))
    assert np.mean(np.array(found)[said]) > 0.85
    assert np.mean(np.array(voiced)[said]) < 0.4  # the quick verdict hears the loudest vowels only
    assert not any(found[:150])
    assert pauses(voiced[:150]) == 0


@pytest.mark.parametrize("rate_hz", [24_000, 48_000])
def test_speech_is_found_at_other_rates(rate_hz: int) -> None:
    detector = VoiceDetector(rate_hz)
    size = rate_hz // 100 * 2
    sound = speech("ss-0880.wav", rate_hz)
    found = []
    for at in range(0, len(sound) - size + 1, size):
        detector.voiced(sound[at : at + size])
        found.append(detector.speech)
    _, at_16_khz = both(VoiceDetector(16_000), speech("ss-0880.wav", 16_000))
    assert np.mean([here == there for here, there in zip(found, at_16_khz, strict=False)]) > 0.93


def test_noise_that_comes_back_when_an_echo_was_taken_out_is_no_voice() -> None:
    """A canceller takes the room's noise with the echo, for a second and more; the floor would fall."""
    noise = pcm(at_dbfs(white(16_000), -56.0))
    answer = [(noise[at : at + 320], False) for at in range(0, 32_000, 320)]
    answer += [(bytes(320), True)] * 100 + [(block, True) for block, _ in answer[:20]]

    def judged(*, told: bool) -> list[bool]:
        detector = VoiceDetector(16_000)
        return [detector.voiced(block, cancelled=told and cancelled) for block, cancelled in answer]

    assert not any(judged(told=True))
    assert pauses(judged(told=False)) == 1


@pytest.mark.parametrize("make", [white, pink])
@pytest.mark.parametrize("dbfs", [-35.0, -30.0, -25.0])
def test_steady_noise_pauses_nothing(make: Callable[[int], NDArray[np.float64]], dbfs: float) -> None:
    voiced, found = both(VoiceDetector(16_000), pcm(at_dbfs(make(16_000 * 20), dbfs)))
    assert pauses(voiced) == 0
    assert not any(found)


def fan_switched_on(count: int) -> NDArray[np.float64]:
    t = np.arange(count) / 16_000
    blades = sum((np.sin(2 * np.pi * 120 * k * t) / k for k in (1, 2, 3)), np.zeros(count))
    sound = (pink(count) / pink(count).std() + blades) * (t >= 1)
    return at_dbfs(sound, -42.0)


def breathing(count: int) -> NDArray[np.float64]:
    breath = np.clip(np.sin(2 * np.pi * np.arange(count) / 16_000 / 3.5), 0, None) ** 1.5
    return at_dbfs(np.diff(white(count + 1)) * breath, -42.0)


def music(count: int) -> NDArray[np.float64]:
    """A chord each half second, dying away."""
    rng, t = np.random.default_rng(3), np.arange(8000) / 16_000
    chords = []
    for _ in range(count // 8000):
        root = 110 * 2 ** (rng.integers(0, 12) / 12)
        notes = [root * interval * k for interval in (1, 1.26, 1.5, 2) for k in range(1, 7)]
        chords.append(sum((np.sin(2 * np.pi * hz * t) * np.exp(-3 * t) for hz in notes), np.zeros(8000)))
    return at_dbfs(np.concatenate(chords), -28.0)


def typing(count: int) -> NDArray[np.float64]:
    rng, sound = np.random.default_rng(2), np.zeros(count)
    for at in range(8000, count - 400, 2400):
        sound[at : at + 300] += rng.normal(size=300) * np.exp(-np.arange(300) / 60) * 5000
    return sound


@pytest.mark.parametrize("make", [fan_switched_on, breathing, music, typing])
def test_what_is_no_voice_begins_no_turn_and_ends_no_answer(make: Callable[[int], NDArray[np.float64]]) -> None:
    sound = make(16_000 * 15)
    voiced, found = both(VoiceDetector(16_000), pcm(sound + 3 * white(len(sound))))
    assert not any(found)
    barge_in = BargeIn()
    verdicts = [barge_in.hear(each, 10.0, number / 100) for number, each in enumerate(voiced)]
    assert Verdict.CONFIRM not in verdicts


def test_a_fan_that_is_switched_on_pauses_once_at_most() -> None:
    voiced, _ = both(VoiceDetector(16_000), pcm(fan_switched_on(16_000 * 15) + 3 * white(16_000 * 15)))
    assert pauses(voiced) <= 1


def test_in_a_quiet_room_a_voice_is_believed_before_silero_has_heard_it() -> None:
    sound = speech("goforward.raw", 16_000)
    alone, _ = both(VoiceDetector(16_000, use_silero=False), sound)
    voiced, found = both(VoiceDetector(16_000), sound)
    first = next(n for n in range(len(alone)) if all(alone[n : n + 3]))
    assert all(voiced[first : first + 3])
    assert not any(found[: first + 3])


def test_the_floor_of_the_configuration_holds_for_both_verdicts() -> None:
    said = np.frombuffer(speech("goforward.raw", 16_000), "<i2") * 10 ** (-12 / 20)
    voiced, found = both(VoiceDetector(16_000, floor_dbfs=-20.0), pcm(said))
    assert not any(voiced)
    assert not any(found)
    assert sum(both(VoiceDetector(16_000, floor_dbfs=-55.0), pcm(said))[1]) > 30


def test_a_voice_at_the_limit_of_hearing_is_no_speech() -> None:
    """What a canceller leaves of an answer is a voice as well, and very quiet."""
    said = np.frombuffer(speech("ss-0870.wav", 16_000), "<i2").astype(float)
    _, found = both(VoiceDetector(16_000), pcm(at_dbfs(said, -72.0)))
    assert not any(found)


def test_without_silero_both_verdicts_are_the_quick_one() -> None:
    voiced, found = both(VoiceDetector(16_000, use_silero=False), speech("ss-0870.wav", 16_000))
    assert voiced == found
    assert any(found)


@pytest.mark.parametrize("damage", ["missing", "cut off", "another file"])
def test_a_model_that_does_not_load_is_told_in_one_line_and_voices_are_found_all_the_same(
    damage: str, tmp_path: Path
) -> None:
    package = Path(vad.__file__).parents[1]
    shutil.copytree(package, tmp_path / "voicechat", ignore=shutil.ignore_patterns("__pycache__"))
    weights = tmp_path / "voicechat" / "audio" / "silero.npz"
    whole = weights.read_bytes()
    weights.unlink()
    if damage != "missing":
        weights.write_bytes(whole[:100_000] if damage == "cut off" else b"version https://git-lfs.github.com/spec/v1\n")
    program = (
        "import sys; from voicechat.audio.vad import VoiceDetector\n"
        "sound = sys.stdin.buffer.read()\n"
        "for detector in (VoiceDetector(16000), VoiceDetector(16000)):\n"
        "    blocks = [sound[at : at + 320] for at in range(0, len(sound) - 319, 320)]\n"
        "    said = [detector.voiced(block) and detector.speech for block in blocks]\n"
        "print(sum(said))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, input=speech("goforward.raw", 16_000),
        capture_output=True, timeout=30, check=True,
    )  # fmt: skip
    (line,) = ran.stderr.decode().splitlines()
    assert line.startswith("Silero's voice model cannot be read")
    assert int(ran.stdout) > 100


def test_the_level_is_that_of_the_last_block() -> None:
    detector = VoiceDetector(16_000)
    detector.voiced(np.full(160, 3277, "<i2").tobytes())
    assert detector.level_dbfs == pytest.approx(-20, abs=0.01)
