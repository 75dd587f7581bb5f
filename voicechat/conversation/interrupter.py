"""Who silences an answer, and how the service learns of it: local suspicion, or the service's own word."""

from collections.abc import Callable
from dataclasses import dataclass

from voicechat.audio.frames import Frame
from voicechat.audio.playback import PlaybackQueue
from voicechat.conversation.answers import Answers
from voicechat.conversation.barge_in import BargeIn, Verdict

CANCEL_GRACE_S = 0.5
"""After a local interruption: how long a service that interrupts by itself gets before it is told to."""


@dataclass(frozen=True, slots=True)
class _PendingCancel:
    """The service is to be told to stop this answer, unless it does so by itself; another may run by then."""

    response_id: str
    at: float


class Interrupter:
    """Owned by a Session. `cancel` tells the service to stop working on its answer."""

    def __init__(
        self,
        answers: Answers,
        speaker: PlaybackQueue,
        service_interrupts: bool,
        cancel: Callable[[], None],
        clock: Callable[[], float],
    ):
        self._answers = answers
        self._speaker = speaker
        self._service_interrupts = service_interrupts
        self._cancel = cancel
        self._clock = clock
        self._barge_in = BargeIn()
        self._paused_at = 0.0
        self._pending: _PendingCancel | None = None

    def hear(self, frame: Frame, length_ms: float, *, far: bool) -> bool:
        """Sound captured while an answer is heard, from `far` or not; True when it has just become an interruption."""
        return self._judge(self._barge_in.hear(frame.voiced, length_ms, frame.captured_at, far=far))

    def tick(self) -> bool:
        """Time passes; as `hear`."""
        if self._pending is not None and self._clock() >= self._pending.at and self._withdraw_cancel():
            self._cancel()
        return self._judge(self._barge_in.tick(self._clock()))

    def service_heard(self, *, allowed: bool) -> None:
        """The service hears the user speak. `allowed`: that may interrupt the answer."""
        self._pending = None
        if not allowed:
            return
        onset = self._barge_in.onset_at if self._barge_in.suspected_at is not None else None
        if self._silence(onset) and not self._service_interrupts:
            self._cancel()
        self._barge_in.clear()

    def break_off(self) -> None:
        """The user wants it over."""
        self._barge_in.clear()
        still_to_cancel = self._withdraw_cancel()  # else the answer to what comes next would wait for that one's end
        if self._silence() or still_to_cancel:
            self._cancel()

    def reset(self) -> None:
        """The connection went: there is nobody to tell."""
        self._pending = None

    def _withdraw_cancel(self) -> bool:
        """No answer is to be cancelled later any more; True when one was, and the service still works on it."""
        pending, self._pending = self._pending, None
        return pending is not None and self._answers.running_id == pending.response_id

    def _silence(self, onset_at: float | None = None) -> bool:
        """As `Answers.interrupt`. The suspicion is decided: the speaker is never left paused."""
        broken_off = self._answers.interrupt(onset_at, self._paused_at if self._speaker.paused else None)
        self._speaker.resume()
        return broken_off

    def _judge(self, verdict: Verdict) -> bool:
        if verdict is Verdict.SUSPECT:
            if self._speaker.pause():
                self._paused_at = self._clock()
            else:
                self._barge_in.clear()
        elif verdict is Verdict.DISMISS:
            self._speaker.resume()
        elif verdict is Verdict.CONFIRM:
            if self._silence(self._barge_in.onset_at) and (running := self._answers.running_id) is not None:
                # A service that interrupts by itself will; when it does not, because it heard nothing, it is told.
                grace_s = CANCEL_GRACE_S if self._service_interrupts else 0.0
                self._pending = _PendingCancel(running, self._clock() + grace_s)
            return True
        return False
