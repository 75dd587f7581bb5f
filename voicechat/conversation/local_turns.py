"""Whole turns by the local detector, for services without one: when to send, and when the turn is over."""

from collections import deque
from dataclasses import dataclass, field
from enum import Enum

START_MS = 90.0
"""Speech within the last `WINDOW_MS` that starts a turn: three of the detector's windows. Tones may have two."""
WINDOW_MS = 120.0
PREROLL_MS = 450.0
"""Sound kept from before the start, so that the first syllable is there: it is found up to 420 ms late."""
UNDECIDED_MS = 600.0
"""Kept besides while somebody else decides: that takes half a second (`barge_in`), and the detector its blocks."""
DECIDED_MS = 200.0
"""How long after such a decision the sound from before it is still kept: the start is found a little later."""


class Step(Enum):
    WAIT = "nothing to send"
    START = "a turn begins: send what `take` gives"
    GO_ON = "the turn goes on: send what `take` gives"
    END = "the turn is over: commit"


@dataclass(slots=True)
class LocalTurns:
    """Fed with captured frames; `silence_ms` of quiet end a turn."""

    silence_ms: float = 500.0
    speaking: bool = False
    _ring: deque[tuple[bytes, bool, float]] = field(default_factory=deque)
    _ring_ms: float = 0.0
    _free_ms: float = float("inf")  # since when a turn may start
    _quiet_ms: float = 0.0
    _out: bytes = b""

    def hear(self, pcm: bytes, speech: bool, length_ms: float, *, may_start: bool = True) -> Step:
        """`may_start` false: somebody else decides whether this speech is a turn; its sound is kept meanwhile."""
        if self.speaking:
            self._out += pcm
            self._quiet_ms = 0.0 if speech else self._quiet_ms + length_ms
            if self._quiet_ms < self.silence_ms:
                return Step.GO_ON
            self.speaking = False
            return Step.END
        self._ring.append((pcm, speech, length_ms))
        self._ring_ms += length_ms
        self._free_ms = self._free_ms + length_ms if may_start else 0.0
        kept_ms = PREROLL_MS if self._free_ms > DECIDED_MS else PREROLL_MS + UNDECIDED_MS
        while self._ring_ms > kept_ms:
            self._ring_ms -= self._ring.popleft()[2]
        recent, heard = 0.0, 0.0
        for _, was_speech, piece_ms in reversed(self._ring):
            recent += piece_ms
            if recent > WINDOW_MS:
                break
            heard += piece_ms if was_speech else 0.0
        if heard < START_MS or not may_start:
            return Step.WAIT
        self._out += b"".join(piece for piece, _, _ in self._ring)
        self._ring.clear()
        self._ring_ms = self._quiet_ms = 0.0
        self.speaking = True
        return Step.START

    def take(self) -> bytes:
        """The sound to send now; it is handed out once."""
        out, self._out = self._out, b""
        return out
