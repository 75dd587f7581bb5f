"""When the user was last heard, by the local detector, and how loud he usually is."""

from collections import deque

from voicechat.audio.frames import Frame

MEMORY_S = 5.0
"""The detector's last voice is the end of the user's speech only if it is not older than this."""

FAR_DB = 15.0
"""A voice that is so much softer than the user's own turns at their loudest is somebody else's, further away."""
TURNS = 5
"""So many of them count: he may have moved."""


class UserVoice:
    """Times in seconds of the session's clock; `patience_ms` is the silence after which a service ends a turn."""

    def __init__(self, patience_ms: float):
        self._patience_s = patience_ms / 1000
        self._at: float | None = None
        self._loudest_dbfs = float("-inf")
        self._turns_dbfs: deque[float] = deque(maxlen=TURNS)

    def hear(self, frame: Frame, *, alone: bool) -> None:
        """`alone`: no answer sounds, of which something might be left."""
        if frame.speech:
            self._at = frame.captured_at
            if alone:
                self._loudest_dbfs = max(self._loudest_dbfs, frame.dbfs)

    def is_far(self, frame: Frame) -> bool:
        """Far softer than the user was in his last turns, as far as there were any."""
        turns = sorted(self._turns_dbfs)
        return bool(turns) and frame.dbfs < turns[len(turns) // 2] - FAR_DB

    def ended(self, now: float) -> float:
        """When the user stopped to speak: what we heard ourselves, else the service's word less its patience."""
        if self._loudest_dbfs > float("-inf"):
            self._turns_dbfs.append(self._loudest_dbfs)
            self._loudest_dbfs = float("-inf")
        return self._at if self._at is not None and now - self._at < MEMORY_S else now - self._patience_s

    def silent_s(self, now: float, since: float) -> float:
        """How long nobody has spoken, counted from `since` at the earliest."""
        return now - max(self._at or since, since)
