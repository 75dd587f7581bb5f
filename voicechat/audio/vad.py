"""Local voice detection: webrtcvad guarded by a level floor that follows the room."""

from voicechat.audio.frames import dbfs
from voicechat.audio.resample import Decimator

SILENCE_DBFS = -60.0
"""Below this nothing is speech, however quiet the room."""
LOUDEST_START_DBFS = -40.0
"""The first block is taken for the room's noise, unless it is louder: then somebody is speaking already."""
MARGIN_DB = 6.0
"""Speech stands out of the room's noise by at least this much. These values: `benchmarks/vad.py`."""
FALL = 0.2
"""How fast the noise follows a room that grows quieter: its share of the way in each block."""
RISE_DB_PER_BLOCK = 0.03
"""How fast it follows a room that grows louder in speech: 3 dB a second; ten times that without."""


class VoiceDetector:
    """Says for each 10 ms block whether somebody speaks. Keeps state: one detector per stream.

    `floor_dbfs` None lets the floor follow the room. webrtcvad works at 8 kHz inside, so 24 kHz sound, which it
    does not take, is brought to 8 kHz here.
    """

    def __init__(self, rate_hz: int, aggressiveness: int = 2, floor_dbfs: float | None = None):
        import webrtcvad

        self._vad = webrtcvad.Vad(aggressiveness)
        self._rate_hz = 8000 if rate_hz == 24_000 else rate_hz
        self._decimator = Decimator(rate_hz // self._rate_hz)
        self._fixed = floor_dbfs
        self._noise: float | None = None
        self.level_dbfs = float("-inf")

    @property
    def floor_dbfs(self) -> float:
        """The level a block must exceed to be speech."""
        if self._fixed is not None:
            return self._fixed
        return max(SILENCE_DBFS, self._noise + MARGIN_DB) if self._noise is not None else SILENCE_DBFS

    def voiced(self, block: bytes) -> bool:
        """Whether this block (10 ms of s16le mono) is speech."""
        level = self.level_dbfs = dbfs(block)
        quietest = SILENCE_DBFS - MARGIN_DB
        if self._noise is None:
            self._noise = min(max(level, quietest), LOUDEST_START_DBFS)
        heard: bool = self._vad.is_speech(self._decimator.feed(block), self._rate_hz)
        loud = level > self.floor_dbfs
        if level < self._noise:
            self._noise = max(self._noise + (level - self._noise) * FALL, quietest)
        elif not (heard and loud):
            self._noise = min(level, self._noise + RISE_DB_PER_BLOCK * 10)
        else:
            self._noise += RISE_DB_PER_BLOCK
        return heard and loud
