"""Where the user's turns begin and end: webrtcvad with an adaptive level floor. Sans-I/O; its clock is the audio."""

from collections import deque
from dataclasses import dataclass
from typing import Literal

RATE_HZ = 16_000
FRAME_MS = 10
FRAME_BYTES = RATE_HZ * 2 * FRAME_MS // 1000

ONSET_FRAMES = 3
"""Voiced frames, among the last four, that begin a turn: a click is shorter."""
_RECENT_FRAMES = 4
FLOOR_WINDOW_FRAMES = 300
"""The floor is the lowest level of the last 3 s: speech has pauses in that time, steady noise has not."""
_LEARNING_FRAMES = 100
QUIET_DBFS = -60.0
MARGIN_DB = 10.0
"""How far above the floor speech must be to begin; half of that keeps it going."""

EAGERNESS_SILENCE_MS = {"low": 1200, "medium": 700, "auto": 700, "high": 400}
"""What `semantic_vad` means to an engine that knows no semantics: a longer or shorter wait."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A border of a turn. `at_ms` counts all audio fed."""

    kind: Literal["started", "stopped"]
    at_ms: int


@dataclass(frozen=True, slots=True)
class Sound:
    """16 kHz s16le of the turn in progress, its pre-roll included."""

    pcm: bytes


class TurnDetector:
    """Feed 16 kHz s16le of any length; get the borders of turns and, between them, their sound.

    `threshold` 0…1 as in the OpenAI protocol: higher wants louder speech (0.5 is −50 dBFS at least).
    """

    def __init__(self, threshold: float = 0.5, prefix_ms: int = 300, silence_ms: int = 500):
        import webrtcvad

        self._vad = webrtcvad.Vad(3)
        self._rest = b""
        self._now_ms = 0
        self._recent: deque[bool] = deque(maxlen=_RECENT_FRAMES)
        # A quiet room is assumed for the first second; then the floor is what was heard.
        unheard = [QUIET_DBFS] * _LEARNING_FRAMES + [0.0] * (FLOOR_WINDOW_FRAMES - _LEARNING_FRAMES)
        self._levels: deque[float] = deque(unheard, maxlen=FLOOR_WINDOW_FRAMES)
        self._smooth: float | None = None
        self._silence_run_ms = 0
        self.speaking = False
        self._pre_roll: deque[bytes] = deque()
        self.configure(threshold, prefix_ms, silence_ms)

    def configure(self, threshold: float, prefix_ms: int, silence_ms: int) -> None:
        """Change the settings; a turn in progress goes on."""
        self._min_dbfs = -65.0 + 30.0 * threshold
        self._prefix_ms = prefix_ms
        self._silence_ms = silence_ms
        self._pre_roll = deque(self._pre_roll, maxlen=prefix_ms // FRAME_MS + ONSET_FRAMES)

    @property
    def now_ms(self) -> int:
        return self._now_ms

    def feed(self, pcm: bytes) -> list[Turn | Sound]:
        out: list[Turn | Sound] = []
        data = self._rest + pcm
        end = len(data) - len(data) % FRAME_BYTES
        self._rest = data[end:]
        sound = bytearray()
        for start in range(0, end, FRAME_BYTES):
            frame = data[start : start + FRAME_BYTES]
            voiced = self._voiced(frame)
            self._now_ms += FRAME_MS
            if self.speaking:
                sound += frame
                if self._has_stopped(voiced):
                    out.append(Sound(bytes(sound)))
                    sound.clear()
                    out.append(Turn("stopped", self._now_ms))
                    self.reset()
            else:
                self._pre_roll.append(frame)
                if voiced and sum(self._recent) >= ONSET_FRAMES:
                    self.speaking = True
                    onset = self._now_ms - ONSET_FRAMES * FRAME_MS
                    out.append(Turn("started", max(0, onset - self._prefix_ms)))
                    sound += b"".join(self._pre_roll)
                    self._pre_roll.clear()
        if sound:
            out.append(Sound(bytes(sound)))
        return out

    def reset(self) -> None:
        """Between turns again: what was said is over, the floor is kept."""
        self.speaking = False
        self._silence_run_ms = 0
        self._recent.clear()
        self._pre_roll.clear()

    def _has_stopped(self, voiced: bool) -> bool:
        # One stray voiced frame does not hold a turn open: two of the last four do.
        if voiced and sum(self._recent) >= 2:
            self._silence_run_ms = 0
        else:
            self._silence_run_ms += FRAME_MS
        return self._silence_run_ms >= self._silence_ms

    def _voiced(self, frame: bytes) -> bool:
        level = max(dbfs(frame), -90.0)
        self._smooth = level if self._smooth is None else self._smooth + 0.3 * (level - self._smooth)
        self._levels.append(self._smooth)
        margin = MARGIN_DB / 2 if self.speaking else MARGIN_DB
        loud = level > max(self._min_dbfs - (MARGIN_DB - margin), min(self._levels) + margin)
        voiced = loud and bool(self._vad.is_speech(frame, RATE_HZ))
        self._recent.append(voiced)
        return voiced


def dbfs(pcm: bytes) -> float:
    """RMS level of s16le samples relative to full scale; −100 for digital silence."""
    import numpy as np

    samples = np.frombuffer(pcm, "<i2").astype(np.float32)
    power = float(np.dot(samples, samples)) / max(len(samples), 1)
    return 10.0 * float(np.log10(power / 32768.0**2)) if power > 0 else -100.0
