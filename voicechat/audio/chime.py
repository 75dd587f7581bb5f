"""A soft sound that says: still at it."""

import math
from array import array
from functools import cache

LENGTH_MS = 260
LEVEL = 0.035
"""Of full scale, about -29 dBFS: below any voice."""
TONES_HZ = (523.25, 659.25)


@cache
def chime(rate_hz: int) -> bytes:
    """Two tones that swell and fade, s16le mono."""
    samples = rate_hz * LENGTH_MS // 1000
    wave = array("h", bytes(2 * samples))
    for at in range(samples):
        swell = math.sin(math.pi * at / samples) ** 2
        tone = TONES_HZ[2 * at // samples]
        wave[at] = round(32767 * LEVEL * swell * math.sin(2 * math.pi * tone * at / rate_hz))
    return wave.tobytes()
