"""Speech to text, streaming: the protocol, and pocketsphinx with its bundled US English model.

When the companion answers, its phrases run as a grammar in a second decoder beside the open language model, and
the better explanation of the sound wins. pocketsphinx keeps the interpreter's lock while it works (measured: 230 ms
to load, 20 ms an utterance's end), so a conversation runs it in a process of its own: see `ear`.
"""

import math
import re
from difflib import SequenceMatcher
from typing import Any, Protocol

from voicechat.engine.grammar import companion_grammar, is_complete
from voicechat.errors import ConfigError

RATE_HZ = 16_000
"""What a recogniser is fed: s16le mono at this rate."""

_FLOOR_SCORE = 1e-300
"""A segment's acoustic score is a probability that may underflow to zero."""


_CEPSTRAL_MEAN = "41.00,-5.29,-0.12,5.09,2.48,-4.07,-1.37,-1.78,-5.08,-2.05,-6.45,-1.42,1.17"
"""Where the running mean of the features starts: the US English model's own value, which the bundled copy's
`feat.params` lacks. With the library's general one the first utterance is often misheard."""


class Recogniser(Protocol):
    def begin(self, commands: bool) -> None:
        """A new utterance. `commands`: the built-in companion answers, so prefer what it understands."""
        ...

    def accept(self, pcm: bytes) -> str:
        """Take s16le mono at `RATE_HZ`; returns the hypothesis so far, "" when there is none."""
        ...

    def finish(self) -> str:
        """The end of the utterance: its text, "" when nothing was understood."""
        ...


class PocketsphinxRecogniser:
    """Raises ConfigError when the extra is not installed. One utterance at a time; not for several threads."""

    def __init__(self) -> None:
        try:
            from pocketsphinx import Decoder
        except ImportError as error:
            raise not_installed() from error
        # The second, flat pass at an utterance's end costs 30 ms per second of speech and improved nothing measured.
        self._open: Any = Decoder(loglevel="FATAL", fwdflat=False, cmninit=_CEPSTRAL_MEAN)
        self._grammar: Any = Decoder(loglevel="FATAL", lm=None, cmninit=_CEPSTRAL_MEAN)
        self._grammar.add_jsgf_string("companion", companion_grammar())
        self._grammar.activate_search("companion")
        self._decoders: list[Any] = []

    def begin(self, commands: bool) -> None:
        self._decoders = [self._open, self._grammar] if commands else [self._open]
        for decoder in self._decoders:
            decoder.start_utt()

    def accept(self, pcm: bytes) -> str:
        if pcm:
            for decoder in self._decoders:
                decoder.process_raw(pcm)
        return _text(self._open)

    def finish(self) -> str:
        for decoder in self._decoders:
            decoder.end_utt()
        free = _text(self._open)
        if len(self._decoders) < 2:
            return free
        phrase = _text(self._grammar)
        return phrase if is_complete(phrase) and _prefer(phrase, free, self._advantage()) else free

    def _advantage(self) -> float:
        """Log acoustic likelihood per 10 ms frame of the grammar's path, less that of the open model's."""
        return _score(self._grammar) - _score(self._open)


def not_installed() -> ConfigError:
    return ConfigError("The offline engine is not installed.", "Install it with: pip install 'voicechat[offline]'")


def _text(decoder: Any) -> str:
    hypothesis = decoder.hyp()
    # Words of the dictionary with several pronunciations come as "the(2)"; noises as "[NOISE]".
    return re.sub(r"\(\d+\)|\[\w+\]", "", hypothesis.hypstr).strip() if hypothesis else ""


def _score(decoder: Any) -> float:
    segments = decoder.seg() or ()
    total = math.fsum(math.log(max(segment.ascore, _FLOOR_SCORE)) for segment in segments)
    return total / float(max(decoder.n_frames(), 1))


def _prefer(phrase: str, free: str, advantage: float) -> bool:
    """Whether the grammar's `phrase` explains the sound better than the open model's `free` text.

    The open path is almost always the likelier one, so that likelihood alone decides badly; how much the two
    readings look and last alike decides with it. The weights are from a search over 356 phrases and 84 other
    sentences, spoken by four voices of flite; benchmarks/offline_recognition.py prints how well they do.
    """
    if not free or phrase == free:
        return True
    here, there = phrase.replace(" ", ""), free.replace(" ", "")
    short, long = sorted((len(here), len(there)))
    if long <= 10:
        return advantage > -1.9  # a word or two: to the companion, most likely one of its own
    if long - short > 10:
        return False
    alike = SequenceMatcher(None, there, here).ratio()
    return advantage + 2.0 * (alike - 0.5) + 2.0 * (short / long - 0.7) > -0.6
