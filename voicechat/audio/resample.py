"""Streaming sample-rate conversion of s16le mono: soxr for any ratio, a short filter where time matters."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Resampler:
    """Converts a stream piece by piece without seams. Equal rates pass through untouched.

    Quality "LQ" keeps the filter's delay near one block, which is what a conversation needs; speech loses
    nothing audible by it (soxr's documentation gives its pass-band as 80 % and 96 dB of rejection).
    """

    def __init__(self, source_hz: int, target_hz: int, quality: str = "LQ"):
        self._stream = None
        if source_hz != target_hz:
            import soxr

            self._stream = soxr.ResampleStream(source_hz, target_hz, 1, dtype="int16", quality=quality)

    def feed(self, pcm: bytes, last: bool = False) -> bytes:
        """The converted samples that `pcm` completes; with `last`, also what the filter still holds."""
        if self._stream is None:
            return pcm
        import numpy as np

        converted: bytes = self._stream.resample_chunk(np.frombuffer(pcm, "<i2"), last=last).tobytes()
        return converted


class Decimator:
    """Every `factor`-th sample behind a low-pass of 12 taps per phase: a fifth of a millisecond of delay.

    For the live microphone, whose rate is a multiple of the wire's. soxr's filters hold back 2 to 40 ms there
    (measured with 10 ms pieces, 48 to 24 kHz), which would be half of what an interruption may take.
    """

    def __init__(self, factor: int):
        self._factor = factor
        if factor == 1:
            return
        import numpy as np

        self._np = np
        count = 12 * factor
        place = np.arange(count) - (count - 1) / 2
        taps = np.sinc(0.9 / factor * place) * np.hamming(count)
        self._taps = (taps / taps.sum()).astype(np.float32)
        self._before = np.zeros(count - 1, np.float32)

    def feed(self, pcm: bytes) -> bytes:
        """`pcm` must hold a multiple of `factor` samples; a `factor`-th as many come back."""
        if self._factor == 1:
            return pcm
        np = self._np
        samples = np.concatenate([self._before, np.frombuffer(pcm, "<i2").astype(np.float32)])
        self._before = samples[1 - len(self._taps) :]
        windows = np.lib.stride_tricks.sliding_window_view(samples, len(self._taps))[:: self._factor]
        low = np.einsum("ij,j->i", windows, self._taps)  # nothing is computed of what is left out
        return bytes(low.clip(-32768, 32767).astype("<i2").tobytes())


def means(pcm: bytes, ratio: int) -> "NDArray[np.float64]":
    """One sample of each `ratio`, s16le scaled: for comparisons of two sounds, as what folds back is in step on both.

    The sums of every `ratio`-th sample: many means of a few samples cost numpy four times as much.
    """
    import numpy as np

    wave = np.frombuffer(pcm, "<i2")
    total = wave[::ratio].astype(np.float64)
    for first in range(1, ratio):
        total += wave[first::ratio]
    return total / ratio
