"""Silero's model computed in numpy, against what the official model says of the same sound."""

import numpy as np
import pytest

from tests.unit.test_vad import speech
from voicechat.audio.silero import WINDOW, Silero

OFFICIAL = [0.0425, 0.0136, 0.9012, 0.9999, 0.9995, 0.6154, 0.9997, 0.9995, 0.9999, 0.0341, 0.009]
"""Of every eighth window of goforward.raw: onnxruntime with silero_vad_16k_op15.onnx of silero-vad 6.2.3."""


def probabilities(silero: Silero, sound: bytes, size: int = WINDOW * 2) -> list[float]:
    return [silero.feed(sound[at : at + size]) for at in range(0, len(sound) - size + 1, size)]


def test_it_says_what_the_official_model_says() -> None:
    found = probabilities(Silero(16_000), speech("goforward.raw", 16_000))
    assert found[::8] == pytest.approx(OFFICIAL, abs=1e-4)


def test_blocks_of_ten_milliseconds_are_the_same_stream() -> None:
    sound = speech("goforward.raw", 16_000)
    by_blocks = probabilities(Silero(16_000), sound, 320)
    by_windows = probabilities(Silero(16_000), sound)
    assert by_blocks[3::16] == by_windows[::5][: len(by_blocks[3::16])]  # 160 ms are sixteen blocks, five windows


@pytest.mark.parametrize("rate_hz", [24_000, 48_000])
def test_other_rates_are_brought_to_its_own(rate_hz: int) -> None:
    size = rate_hz * WINDOW // 16_000 * 2
    found = probabilities(Silero(rate_hz), speech("ss-0880.wav", rate_hz), size)
    wanted = probabilities(Silero(16_000), speech("ss-0880.wav", 16_000))
    assert np.corrcoef(found, wanted[: len(found)])[0, 1] > 0.9


def test_two_streams_do_not_hear_each_other() -> None:
    one, other, sound = Silero(16_000), Silero(16_000), speech("goforward.raw", 16_000)
    found = []
    for at in range(0, len(sound) - 1023, 1024):
        found.append(one.feed(sound[at : at + 1024]))
        other.feed(bytes(1024))
    assert found == probabilities(Silero(16_000), sound)


@pytest.mark.parametrize("value", [0, 32767, -32768])
def test_silence_and_full_scale_are_nobody(value: int) -> None:
    assert max(probabilities(Silero(16_000), np.full(32_000, value, "<i2").tobytes())) < 0.2
