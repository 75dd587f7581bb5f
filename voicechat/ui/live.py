"""The view on a terminal: finished turns scroll upwards, the running one and the state are live below them."""

import asyncio
import contextlib
import math
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from voicechat.conversation import notices as note
from voicechat.ui import wording
from voicechat.ui.base import Controls, Meters
from voicechat.ui.job_control import TerminalClosed, explained
from voicechat.ui.lines import run_with_lines
from voicechat.ui.reflow import breaks_anew, rows_of
from voicechat.ui.render import Ansi, Item, Painter
from voicechat.ui.running import Running
from voicechat.ui.screen import Screen
from voicechat.ui.status import Meter, Status
from voicechat.ui.tasks import run_beside
from voicechat.ui.text import plainer
from voicechat.ui.turns import Told, Turns

if TYPE_CHECKING:
    from rich.text import Text

HINT_MARGIN = 6
"""Cells of the input line that the hint leaves free."""
TICKS_PER_S = 12
TICKS_PER_LEVEL = 2
STEADY_TICKS = 4
"""For so long a window that was drawn wider or narrower keeps its size before anything is drawn in it. tmux tells a
program of a new size up to a quarter of a second after it has broken the lines anew."""
REPAINTED_ITEMS = 100
"""How far back a resize can lay the conversation out again."""
OTHER_ROWS = 5
"""Rows that the running turn leaves free: rule, input and status line, and a little of the scrollback."""
SHARE = 2 / 3
"""Of the window for the running turn at most: made narrower, it must still fit, or a copy of it would scroll away."""


