"""Turns in sound, by value: where they begin and end, and what is none."""

from pathlib import Path

import numpy as np
import pytest

from tests.recordings import GO_FORWARD, INTERRUPTION, read_pcm
from voicechat.audio.vad import VoiceDetector
from voicechat.engine.turns import Sound, Turn, TurnDetector


def samples(path: Path) -> bytes:
    return np.fromfile(path, "<i2").tobytes()


def borders(detector: TurnDetector, pcm: bytes) -> list[tuple[str, int]]:
    found = [event for start in range(0, len(pcm), 640) for event in detector.feed(pcm[start : start + 640])]
    return [(event.kind, event.at_ms) for event in found if isinstance(event, Turn)]


def test_turns_begin_with_their_pre_roll_and_end_after_the_silence() -> None:
    lead = bytes(32 * 1000)
    pcm = lead + samples(GO_FORWARD) + bytes(32 * 1000)
    started, stopped = borders(TurnDetector(prefix_ms=300), pcm)
    onset = 1000 + next(i for i in range(0, 2700, 10) if abs_level(samples(GO_FORWARD), i) > 1000)
    assert started[0] == "started"
    assert onset - 400 < started[1] <= onset - 200
    later = borders(TurnDetector(silence_ms=800), pcm)[1]
    assert (stopped[0], later[0]) == ("stopped", "stopped")
    assert later[1] - stopped[1] == 300
    sound = sum(len(event.pcm) for event in TurnDetector(prefix_ms=300).feed(pcm) if isinstance(event, Sound))
    assert abs(sound / 32 - (stopped[1] - started[1])) <= 20


def test_who_asked_the_detector_before_is_believed_and_nobody_asks_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    pcm = read_pcm(GO_FORWARD)[0] + bytes(32 * 1500)
    microphone, judged = VoiceDetector(16_000), []
    for start in range(0, len(pcm) - 639, 640):
        for block in (pcm[start : start + 320], pcm[start + 320 : start + 640]):
            microphone.voiced(block)
        judged.append((pcm[start : start + 640], microphone.speech))
    expected = borders(TurnDetector(), pcm)
    monkeypatch.setattr("voicechat.engine.turns.VoiceDetector", None)
    detector = TurnDetector()
    found = [event for block, speech in judged for event in detector.feed(block, speech) if isinstance(event, Turn)]
    assert [event.kind for event in found] == ["started", "stopped"]
    assert [abs(event.at_ms - at_ms) <= 20 for event, (_, at_ms) in zip(found, expected, strict=True)] == [True, True]


def abs_level(pcm: bytes, at_ms: int) -> float:
    return float(np.abs(np.frombuffer(pcm[at_ms * 32 : at_ms * 32 + 320], "<i2").astype(float)).max())


def noise(seconds: float, amplitude: float) -> bytes:
    steady = np.random.default_rng(7).normal(0, amplitude, int(16_000 * seconds))
    return steady.clip(-32768, 32767).astype("<i2").tobytes()


def test_loud_steady_noise_is_no_turn_and_a_click_is_none() -> None:
    detector = TurnDetector()
    found = borders(detector, noise(12, 2000))
    assert found == []
    assert not detector.speaking
    quiet = bytearray(bytes(32 * 1000))
    quiet[16_000:16_160] = (np.ones(80, "<i2") * 20_000).tobytes()
    assert borders(TurnDetector(), bytes(quiet)) == []


def test_speech_is_found_over_noise() -> None:
    voice = np.frombuffer(samples(GO_FORWARD), "<i2").astype(float)
    hum = np.frombuffer(noise(8, 60), "<i2").astype(float)
    hum[64_000 : 64_000 + len(voice)] += voice
    pcm = hum.clip(-32768, 32767).astype("<i2").tobytes()
    assert [kind for kind, _ in borders(TurnDetector(), pcm)] == ["started", "stopped"]


def test_speech_is_one_turn_in_noise_that_hides_most_of_it() -> None:
    voice = np.frombuffer(read_pcm(INTERRUPTION)[0], "<i2").astype(float)
    levels = np.sqrt(np.mean(voice[: len(voice) // 160 * 160].reshape(-1, 160) ** 2, axis=1))
    loud = np.sqrt(np.mean(levels[levels > levels.max() / 10] ** 2))
    mixed = np.frombuffer(noise(12, loud * 10 ** (-5 / 20)), "<i2").astype(float)
    mixed[64_000 : 64_000 + len(voice)] += voice
    found = borders(TurnDetector(), mixed.clip(-32768, 32767).astype("<i2").tobytes())
    assert [kind for kind, _ in found] == ["started", "stopped"]
    assert 3600 < found[0][1] < 4300
    assert 0 < found[1][1] - (4000 + len(voice) / 16) < 700


def test_breath_and_tones_are_no_turn() -> None:
    t = np.arange(16_000 * 10) / 16_000
    breath = np.frombuffer(noise(10, 400), "<i2") * np.clip(np.sin(2 * np.pi * t / 3.5), 0, None)
    whistle = np.sin(2 * np.pi * np.cumsum(900 + 400 * np.sign(np.sin(2 * np.pi * 0.9 * t))) / 16_000) * 1500
    for sound in (breath, whistle * (np.sin(2 * np.pi * 0.45 * t) > -0.5)):
        assert borders(TurnDetector(), (sound + np.frombuffer(noise(10, 3), "<i2")).astype("<i2").tobytes()) == []


def test_a_higher_threshold_wants_louder_speech() -> None:
    quiet = (np.frombuffer(samples(GO_FORWARD), "<i2") * 10 ** (-20 / 20)).astype("<i2").tobytes() + bytes(32_000)
    assert [kind for kind, _ in borders(TurnDetector(threshold=0.5), quiet)] == ["started", "stopped"]
    assert borders(TurnDetector(threshold=1.0), quiet) == []
