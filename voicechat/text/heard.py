"""Which words of an answer were heard: each piece of its transcript is tied to the audio received with it."""

import itertools
from dataclasses import dataclass, field


@dataclass(slots=True)
class SpokenText:
    """The text of one answer, and where in its audio each piece came.

    Text runs ahead of its sound, so a piece that came when `audio_ms` had been received is spoken after that
    point, spread over the audio that came until the next piece did.
    """

    text: str = ""
    audio_ms: float = 0.0
    _marks: list[tuple[float, int]] = field(default_factory=list)

    def add_text(self, delta: str) -> None:
        if not self._marks or self._marks[-1][0] < self.audio_ms:
            self._marks.append((self.audio_ms, len(self.text)))
        self.text += delta

    def add_audio(self, length_ms: float) -> None:
        self.audio_ms += length_ms

    def replace_from(self, start: int, text: str) -> None:
        """The final wording of what began at `start`. Marks stay: spelling differs, length hardly does."""
        if not self._marks and text:
            self._marks.append((0.0, 0))
        self.text = self.text[:start] + text

    def heard(self, heard_ms: float) -> str:
        """The words spoken within the first `heard_ms`, whole words only (single signs in Chinese)."""
        if heard_ms >= self.audio_ms:
            return self.text
        if heard_ms <= 0:
            return ""
        chars = 0.0
        points = [*self._marks, (self.audio_ms, len(self.text))]
        for (start_ms, start), (end_ms, end) in itertools.pairwise(points):
            if heard_ms >= end_ms:
                chars = end
            elif heard_ms > start_ms:
                chars = start + (end - start) * (heard_ms - start_ms) / (end_ms - start_ms)
        return _whole_words(self.text, int(chars))


def _whole_words(text: str, end: int) -> str:
    """`text[:end]`, less the word that `end` falls into. Signs above U+2E80 are words of their own."""
    if end >= len(text):
        return text
    while end > 0 and not (text[end].isspace() or text[end - 1].isspace() or ord(text[end - 1]) > 0x2E80):
        end -= 1
    return text[:end].rstrip()
