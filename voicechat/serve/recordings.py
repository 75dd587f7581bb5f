"""Recordings that clients send: decoded piece by piece, bounded in length, whatever their head promises."""

import io
from collections.abc import Iterator

from voicechat.audio.resample import Resampler
from voicechat.serve.refusals import Refusal

RATE_HZ = 16_000
MOST_CHANNELS = 8
RATES_HZ = (4_000, 192_000)
_BLOCK_S = 1.0


def decoded(data: bytes, most_s: float, param: str = "file") -> Iterator[bytes]:
    """s16le mono at 16 kHz, a second at a time. Raises Refusal for what is no sound in `param`, or too much of it.

    A small file may hold days of silence: what counts is what comes out of it.
    """
    import numpy as np
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(data)) as sound:
            rate_hz, channels = sound.samplerate, sound.channels
            if channels > MOST_CHANNELS or not RATES_HZ[0] <= rate_hz <= RATES_HZ[1]:
                raise _unusable(f"it has {channels} channels at {rate_hz} Hz", param)
            resampler, taken_s = Resampler(rate_hz, RATE_HZ), 0.0
            while len(block := sound.read(int(rate_hz * _BLOCK_S), dtype="int16", always_2d=True)):
                taken_s += len(block) / rate_hz
                if taken_s > most_s:
                    message = f"At most {most_s / 60:g} minutes of sound are taken."
                    raise Refusal(413, 1009, "audio_too_long", message, param=param)
                mono = block[:, 0] if channels == 1 else block.mean(axis=1).astype(np.int16)
                yield resampler.feed(mono.astype("<i2").tobytes())
            yield resampler.feed(b"", last=True)
    except (RuntimeError, OSError, TypeError) as error:  # soundfile's own is a RuntimeError
        raise _unusable("wav, flac, ogg, opus and mp3 can be read", param) from error


def _unusable(why: str, param: str) -> Refusal:
    message = f"The audio file could not be decoded or its format is not supported: {why}."
    return Refusal(400, 4000, "invalid_value", message, param=param)
