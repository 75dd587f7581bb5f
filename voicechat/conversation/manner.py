"""How a conversation is held, and what it survived."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Manner:
    """How turns are taken."""

    hands_free: bool = True
    """The microphone is always open; else the user begins and ends each turn."""
    local_turns: bool = False
    """Hands free, but we find the turns, because the service cannot or should not."""
    barge_in: bool = True
    silence_ms: float = 500.0


@dataclass(slots=True)
class Counters:
    """What was survived."""

    benign_errors: int = 0
    ignored_events: int = 0
    broken_frames: int = 0

    def ignore(self, *, broken: bool) -> None:
        """A frame meant nothing: broken, or only unknown."""
        if broken:
            self.broken_frames += 1
        else:
            self.ignored_events += 1
