"""The last seconds of captured sound: what a new session needs to hear again after a drop."""

from collections import deque

from voicechat.audio.frames import Frame, duration_ms

KEPT_MS = 10_000.0


class RecentAudio:
    """Captured frames, at most ten seconds of them, and a mark that goes with the sound it stands in."""

    def __init__(self, rate_hz: int):
        self._rate_hz = rate_hz
        self._frames: deque[Frame] = deque()
        self._length_ms = 0.0
        self._gone_at = float("-inf")
        self._mark: float | None = None

    def add(self, frame: Frame) -> None:
        self._frames.append(frame)
        self._length_ms += duration_ms(len(frame.pcm), self._rate_hz)
        while self._length_ms > KEPT_MS:
            gone = self._frames.popleft()
            self._length_ms -= duration_ms(len(gone.pcm), self._rate_hz)
            self._gone_at = gone.captured_at
        if self._mark is not None and self._mark < self._gone_at:
            self._mark = None

    def mark(self, at: float | None) -> None:
        """Sound captured after `at` is to be found again; None: none is."""
        self._mark = at

    @property
    def marked(self) -> float | None:
        """The mark, as long as all the sound after it is kept."""
        return self._mark

    def since(self, at: float) -> tuple[list[Frame], float]:
        """The frames captured after `at`, and how many seconds of such frames were too old to be kept."""
        missing_s = self._gone_at - at
        return [frame for frame in self._frames if frame.captured_at > at], missing_s if missing_s > 0.5 else 0.0

    def voice_since(self, at: float) -> float | None:
        """When somebody first spoke after `at`, as far as is kept."""
        return next((frame.captured_at for frame in self._frames if frame.speech and frame.captured_at > at), None)
