"""Recognition with Whisper by faster-whisper, for 99 languages: whole utterances, a second or more for each.

A pass costs the same whatever the length, so there is none while somebody speaks. A pause is worth one: when nothing is
said after it, its text is the final one. What Whisper makes of noise, loops and thanks for watching, is taken out.
"""

import os
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from voicechat.engine.recogniser import RATE_HZ, Hypothesis, NotLoaded
from voicechat.models.folder import Folder
from voicechat.text.loops import without_loops

if TYPE_CHECKING:
    import numpy as np

    Samples = np.ndarray[Any, np.dtype[np.float32]]

BYTES_PER_MS = RATE_HZ * 2 // 1000
SETTLE_MS = 300
"""A pause of this length is looked at. Shorter ones are inside sentences, and a pass is dear."""
LONGEST_QUIET_START_MS = 300
"""More silence than this before the first word is not given to the model."""
MOST_LOAD = 0.6
"""Passes at pauses take this share of the time at most; the one at the end comes in any case."""
TOKENS, TOKENS_PER_S, MOST_TOKENS = 24, 12.0, 220
"""What a passage may become, by its length: the library's own limit lets a loop run for half a minute."""
NO_SPEECH = 0.6
LOOP_RATIO = 2.4
"""A text that compresses better than this is a loop."""

PROMPTS = {"zh": "以下是普通话的句子。"}
"""Makes it write simplified characters and punctuation."""
_INVENTED = re.compile(
    r"thank(?:s| you)(?: you)?(?: so much)? for (?:watching|listening)|please subscribe.*|subtitles by.*|"
    r"(?:谢谢|感谢|多谢)(?:大家|您|你们?)?(?:的)?(?:观看|收看|收听|聆听)|请不吝点赞.*|字幕.{0,12}(?:提供|制作|志愿者).*|"
    r".*amara\.org.*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of text, with the model's doubts about it."""

    text: str
    no_speech: float = 0.0
    loop_ratio: float = 1.0


class WhisperRecogniser:
    """Implements `Recogniser` over `transcribe`, which makes segments of float samples at `RATE_HZ`."""

    def __init__(
        self,
        transcribe: "Callable[[Samples, int], Iterable[Segment]]",
        prompt: str = "",
        clock: Callable[[], float] = time.perf_counter,
    ):
        self._transcribe = transcribe
        self._prompt = prompt
        self._clock = clock
        self._cost_ms = 0.0
        self.begin()

    def begin(self) -> None:
        self._pcm = bytearray()
        self._text = ""
        self._heard = False
        """Whether anybody has spoken."""
        self._settled = False
        """Whether the text is of everything that was said."""
        self._passed = 0
        """How much the last pass saw, in bytes."""

    def accept(self, pcm: bytes, quiet_ms: int) -> Hypothesis:
        self._pcm += pcm
        if quiet_ms < len(pcm) / BYTES_PER_MS:
            self._heard, self._settled = True, False
        if not self._heard:
            del self._pcm[: -LONGEST_QUIET_START_MS * BYTES_PER_MS]
        elif quiet_ms >= SETTLE_MS and not self._settled and self._is_time():
            self._pass()
        return Hypothesis(self._text, self._settled)

    def finish(self) -> str:
        if self._heard and not self._settled:
            self._pass()
        return self._text

    def _is_time(self) -> bool:
        return (len(self._pcm) - self._passed) / BYTES_PER_MS * MOST_LOAD >= self._cost_ms or not self._passed

    def _pass(self) -> None:
        import numpy as np

        began = self._clock()
        samples = np.frombuffer(bytes(self._pcm), "<i2").astype(np.float32) / np.float32(32768)
        tokens = min(MOST_TOKENS, round(TOKENS + TOKENS_PER_S * len(samples) / RATE_HZ))
        self._text = clean(self._transcribe(samples, tokens), self._prompt)
        self._cost_ms = (self._clock() - began) * 1000
        self._passed, self._settled = len(self._pcm), True


def clean(segments: Iterable[Segment], prompt: str = "") -> str:
    """The text without what the model adds of itself."""
    kept = [part.text for part in segments if part.no_speech < NO_SPEECH and part.loop_ratio < LOOP_RATIO]
    text = without_loops(" ".join("".join(kept).split()))
    bare = text.strip(" .,!?…。，！？[]()（）♪*-")
    if not bare or bare == prompt.strip("。") or _INVENTED.fullmatch(bare):
        return ""
    return text


def load_whisper(folder: Folder, language: str) -> WhisperRecogniser:
    """`language`: the one that is spoken ("zh", "en-GB"); "" lets the model find it out. Raises NotLoaded, or
    whatever the library does."""
    os.environ["HF_HUB_OFFLINE"] = "1"  # the library asks nobody for what a folder lacks
    from faster_whisper import WhisperModel

    model = WhisperModel(str(folder.path), device="cpu", compute_type="int8", cpu_threads=min(4, os.cpu_count() or 1))
    spoken = language.lower().replace("_", "-").partition("-")[0] if model.model.is_multilingual else "en"
    if spoken and spoken not in model.supported_languages:
        raise NotLoaded(f"Whisper knows no language {language!r}")
    prompt = PROMPTS.get(spoken, "")

    def transcribe(samples: "Samples", tokens: int) -> Iterable[Segment]:
        segments, _ = model.transcribe(
            samples,
            language=spoken or None,
            beam_size=1,
            temperature=0.0,
            without_timestamps=True,
            condition_on_previous_text=False,
            no_speech_threshold=NO_SPEECH,
            initial_prompt=prompt or None,
            max_new_tokens=tokens,
        )
        return (Segment(part.text, part.no_speech_prob, part.compression_ratio) for part in segments)

    return WhisperRecogniser(transcribe, prompt)
