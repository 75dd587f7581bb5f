"""The turn that the client is speaking, or waits to have answered: kept until it is, so that it can be said again.

When the connection behind goes, its words may not be known, or be half spoken. The next connection is sent the sound
once more, and what it then tells of the turn the client is told under the first name, each thing once.
"""

from dataclasses import dataclass, replace
from typing import Any

from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev

LEAD_S = 1.0
"""Kept from before the word that somebody speaks, where it does not say since when."""
IDLE_S = 4.0
"""Kept while nobody is known to speak: that word comes late, the more so where sound is sent faster than it lasts."""
MOST_S = 20.0
"""Of a turn; of a longer one its end is kept."""
SILENCE_S = 1.2
"""After a turn that was over: whoever is behind finds that out again."""
PIECE_S = 0.1


@dataclass(slots=True)
class _Waiting:
    """A turn that is over and not answered yet."""

    item_id: str
    pcm: bytes
    understood: bool = False


class UserTurn:
    """Told of the sound that goes to the model (s16le at `rate_hz`) and of every event before the client is."""

    def __init__(self, rate_hz: int):
        self._rate_hz = rate_hz
        self._sound = bytearray()
        self._before = 0
        """Bytes that this connection was sent before those of `_sound`."""
        self._end: int | None = None
        """Where the turn ends in all that it was sent."""
        self._item = ""
        """Somebody speaks it, as far as was told."""
        self._waiting: _Waiting | None = None
        self.manual = False
        """Nobody but the client finds turns: it may begin at any time."""
        self._again: tuple[str, frozenset[type]] | None = None
        self._names: dict[str, str] = {}
        self._told: dict[str, frozenset[type]] = {}

    @property
    def last_sound(self) -> bytes:
        """Of the turn that was committed last."""
        return self._waiting.pcm if self._waiting is not None else b""

    def hear(self, pcm: bytes) -> None:
        self._sound += pcm
        keep_s = MOST_S if self._item or self.manual else IDLE_S
        if len(self._sound) > 2 * self._rate_hz * (keep_s + LEAD_S):
            self._drop(len(self._sound) - self._bytes(keep_s))

    def clear(self) -> None:
        self._drop(len(self._sound))
        self._item = ""

    def _drop(self, length: int) -> None:
        """The oldest so many bytes."""
        del self._sound[:length]
        self._before += length

    def take(self, event: ev.Event) -> ev.Event | None:
        """The event as the client is to be told of it; None when it was told before."""
        match event:
            case ev.AssistantAudio() | ev.AssistantText():  # by far the most
                return event
            case ev.SpeechStarted() if self._again is not None:
                (name, told), self._again = self._again, None
                self._names = {event.item_id: name}
                self._told = {name: told}
            case ev.ResponseStarted() if not event.out_of_band:
                self._waiting = None
                return event
        item_id: str = getattr(event, "item_id", "")
        name = self._names.get(item_id, item_id)
        match event:
            case ev.SpeechStarted():
                self._item = name
                if not self.manual:
                    self._begin(event.audio_start_ms)
            case ev.SpeechStopped() if event.audio_end_ms is not None and not self.manual:
                self._end = self._bytes(event.audio_end_ms / 1000)
            case ev.InputCommitted():
                self._waiting = _Waiting(name, self._turn())
                self._item = ""
            case ev.UserTranscript(final=True) if self._waiting is not None and self._waiting.item_id == name:
                self._waiting.understood = True
        if type(event) in self._told.get(name, ()):
            return None
        changed: Any = event
        return event if name == item_id else replace(changed, item_id=name)

    def _begin(self, start_ms: int | None) -> None:
        lead = max(0, len(self._sound) - self._bytes(LEAD_S))
        start = lead if start_ms is None else self._bytes(start_ms / 1000) - self._before
        self._drop(min(max(0, start), lead))

    def _turn(self) -> bytes:
        """The sound of the turn that is over; what came after it is kept for the next one."""
        whole, end = len(self._sound), self._end
        length = whole if end is None else end - self._before
        length = length if 0 < length <= whole else whole
        pcm = bytes(self._sound[:length])
        self._drop(length)
        self._end = None
        return pcm

    def again(self, *, answered: bool) -> list[cmd.Command]:
        """After a drop: what the next connection is to be sent, behind what was said before. `answered`: an answer
        comes without being asked for."""
        waiting, speaking, sound = self._waiting, self._item, bytes(self._sound)
        commands: list[cmd.Command] = []
        self.clear()
        self._before, self._end = 0, None
        if waiting is not None and waiting.understood:
            commands += [cmd.CreateResponse()] if answered else []  # its words are among what was said
        elif waiting is not None and (self.manual or not answered):
            self._told = {waiting.item_id: frozenset({ev.InputCommitted})}
            commands += [*self._pieces(waiting.pcm), cmd.CommitAudio(waiting.item_id)]
        elif waiting is not None:
            sound = waiting.pcm + sound + (b"" if speaking else bytes(self._bytes(SILENCE_S)))
            self._expect(speaking or waiting.item_id, ended=not speaking)
            self._waiting = None
        if speaking and not self.manual:
            self._expect(speaking, ended=False)
        for piece in self._pieces(sound):
            self.hear(piece.pcm)
            commands.append(piece)
        return commands

    def _expect(self, item_id: str, *, ended: bool) -> None:
        """The turn that is found next is this one, of which the client knows so much."""
        told = {ev.SpeechStarted, ev.SpeechStopped, ev.InputCommitted} if ended else {ev.SpeechStarted}
        self._again = item_id, frozenset(told)

    def _pieces(self, pcm: bytes) -> list[cmd.AppendAudio]:
        step = self._bytes(PIECE_S)
        return [cmd.AppendAudio(pcm[start : start + step]) for start in range(0, len(pcm), step)]

    def _bytes(self, seconds: float) -> int:
        return 2 * round(self._rate_hz * seconds)
