"""Behind the canceller: what it left is judged, and the way it has learnt is kept what it was.

The canceller's filter is right for one way, and WebRTC takes two seconds to learn another. A standstill of the machine
or of a sound server leaves a backlog in some buffer, and from then on the echo comes later: an answer would be cut by
its own echo before the canceller has learnt anything. So while the speaker sounds and something loud is left,
`EchoWatch` asks whether that is what was played. As the way was learnt: then it is the room's tail, or a canceller that
is not ready, and it is not passed on. Or later than that: then the reference is shifted by the difference, and the
canceller, given the last moments again, is right at once. What neither explains is the user.
"""

import logging
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from voicechat.audio.double_talk import CHECKED_BLOCKS, LEAST_ASTRAY, DoubleTalk
from voicechat.audio.echo import CleanMicrophone
from voicechat.audio.echo_history import EchoHistory
from voicechat.audio.echo_path import (
    MOST_DELAY_MS,
    RECENT_MS,
    RESPONSE_MS,
    SEGMENT_MS,
    WINDOW_MS,
    Echo,
    EchoPath,
    Samples,
    find_echo,
)
from voicechat.audio.frames import BLOCK_MS, dbfs, is_silent
from voicechat.audio.vad import SILENCE_DBFS

log = logging.getLogger(__name__)

LOUD_DBFS = SILENCE_DBFS - 1
"""What is left below this is taken for a voice by nobody, our own detector included."""
QUIET_DBFS = -72.0
"""To this level an echo is brought that was left."""
TAIL_BLOCKS = 80
"""How long after the speaker's last sound its echo is looked for."""
LEARN_BLOCKS, LEARN_FIRST_BLOCKS = 96, 16
"""How often something is learnt of a way that is known, and of one that is not."""
MOVED_MARGIN, LEAST_MOVED = 0.2, 0.6
"""So much less than usual may be explained of an echo that has moved, but not less than this."""
SEARCH_BLOCKS = 6
"""So many blocks that are no known echo are searched one by one for an echo at another delay, then fewer."""
WATCH_BLOCKS, WATCH_MARGIN = 5, 0.25
"""How often it is looked whether the echo is where it was, and how much less than usual is explained of one that is
looked for."""
VOICE_BLOCKS, BEGINNING_MS = 12, 40
"""So many blocks of a voice that the canceller takes for echo are doubted; of one that has just begun no more than its
beginning can be an echo that has moved."""
FAR_BLOCKS, FAR_MS = 10, 3000
"""So many blocks that nothing explains are looked for up to so much later, which takes two milliseconds (televisions
and wireless speakers are slow), and so is, as long as none is known, a way to learn from."""
SLIP_BLOCKS = 4
"""In so many blocks an echo that has slipped by a few samples is looked for."""
DENIED = 2.0
"""The filter is not believed where it leaves so much more than the way explains of the same sound."""
DOUBT_BLOCKS = 8
"""So many blocks of them are not believed to be the user where the echo is missing at its place."""
LONG_MS = 300
"""Sound in which another delay is looked for when nothing was left, but not what was expected was heard."""
LEAST_SHARE, LEAST_CLARITY, SAME_SHARE = 0.4, 8.5, 0.3
"""For an echo of which nothing was learnt yet, and where it was before; a voice over no echo reaches 0.25 and 9."""
AROUND_MS = (-0.12, -0.06, 0.0, 0.06, 0.12)
"""A delay was found to about this."""
NEARBY_MS = 20
"""Where no delay stands out, since a voice is nothing but a tone, what was expected is looked for so much around."""
LOCATED_MS = 200
"""The filter looks for an echo up to so much later."""
TOLERATED_MS = 0.25
"""The canceller learns smaller steps without a leak, and the filter finds them by itself."""
LEAD_IN_BLOCKS = 20
"""What it is given again after a shift: the delay and its filter."""
BEFORE_MS = 20
"""So much earlier than its direct way the echo is learnt from."""
SAME_MS = 2.0
"""What was learnt of one way and of another that differs by more explains neither."""
BACK_MS, MOST_LATE_MS = 400, 10_000
"""An echo that comes later than this is looked for from so much earlier on: a way that grows is followed, up to what a
sound server reaches in an hour that keeps what piled up in each standstill."""


