"""G.711 mu-law and A-law to and from linear samples: 8 kHz telephony, 8 bits a sample on the wire.

Linear audio is s16le mono `bytes`, law-coded audio one byte a sample. The arithmetic is that of ITU-T G.711 on the
upper 14 (mu-law) and 13 (A-law) bits, worked out once into tables; numpy is imported on first use only.
"""

from functools import cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Law = Literal["g711_ulaw", "g711_alaw"]

RATE_HZ = 8_000


def encode(law: Law, pcm: bytes) -> bytes:
    """Law-coded bytes of s16le samples; a trailing half sample is dropped."""
    import numpy as np

    samples = np.frombuffer(pcm, dtype="<u2", count=len(pcm) // 2)
    return bytes(_encoding_table(law)[samples].tobytes())


def decode(law: Law, coded: bytes) -> bytes:
    """s16le samples of law-coded bytes."""
    import numpy as np

    return bytes(_decoding_table(law)[np.frombuffer(coded, dtype=np.uint8)].tobytes())


@cache
def _encoding_table(law: Law) -> "NDArray[np.uint8]":
    """The code of every sample, indexed by the sample's unsigned 16-bit pattern."""
    import numpy as np

    sample = np.arange(65_536, dtype=np.uint16).view(np.int16).astype(np.int32)
    if law == "g711_ulaw":
        positive = sample >= 0
        magnitude = np.minimum(np.abs(sample >> 2) + 33, 0x1FFF)
        segment = np.searchsorted([0x3F, 0x7F, 0xFF, 0x1FF, 0x3FF, 0x7FF, 0xFFF], magnitude)
        code = (segment << 4) | ((magnitude >> (segment + 1)) & 0x0F)
        return np.asarray(code ^ np.where(positive, 0xFF, 0x7F), dtype=np.uint8)
    shifted = sample >> 3
    positive = shifted >= 0
    magnitude = np.where(positive, shifted, -shifted - 1)
    segment = np.searchsorted([0x1F, 0x3F, 0x7F, 0xFF, 0x1FF, 0x3FF, 0x7FF], magnitude)
    code = (segment << 4) | ((magnitude >> np.maximum(segment, 1)) & 0x0F)
    return np.asarray(code ^ np.where(positive, 0xD5, 0x55), dtype=np.uint8)


@cache
def _decoding_table(law: Law) -> "NDArray[np.int16]":
    import numpy as np

    code = np.arange(256, dtype=np.int32)
    if law == "g711_ulaw":
        code = ~code & 0xFF
        magnitude = ((((code & 0x0F) << 3) + 0x84) << ((code & 0x70) >> 4)) - 0x84
        value = np.where(code & 0x80, -magnitude, magnitude)
    else:
        code = code ^ 0x55
        segment = (code & 0x70) >> 4
        mantissa = (code & 0x0F) << 4
        magnitude = np.where(segment == 0, mantissa + 8, (mantissa + 0x108) << np.maximum(segment - 1, 0))
        value = np.where(code & 0x80, magnitude, -magnitude)
    return np.asarray(value, dtype="<i2")
