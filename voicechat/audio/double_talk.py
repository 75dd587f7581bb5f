"""Who speaks softly into an answer is heard at once: double talk is found in what a linear filter leaves of the echo.

WebRTC's canceller is sure of its echo, not of a user who begins softly under it: it lets him through when he is as
loud, a third of a second later. `DoubleTalk` runs an `EchoFilter` beside it. Where that leaves clearly more than it
usually does, and the echo itself is where it is expected (else the way has moved, and what is left is echo), it is
somebody's voice, and what the filter leaves is used instead of the canceller's sound.
"""

import itertools
import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

from voicechat.audio.echo_filter import LENGTH_MS, EchoFilter, Samples
from voicechat.audio.frames import BLOCK_MS, cross_fade
from voicechat.audio.resample import means

Spectrum = NDArray[np.complexfloating]

LOW_HZ = 4000
"""Below it is most of every voice. The way of higher tones is learnt from few: the next voice has others."""
WINDOW = 4
"""Blocks that are looked at: one is chance."""
DECAY_DB = 1.0
"""In 10 ms a room loses so much of an echo (60 dB in 0.6 s)."""
STANDS_OUT_DB, LEAST_USUAL_DB = 7.0, -22.0
"""So much more than usual is left of an echo when somebody speaks; what is usual is never taken for less than this."""
SURELY = 5.0
"""And so much more than the filter is unsure of: another voice has tones whose way is not known yet."""
LATE = 2.5
"""And so much more than the room's late echo."""
USUAL_BLOCKS, USUAL_SHARE, LEAST_BLOCKS = 220, 0.98, 80
"""Usual is what so large a share of the last blocks of echo did not exceed, as soon as there were so many."""
JUDGED_BLOCKS = 8
"""How often that is looked at."""
LEARNT_DB, SURE_DB = -10.0, -18.0
"""The filter is worth something when it usually leaves so little, and believed against all else when so little."""
AUDIBLE = 10 ** (-56 / 10) * 32768**2
"""A mean square. What is left below it is no voice to any service."""
HEARD = 10 ** (-62 / 10) * 32768**2
"""An echo below it is none, and what is left is not measured by it."""
IN_PLACE, CHANCE, PAST_CHANCE = 0.3, 0.25, 0.1
"""The echo comes when and as loud as it was expected: so much more or less of it is in what was captured, and of a
louder voice so much looks like it, in the last blocks and in more."""
ELSEWHERE, LEAST_ELSEWHERE = 0.5, 0.15
"""Of an echo that is as loud as expected, but comes at another time, what is left holds half of itself less of the
expected one: |c - e|² = 2 (|e|² - c·e) where |c| = |e|. Of a voice it holds nothing but chance."""
SETTLING_BLOCKS = 100
"""After the reference was put right, the filter is right by and by: until then it is as if nothing were usual."""
FOUND_BLOCKS = 12
"""An echo that has moved is mostly found within so many blocks."""
CHECKED_BLOCKS, EXACT_DB = 6, 3.0
"""Unless it leaves no more than so much over the usual of the last blocks: then it was put right to the sample."""
NEARLY_ALL = 0.25
"""Less than this is left of an echo that is found elsewhere, and twice as much and more where it was. Of a voice that
has just begun, an echo that is about as loud may explain half at some time."""
LOCATED, LEAST_ASTRAY, LOCATED_BY, ALIKE = 0.2, 0.4, 3.0, 14
"""An echo is located where no more than the one share is left of it, if more than the other is left at its place, and
everywhere else so many times as much as there, but for the next few samples."""
EXPLAINED, MOST_LAG, FINER = 0.25, 8, 8
"""A filter that leaves so small a share knows where the echo is to an eighth of a sample; a step is found to a few."""
SLIPPED, MOST_LEFT = 0.8, 0.5
"""An echo has slipped when no more than the one share of what was left stays after it was put by a few samples, and no
more than the other of the echo. Of a voice over it more than 0.93 stayed, in 99 of 100 recorded blocks."""
SPOILT = 0.4
"""So much less the filter of a moment ago leaves, if it has learnt at the wrong place since."""
ASTRAY_BLOCKS = 150
"""An echo that is elsewhere is learnt anew only after so much of it: mostly the reference is put right before."""
PAST_KEPT, CONFIRMED = 0.93, 10.0
"""What was found of that counts less from block to block, and an answer must have shown so much: its echo may have
moved while it was silent."""
HOLD_BLOCKS, ECHO_COUNTS, ECHO_COUNTS_SURE = 15, 5, 2
"""A voice goes on through so short a pause, of which a block that is echo alone takes so much; less where the filter
leaves next to nothing of it: a soft first syllable is then heard to its end, and services need a tenth of a second."""
TRIAL_BLOCKS = 60
"""The canceller has come to the same opinion by then, or it was no voice: then it is usual."""


