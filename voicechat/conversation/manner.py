"""How a conversation is held, and what it survived."""

from dataclasses import dataclass

ANSWER_TIMEOUT_S = 20.0
"""How long an answer may take to begin before the user is told that none came."""
SHORTEST_TURN_MS = 100.0
"""Services refuse to commit less (openai-realtime: `input_audio_buffer_commit_empty`)."""


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
