"""Recognition with a streaming transducer by sherpa-onnx: words while somebody speaks, the last ones at once."""

from array import array
from typing import Any

from voicechat.engine.recogniser import RATE_HZ, Hypothesis
from voicechat.models.folder import Folder

SETTLE_MS = 640
"""By then the model, which works in chunks of a third of a second, has seen the last word and what follows it."""
TAIL_S = 0.6
"""Silence that pushes the last word out of the model."""


class ZipformerRecogniser:
    """Implements `Recogniser` over sherpa-onnx's `OnlineRecognizer`."""

    def __init__(self, recogniser: Any):
        self._recogniser = recogniser
        self._stream: Any = None
        self.begin()

    def begin(self) -> None:
        self._stream = self._recogniser.create_stream()

    def accept(self, pcm: bytes, quiet_ms: int) -> Hypothesis:
        self._feed(pcm)
        return Hypothesis(self._text(), settled=quiet_ms >= SETTLE_MS)

    def finish(self) -> str:
        self._feed(bytes(int(TAIL_S * RATE_HZ) * 2))
        self._stream.input_finished()
        self._decode()
        return self._text()

    def _feed(self, pcm: bytes) -> None:
        self._stream.accept_waveform(RATE_HZ, [sample / 32768 for sample in array("h", pcm)])
        self._decode()

    def _decode(self) -> None:
        while self._recogniser.is_ready(self._stream):
            self._recogniser.decode_stream(self._stream)

    def _text(self) -> str:
        return plain(self._recogniser.get_result(self._stream))


def plain(text: str) -> str:
    """English comes in capitals from these models."""
    text = " ".join(text.split())
    return text.lower() if text.upper() == text else text


def load_zipformer(folder: Folder) -> ZipformerRecogniser:
    """Raises whatever the library does."""
    from sherpa_onnx import OnlineRecognizer

    files = {part: str(path) for part, path in folder.files.items()}
    return ZipformerRecogniser(OnlineRecognizer.from_transducer(**files, num_threads=1))
