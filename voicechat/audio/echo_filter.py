"""A linear echo canceller that keeps its hands off the user: a Kalman filter in the frequency domain, in 10 ms blocks.

It takes away only what a filter makes of the reference, so what it leaves is the user as he is, and a rest of the echo
some 25 dB below it, where WebRTC's suppressor takes a soft beginning for echo and lets nothing through for a third of
a second. Partitioned blocks (each as long as a block of sound, overlap-save), diagonalised covariance: Enzner and Vary,
"Frequency-domain adaptive Kalman filter for acoustic echo control in hands-free telephones", Signal Processing 86
(2006); Kuech, Mabande, Enzner, "State-space architecture of the partitioned-block-based acoustic echo controller",
ICASSP 2014.
"""

from collections import deque

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.floating]

LENGTH_MS = 240
"""Of the way, from a little before the direct sound on: in most rooms the rest is 25 dB below."""
KEPT = 0.9995
"""Of what is known of the way, from block to block: it changes within seconds, when somebody moves."""
UNKNOWN, DIRECT_PARTS, LATER_DB = 0.1, 4, 2.0
"""The variance of each coefficient of which nothing is known: so much around the direct sound, and with each block
after it so much less. A first answer of 2.5 s at -12 dB then leaves 16 to 21 dB less of its echo, with 1 everywhere 2
to 4."""
SMOOTHED = 0.8
MOVED = 0.3
"""Of the strength of each coefficient: how unsure it is at most after the reference was put right."""
TAIL_BLOCKS, TAIL_PARTS = 32, slice(5, 17)
"""How often the room's decay is looked at, and where: behind the direct sound, and where enough is learnt of it."""
SLOPES_DB = (-6.0, -0.6)
"""A tail of 0.1 s (RT60) loses so much in 10 ms, and one of a second."""
KEEP_BLOCKS, KEPT_BLOCKS = 5, 20
"""An echo that has moved is found within so many blocks, and meanwhile it is learnt where it is not."""
CUT_IN_TURN = 2
"""A partition is no longer than a block: what the learning adds behind that is cut off in every second of them."""


