"""English recognition with Moonshine's tiny model, which comes inside the wheel.

The model has no streaming decoder: whatever is known so far comes of a pass over the whole sound, so passes are
spaced by what they cost. A short silence is worth one at once (`SETTLE_MS`): when nothing is said after it, its text
is the final one, ready before the turn's end is decided. Long speech is cut where somebody breathed, because a pass
over 30 s takes 3 s.
"""

import time
from array import array
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path

from voicechat.engine.recogniser import RATE_HZ, SETTLE_MS, Hypothesis, NotLoaded
from voicechat.text.loops import SPOKEN_MOST, without_loops

BYTES_PER_MS = RATE_HZ * 2 // 1000
FIRST_PASS_MS = 750
"""Some 450 ms of speech after the pre-roll: a shorter piece of a word becomes any word, most often "You"."""
LONGEST_QUIET_START_MS = 300
"""More silence than this before the first word is not given to the model."""
MOST_LOAD = 0.4
"""Passes while somebody speaks take this share of the time at most."""
MIN_STEP_MS = 250
PART_MS = 8_000
"""A pause after so much sound ends a part: what was said in it is not looked at again."""
LONGEST_PART_MS = 14_000
_CUT_WINDOW_MS = 3_000
"""Speech without a pause is cut at the quietest place of these last milliseconds."""
LARGEST_TINY_BYTES = 18_000_000
"""Of an encoder: tiny's has 13 MB, base's more than twice that."""
LEAD_S = 0.4
"""Silence around the sound: without it first words are lost."""
SMOOTHING = 0.45
"""The share of each new sample in a one-pole low-pass, 3 dB down at 1.5 kHz and 11 at most: noise has most of its power
where a voice has least, and is what the model mishears (docs/performance.md). Clean speech loses nothing by it."""

PARTIAL_REPEATS = 3
"""While somebody speaks, the last word is cut in its middle, and such a one may come over and over."""


class MoonshineRecogniser:
    """Implements `Recogniser` over `transcribe`, which makes text of samples of −1…1 at `RATE_HZ`."""

    def __init__(self, transcribe: Callable[[list[float]], str], clock: Callable[[], float] = time.perf_counter):
        self._transcribe = transcribe
        self._clock = clock
        self.begin()

    def begin(self) -> None:
        self._said = ""
        """The text of the parts that are done with."""
        self._pcm = bytearray()
        self._text = ""
        self._heard = False
        """Whether anybody has spoken in this part."""
        self._passed = 0
        """How much of the part the last pass saw, in bytes."""
        self._settled = False
        self._cost_ms = 0.0

    def accept(self, pcm: bytes, quiet_ms: int) -> Hypothesis:
        self._pcm += pcm
        if quiet_ms < len(pcm) / BYTES_PER_MS:
            self._heard, self._settled = True, False
        if not self._heard:
            del self._pcm[: -LONGEST_QUIET_START_MS * BYTES_PER_MS]
        elif quiet_ms < SETTLE_MS:
            if self._is_time():
                self._pass(PARTIAL_REPEATS)
            if len(self._pcm) > LONGEST_PART_MS * BYTES_PER_MS:
                self._cut()
        elif not self._settled:
            self._pass()
            self._settled = True
            if len(self._pcm) > PART_MS * BYTES_PER_MS:
                self._end_part(len(self._pcm))
        return Hypothesis(self._whole(), self._settled)

    def finish(self) -> str:
        if self._heard and not self._settled:
            self._pass()
        return self._whole()

    def _is_time(self) -> bool:
        new_ms = (len(self._pcm) - self._passed) / BYTES_PER_MS
        if not self._passed:
            return new_ms >= FIRST_PASS_MS
        return new_ms >= max(MIN_STEP_MS, self._cost_ms / MOST_LOAD)

    def _pass(self, repeats: int = SPOKEN_MOST) -> None:
        began = self._clock()
        self._text = clean(self._transcribe(_padded(bytes(self._pcm))), repeats)
        self._cost_ms = (self._clock() - began) * 1000
        self._passed = len(self._pcm)

    def _cut(self) -> None:
        at = quietest(bytes(self._pcm), len(self._pcm) - _CUT_WINDOW_MS * BYTES_PER_MS)
        rest = self._pcm[at:]
        del self._pcm[at:]
        self._pass()
        self._end_part(at)
        self._pcm, self._heard = rest, True

    def _end_part(self, at: int) -> None:
        self._said = self._whole()
        self._text, self._passed, self._heard = "", 0, False
        del self._pcm[:at]

    def _whole(self) -> str:
        return f"{self._said} {self._text}".strip()


def clean(text: str, repeats: int = SPOKEN_MOST) -> str:
    """Without what the model adds of itself: more than so many repeats, and the "You" it makes of silence, noise and
    a knock."""
    text = " ".join(text.split())
    if text.strip(" .,!?").lower() == "you":
        return ""
    return without_loops(text, repeats)


def quietest(pcm: bytes, begin: int) -> int:
    """The byte at the middle of the quietest 100 ms after `begin`, to 20 ms."""
    samples = array("h", pcm[begin - begin % 2 :])
    size, step = RATE_HZ // 10, RATE_HZ // 50
    powers = [sum(sample * sample for sample in samples[at : at + step]) for at in range(0, len(samples), step)]
    windows = [sum(powers[at : at + size // step]) for at in range(len(powers) - size // step + 1)]
    at = min(range(len(windows)), key=windows.__getitem__)
    return begin - begin % 2 + 2 * (at * step + size // 2)


def open_moonshine(folder: Path | None = None) -> MoonshineRecogniser:
    """The model in `folder`, or the one in the wheel. Raises NotLoaded, or whatever the library does."""
    from moonshine_voice import ModelArch, Transcriber, get_assets_path

    folder = folder or Path(get_assets_path()) / "tiny-en"
    if not folder.is_dir():
        raise NotLoaded("this release of moonshine-voice comes without its model: 0.1.0 has it")
    arch = ModelArch.BASE if (folder / "encoder_model.ort").stat().st_size > LARGEST_TINY_BYTES else ModelArch.TINY
    # Its own voice detection costs accuracy and time, and ours has decided already: 0 switches it off.
    model = Transcriber(folder, arch, options={"vad_threshold": "0.0"})

    def transcribe(samples: list[float]) -> str:
        lines = model.transcribe_without_streaming(samples, RATE_HZ).lines
        return " ".join(line.text for line in lines)

    return MoonshineRecogniser(transcribe)


def _padded(pcm: bytes) -> list[float]:
    # Plain lists, which is what the library takes: numpy would be 20 MB more in this process, for nothing.
    silence = [0.0] * int(LEAD_S * RATE_HZ)
    smooth = accumulate(array("h", pcm), lambda before, sample: before + SMOOTHING * (sample - before))
    return [*silence, *(sample / 32768 for sample in smooth), *silence]
