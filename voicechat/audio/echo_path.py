"""The way from loudspeaker to microphone, learnt from the sound: how late the echo comes, and what becomes of it.

Works on samples at RATE_HZ, s16le scaled, of both sides from the same moments; no clock, thread or device. `EchoPath`
averages what many seconds of answers have in common with their echo, tail of the room included, and can then say of a
tenth of a second whether it is explained by what was played. `find_echo` needs no such past, and finds an echo of any
delay in as little sound, as far as the direct way stands out.
"""

import functools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voicechat.audio.resample import means

Samples = NDArray[np.float64]
Spectrum = NDArray[np.complexfloating]

RATE_HZ = 8000
"""Voices have most of what they are made of below 4 kHz."""
RESPONSE_MS = 360
"""What is learnt of the way, from a little before the direct sound on."""
SEGMENT_MS = 1024
FORGET = 0.9
"""Of what was learnt this share is kept with each new segment."""
MOST_DELAY_MS = 600
FIRST_SEGMENTS = 2
"""So many must have been learnt before what is left of an echo is told from a voice by them."""
STRANGE, STRANGE_SEGMENTS = 0.3, 6
"""A segment of which so much less is explained is another way, or somebody's voice, up to so many in a row."""
SILENT = 100.0
"""A mean square below this (-70 dBFS) teaches nothing."""
WINDOW_MS = 100
"""Sound that is judged. Less is too little to tell, more lets the user's first sound through later."""

RECENT_MS = 300
DECAY_DB = 1.4
"""In 10 ms a room loses so much of an echo (60 dB in 0.4 s). Less shuts out a user who is no louder than the echo."""
NEARLY = 0.9
"""What is so much as good as the best place is as good: a voice is alike from one of its periods to the next."""
MARGIN, LEAST_SHARE = 0.1, 0.5
"""So much less than usual may be explained of an echo, but not less than this."""