class EchoFilter:
    """Fed with blocks of `size` samples of one rate, s16le scaled, of both sides from the same moments."""

    def __init__(self, size: int, parts: int):
        """`parts` times `size` samples of the way are learnt."""
        bins = size + 1
        self.unsure: Samples = np.zeros(bins)
        """So much of the last block's rest may be echo, for what is not known yet of its way: mean squares, by tones
        from 0 to half the rate, that add up to the block's."""
        self.late: Samples = np.zeros(bins)
        """So much of it is echo that comes later than the filter reaches, as far as the room's decay tells."""
        self._size = size
        self._reference = np.zeros(2 * size, np.float32)
        self._spectra = np.zeros((parts, bins), np.complex64)
        self._way: NDArray[np.complexfloating] = np.zeros((parts, bins), np.complex64)
        later = np.maximum(np.arange(parts) - DIRECT_PARTS, 0)
        variance = UNKNOWN * 10 ** (-LATER_DB / 10 * later)
        self._variance: NDArray[np.floating] = np.repeat(variance[:, None], bins, axis=1).astype(np.float32)
        self._noise: NDArray[np.floating] = np.zeros(bins, np.float32)
        self._tail = 0.0  # the last partition's gain, as the room's decay has it
        self._decay = 0.0  # from one partition to the next
        self._turn = 0
        self._padded = np.zeros(2 * size, np.float32)
        self._kept: deque[tuple[NDArray[np.complexfloating], Samples]] = deque(maxlen=KEPT_BLOCKS // KEEP_BLOCKS)

    def split(self, captured: Samples, reference: Samples, *, learn: bool) -> tuple[Samples, Samples]:
        """A captured block as (the echo that was expected in it, the rest).

        `learn` False while somebody speaks: his voice would be taken for echo, by and by.
        """
        self.played(reference)
        spectra = self._spectra
        power = spectra.real**2 + spectra.imag**2
        # Half of an overlap-save block is the block before.
        unsure = 0.5 * np.sum(self._variance * power, axis=0)
        self.unsure = unsure / self._size**2
        self.late = self._decay * (self.late + 0.5 * self._tail * power[-1] / self._size**2)
        echo = np.fft.irfft(np.sum(self._way * spectra, axis=0))[self._size :]
        rest = captured - echo
        if learn and reference.any():  # silence would only age what is known
            self._learn(rest, power, unsure)
        return echo, rest

    def played(self, reference: Samples) -> None:
        """A block of the reference, where what was captured meanwhile does not matter."""
        size, spectra = self._size, self._spectra
        self._reference[:size] = self._reference[size:]
        self._reference[size:] = reference
        spectra[1:] = spectra[:-1].copy()
        spectra[0] = np.fft.rfft(self._reference)

    def expected(self, reference: Samples, before: bool = False) -> Samples:
        """The echo of so much sound on its own, without what came before it: right from the filter's length on.

        `before`: by what was known KEPT_BLOCKS ago.
        """
        size = 1 << (len(reference) - 1).bit_length()
        response = self._response(self._kept[0][0] if before and self._kept else self._way)
        spectrum = np.fft.rfft(response, size) * np.fft.rfft(reference, size)
        return np.asarray(np.fft.irfft(spectrum, size)[: len(reference)])

    def restore(self) -> None:
        """What was learnt since then was wrong."""
        if self._kept:
            way, variance = self._kept[0]
            self._way, self._variance = way, np.maximum(variance, self._variance)
            self._kept.clear()

    def delay(self, samples: float) -> None:
        """The echo comes so much later, by a few samples at most."""
        response = self._response(self._way)
        spectrum = np.fft.rfft(response, 2 * len(response))
        spectrum *= np.exp(-1j * np.pi * samples / len(response) * np.arange(len(spectrum)))
        response = np.fft.irfft(spectrum)[: len(response)]
        self._way = np.fft.rfft(response.reshape(-1, self._size), 2 * self._size, axis=1).astype(np.complex64)
        self._kept.clear()

    def _response(self, way: NDArray[np.complexfloating]) -> Samples:
        return np.asarray(np.fft.irfft(way, axis=1)[:, : self._size].ravel())

    def moved(self, unsure: float) -> None:
        """The reference was put right, by about what was needed: of the strength of each coefficient this share is
        unsure now."""
        self._variance += min(unsure, MOVED) * (self._way.real**2 + self._way.imag**2)

    def _learn(self, rest: Samples, power: Samples, unsure: Samples) -> None:
        size, spectra = self._size, self._spectra
        self._padded[size:] = rest
        error = np.fft.rfft(self._padded)
        self._noise = SMOOTHED * self._noise + (1 - SMOOTHED) * (error.real**2 + error.imag**2)
        step = self._variance / (unsure + self._noise + 1e-3)
        self._way = KEPT * (self._way + step * np.conj(spectra) * error)
        self._turn += 1
        if self._turn % KEEP_BLOCKS == 0:
            self._kept.append((self._way.copy(), self._variance.copy()))
        if self._turn % TAIL_BLOCKS == 0:
            self._find_tail()
        part = self._way[self._turn % CUT_IN_TURN :: CUT_IN_TURN]
        response = np.fft.irfft(part, axis=1)
        response[:, size:] = 0
        part[:] = np.fft.rfft(response, axis=1)
        known = (1 - 0.5 * step * power) * self._variance
        self._variance = known + (1 - KEPT**2) * (self._way.real**2 + self._way.imag**2)

    def _find_tail(self) -> None:
        """How a room's echo dies away: exponentially, so that what is known of it tells of what comes after it."""
        way = self._way[TAIL_PARTS, : self._way.shape[1] // 3]
        parts = np.arange(self._way.shape[0])[TAIL_PARTS]
        gains_db = 10 * np.log10(np.mean(way.real**2 + way.imag**2, axis=1) + 1e-12)
        slope_db, first_db = np.polyfit(parts, gains_db, 1)
        self._decay = 10 ** (np.clip(slope_db, *SLOPES_DB) / 10)
        self._tail = 10 ** ((first_db + slope_db * (self._way.shape[0] - 1)) / 10)
