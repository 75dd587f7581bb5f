"""Lines that a terminal broke anew: when its window changes its width, what was drawn takes another number of rows.

Whoever would draw over it must know how many, or leaves copies behind, or takes too much away.
"""

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from prompt_toolkit.data_structures import Point
from prompt_toolkit.renderer import Renderer

if TYPE_CHECKING:
    from prompt_toolkit.application import Application
    from prompt_toolkit.layout import Layout


def rows_of(line: str, columns: int) -> int:
    """How many rows of `columns` cells a line of text takes: a wide character does not begin in the last cell."""
    from wcwidth import iter_graphemes, width

    rows, used = 1, 0
    for cluster in line.rstrip() if line.isascii() else iter_graphemes(line.rstrip()):
        size = int(width(cluster))
        if used + size > columns:
            rows, used = rows + 1, 0
        used += size
    return rows


def breaks_anew() -> bool:
    """Whether this terminal moves what no longer fits into the next row, as nearly all do; the others cut it off."""
    term = os.environ.get("TERM", "")
    by_screen = term.startswith("screen") and "TMUX" not in os.environ
    return not (by_screen or term.startswith("linux") or "XTERM_VERSION" in os.environ)


class ReflowRenderer(Renderer):
    """Takes away exactly what it drew, also when the window has another width than when it was drawn."""

    floats = 0
    """How many rows may be empty below what is drawn: a picture that was broken anew took them, and they are free."""

    def render(self, app: "Application[object]", layout: "Layout", is_done: bool = False) -> None:
        """Nothing while a window is being drawn wider or narrower: whoever knows when that is over calls `erase`."""
        if is_done or self._last_size in (None, self.output.get_size()):
            super().render(app, layout, is_done)

    def erase(self, leave_alternate_screen: bool = True) -> None:
        if not leave_alternate_screen:  # asked at each step of a resize, in the middle of the next one
            return
        columns = self.output.get_size().columns
        if self._last_size is not None and breaks_anew():
            x, y = self._cursor_pos.x, self._cursor_pos.y
            rows = self._rows()
            self.floats += sum(rows) - len(rows)
            self._cursor_pos = Point(x=min(x, columns - 1), y=sum(rows[:y]) + x // columns)
        super().erase()

    def request_absolute_cursor_position(self) -> None:
        if self._last_screen is None:
            super().request_absolute_cursor_position()

    def wrote(self, rows: int) -> None:
        """So many rows came between what stands above and the picture."""
        self.floats = max(self.floats - rows, 0)

    @property
    def rows_above(self) -> int:
        """Of the window, at least so many are above the picture where the window is full."""
        return max(self.output.get_size().rows - sum(self._rows()) - self.floats, 0)

    def _rows(self) -> list[int]:
        """How many rows each row of the picture takes by now."""
        columns = self.output.get_size().columns
        return [rows_of(line, columns) if breaks_anew() else 1 for line in self._drawn()]

    def _drawn(self) -> Iterable[str]:
        """The text of the rows of the picture."""
        screen = self._last_screen
        for row in (screen.data_buffer[y] for y in range(screen.height)) if screen is not None else ():
            yield "".join(row[x].char for x in range(max(row, default=-1) + 1))
