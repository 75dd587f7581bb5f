"""Barge-in by suspicion: a few voiced blocks pause the answer at once, and then it is decided.

The service's word or a quarter of a second more of local speech makes it an interruption; neither within half a
second, and the answer goes on where it stopped. So a cough costs a pause, and a word costs nothing to be heard.

A television speaks, too, but far below who sits at the microphone. Such a voice confirms nothing, and after a pause
that came to nothing it is not suspected again for a while. A beginning may be as soft: so the first one is believed.
"""

from dataclasses import dataclass
from enum import Enum

SUSPICION_MS = 30.0
"""Voice before the answer is paused: three blocks. Two are enough for a door, three hardly cost anything."""
CONFIRM_MS = 250.0
"""Voice after the pause that makes it an interruption without the service's word."""
DECIDE_MS = 500.0
"""How long the answer stays paused for a decision."""
WARY_S = 60.0
"""How long a far voice is not suspected after a pause that came to nothing."""


class Verdict(Enum):
    NOTHING = "nothing"
    SUSPECT = "pause playback"
    CONFIRM = "interrupt"
    DISMISS = "resume playback"


@dataclass(slots=True)
class BargeIn:
    """Fed with what the local detector says while the assistant is heard. Times in seconds of one clock."""

    suspected_at: float | None = None
    onset_at: float | None = None
    _run_ms: float = 0.0
    _voice_ms: float = 0.0
    _wary_until: float = float("-inf")

    def hear(self, voiced: bool, length_ms: float, at: float, *, far: bool = False) -> Verdict:
        """`length_ms` of captured sound that ended at `at`; `far`: much softer than the user usually is."""
        if self.suspected_at is None:
            if not voiced or (far and at < self._wary_until):
                self._run_ms = 0.0
                return Verdict.NOTHING
            if self._run_ms == 0.0:
                self.onset_at = at - length_ms / 1000
            self._run_ms += length_ms
            if self._run_ms < SUSPICION_MS:
                return Verdict.NOTHING
            self.suspected_at, self._voice_ms = at, 0.0
            return Verdict.SUSPECT
        if voiced and not far:
            self._voice_ms += length_ms
        if self._voice_ms >= CONFIRM_MS:
            self.clear()
            return Verdict.CONFIRM
        return self.tick(at)

    def tick(self, now: float) -> Verdict:
        """Has the time to decide run out?"""
        if self.suspected_at is not None and (now - self.suspected_at) * 1000 >= DECIDE_MS:
            self.clear()
            self._wary_until = now + WARY_S
            return Verdict.DISMISS
        return Verdict.NOTHING

    def clear(self) -> None:
        """Decided, or the answer is over. `onset_at` stays for whoever measures."""
        self.suspected_at = None
        self._run_ms = self._voice_ms = 0.0
