"""The status line: state, levels, latency, time, fitted to the width by leaving out parts from the right."""

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from voicechat.conversation.notices import State
from voicechat.ui import wording
from voicechat.ui.render import MARGIN

if TYPE_CHECKING:
    from rich.text import Text

BARS = "▁▂▃▄▅▆▇█"
CELLS = 4
FLOOR_DBFS = -60.0
COLOURS: dict[State, str] = {"idle": "dim", "listening": "green", "thinking": "yellow", "speaking": "magenta"}


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
    tokens: int = 0
    text_input: bool = True
    keyboard: bool = True
    retry_at: float | None = None
    """While the connection is down: when the next attempt is made."""
    retry_in_s: int | None = None
    """The same, counted down."""

    def line(self, width: int) -> "Text":
        """` ● listening   mic ▂▅▃▁   out ▁▁▁▁   0.62 s   3:12   aec on   1.5k tokens`."""
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

        state = Text(f"● {self.state:<9}", COLOURS[self.state])
        if self.retry_in_s is not None:
            state = Text(f"● connecting again {f'in {self.retry_in_s} s' if self.retry_in_s else 'now'}", "red")
        parts = [
            state,
            Text().append("mic ", "dim").append(self.microphone, "green"),
            Text().append("out ", "dim").append(self.speaker, "magenta"),
        ]
        if self.latency_ms is not None:
            parts.append(Text(wording.seconds(self.latency_ms)))
        if self.elapsed_s is not None:
            parts.append(Text(wording.clock(self.elapsed_s), "dim"))
            parts.append(Text("aec on" if self.aec else "aec off", "dim"))
        if self.tokens:
            parts.append(Text(f"{wording.count(self.tokens)} tokens", "dim"))
        if not self.text_input:
            parts.append(self.hint())
        return parts

    def hint(self) -> "Text":
        """What the keys do. It stands in the input line while that is empty, where it is never cut off."""
        from rich.text import Text

        if not self.keyboard:
            return Text("Ctrl-C ends", "dim")
        if not self.text_input:
            return Text("Esc interrupts · Ctrl-C ends", "dim")
        enter = "Enter begins and ends your turn" if self.manual else "Enter interrupts"
        return Text(f"{enter} · type to write", "dim")
