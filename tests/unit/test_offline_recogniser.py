"""When the recogniser looks at the sound and what it makes of it, by value; and the choice of a recogniser."""

import builtins
import sys
from typing import Any

import numpy as np
import pytest

from voicechat.engine.builtin import MOONSHINE, POCKETSPHINX, load
from voicechat.engine.moonshine import MoonshineRecogniser, clean, quietest
from voicechat.engine.recogniser import Hypothesis
from voicechat.errors import ConfigError


class Passes:
    """In place of the model: says how many milliseconds it was given, and how often it was asked."""

    def __init__(self, cost_ms: float = 50.0):
        self.lengths_ms: list[int] = []
        self.now_s = 0.0
        self.cost_ms = cost_ms

    def __call__(self, samples: Any) -> str:
        self.lengths_ms.append(len(samples) // 16 - 800)  # without the silence around it
        self.now_s += self.cost_ms / 1000
        return f"{self.lengths_ms[-1]} ms."

    def clock(self) -> float:
        return self.now_s


def feed(recogniser: MoonshineRecogniser, length_ms: int, quiet_from_ms: int | None = None) -> Hypothesis:
    """20 ms after 20 ms; nobody speaks after `quiet_from_ms`."""
    last = Hypothesis()
    for at_ms in range(20, length_ms + 20, 20):
        quiet_ms = max(0, at_ms - quiet_from_ms) if quiet_from_ms is not None else 0
        last = recogniser.accept(bytes(640), quiet_ms)
    return last


def test_the_first_look_waits_for_a_word_and_the_next_for_what_it_cost() -> None:
    passes = Passes(cost_ms=200)
    recogniser = MoonshineRecogniser(passes, passes.clock)
    feed(recogniser, 740)
    assert passes.lengths_ms == []
    feed(recogniser, 1240)
    assert passes.lengths_ms == [760, 1260, 1760]  # 200 ms of work every 500 ms


def test_a_short_silence_settles_the_text_and_the_end_costs_nothing() -> None:
    passes = Passes()
    recogniser = MoonshineRecogniser(passes, passes.clock)
    assert feed(recogniser, 1500, quiet_from_ms=1000) == Hypothesis("1160 ms.", settled=True)
    before = len(passes.lengths_ms)
    assert recogniser.finish() == "1160 ms."
    assert len(passes.lengths_ms) == before


@pytest.mark.parametrize(("hz", "share"), [(200, 0.99), (1500, 0.72), (8000, 0.29)])
def test_the_model_is_given_less_of_the_high_tones_that_noise_is_made_of(hz: int, share: float) -> None:
    given: list[float] = []

    def transcribe(samples: list[float]) -> str:
        given[:] = samples
        return ""

    recogniser = MoonshineRecogniser(transcribe)
    tone = (8000 * np.cos(2 * np.pi * hz * np.arange(16_000) / 16_000)).astype("<i2")
    recogniser.accept(tone.tobytes(), 0)
    recogniser.finish()
    middle = np.array(given)[6400 + 8000 : 6400 + 16_000]
    assert np.sqrt(np.mean(middle**2)) / np.sqrt(np.mean((tone / 32768) ** 2)) == pytest.approx(share, abs=0.02)


def test_a_word_cut_in_its_middle_does_not_loop_in_what_is_shown_and_repeats_that_were_said_are_kept() -> None:
    recogniser = MoonshineRecogniser(lambda samples: "No, no, no, no, no, it is.")
    assert feed(recogniser, 1000) == Hypothesis("No, it is.")
    assert feed(recogniser, 300, quiet_from_ms=0) == Hypothesis("No, no, no, no, no, it is.", settled=True)


def test_speech_after_the_silence_unsettles_it() -> None:
    passes = Passes()
    recogniser = MoonshineRecogniser(passes, passes.clock)
    feed(recogniser, 1500, quiet_from_ms=1000)
    assert not feed(recogniser, 100).settled
    assert recogniser.finish() == "1600 ms."


def test_silence_is_never_looked_at() -> None:
    passes = Passes()
    recogniser = MoonshineRecogniser(passes, passes.clock)
    for _ in range(200):
        assert recogniser.accept(bytes(640), 60_000) == Hypothesis()
    assert recogniser.finish() == ""
    assert passes.lengths_ms == []
    feed(recogniser, 1000, quiet_from_ms=700)
    assert recogniser.finish() != ""
    assert max(passes.lengths_ms) <= 1300  # most of the silence before was left out


def test_long_speech_is_taken_in_parts() -> None:
    passes = Passes()
    recogniser = MoonshineRecogniser(passes, passes.clock)
    feed(recogniser, 9500, quiet_from_ms=9000)
    feed(recogniser, 40_000)
    assert max(passes.lengths_ms) <= 14_100
    text = recogniser.finish()
    assert text.startswith("9160 ms.")
    assert text.count("ms.") >= 4
    recogniser.begin()
    assert recogniser.finish() == ""


def test_speech_without_a_pause_is_cut_where_it_is_quietest() -> None:
    sound = np.full(16_000 * 3, 8000, "<i2")
    sound[20_000:22_000] = 10
    assert 20_000 <= quietest(sound.tobytes(), 2 * 16_000) // 2 <= 22_000
    assert quietest(sound.tobytes(), 2 * 30_000) // 2 >= 30_000


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("You", ""),
        (" you. ", ""),
        ("You are right.", "You are right."),
        ("the weather" + " weather" * 7, "the weather"),
        ("and then" + ", and then" * 9, "and then"),
        ("No, no, no, no, no, that is wrong.", "No, no, no, no, no, that is wrong."),
        ("It is very very very very kind.", "It is very very very very kind."),
        ("Eight" + " eight" * 9, "Eight" + " eight" * 9),
        ("No, no, no!", "No, no, no!"),
        ("It was very  very far.", "It was very very far."),
        ("", ""),
    ],
)
def test_what_the_model_adds_of_itself_is_taken_away(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


@pytest.mark.parametrize("kind", [OSError, ImportError, RuntimeError, SyntaxError])
def test_the_lesser_recogniser_takes_over_with_a_line_that_says_why(
    monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    without_module(monkeypatch, "moonshine_voice", kind("libc.so.6:\nversion `GLIBC_2.34' not found"))
    loaded = load()
    assert "by pocketsphinx" in loaded.remark
    assert "GLIBC_2.34" in loaded.remark
    assert "not installed" not in loaded.remark
    assert "\n" not in loaded.remark


def test_without_any_recogniser_it_is_said_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"pip install"):
        load(frozenset({MOONSHINE, POCKETSPHINX}))
    monkeypatch.setattr("voicechat.engine.builtin.find_spec", lambda name: None if "moon" in name else name)
    assert "moonshine is not installed" in load().remark


def without_module(monkeypatch: pytest.MonkeyPatch, name: str, error: Exception) -> None:
    """Importing this module fails, as it does where its library does not load."""
    really = builtins.__import__

    def importing(module: str, *arguments: Any, **options: Any) -> Any:
        if module.partition(".")[0] == name:
            raise error
        return really(module, *arguments, **options)

    for module in [module for module in sys.modules if module.partition(".")[0] == name]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(builtins, "__import__", importing)