class EchoWatch:
    """Stands where a CleanMicrophone stands, for one thread. What others read is one number each.

    `put_later` tells by how many samples the reference was put later in silence, in all (`Lockstep.put_later`).
    """

    def __init__(
        self,
        microphone: CleanMicrophone,
        capture_hz: int,
        render_hz: int,
        put_later: Callable[[], int] = lambda: 0,
    ):
        self.path = EchoPath()
        self.shifts = 0
        """How often the echo was found to come later or earlier than before."""
        self._microphone = microphone
        self._put_later = put_later
        self._was_put = 0
        self._capture_hz, self._render_hz = capture_hz, render_hz
        blocks = SEGMENT_MS // BLOCK_MS + LEAD_IN_BLOCKS
        self._history = EchoHistory(capture_hz, render_hz, blocks, blocks + MOST_LATE_MS // BLOCK_MS)
        self._silence = TAIL_BLOCKS + MOST_LATE_MS // BLOCK_MS  # blocks since the speaker's last sound, or more
        self._unknown = 0  # blocks of something loud that was no echo
        self._learn_in = self._pause = LEARN_FIRST_BLOCKS
        self._others = SEGMENT_MS // BLOCK_MS  # blocks since somebody else was heard
        self._agreed = False  # what the canceller left of the last block was somebody's
        self._watch_in = 0
        self._spoken = 0  # blocks of a voice that the filter found
        self._here = 0.0  # the share of the last sound that was found to be echo where it was expected
        self._gain = 1.0
        self._double_talk = DoubleTalk(capture_hz, render_hz)
        self._found_ms: float | None = None

    @property
    def delay_ms(self) -> float | None:
        """From a block given to the speaker to its echo in a captured one; None as long as no echo is known."""
        if not self.path.known or self.path.delay_ms is None:
            return None
        return self.path.delay_ms + self._history.late_ms

    @property
    def sounding(self) -> bool:
        """The speaker sounds, or has just done so and may be heard."""
        late = max(round(self._history.late_ms) - BACK_MS, 0) // BLOCK_MS
        return self._silence < TAIL_BLOCKS + late

    def process(self, captured: bytes, reference: bytes) -> bytes:
        """As `CleanMicrophone.process`."""
        self._history.add(captured, reference)
        clean = self._microphone.process(captured, self._history.reference(-1, self._history.shift))
        self._silence = self._silence + 1 if is_silent(reference) else 0
        if not self.sounding:
            self._step_back()
            return self._faded(self._double_talk.silent(captured, clean), 1.0)
        level = dbfs(clean)
        elsewhere = False
        if self.path.delay_ms is not None:
            reference = self._history.reference(-1, self._history.late)
            self._double_talk.hear(captured, reference, agreed=self._agreed)
            self._spoken = self._spoken + 1 if self._double_talk.speaking else 0
            elsewhere = self._is_elsewhere(max(self._spoken, self._unknown + 1 if level > LOUD_DBFS else 0))
            if not self._has_slipped():
                self._doubt_voice()
            self._watch_way()
        gain = 1.0
        if level <= LOUD_DBFS:
            self._unknown = 0
        elif self._double_talk.echo_only or self._is_echo() or elsewhere or self._is_doubtful():
            gain = 10 ** ((QUIET_DBFS - level) / 20)
        self._agreed = level > LOUD_DBFS and gain == 1.0
        self._others = 0 if self._agreed or self._double_talk.speaking else self._others + 1
        clean = self._double_talk.chosen(self._faded(clean, gain))
        self._learn_in -= 1
        if self._learn_in <= 0:
            self._learn()
        return clean

    # -- what was left -----------------------------------------------------------------------------------------

    def _is_echo(self) -> bool:
        path = self.path
        if not path.known:
            found = self._searches and self._is_found()
            self._unknown = 0 if found else self._unknown + 1
            if self._unknown == FAR_BLOCKS:  # who hears the answer may be about to cut it
                self._learn_in = 0
            return found
        share, is_echo = path.judge(self._history.heard(RECENT_MS), self._history.played(RECENT_MS + RESPONSE_MS))
        if is_echo:
            return True
        self._unknown += 1
        if self._unknown == FAR_BLOCKS:
            return self._has_moved(LONG_MS, self._explained(LONG_MS), far=True)
        return self._searches and self._has_moved(WINDOW_MS, share)

    def _is_doubtful(self) -> bool:
        """The echo is not where it was, and not found yet: for some blocks that is more likely than a user. Of an echo
        that has never moved it is believed only when the filter knows where it should be."""
        talk = self._double_talk
        astray = talk.may_have_moved if self.shifts else talk.out_of_place
        return self.path.known and astray and self._unknown <= DOUBT_BLOCKS

    def _is_elsewhere(self, blocks: int) -> bool:
        """Whether a voice of so many blocks, as the filter or the canceller has it, is an echo that has just moved by
        a little: then nobody speaks."""
        if not 0 < blocks <= VOICE_BLOCKS or self._double_talk.echo_only:
            return False
        blocks = min(blocks, CHECKED_BLOCKS)
        found = self._double_talk.elsewhere(*self._history.around(blocks, NEARBY_MS, NEARBY_MS))
        if found:
            self._double_talk.deny()
        return found

    def _has_slipped(self) -> bool:
        """What the filter takes for a voice that begins is an echo that moved by less than is looked for otherwise."""
        if not 0 < self._spoken <= VOICE_BLOCKS:
            return False
        captured, references, _ = self._history.around(SLIP_BLOCKS, 0)
        lag = self._double_talk.slipped(captured, references)
        if lag is not None:
            log.debug("the echo comes %.2f ms later than before", lag * 1000 / self._render_hz)
            self._double_talk.again(captured, references, lag)
        return lag is not None

    def _doubt_voice(self) -> None:
        """Somebody has begun to speak, by the filter alone: or the echo has moved, or the filter is wrong."""
        if not 0 < self._spoken <= VOICE_BLOCKS or self._agreed:
            return
        talk, share = self._double_talk, self._explained(BEGINNING_MS)
        if self._has_moved(BEGINNING_MS, share):
            return
        if not talk.sure and (1 - max(share, self._here) ** 2) * DENIED < talk.left:
            talk.deny()
        else:
            self._has_moved(WINDOW_MS, self._explained(WINDOW_MS))

    def _watch_way(self) -> None:
        """An echo that has moved is followed before the canceller leaves anything of it."""
        self._watch_in = (self._watch_in or WATCH_BLOCKS) - 1
        if self._is_located() or self._watch_in or not self.path.known:
            return
        share = self._explained(WINDOW_MS)
        if share < self.path.usual - WATCH_MARGIN:
            self._has_moved(WINDOW_MS, share)

    def _is_located(self) -> bool:
        """Whether the filter finds the echo at another time, where little of the sound is what it expects. It is put
        right: a path needs more sound for that, and no vowel."""
        seldom = self._spoken > VOICE_BLOCKS  # that is somebody
        if self._watch_in % (WATCH_BLOCKS if seldom else 2) or self._double_talk.left < LEAST_ASTRAY:
            return False
        found = self._double_talk.located(*self._history.around(CHECKED_BLOCKS, NEARBY_MS, LOCATED_MS))
        if found is None:
            return False
        blocks, later = found
        return self._move(later * 1000 / self._render_hz, blocks)

    def _explained(self, window_ms: int) -> float:
        return self.path.explained(self._history.heard(window_ms), self._history.played(window_ms + RESPONSE_MS))

    @property
    def _searches(self) -> bool:
        """To look for an echo at any delay takes half a millisecond: not for every block of a user who talks on."""
        return self._unknown <= SEARCH_BLOCKS or self._unknown % 4 == 0

    def _is_found(self) -> bool:
        """Before much was learnt: whether the last sound is echo at any delay, or less surely at the same again."""
        echo = self._find(self._history.heard(WINDOW_MS), WINDOW_MS)
        again = self._found_ms is not None and abs(echo.delay_ms - self._found_ms) < TOLERATED_MS
        if echo.share > LEAST_SHARE and echo.clarity > LEAST_CLARITY:
            self._found_ms = echo.delay_ms
            return True
        return again and echo.share > SAME_SHARE

    def _has_moved(self, window_ms: int, share: float, *, far: bool = False) -> bool:
        """Whether the last sound is echo at another delay, by which more than `share` is explained. It is put right."""
        captured, path, self._here = self._history.heard(window_ms), self.path, 0.0
        if path.delay_ms is None:
            return False
        echo = self._find(captured, window_ms, far=far)
        found = []
        if echo.clarity >= LEAST_CLARITY:
            later_ms = echo.delay_ms - path.delay_ms - self._history.late_ms
            if abs(later_ms) < TOLERATED_MS:
                self._here = echo.share
                return False
            found.append((echo.share, later_ms))
        else:
            later_ms = self._nearby(captured, window_ms)
        now, later = self._history.late, self._history.samples(later_ms)
        place = max(now + later, 0)
        early_ms = (place - now - later) * 1000 / self._render_hz  # an echo from before the reference's beginning
        reference = self._history.played(window_ms + RESPONSE_MS, place)
        shares = path.explained_at(captured, reference, [ms - early_ms for ms in AROUND_MS])
        later_ms = later * 1000 / self._render_hz
        found += [(share, later_ms + ms) for share, ms in zip(shares, AROUND_MS, strict=True)]
        moved, later_ms = max(found)
        least = max(path.usual - MOVED_MARGIN, LEAST_MOVED, share + MOVED_MARGIN / 2)
        return moved >= least and abs(later_ms) >= TOLERATED_MS and self._move(later_ms)

    def _find(self, captured: Samples, window_ms: int, *, far: bool = False) -> Echo:
        """Where the last `window_ms` are echo, as far as it is looked for: around where it was, if that is known."""
        back = self._history.samples(FAR_MS / 2 if far else BACK_MS)
        first = max(self._history.late - back, 0)
        echo = find_echo(captured, self._history.played(window_ms + (FAR_MS if far else MOST_DELAY_MS), first))
        return replace(echo, delay_ms=echo.delay_ms + first * 1000 / self._render_hz) if first else echo

    def _nearby(self, captured: Samples, window_ms: int) -> float:
        """How much later than expected the last sound comes, as far as it is echo and at most by NEARBY_MS."""
        early = min(self._history.samples(NEARBY_MS), self._history.late)
        reference = self._history.played(window_ms + 2 * NEARBY_MS + RESPONSE_MS, self._history.late - early)
        early_ms = early * 1000 / self._render_hz
        return self.path.later_ms(captured, reference, 2 * NEARBY_MS, early_ms) - early_ms

    def _move(self, later_ms: float, blocks: int = CHECKED_BLOCKS) -> bool:
        """The echo comes so much later, in so many blocks: so shall the reference, as far as that can be, and to the
        sample where the filter tells. False when the filter has the echo where it was."""
        history, before, now = self._history, self._history.shift, self._history.late
        place, captured = max(now + history.samples(later_ms), 0), history.captured(blocks)
        there = history.references(place, blocks)
        lag = self._double_talk.step(captured, history.references(now, blocks), there)
        if lag is None:
            return False
        place = min(max(place + round(lag), 0), history.samples(MOST_LATE_MS))
        self.shifts += 1
        history.put(place)
        done_ms = (history.shift - before) * 1000 / self._render_hz
        log.debug("the echo comes %.1f ms later than before; reference shifted by %.1f ms", later_ms, done_ms)
        self._lead_in()
        self._double_talk.again(captured, history.references(place, blocks), lag - round(lag))
        return True

    def _lead_in(self) -> None:
        """The canceller gets the last moments again, with the reference as it is put now."""
        history, blocks = self._history, self._history.captured(LEAD_IN_BLOCKS)
        places = enumerate(blocks, -len(blocks))
        self._microphone.again([(block, history.reference(at, history.shift)) for at, block in places])

    # -- what is usual -----------------------------------------------------------------------------------------

    def _learn(self) -> None:
        size = -(-SEGMENT_MS // BLOCK_MS)
        if len(self._history) < size or (self.path.known and self._others < size):
            return
        self._learn_in = LEARN_BLOCKS if self.path.known else self._pause
        if not self.path.known and not self._begin():
            self._pause = min(2 * self._pause, LEARN_BLOCKS)  # with headphones there is nothing to learn
            return
        self._pause = LEARN_FIRST_BLOCKS
        before = self.delay_ms
        if not self.path.learn(self._history.heard(SEGMENT_MS), self._history.played(SEGMENT_MS)):
            self._has_moved(LONG_MS, 0.0)
        now = self.delay_ms
        if now is not None and (before is None or abs(now - before) > TOLERATED_MS):
            log.debug("the echo comes after %.1f ms; %.0f %% of it is known", now, 100 * self.path.usual)

    def _begin(self) -> bool:
        """Where the way begins; what was learnt of one that began elsewhere is lost. False when it is not heard."""
        heard = self._history.heard(LONG_MS)
        echo = self._find(heard, LONG_MS)
        if not _is_clear(echo):
            echo = self._find(heard, LONG_MS, far=True)
        if not _is_clear(echo):
            return self.path.delay_ms is not None
        history = self._history
        place = history.samples(max(echo.delay_ms - BEFORE_MS, 0))
        if self.path.delay_ms is None or abs(place - history.late) > history.samples(SAME_MS):
            self.path = EchoPath()
            self._double_talk = DoubleTalk(self._capture_hz, self._render_hz)
            if echo.delay_ms > MOST_DELAY_MS or history.shift > place:  # no canceller looks so late, or in what will be
                history.shift = place
                self._lead_in()
            history.base = place - history.shift
        return True

    # -- pieces of what was ------------------------------------------------------------------------------------

    def _step_back(self) -> None:
        """The reference was put later, for a step that had been found in the answer already: there is none any more."""
        history = self._history
        later, self._was_put = self._put_later() - self._was_put, self._put_later()
        if 0 < later <= history.shift + history.samples(SAME_MS):
            history.put(history.late - later)

    def _faded(self, block: bytes, gain: float) -> bytes:
        """The block at this gain, from the gain before."""
        before, self._gain = self._gain, gain
        if before == gain == 1.0:
            return block
        samples = np.frombuffer(block, "<i2")
        line = np.linspace(before, gain, len(samples), dtype=np.float32)
        return bytes((samples * line).astype("<i2").tobytes())


def _is_clear(echo: Echo) -> bool:
    return echo.share >= LEAST_SHARE and echo.clarity >= LEAST_CLARITY
