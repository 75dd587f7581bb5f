"""Local voice detection, two verdicts: a quick one that pauses an answer, and a sure one that finds and holds turns.

*Voiced* is webrtcvad's word for a block that stands out of the room's noise. It is believed at once in a quiet room,
though not for long without Silero's consent, and in a loud one not without it: webrtcvad takes fans and tones for
voices. *Speech* is Silero's word alone. It finds nine tenths of what is said where noise hides all but the loudest
vowels, and comes a little later. Where the model does not load, both are webrtcvad's. Values: `benchmarks/vad.py`.
"""

import functools
import logging
import zipfile

from voicechat.audio.frames import dbfs
from voicechat.audio.resample import Decimator

SILENCE_DBFS = -60.0
"""Below this nothing is speech, however quiet the room."""
LOUDEST_START_DBFS = -40.0
"""The first block is taken for the room's noise, unless it is louder: then somebody is speaking already."""
MARGIN_DB = 6.0
"""Voice stands out of the room's noise by at least this much."""
QUIETEST_DBFS = SILENCE_DBFS - MARGIN_DB
FALL = 0.2
"""How fast the noise follows a room that grows quieter: its share of the way in each block."""
RISE_DB_PER_BLOCK = 0.03
"""How fast it follows a room that grows louder in speech: 3 dB a second; ten times that without."""
CONSENT = 0.3
"""Silero's probability that lets webrtcvad be believed."""
QUIET_ROOM_DBFS = -50.0
"""Up to this noise it is believed at once."""
TRUST_BLOCKS = 15.0
"""For how long: Silero takes a tenth of a second for most beginnings, and a quarter would cut off an answer."""
REGAINED = 0.2
"""Of that, with each block without voice: what flickers is not believed again and again."""
BEGIN, GO_ON = 0.6, 0.35
"""Its probability with which speech begins, and with which it goes on. Music reaches half."""
log = logging.getLogger(__name__)


class VoiceDetector:
    """Judges 10 ms blocks of s16le mono. Keeps state: one detector per stream.

    `floor_dbfs` None lets the floor of the quick verdict follow the room; a number is what both verdicts must exceed.
    webrtcvad works at 8 kHz inside, so 24 kHz sound, which it does not take, is brought to 8 kHz here.
    """

    def __init__(
        self, rate_hz: int, aggressiveness: int = 2, floor_dbfs: float | None = None, *, use_silero: bool = True
    ):
        import webrtcvad

        from voicechat.audio.silero import Silero

        self._vad = webrtcvad.Vad(aggressiveness)
        self._rate_hz = 8000 if rate_hz == 24_000 else rate_hz
        self._decimator = Decimator(rate_hz // self._rate_hz)
        self._fixed = floor_dbfs
        self._noise: float | None = None
        self._room = QUIETEST_DBFS  # the noise before there was an echo
        self._model = Silero(rate_hz) if use_silero and why_no_silero() is None else None
        self._goes_on = False
        self._trust = TRUST_BLOCKS
        self.level_dbfs = float("-inf")
        self.speech = False
        """Whether somebody speaks, as far as it was heard until the last block: the sure verdict."""

    @property
    def floor_dbfs(self) -> float:
        """The level a block must exceed to be voice."""
        if self._fixed is not None:
            return self._fixed
        return max(SILENCE_DBFS, self._noise + MARGIN_DB) if self._noise is not None else SILENCE_DBFS

    def voiced(self, block: bytes, *, cancelled: bool = False) -> bool:
        """Whether this block is voice: the quick verdict. `speech` has the other one after it.

        `cancelled`: an echo was taken out of it, and some of the room's noise with that. When it comes back, it stands
        out of what was left: so nobody is to believe meanwhile that the room has grown quieter.
        """
        level = self.level_dbfs = dbfs(block)
        quietest = max(QUIETEST_DBFS, self._room) if cancelled else QUIETEST_DBFS
        if self._noise is None:
            self._noise = min(max(level, quietest), LOUDEST_START_DBFS)
        heard: bool = self._vad.is_speech(self._decimator.feed(block), self._rate_hz)
        voiced = heard and level > self.floor_dbfs
        audible = level > (SILENCE_DBFS if self._fixed is None else self._fixed)
        if self._model is not None:
            probability = self._model.feed(block, audible)
            voiced = self._believed(voiced, probability)
            self._goes_on = probability >= (GO_ON if self._goes_on else BEGIN)
        if level < self._noise:
            self._noise = max(self._noise + (level - self._noise) * FALL, quietest)
        elif not voiced:
            self._noise = min(level, self._noise + RISE_DB_PER_BLOCK * 10)
        else:
            self._noise += RISE_DB_PER_BLOCK
        if not cancelled:
            self._room = self._noise
        self.speech = self._goes_on and audible if self._model is not None else voiced
        return voiced

    def _believed(self, voiced: bool, probability: float) -> bool:
        if not voiced:
            self._trust = min(self._trust + REGAINED, TRUST_BLOCKS)
            return False
        if probability >= CONSENT:
            return True
        if self._noise is None or self._noise > QUIET_ROOM_DBFS or self._trust < 1:
            return False
        self._trust -= 1
        return True


@functools.cache
def why_no_silero() -> str | None:
    """One line for the user when Silero's model cannot be used, said once in the log as well; None when it can."""
    from voicechat.audio.silero import network

    try:
        network()
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        reason = f"Silero's voice model cannot be read ({type(error).__name__}: {error})"
        log.warning("%s: in a noisy room only loud voices are found.", reason)
        return reason
    log.debug("voices are found by Silero's model and webrtcvad")
    return None
