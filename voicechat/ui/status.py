"""The status line: what goes on in words, levels and time, fitted to the width by leaving out parts from the right.

| the conversation is | and | then it is called |
|---|---|---|
| not open yet, or its line is down | | connecting, reconnecting |
| idle | the microphone is open | listening |
| idle | Enter opens the microphone, or there is none | ready |
| idle, or the user speaks | the microphone is muted | muted |
| listening: the user speaks | | hearing you |
| thinking | | thinking |
| speaking | and is held while it may be the user | speaking, paused |
"""

import math
from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from voicechat.conversation.notices import State
from voicechat.ui import wording
from voicechat.ui.render import MARGIN

if TYPE_CHECKING:
    from rich.text import Text

BARS = "▁▂▃▄▅▆▇█"
CELLS = 4
FLOOR_DBFS = -60.0


class Doing(Enum):
    """What goes on, as the user would say it."""

    CONNECTING = "connecting"
    RECONNECTING = "reconnecting"
    LISTENING = "listening"
    READY = "ready"
    MUTED = "muted"
    HEARING = "hearing you"
    THINKING = "thinking"
    SPEAKING = "speaking"
    PAUSED = "paused"


COLOURS = {
    Doing.CONNECTING: "dim",
    Doing.RECONNECTING: "red",
    Doing.LISTENING: "green",
    Doing.READY: "dim",
    Doing.MUTED: "red",
    Doing.HEARING: "bold green",
    Doing.THINKING: "yellow",
    Doing.SPEAKING: "magenta",
    Doing.PAUSED: "yellow",
}
WIDEST = max(len(doing.value) for doing in (Doing.LISTENING, Doing.HEARING, Doing.SPEAKING))
TYPE, ENDS = "or type", "Ctrl-C ends"
HINTS: dict[Doing, tuple[str, ...]] = {
    Doing.LISTENING: ("speak", TYPE, ENDS),
    Doing.READY: ("Enter, then speak", TYPE, ENDS),
    Doing.MUTED: ("/unmute to be heard", TYPE, ENDS),
    Doing.HEARING: ("it answers when you pause", ENDS),
    Doing.THINKING: ("Enter stops it", TYPE, ENDS),
    Doing.SPEAKING: ("Enter silences it", TYPE, ENDS),
    Doing.PAUSED: ("it goes on unless you speak", ENDS),
    Doing.CONNECTING: (ENDS,),
    Doing.RECONNECTING: ("Enter tries again now", ENDS),
}
HINTS_MANUAL = HINTS | {
    Doing.HEARING: ("Enter ends your turn", ENDS),
    Doing.THINKING: ("Esc stops it", "Enter begins your turn", ENDS),
    Doing.SPEAKING: ("Esc silences it", "Enter begins your turn", ENDS),
}
"""What one can do now. Enter and Esc differ where Enter begins and ends a turn."""
HINT_HOLD = ("hold Space, or press Enter, to talk", TYPE, ENDS)


def bar(level_dbfs: float) -> str:
    """One cell for a level: the lowest bar at −60 dBFS and below, the highest near full scale."""
    if not math.isfinite(level_dbfs):
        return BARS[-1] if level_dbfs > 0 else BARS[0]
    share = (level_dbfs - FLOOR_DBFS) / -FLOOR_DBFS
    return BARS[min(max(int(share * len(BARS)), 0), len(BARS) - 1)]


class Meter:
    """The last four levels of a sound, oldest first."""

    def __init__(self) -> None:
        self._cells: deque[str] = deque(BARS[0] * CELLS, maxlen=CELLS)

    def push(self, level_dbfs: float) -> None:
        self._cells.append(bar(level_dbfs))

    def __str__(self) -> str:
        return "".join(self._cells)


