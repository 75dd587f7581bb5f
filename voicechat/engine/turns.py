"""Where the user's turns begin and end, by the same detector as the microphone's. Sans-I/O; its clock is the audio.

Who feeds it may have asked that detector before: then its word is taken, and sound without speech costs nothing.
"""

from collections import deque
from dataclasses import dataclass
from typing import Literal

from voicechat.audio.frames import BLOCK_MS, block_bytes, dbfs
from voicechat.audio.vad import VoiceDetector

ONSET_BLOCKS = 9
"""Blocks of speech, among the last twelve, that begin a turn: three of the detector's windows. Tones may have two."""
_RECENT_BLOCKS = 12
KEEPS_DB = 5.0
"""How much quieter a turn goes on than it must begin."""

EAGERNESS_SILENCE_MS = {"low": 1200, "medium": 700, "auto": 700, "high": 400}
"""What `semantic_vad` means to an engine that knows no semantics: a longer or shorter wait."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A border of a turn. `at_ms` counts all audio fed."""

    kind: Literal["started", "stopped"]
    at_ms: int


@dataclass(frozen=True, slots=True)
class Sound:
    """s16le of the turn in progress, its pre-roll included; nobody spoke in its last `quiet_ms`, or longer."""

    pcm: bytes
    quiet_ms: int = 0


class TurnDetector:
    """Feed s16le mono at `rate_hz`, of any length; get the borders of turns and, between them, their sound.

    `threshold` 0…1 as in the OpenAI protocol: higher wants louder speech (0.5 is −50 dBFS at least). A silence of
    `silence_ms` ends the turn, unless `expect` said otherwise of this one; until it has, `grace_ms` more.
    """

    def __init__(
        self,
        threshold: float = 0.5,
        prefix_ms: int = 300,
        silence_ms: int = 500,
        grace_ms: int = 0,
        *,
        rate_hz: int = 16_000,
    ):
        self._rate_hz = rate_hz
        self._block_bytes = block_bytes(rate_hz)
        self._detector: VoiceDetector | None = None
        """Made when sound comes that nobody has judged."""
        self._rest = b""
        self._now_ms = 0
        self._recent: deque[bool] = deque(maxlen=_RECENT_BLOCKS)
        self._silence_run_ms = 0
        self._grace_ms = grace_ms
        self._expected_ms: int | None = None
        self.speaking = False
        self._pre_roll: deque[bytes] = deque()
        self.configure(threshold, prefix_ms, silence_ms)

    def configure(self, threshold: float, prefix_ms: int, silence_ms: int) -> None:
        """Change the settings; a turn in progress goes on."""
        self._min_dbfs = -65.0 + 30.0 * threshold
        self._prefix_ms = prefix_ms
        self._silence_ms = silence_ms
        self._pre_roll = deque(self._pre_roll, maxlen=prefix_ms // BLOCK_MS + ONSET_BLOCKS)

    def expect(self, silence_ms: int) -> None:
        """How long the silence that has begun must be to end this turn; forgotten when somebody speaks in it."""
        self._expected_ms = silence_ms

    @property
    def quiet_ms(self) -> int:
        """For how long nobody has spoken in this turn; the longest wait when there is none."""
        return self._silence_run_ms if self.speaking else self._silence_ms

    @property
    def silence_ms(self) -> int:
        """What was configured."""
        return self._silence_ms

    @property
    def now_ms(self) -> int:
        return self._now_ms

    def feed(self, pcm: bytes, speech: bool | None = None) -> list[Turn | Sound]:
        """`speech` is the detector's word for all of `pcm`, where it was asked."""
        out: list[Turn | Sound] = []
        data = self._rest + pcm
        end = len(data) - len(data) % self._block_bytes
        self._rest = data[end:]
        sound = bytearray()
        for start in range(0, end, self._block_bytes):
            block = data[start : start + self._block_bytes]
            is_speech = self._judge(block, speech)
            self._now_ms += BLOCK_MS
            if self.speaking:
                sound += block
                if self._has_stopped(is_speech):
                    out.append(Sound(bytes(sound), self._silence_run_ms))
                    sound.clear()
                    out.append(Turn("stopped", self._now_ms))
                    self.reset()
            else:
                self._pre_roll.append(block)
                if is_speech and sum(self._recent) >= ONSET_BLOCKS:
                    self.speaking = True
                    onset = self._now_ms - ONSET_BLOCKS * BLOCK_MS
                    out.append(Turn("started", max(0, onset - self._prefix_ms)))
                    sound += b"".join(self._pre_roll)
                    self._pre_roll.clear()
        if sound:
            out.append(Sound(bytes(sound), self._silence_run_ms))
        return out

    def reset(self) -> None:
        """Between turns again: what was said is over, what is known of the room is kept."""
        self.speaking = False
        self._silence_run_ms = 0
        self._expected_ms = None
        self._recent.clear()
        self._pre_roll.clear()

    def _has_stopped(self, speech: bool) -> bool:
        # One stray block does not hold a turn open: two of the last four do.
        if speech and sum(list(self._recent)[-4:]) >= 2:
            self._silence_run_ms = 0
            self._expected_ms = None
        else:
            self._silence_run_ms += BLOCK_MS
        wait_ms = self._silence_ms + self._grace_ms if self._expected_ms is None else self._expected_ms
        return self._silence_run_ms >= wait_ms

    def _judge(self, block: bytes, speech: bool | None) -> bool:
        if speech is None:
            self._detector = self._detector or VoiceDetector(self._rate_hz)
            self._detector.voiced(block)
            speech = self._detector.speech
        speech = speech and dbfs(block) > self._min_dbfs - (KEEPS_DB if self.speaking else 0.0)
        self._recent.append(speech)
        return speech


class Quiet:
    """For how long nobody has spoken, of sound whose turns somebody else finds."""

    NEVER_MS = 60_000
    """Nobody has spoken yet."""

    def __init__(self, rate_hz: int) -> None:
        self._detector = TurnDetector(silence_ms=self.NEVER_MS, rate_hz=rate_hz)

    def feed(self, pcm: bytes, speech: bool | None = None) -> int:
        """Take s16le mono, and the detector's word for it; milliseconds since the last voice in it."""
        self._detector.feed(pcm, speech)
        return self._detector.quiet_ms
