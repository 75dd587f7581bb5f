"""Turns found here, for a model that finds none: this machine's voice detector in front of it, so that it seems to.

The model gets the sound of the turns alone, each committed when it is over; what the protocol tells of them is told
from here.
"""

from collections.abc import Sequence

from voicechat.engine.turns import EAGERNESS_SILENCE_MS, Sound, Turn, TurnDetector
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev

SILENCE_MS = 500
Step = cmd.Command | ev.Event
"""A command goes to the model, an event to the client."""


class Turns:
    """Sans-I/O; its clock is the sound, s16le at `rate_hz`. Ask it only while `wanted` is not None."""

    def __init__(self, rate_hz: int):
        self.wanted: cmd.TurnDetection | None = None
        """As the client wants its turns found; None: it ends them itself."""
        self._detector = TurnDetector(rate_hz=rate_hz)
        self._item = ""
        self._items = 0
        self._committed = ""
        self._running = ""
        self._owes_answer = False

    def configure(self, wanted: cmd.TurnDetection | None) -> None:
        if wanted is None:
            self._detector.reset()
            self._item = ""
        else:
            silence_ms = SILENCE_MS if wanted.silence_ms is None else wanted.silence_ms
            if wanted.kind == "semantic":
                silence_ms = EAGERNESS_SILENCE_MS.get(wanted.eagerness or "auto", EAGERNESS_SILENCE_MS["auto"])
            threshold = 0.5 if wanted.threshold is None else wanted.threshold
            self._detector.configure(threshold, 300 if wanted.prefix_ms is None else wanted.prefix_ms, silence_ms)
        self.wanted = wanted

    def hear(self, pcm: bytes) -> list[Step]:
        steps: list[Step] = []
        for found in self._detector.feed(pcm):
            if isinstance(found, Sound):
                steps.append(cmd.AppendAudio(found.pcm))
            elif found.kind == "started":
                steps += self._started(found)
            else:
                steps.append(ev.SpeechStopped(self._item, found.at_ms))
                steps += self.commit()
                steps += self._ask()
        return steps

    def commit(self) -> list[Step]:
        """The turn is over, or whatever was heard is one."""
        name, self._item = self._item or self._new(), ""
        self._detector.reset()
        self._committed = name
        return [cmd.CommitAudio(name), ev.InputCommitted(name)]

    def clear(self) -> None:
        """What was spoken of this turn is forgotten."""
        self._item = ""
        self._detector.reset()

    def take(self, event: ev.Event) -> Sequence[Step]:
        """What an event of the model's means here, and the event itself unless the client knows already."""
        match event:
            case ev.InputCommitted(item_id=self._committed):
                return []
            case ev.ResponseStarted() if not event.out_of_band:
                self._running = event.response_id
                if self._item and self.wanted is not None and self.wanted.interrupt_response:
                    return [event, cmd.CancelResponse(event.response_id)]  # the user went on speaking meanwhile
            case ev.ResponseFinished() if event.response_id == self._running:
                self._running = ""
                if self._owes_answer:
                    return [event, *self._ask()]
        return [event]

    def _started(self, found: Turn) -> list[Step]:
        assert self.wanted is not None
        self._item = self._new()
        cut = [cmd.CancelResponse(self._running)] if self._running and self.wanted.interrupt_response else []
        return [ev.SpeechStarted(self._item, found.at_ms), *cut]

    def _ask(self) -> list[Step]:
        """Ask for an answer, if that is wanted: after the running one, which nobody may interrupt."""
        wanted = self.wanted is not None and self.wanted.create_response
        self._owes_answer = wanted and bool(self._running)
        return [cmd.CreateResponse()] if wanted and not self._running else []

    def _new(self) -> str:
        self._items += 1
        return f"item_turn{self._items}"