class LiveView:
    """`interactive`: lines typed, or piped into stdin, go to `controls`. `verbose`: with figures for those who measure.
    `now` counts seconds, monotonic."""

    def __init__(
        self,
        meters: Meters,
        controls: Controls,
        *,
        interactive: bool,
        verbose: bool = False,
        now: Callable[[], float] = time.monotonic,
    ):
        keyboard = sys.stdin.isatty()
        self._meters = meters
        self._controls = controls
        self._reads_lines = interactive and not keyboard
        self._now = now
        self._ansi = Ansi()
        text_input = keyboard and interactive
        self._screen = Screen(controls, keyboard=keyboard, text_input=text_input, no_color=self._ansi.no_color)
        self._status = Status(text_input=text_input, keyboard=keyboard, verbose=verbose)
        self._opening: str | None = ""  # what a newcomer may try; None once something was said
        self._silent: note.WarningNotice | None = None  # told until it is over
        self._size = self._resized_to = self._screen.size
        self._steady_ticks = 0
        self._painter = Painter(self._size.columns, text_input=text_input)
        self._turns = Turns()
        self._running = Running()
        self._unprinted: list[Item] = []
        self._printed: deque[tuple[Item, list[str]]] = deque(maxlen=REPAINTED_ITEMS)
        self._microphone, self._speaker = Meter(), Meter()
        self._began: float | None = None
        self._ticks = 0
        self._drawn: tuple[str, Status] | None = None
        self._live: str | None = None
        self._closed = False

    # -- what it is told ---------------------------------------------------------------------------------------

    def show(self, notice: note.Notice) -> None:
        now = self._now()
        self._live = None
        self._running.take(notice, now)
        match notice:
            case note.SessionNotice():
                self._session(notice, now)
            case note.StateNotice(state):
                self._status.state = state
            case note.UsageNotice():
                self._status.tokens = notice.session_input_tokens + notice.session_output_tokens
                self._status.cost = wording.cost(notice.session_cost, notice.currency)
            case note.ConnectionNotice():
                if self._status.retry_at is None:  # the rest is told by the status line
                    self._unprinted.append(note.WarningNotice("connection", wording.lost(notice)))
                self._status.retry_at, self._status.attempt = now + notice.in_s, notice.attempt
            case note.WarningNotice("silent_microphone"):
                self._silent = notice
            case note.WarningNotice("microphone_heard"):
                self._silent = None
            case note.WarningNotice() | note.ErrorNotice() | note.PictureNotice():
                self._unprinted.append(notice)
            case note.EndNotice():
                self._unprinted += self._turns.release_all()
                if self._silent is not None:
                    self._unprinted.append(self._silent)
                if notice.turns or self._began is not None:  # of a talk that never began there is nothing to sum up
                    self._unprinted.append(notice)
            case _:
                if isinstance(notice, note.LatencyNotice):
                    latency_ms = wording.latency_ms(notice)
                    self._status.latency_ms = self._status.latency_ms if latency_ms is None else latency_ms
                if isinstance(notice, note.UserPartial | note.UserTurn):
                    self._opening = None
                self._turns.add(notice, now)
                self._unprinted += self._turns.release(now)

    def _session(self, notice: note.SessionNotice, now: float) -> None:
        self._status.retry_at = None
        self._status.aec = notice.aec
        self._status.manual = self._screen.hold_to_talk = notice.turn == "manual"
        self._painter = replace(self._painter, speaker=wording.speaker(notice))
        if self._began is None:
            self._began = now
            if self._status.text_input and self._opening is not None:
                self._opening = wording.opening(notice)
            self._unprinted.append(replace(notice, state_restored=None))
        else:
            self._unprinted.append(replace(notice, state_restored=bool(notice.state_restored)))

    # -- its life ----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        with explained():
            await run_with_lines(self._run(), self._controls if self._reads_lines else None)

    async def _run(self) -> None:
        try:
            if not self._closed:
                await run_beside(self._screen.run(), self._tick_on())
        finally:
            if self._closed:
                self._print_rest()

    async def _tick_on(self) -> None:
        while True:
            self._tick()
            await asyncio.sleep(1 / TICKS_PER_S)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._unprinted += self._turns.release_all()
        if self._screen.running:
            self._screen.exit()  # what is left is printed when the lower part is gone
        else:
            with contextlib.suppress(TerminalClosed), explained():
                self._print_rest()

    # -- drawing -----------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        """Bring the terminal up to date. Nothing is written when nothing has changed."""
        if not self._screen.running:
            return
        now = self._now()
        due = self._turns.release(now)
        if due:
            self._unprinted += due
            self._live = None
        self._measure(now)
        self._status.holds = self._screen.tells_releases
        self._status.tools = self._running.words(now)
        at = self._status.retry_at
        self._status.retry_in_s = None if at is None else max(math.ceil(at - now), 0)
        if not self._same_size():
            return
        drawn = (self._live_lines(), replace(self._status))
        if self._unprinted or drawn != self._drawn:
            self._drawn = drawn
            self._screen.hint(self._ansi([self._status.hint(self._size.columns - HINT_MARGIN)]))
            self._screen.draw(drawn[0], self._status_line(), self._take_unprinted() if self._unprinted else None)

    def _measure(self, now: float) -> None:
        if self._ticks % TICKS_PER_LEVEL == 0:
            self._microphone.push(self._meters.microphone_dbfs())
            self._speaker.push(self._meters.speaker_dbfs())
            self._status.microphone, self._status.speaker = str(self._microphone), str(self._speaker)
        self._ticks += 1
        self._status.muted, self._status.paused = self._meters.muted, self._meters.paused
        if self._began is not None:
            self._status.elapsed_s = float(int(now - self._began))

    def _same_size(self) -> bool:
        """After a resize: wait until the window keeps its size, then lay everything visible out again."""
        size = self._screen.size
        if size == self._size:
            return True
        self._steady_ticks = self._steady_ticks + 1 if size == self._resized_to else 0
        self._resized_to = size
        if self._steady_ticks < STEADY_TICKS:
            return False
        self._size = size
        self._painter = replace(self._painter, width=size.columns)
        self._live = None
        taken, again = self._whole_items(self._screen.rows_above)
        above = self._ansi([line for item in again for line in self._lay_out(item)])
        self._screen.print_afresh(self._live_lines(), self._status_line(), taken, above)
        return True

    def _whole_items(self, room: int) -> tuple[int, list[Item]]:
        """The last items that stand in the window with all of their lines, and how many rows they take there. What
        has scrolled away, if only in part, stays as it is: laid out again it would be there twice."""
        broken = breaks_anew()
        taken, items = 0, list[Item]()
        while self._printed:
            lines = self._printed[-1][1]
            rows = sum(rows_of(line, self._size.columns) for line in lines) if broken else len(lines)
            if taken + rows > room:
                break
            taken += rows
            items.insert(0, self._printed.pop()[0])
        return taken, items

    def _lay_out(self, item: Item) -> "list[Text]":
        """The lines of something that goes into the scrollback, remembered as they stand there."""
        lines = self._painter.lines(item)
        self._printed.append((item, [line.plain for line in lines]))
        return lines

    def _live_lines(self) -> str:
        """The running turn as ANSI, and the rule below it; of a very long one its end."""
        if self._live is None:
            items = [self._painter.lines(replace(item, notice=_plainer(item.notice))) for item in self._turns.held]
            items += [self._painter.partial(partial) for partial in self._turns.partials()]
            below = self._painter.lines(self._silent) if self._silent is not None else []
            if self._opening:
                below += self._painter.opening(self._opening)
            rows = self._screen.size.rows
            room = max(min(rows - OTHER_ROWS, int(rows * SHARE)) - len(below), 1)
            self._live = self._ansi([*self._painter.end_of(items, room), *below, self._painter.rule()])
        return self._live

    def _status_line(self) -> str:
        return self._ansi([self._status.line(self._painter.width)])

    def _take_unprinted(self) -> str:
        lines = [line for item in self._unprinted for line in self._lay_out(item)]
        self._unprinted = []
        return self._ansi(lines)

    def _print_rest(self) -> None:
        """What is left when there is no lower part any more."""
        if self._unprinted:
            self._screen.print(self._take_unprinted())


def _plainer(told: Told) -> Told:
    """As it is drawn again and again, until it is written for good."""
    if isinstance(told, note.UserTurn):
        return replace(told, text=plainer(told.text))
    if isinstance(told, note.AssistantTurn):
        return replace(told, text=plainer(told.text), heard=plainer(told.heard))
    return told
