"""How turns are taken in a conversation."""

from dataclasses import dataclass

ANSWER_TIMEOUT_S = 20.0
"""How long an answer may take to begin before the user is told that none came."""
SHORTEST_TURN_MS = 100.0
"""Services refuse to commit less (openai-realtime: `input_audio_buffer_commit_empty`)."""


@dataclass(frozen=True, slots=True)
class TurnTaking:
    """Who begins and ends the user's turns, and whether they may break into an answer."""

    hands_free: bool = True
    """The microphone is always open; else the user begins and ends each turn."""
    local_turns: bool = False
    """Hands free, but we find the turns, because the service cannot or should not."""
    barge_in: bool = True
    silence_ms: float = 500.0
