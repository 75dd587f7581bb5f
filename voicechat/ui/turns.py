"""In which order finished turns are shown: a user's words before the answer to them, even when they come later.

A service answers before it has transcribed the question. So an answer waits for the `UserTurn` of the same
number, 2 s at most (a greeting has none), and a moment for its latency; what comes behind it waits with it.
"""

from dataclasses import dataclass
from typing import TypeVar

from voicechat.conversation import notices as note
from voicechat.ui.wording import latency_ms

USER_PATIENCE_S = 2.0
LATENCY_PATIENCE_S = 0.3
REMEMBERED_TURNS = 16

T = TypeVar("T")  # Python 3.11 has no other spelling for a generic function

Told = note.UserTurn | note.AssistantTurn | note.ToolNotice


@dataclass(slots=True)
class Finished:
    """Something to show for good. `latency_ms` is that of the turn, where it is known."""

    notice: Told
    since: float
    latency_ms: float | None = None


class Turns:
    """Takes notices with the time of their coming, in seconds of any monotonic clock, and gives back what is due."""

    def __init__(self, latency_patience_s: float = LATENCY_PATIENCE_S):
        self._latency_patience_s = latency_patience_s
        self._held: list[Finished] = []
        self._told: dict[int, None] = {}  # turns whose user side is known; a dict keeps their order
        self._latency: dict[int, float] = {}
        self._user_partial: dict[int, str] = {}
        self._assistant_partial: dict[int, str] = {}

    def add(self, notice: note.Notice, now: float) -> None:
        match notice:
            case note.UserPartial(turn, text):
                if turn not in self._told:
                    _remember(self._user_partial, turn, text)
            case note.AssistantPartial(turn, text):
                _remember(self._assistant_partial, turn, text)
            case note.UserTurn(turn):
                self._user_partial.pop(turn, None)
                _remember(self._told, turn, None)
                later = (i for i, held in enumerate(self._held) if held.notice.turn >= turn)
                self._held.insert(next(later, len(self._held)), Finished(notice, now))
            case note.AssistantTurn(turn, text):
                self._assistant_partial.pop(turn, None)
                if text or notice.interrupted or notice.status != "completed":
                    self._held.append(Finished(notice, now, self._latency.get(turn)))
            case note.ToolNotice():
                self._held.append(Finished(notice, now))
            case note.LatencyNotice(turn) if (value := latency_ms(notice)) is not None:
                _remember(self._latency, turn, value)
                for held in self._held:
                    if held.notice.turn == turn:
                        held.latency_ms = value
            case _:
                pass

    def release(self, now: float) -> list[Finished]:
        """What is to be shown now, in order."""
        ready = 0
        while ready < len(self._held) and self._due(self._held[ready]) <= now:
            ready += 1
        return self._take(ready)

    def release_all(self) -> list[Finished]:
        """What is left at the end, with what was said of turns that never finished forgotten."""
        self._user_partial.clear()
        self._assistant_partial.clear()
        return self._take(len(self._held))

    def next_due(self) -> float | None:
        """When the first of what is held will be due, if nothing else comes."""
        return self._due(self._held[0]) if self._held else None

    @property
    def held(self) -> list[Finished]:
        return list(self._held)

    def partials(self) -> list[note.UserPartial | note.AssistantPartial]:
        """The words of turns that still run, in the order of a conversation."""
        running: list[note.UserPartial | note.AssistantPartial] = [
            note.UserPartial(turn, text) for turn, text in self._user_partial.items() if text
        ]
        running += [note.AssistantPartial(turn, text) for turn, text in self._assistant_partial.items() if text]
        return sorted(running, key=lambda partial: (partial.turn, isinstance(partial, note.AssistantPartial)))

    def _due(self, held: Finished) -> float:
        notice = held.notice
        if isinstance(notice, note.UserTurn):
            return held.since
        if notice.turn not in self._told:
            return held.since + USER_PATIENCE_S
        waits = isinstance(notice, note.AssistantTurn) and held.latency_ms is None and not notice.interrupted
        return held.since + self._latency_patience_s if waits else held.since

    def _take(self, number: int) -> list[Finished]:
        taken, self._held = self._held[:number], self._held[number:]
        return taken


def _remember(turns: dict[int, T], turn: int, value: T) -> None:
    """Keep a value of a turn and forget the oldest ones: a conversation has no end, memory has."""
    turns[turn] = value
    while len(turns) > REMEMBERED_TURNS:
        del turns[next(iter(turns))]
