"""When the user was last heard, by the local detector."""

from voicechat.audio.frames import Frame

MEMORY_S = 5.0
"""The detector's last voice is the end of the user's speech only if it is not older than this."""


class Voice:
    """Times in seconds of the session's clock; `patience_ms` is the silence after which a service ends a turn."""

    def __init__(self, patience_ms: float):
        self._patience_s = patience_ms / 1000
        self._at: float | None = None

    def hear(self, frame: Frame) -> None:
        if frame.speech:
            self._at = frame.captured_at

    def ended(self, now: float) -> float:
        """When the user stopped to speak: what we heard ourselves, else the service's word less its patience."""
        return self._at if self._at is not None and now - self._at < MEMORY_S else now - self._patience_s

    def silent_s(self, now: float, since: float) -> float:
        """How long nobody has spoken, counted from `since` at the earliest."""
        return now - max(self._at or since, since)