@dataclass(slots=True)
class Status:
    """What the status line knows. `elapsed_s` counts from the first session; None before it."""

    state: State = "idle"
    microphone: str = BARS[0] * CELLS
    speaker: str = BARS[0] * CELLS
    latency_ms: float | None = None
    elapsed_s: float | None = None
    aec: bool = False
    manual: bool = False
    muted: bool = False
    paused: bool = False
    holds: bool = False
    """The terminal tells when a key is let go."""
    tokens: int = 0
    cost: str = ""
    """Of the session so far; "" where it is not known."""
    text_input: bool = True
    keyboard: bool = True
    verbose: bool = False
    """Figures for those who measure."""
    tools: str = ""
    """Which run, and how long."""
    retry_at: float | None = None
    """While the connection is down: when the next attempt is made."""
    retry_in_s: int | None = None
    """The same, counted down."""
    attempt: int = 0

    @property
    def doing(self) -> Doing:
        if self.retry_in_s is not None:
            return Doing.RECONNECTING
        if self.elapsed_s is None:
            return Doing.CONNECTING
        if self.state == "speaking":
            return Doing.PAUSED if self.paused else Doing.SPEAKING
        if self.state == "thinking":
            return Doing.THINKING
        if self.muted:
            return Doing.MUTED
        if self.state == "listening":
            return Doing.HEARING
        return Doing.READY if self.manual else Doing.LISTENING

    def line(self, width: int) -> "Text":
        """` ● listening     mic ▂▅▃▁   speaker ▁▁▁▁   3:12   $0.04`; a verbose one has `reply 0.62 s` and more."""
        from rich.text import Text

        gap = 3 if width >= 60 else 2
        line = Text(" " * MARGIN)
        for index, part in enumerate(self._parts()):
            added = part.cell_len + (gap if index else 0)
            if index and line.cell_len + added > width:
                break
            line = line + Text(" " * (gap if index else 0)) + part
        line.truncate(width)
        return line

    def _parts(self) -> "list[Text]":
        from rich.text import Text

        doing = self.doing
        words = doing.value
        if doing is Doing.RECONNECTING:
            words += f" in {self.retry_in_s} s" if self.retry_in_s else " now"
            words += f" (attempt {self.attempt})" if self.attempt > 1 else ""
        parts = [
            Text(f"● {words:<{WIDEST}}", COLOURS[doing]),
            *([Text(self.tools, "cyan")] if self.tools else []),
            Text().append("mic ", "dim").append(self.microphone, "red" if self.muted else "green"),
            Text().append("speaker ", "dim").append(self.speaker, "magenta"),
        ]
        if self.elapsed_s is not None:
            parts.append(Text(wording.clock(self.elapsed_s), "dim"))
        if self.cost:
            parts.append(Text(self.cost, "dim"))
        if self.verbose and self.elapsed_s is not None:
            if self.latency_ms is not None:
                parts.append(Text(f"reply {wording.seconds(self.latency_ms)}", "dim"))
            parts.append(Text("aec on" if self.aec else "aec off", "dim"))
            if self.tokens:
                parts.append(Text(f"{wording.count(self.tokens)} tokens", "dim"))
        if not self.text_input:
            parts.append(self.hint())
        return parts

    def hint(self, room: int = 80) -> "Text":
        """What one can do now, in `room` cells. It stands in the input line while that is empty."""
        from rich.text import Text

        doing = self.doing
        parts: tuple[str, ...]
        if self.text_input and self.manual and self.holds and doing is Doing.READY:
            parts = HINT_HOLD
        elif self.text_input:
            parts = (HINTS_MANUAL if self.manual else HINTS)[doing]
        elif self.keyboard and doing in (Doing.SPEAKING, Doing.THINKING, Doing.PAUSED):
            parts = ("Esc silences it", ENDS)
        else:
            parts = (ENDS,)
        while len(parts) > 1 and len(" · ".join(parts)) > room:
            parts = parts[:-1]
        return Text(" · ".join(parts).replace(f" · {TYPE}", f", {TYPE}"), "dim")
