"""The last seconds of captured sound: what a new session needs to hear again after a drop."""

from collections import deque

from voicechat.audio.frames import duration_ms

KEPT_MS = 10_000.0


class RecentAudio:
    """Frames with the time at which they were captured, at most ten seconds of them."""

    def __init__(self, rate_hz: int):
        self._rate_hz = rate_hz
        self._frames: deque[tuple[float, bytes]] = deque()
        self._length_ms = 0.0

    def add(self, at: float, pcm: bytes) -> None:
        self._frames.append((at, pcm))
        self._length_ms += duration_ms(len(pcm), self._rate_hz)
        while self._length_ms > KEPT_MS:
            self._length_ms -= duration_ms(len(self._frames.popleft()[1]), self._rate_hz)

    def since(self, at: float) -> tuple[list[bytes], float]:
        """The frames captured after `at`, and how many seconds of them were too old to be kept."""
        kept = [(captured, pcm) for captured, pcm in self._frames if captured > at]
        missing_s = max(kept[0][0] - at, 0.0) if kept else 0.0
        return [pcm for _, pcm in kept], missing_s if missing_s > 0.5 else 0.0

    def clear(self) -> None:
        self._frames.clear()
        self._length_ms = 0.0