class DoubleTalk:
    """For one thread. Blocks of s16le; `capture_hz` is a multiple of `render_hz`."""

    def __init__(self, capture_hz: int, render_hz: int):
        self.speaking = False
        """Somebody speaks, as far as it was heard until the last block."""
        self.echo_only = False
        """Nobody does: the last blocks are as much echo as usual."""
        self.may_have_moved = True
        """Nothing is known of the echo, or it is not where it was."""
        self.out_of_place = False
        """It is not where it was."""
        self._ratio = capture_hz // render_hz
        self._filter = EchoFilter(render_hz * BLOCK_MS // 1000, LENGTH_MS // BLOCK_MS)
        self._low = LOW_HZ * BLOCK_MS // 1000
        self._usual_db = 0.0
        self._waiting: deque[float] = deque()
        self._left: deque[float] = deque(maxlen=USUAL_BLOCKS)
        self._count = self._astray = self._hold = self._at = 0
        self._used, self._learns = False, True
        self._settling = 0
        self._rest: Samples = np.zeros(render_hz * BLOCK_MS // 1000)
        self._before = 0.0  # the last sample of the rest before
        # Mean squares of the last blocks: of the rest, of the echo as expected, of what is left of it in a room, and
        # what it has in common with what was captured.
        self._rests, self._echoes, self._lasting, self._common, self._unsure = ([0.0] * WINDOW for _ in range(5))
        self._past = [0.0] * 3  # rest, echo and what is common, of longer

    def hear(self, captured: bytes, reference: bytes, agreed: bool) -> None:
        """One block of both. `agreed`: of the one before the canceller has left a voice, too."""
        heard = means(captured, self._ratio)
        played = np.frombuffer(reference, "<i2").astype(np.float64)
        self._before = float(self._rest[-1])
        learn = self._learns and not self.speaking
        echo, self._rest = self._filter.split(heard, played, learn=learn)
        at, before = self._at, self._lasting[self._at - 1]
        low_echo, low_rest = self._low_tones(echo), self._low_tones(self._rest)
        self._rests[at], self._echoes[at] = _product(low_rest, low_rest), _product(low_echo, low_echo)
        self._common[at] = self._echoes[at] + _product(low_rest, low_echo)
        self._unsure[at] = float(
            np.sum(SURELY * self._filter.unsure[: 2 * self._low] + LATE * self._filter.late[: 2 * self._low])
        )
        self._lasting[at] = max(self._echoes[at], before * 10 ** (-DECAY_DB / 10))
        self._at = (at + 1) % WINDOW
        self._judge(agreed)

    def chosen(self, clean: bytes) -> bytes:
        """The block to use: `clean`, which the canceller made of it, or what the filter left when somebody speaks."""
        if not (self.speaking or self._used):
            return clean
        # Between two samples of the filter's rate a straight line: services take half the captured rate at most.
        count = len(self._rest)
        places = np.arange(1, count * self._ratio + 1) / self._ratio
        wave = np.interp(places, np.arange(count + 1), np.concatenate([[self._before], self._rest]))
        own = bytes(wave.clip(-32768, 32767).astype("<i2").tobytes())
        before, self._used = self._used, self.speaking
        if before == self._used:
            return own
        return cross_fade(clean, own) if self._used else cross_fade(own, clean)

    @property
    def left(self) -> float:
        """The share of what was captured in the last blocks that no echo explains."""
        rest, echo = sum(self._rests), sum(self._echoes)
        return rest / max(2 * sum(self._common) - echo + rest, 1.0)

    @property
    def sure(self) -> bool:
        """The filter usually leaves next to nothing, and knows where the echo is."""
        return self._usual_db < SURE_DB and not self._settling

    def deny(self) -> None:
        """Nobody speaks: the filter is wrong."""
        self.speaking, self._hold = False, 0

    def silent(self, captured: bytes, clean: bytes) -> bytes:
        """The block to use when there was no echo for a while."""
        self.speaking = self.echo_only = False
        self._hold, self._past = 0, [0.0] * 3
        if not self._used:
            return clean
        self._used = False
        return cross_fade(captured, clean)

    def step(self, captured: list[bytes], here: list[bytes], there: list[bytes]) -> float | None:
        """The echo in the last of these blocks is said to have moved, so that `there` is its reference and not `here`:
        by how many samples it is later still, at most MOST_LAG and as far as the filter explains it.

        None when the filter has it `here`. Both are longer by LENGTH_MS. The filter is then as it was before it learnt
        of an echo at the wrong place, if that explains clearly more.
        """
        pairs = [[self._both(captured, reference, before=way) for way in (False, True)] for reference in (here, there)]
        here_db, there_db = (min(self._left_db(*pair) for pair in both) for both in pairs)
        if here_db < 10 * math.log10(EXPLAINED) and there_db > here_db:
            return None
        now, before = (self._lag(*pair) for pair in pairs[1])
        if before[0] < SPOILT * now[0]:
            self._filter.restore()
            now = before
        left, lag = now
        return lag if left < EXPLAINED else 0.0

    def slipped(self, captured: list[bytes], references: list[bytes]) -> float | None:
        """By how many samples, at most MOST_LAG, the echo in these blocks comes later than the filter has it: as far as
        that explains what is left. `references` are longer by LENGTH_MS."""
        heard, echo = self._both(captured, references)
        left, lag = self._lag(heard, echo)
        here, _ = self._lag(heard, echo, 0)
        return lag if left < min(SLIPPED * here, MOST_LEFT) and abs(lag) < MOST_LAG else None

    def elsewhere(self, captured: list[bytes], references: list[bytes], early: int) -> bool:
        """Whether these blocks are an echo, as loud as the filter knows it, but at another time.

        `references` are longer by LENGTH_MS and by how far it is looked for, and `early` by so many samples.
        """
        if self._usual_db >= LEARNT_DB:
            return False
        heard, echo = self._both(captured, references, len(references) - LENGTH_MS // BLOCK_MS)
        # What the filter is right about, and of that the higher tones more: speech's low ones look alike.
        left = Places(echo, self._share_of_low, rising=True).left(heard)
        return bool(left.min() < NEARLY_ALL < left[-1 - early] / 2)

    def located(self, captured: list[bytes], references: list[bytes], early: int) -> tuple[int, int] | None:
        """(how many of these blocks, the last ones, are an echo beyond doubt, by how many samples later than expected);
        all as for `elsewhere`."""
        if self._usual_db >= LEARNT_DB:
            return None
        heard, echo = self._both(captured, references, len(references) - LENGTH_MS // BLOCK_MS)
        places = [Places(echo, self._share_of_low, rising=rising) for rising in (True, False)]
        for count, each in itertools.product((len(heard) // 2, len(heard)), places):
            left = each.left(heard[-count:])
            here, there = len(left) - 1 - early, int(np.argmin(left))
            found, at_home = float(left[there]), float(left[here])
            left[max(there - ALIKE, 0) : there + ALIKE + 1] = np.inf
            if found < LOCATED and at_home > LEAST_ASTRAY and left.min() > LOCATED_BY * found:
                return count // len(self._rest), here - there
        return None

    @property
    def _share_of_low(self) -> float:
        return self._low / len(self._rest)

    def _lag(self, heard: Samples, echo: Samples, most: int = MOST_LAG) -> tuple[float, float]:
        """(what is left of the echo at best, by how many samples more it is late then)."""
        size = 2 * len(echo)
        ours, theirs = (np.fft.rfft(wave, size)[: size * self._low // len(self._rest)] for wave in (heard, echo))
        fine = np.fft.irfft(ours * np.conj(theirs), FINER * size) * FINER
        near = np.concatenate([fine[len(fine) - most * FINER :], fine[: most * FINER + 1]])
        expected = 2 / size * _product(theirs, theirs)
        left = 2 / size * _product(ours, ours) + expected - 2 * float(near.max())
        return left / max(expected, 1.0), int(np.argmax(near)) / FINER - most

    def again(self, captured: list[bytes], references: list[bytes], later: float) -> None:
        """The reference was put right: what was captured last, and what was played until then as it should have been,
        longer by LENGTH_MS. Its echo still comes `later` by so much of a sample.

        Where that leaves as little as ever of the last of it, the filter is as right as it was.
        """
        if later:
            self._filter.delay(later)
        left_db = self._left_db(*self._both(captured, references))
        for reference in references[-LENGTH_MS // BLOCK_MS :]:
            self._filter.played(np.frombuffer(reference, "<i2").astype(np.float64))
        self._filter.moved(10 ** (left_db / 10))
        if self._usual_db >= LEARNT_DB or left_db > max(self._usual_db, LEAST_USUAL_DB) + EXACT_DB:
            self._settling = SETTLING_BLOCKS
        self._rests, self._echoes, self._lasting, self._common, self._unsure = ([0.0] * WINDOW for _ in range(5))
        self.speaking = False
        self._hold, self._past = 0, [0.0] * 3
        for _ in range(min(len(self._waiting), FOUND_BLOCKS)):  # what was left meanwhile is not usual
            self._waiting.pop()

    def _both(
        self, captured: list[bytes], references: list[bytes], blocks: int | None = None, *, before: bool = False
    ) -> tuple[Samples, Samples]:
        """What was heard, and what was expected in so many of the last blocks, or at the same time."""
        heard = means(b"".join(captured), self._ratio)
        played = np.frombuffer(b"".join(references), "<i2").astype(np.float64)
        return heard, self._filter.expected(played, before)[-len(self._rest) * (blocks or len(captured)) :]

    def _left_db(self, heard: Samples, echo: Samples) -> float:
        size = len(self._rest)
        low = [np.fft.rfft(each.reshape(-1, size))[:, : self._low] for each in (heard - echo, echo)]
        rest, expected = (2 / size**2 * float(np.sum(np.abs(each) ** 2)) for each in low)
        return 10 * math.log10((rest + 1) / (expected + HEARD * len(heard) / size))

    def _low_tones(self, block: Samples) -> Spectrum:
        return np.asarray(np.fft.rfft(block)[: self._low]) * (math.sqrt(2) / len(block))

    def _judge(self, agreed: bool) -> None:
        rest, echo, lasting = sum(self._rests), sum(self._echoes), sum(self._lasting)
        left_db = 10 * math.log10((rest + 1) / (lasting + HEARD * WINDOW))
        if agreed:
            self._waiting.clear()
        for number, value in enumerate((rest, echo, sum(self._common))):
            self._past[number] = PAST_KEPT * self._past[number] + value
        in_place = self._is_in_place(rest, echo)
        if echo > HEARD * WINDOW:
            self._settling = max(self._settling - 1, 0)
        learnt = self._usual_db < LEARNT_DB and not self._settling
        self.out_of_place = learnt and not (in_place or self._is_unseen(echo))
        self.may_have_moved = not learnt or self.out_of_place
        self._learns = in_place or not learnt
        if self._learns:
            self._astray = 0
        elif echo > HEARD * WINDOW:
            self._astray += 1
            if self._astray > ASTRAY_BLOCKS:
                self._usual_db = 0.0
                self._left.clear()
                self._waiting.clear()
        knows = in_place and learnt
        most_db = max(self._usual_db, LEAST_USUAL_DB) + STANDS_OUT_DB if learnt else 0.0
        stands_out = rest > sum(self._unsure) and left_db > most_db
        self.echo_only = (in_place or not learnt) and not stands_out and echo > HEARD * WINDOW
        if knows and stands_out and rest > AUDIBLE * WINDOW:
            self.speaking, self._hold = True, HOLD_BLOCKS
        elif self._hold > 0 and in_place:
            self._hold -= (ECHO_COUNTS_SURE if self.sure else ECHO_COUNTS) if self.echo_only else 1
        else:
            self.speaking, self._hold = False, 0
        if in_place and not agreed and echo > max(HEARD * WINDOW, lasting / 4):
            self._learn(left_db)

    def _is_unseen(self, echo: float) -> bool:
        """No echo was expected yet in this answer."""
        return max(echo / WINDOW, self._past[1] / WINDOW / CONFIRMED) < HEARD

    def _is_in_place(self, rest: float, echo: float) -> bool:
        """In the last blocks, as far as there should be any, and in this answer."""
        common = sum(self._common)
        if echo > HEARD * WINDOW and not _same(rest, echo, common, CHANCE):
            return False
        if 2 * (echo - common) > ELSEWHERE * rest and rest > LEAST_ELSEWHERE * echo > HEARD * WINDOW:
            return False
        rest_past, echo_past, common_past = self._past
        return echo_past > HEARD * WINDOW * CONFIRMED and _same(rest_past, echo_past, common_past, PAST_CHANCE)

    def _learn(self, left_db: float) -> None:
        """What is usual, from what has turned out not to be somebody's soft beginning."""
        self._waiting.append(left_db)
        if len(self._waiting) <= TRIAL_BLOCKS:
            return
        self._left.append(self._waiting.popleft())
        self._count += 1
        if len(self._left) >= LEAST_BLOCKS and self._count % JUDGED_BLOCKS == 0:
            self._usual_db = sorted(self._left)[int(len(self._left) * USUAL_SHARE)]


def _same(rest: float, echo: float, common: float, chance: float) -> bool:
    return abs(common / echo - 1) < IN_PLACE + chance * math.sqrt(rest / echo)


def _product(one: Spectrum, other: Spectrum) -> float:
    """Of two blocks: the mean of what they have in common."""
    return float(np.vdot(one, other).real)


class Places:
    """An echo as it was expected, at each of whose places something shorter may be looked for."""

    def __init__(self, echo: Samples, low: float, *, rising: bool):
        """Tones up to this share of the rate count; `rising`, the higher ones more."""
        self._size, self._most = len(echo), round(len(echo) * low)
        self._weights = np.arange(self._most) / self._most if rising else np.ones(self._most)
        self._spectrum = self._weighed(echo)
        self._sums = np.cumsum(np.concatenate([[0.0], np.fft.irfft(self._spectrum, self._size) ** 2]))

    def left(self, heard: Samples) -> Samples:
        """The share of it that is left by the echo at each place, the oldest first."""
        ours, count = self._weighed(heard), len(heard)
        common = np.fft.irfft(self._spectrum * np.conj(ours), self._size)[: self._size - count + 1]
        strength = max(2 / self._size * _product(ours, ours), 1e-9)
        return np.asarray(1 + (self._sums[count:] - self._sums[:-count] - 2 * common) / strength)

    def _weighed(self, wave: Samples) -> Spectrum:
        spectrum = np.fft.rfft(wave, self._size)
        spectrum[: self._most] *= self._weights
        spectrum[self._most :] = 0
        return spectrum
