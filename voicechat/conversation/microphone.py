"""What becomes of captured sound: it may interrupt an answer, and it is sent as far as it belongs to a turn."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from voicechat.audio.frames import Frame, duration_ms
from voicechat.conversation.answers import Answers
from voicechat.conversation.interrupter import Interrupter
from voicechat.conversation.local_turns import LocalTurns, Step
from voicechat.conversation.restore import Restorer
from voicechat.conversation.turn_taking import TurnTaking
from voicechat.conversation.voice import UserVoice
from voicechat.realtime.commands import AppendAudio, Command


class TurnTaker(Protocol):
    """Who decides what a turn is worth."""

    @property
    def ready(self) -> bool:
        """The service takes sound."""
        ...

    def turn_begins(self) -> None: ...

    def turn_ends(self, at: float) -> None: ...

    def interrupted(self) -> None: ...


@dataclass(slots=True)
class ManualTurn:
    """A turn between two keys, and how much of it there is."""

    length_ms: float = 0.0


class Microphone:
    """Owned by a Session. Hands free the microphone is always open; else a `ManualTurn` opens it."""

    def __init__(
        self,
        turn_taking: TurnTaking,
        rate_hz: int,
        answers: Answers,
        interrupter: Interrupter,
        restorer: Restorer,
        send: Callable[[Command], None],
        turns: TurnTaker,
        clock: Callable[[], float],
    ):
        self.voice = UserVoice(turn_taking.silence_ms)
        self.turn_taking = turn_taking
        self._rate_hz = rate_hz
        self._answers = answers
        self._interrupter = interrupter
        self._restorer = restorer
        self._send = send
        self._turns = turns
        self._clock = clock
        self._local = LocalTurns(turn_taking.silence_ms)
        self._manual: ManualTurn | None = None

    @property
    def recording(self) -> bool:
        """A manual turn is open."""
        return self._manual is not None

    @property
    def finding(self) -> bool:
        """We found a turn that is not over."""
        return self._local.speaking

    def open(self) -> None:
        """A manual turn begins."""
        self._manual = ManualTurn()

    def close(self) -> float:
        """The manual turn is over; how long it was, in ms."""
        manual, self._manual = self._manual, None
        return manual.length_ms if manual is not None else 0.0

    def hear(self, frame: Frame) -> None:
        """Take in captured sound: send it, and judge whether the user is talking over the answer."""
        hands_free, barge_in, audible = self.turn_taking.hands_free, self.turn_taking.barge_in, self._answers.audible
        self.voice.hear(frame, alone=not audible)
        talks_over = hands_free and barge_in and audible
        if talks_over and self._interrupter.hear(frame, self._length_ms(frame), far=self.voice.is_far(frame)):
            self._turns.interrupted()
        if not (hands_free or self.recording):
            return
        if not barge_in and self._answers.audible:
            # Nobody may interrupt: the service hears silence, and its clock goes on.
            frame = replace(frame, pcm=bytes(len(frame.pcm)), voiced=False, speech=False)
        self._restorer.hear(frame)
        self.pass_on(frame)

    def pass_on(self, frame: Frame) -> None:
        """To the service, at once or as a part of a turn that is found here."""
        if self.turn_taking.local_turns and self._turns.ready:
            self._find_turn(frame)
            return
        if self._manual is not None:
            self._manual.length_ms += self._length_ms(frame)
        self._send(AppendAudio(frame.pcm, frame.speech))

    def _find_turn(self, frame: Frame) -> None:
        # Over an answer a cough must not be a turn: there the interrupter decides, and the sound waits for it.
        may_start = not self._answers.audible
        step = self._local.hear(frame.pcm, frame.speech, self._length_ms(frame), may_start=may_start)
        if step is Step.WAIT:
            return
        if step is Step.START:
            self._turns.turn_begins()
        if sound := self._local.take():
            self._send(AppendAudio(sound))
        if step is Step.END:
            self._turns.turn_ends(self.voice.ended(self._clock()))

    def _length_ms(self, frame: Frame) -> float:
        return duration_ms(len(frame.pcm), self._rate_hz)
