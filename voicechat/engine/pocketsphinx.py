"""English recognition with pocketsphinx and its bundled US model: the fallback where Moonshine has no wheel."""

import re
from typing import Any

from voicechat.engine.recogniser import SETTLE_MS, Hypothesis

_CEPSTRAL_MEAN = "41.00,-5.29,-0.12,5.09,2.48,-4.07,-1.37,-1.78,-5.08,-2.05,-6.45,-1.42,1.17"
"""Where the running mean of the features starts: the US English model's own value, which the bundled copy's
`feat.params` lacks. With the library's general one the first utterance is often misheard."""


class PocketsphinxRecogniser:
    """Implements `Recogniser`. Its hypothesis follows the sound, so it is always settled."""

    def __init__(self, decoder: Any):
        self._decoder = decoder

    def begin(self) -> None:
        self._decoder.start_utt()

    def accept(self, pcm: bytes, quiet_ms: int) -> Hypothesis:
        if pcm:
            self._decoder.process_raw(pcm)
        return Hypothesis(self._text(), settled=quiet_ms >= SETTLE_MS)

    def finish(self) -> str:
        self._decoder.end_utt()
        return self._text()

    def _text(self) -> str:
        hypothesis = self._decoder.hyp()
        # Words of the dictionary with several pronunciations come as "the(2)"; noises as "[NOISE]".
        return re.sub(r"\(\d+\)|\[\w+\]", "", hypothesis.hypstr).strip() if hypothesis else ""


def load_pocketsphinx() -> PocketsphinxRecogniser:
    """Raises whatever the library does."""
    from pocketsphinx import Decoder

    # The second, flat pass at an utterance's end costs 30 ms per second of speech and improved nothing measured.
    return PocketsphinxRecogniser(Decoder(loglevel="FATAL", fwdflat=False, cmninit=_CEPSTRAL_MEAN))