def samples_at(pcm: bytes, rate_hz: int) -> Samples:
    """s16le mono at a multiple of RATE_HZ, brought down to it."""
    return means(pcm, rate_hz // RATE_HZ)


def _whitened(wave: Samples) -> Samples:
    """The difference of neighbours: speech has its strength in the low tones, which look the same at every delay."""
    return np.diff(wave, prepend=wave[:1])


@dataclass(frozen=True, slots=True)
class Echo:
    """`share`: correlation with what was played so much earlier, 0 to 1. `clarity`: how far it stands out of all other
    delays, in their RMS; chance reaches 10.
    """

    delay_ms: float
    share: float
    clarity: float


def find_echo(captured: Samples, reference: Samples) -> Echo:
    """The one delay that explains `captured` best. `reference` ends at the same moment and begins that much earlier."""
    heard, played = _whitened(captured), _whitened(reference)
    most = len(played) - len(heard)
    size = 1 << (len(played) - 1).bit_length()
    cross = np.conj(np.fft.rfft(heard, size)) * np.fft.rfft(played, size)
    # Each frequency counts the same (PHAT): one sharp peak instead of one at each period of a voice.
    magnitude = np.abs(cross)
    sharp = np.abs(np.fft.irfft(cross / (magnitude + 1e-3 * magnitude.max() + 1e-9), size)[: most + 1])
    place = int(np.argmax(sharp))
    clarity = float(sharp[place] / max(math.sqrt(_power(sharp)), 1e-12))
    fraction = 0.0
    if 0 < place < most:
        before, here, after = sharp[place - 1 : place + 2]
        fraction = 0.5 * float(before - after) / min(float(before - 2 * here + after), -1e-12)
    share = _correlation(heard, played[place : place + len(heard)])
    return Echo((most - place - fraction) * 1000 / RATE_HZ, share, clarity)


def _power(wave: Samples) -> float:
    return float(np.dot(wave, wave)) / len(wave)


@functools.cache
def _window(size: int) -> Samples:
    return np.hanning(size)


@functools.lru_cache(64)
def _later(size: int, ms: float) -> Spectrum:
    """What makes a spectrum, of a transform of `size`, that of the same sound so much later."""
    return np.asarray(np.exp(-2j * np.pi * np.arange(size // 2 + 1) * ms * RATE_HZ / 1000 / size))


def _correlation(one: Samples, other: Samples) -> float:
    strength = math.sqrt(float(np.dot(one, one)) * float(np.dot(other, other)))
    return abs(float(np.dot(one, other))) / strength if strength > 0 else 0.0


class EchoPath:
    """Learns from segments without a user, and explains what comes after."""

    def __init__(self) -> None:
        self.usual = 0.0
        """The share of an echo that is explained in this room, as it was found in sound it had not learnt from yet."""
        self.delay_ms: float | None = None
        self._cross: Any = 0.0
        self._power: Any = 0.0
        self._segments = self._strange = 0
        self._response: Samples = np.zeros(0)
        self._spectra: dict[int, Spectrum] = {}  # of the response, by the length of the transform
        self._growth = 10 ** (DECAY_DB / 10 * np.arange(RECENT_MS // 10))

    @property
    def known(self) -> bool:
        """Enough was learnt to tell an echo from a voice."""
        return self._segments > FIRST_SEGMENTS and self.usual > 0.6

    def learn(self, captured: Samples, reference: Samples) -> bool:
        """SEGMENT_MS of both. False when this is not the way that is known: only when it stays so it is learnt."""
        heard, played = _whitened(captured), _whitened(reference)
        if _power(played) < SILENT or not captured.any():
            return True
        if self._segments:
            found = self._usual_in(heard, played)
            if self.known and found < self.usual - STRANGE and self._strange < STRANGE_SEGMENTS:
                self._strange += 1
                return False
            self._strange = 0
            self.usual = found if self._segments == 1 else 0.6 * self.usual + 0.4 * found
        shape = _window(len(played))
        spectrum = np.fft.rfft(played * shape)
        self._cross = FORGET * self._cross + np.fft.rfft(heard * shape) * np.conj(spectrum)
        self._power = FORGET * self._power + np.abs(spectrum) ** 2
        self._segments += 1
        response = np.fft.irfft(self._cross / (self._power + 1e-3 * self._power.max()))
        self._set(response[: RESPONSE_MS * RATE_HZ // 1000])
        return True

    def explained(self, captured: Samples, reference: Samples) -> float:
        """The share of `captured` that is echo; `reference` ends at the same moment, and is RESPONSE_MS longer."""
        return self.explained_at(captured, reference, (0.0,))[0]

    def explained_at(self, captured: Samples, reference: Samples, later_ms: Iterable[float]) -> list[float]:
        """The same, for each of these if the echo came so much later than it did."""
        heard = _whitened(captured)
        spectrum, size = self._expected_spectrum(_whitened(reference))
        shares = []
        for ms in later_ms:
            shifted = spectrum * _later(size, ms) if ms else spectrum
            expected = np.fft.irfft(shifted, size)[: len(reference)]
            shares.append(_correlation(heard, expected[-len(heard) :]))
        return shares

    def later_ms(self, captured: Samples, reference: Samples, most_ms: int, usual_ms: float) -> float:
        """How much later than `reference`, up to `most_ms`, its echo is most of `captured`; of several that are nearly
        as good, a voice's periods, the one that is next to `usual_ms`."""
        heard, most = _whitened(captured), most_ms * RATE_HZ // 1000
        expected = self._expected(_whitened(reference))[-len(heard) - most :]
        common = np.correlate(expected, heard, "valid")
        energies = np.cumsum(np.concatenate([[0.0], expected**2]))
        energies = energies[len(heard) :] - energies[: -len(heard)]
        likeness = common / np.sqrt(np.maximum(energies, 0.05 * energies.max() + 1e-9))
        found = (most - np.arange(len(likeness))) * 1000 / RATE_HZ
        good = likeness >= NEARLY * likeness.max()
        return float(found[good][np.argmin(np.abs(found[good] - usual_ms))])

    def judge(self, captured: Samples, reference: Samples) -> tuple[float, bool]:
        """(the share of the last WINDOW_MS that is explained, whether the rest of it is the room's).

        Of an echo some part is never explained, and what the room makes of it goes on after it: as much as usual may
        be unexplained of the echo that is expected, or was a moment ago. `captured` is RECENT_MS.
        """
        heard, expected = _whitened(captured), self._expected(_whitened(reference))[-len(captured) :]
        size = WINDOW_MS * RATE_HZ // 1000
        share = _correlation(heard[-size:], expected[-size:])
        strengths = np.sum(expected.reshape(-1, RATE_HZ // 100) ** 2, axis=1)
        expectable = np.maximum.accumulate(strengths * self._growth) / self._growth
        # A way that was learnt from little sound has the right shape before it has the right strength.
        gain = max(1.0, float(np.dot(heard, expected)) / max(float(np.dot(expected, expected)), 1e-9))
        unexplained = float(np.dot(heard[-size:], heard[-size:])) * (1 - share**2)
        allowed = 1 - max(self.usual - MARGIN, LEAST_SHARE) ** 2
        return share, unexplained < allowed * gain**2 * float(np.sum(expectable[-WINDOW_MS // 10 :]))

    def _set(self, response: Samples) -> None:
        self._response = response
        self._spectra.clear()
        strength = np.abs(response)
        self.delay_ms = int(np.argmax(strength >= 0.7 * strength.max())) * 1000 / RATE_HZ

    def _expected(self, played: Samples) -> Samples:
        """The echo of it, right from RESPONSE_MS on: what comes before is mixed with what ends last."""
        spectrum, size = self._expected_spectrum(played)
        return np.asarray(np.fft.irfft(spectrum, size)[: len(played)])

    def _expected_spectrum(self, played: Samples) -> tuple[Spectrum, int]:
        size = 1 << (len(played) - 1).bit_length()
        if size not in self._spectra:
            self._spectra[size] = np.fft.rfft(self._response, size)
        return np.fft.rfft(played, size) * self._spectra[size], size

    def _usual_in(self, heard: Samples, played: Samples) -> float:
        """The median over the windows in which there was something to hear."""
        expected = self._expected(played)
        size, first = WINDOW_MS * RATE_HZ // 1000, RESPONSE_MS * RATE_HZ // 1000
        floor = 0.1 * _power(expected[first:])
        shares = [
            _correlation(heard[at : at + size], expected[at : at + size])
            for at in range(first, len(heard) - size + 1, size // 2)
            if _power(expected[at : at + size]) > floor
        ]
        return float(np.median(shares)) if shares else self.usual
