"""Tables on stdout: drawn by Rich on a terminal, plain aligned lines in a pipe, JSON on request."""

import json
from collections.abc import Sequence

LEAST_OF_LAST = 16
LONGEST_WORD = 40
"""Anything longer is a path or an address, and may be broken."""
GAP = 3
"""Cells between two columns on a terminal."""


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows of untrusted text: markup in it is inert, control characters are shown escaped."""
    import io
    import sys

    import typer
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    cells_of = [[_printable(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        console = Console()
        room = console.width - _width_before_last(columns, cells_of)
        if room < _least_of_last(columns, cells_of):
            console.print(Text("\n".join(_stacked(columns, cells_of, console.width))), soft_wrap=True)
            return
    else:
        console = None
    table = Table(box=box.SIMPLE_HEAD if console else None, pad_edge=False, header_style="bold", show_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=console is None or column != columns[-1], overflow="fold")
    for row in cells_of:
        table.add_row(*(Text(cell) for cell in row))
    if console is not None:
        console.print(table)
        return
    text = io.StringIO()
    # One line per row however long it is: a pipe wants whole lines.
    Console(file=text, width=10_000, color_system=None).print(table)
    typer.echo("\n".join(line.rstrip() for line in text.getvalue().splitlines()))


def _widest(columns: Sequence[str], rows: Sequence[Sequence[str]], index: int) -> int:
    from voicechat.ui.text import cells

    return max(cells(text) for text in (columns[index], *(row[index] for row in rows)))


def _least_of_last(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """How narrow the last column, which is a text, may become: it is read, and no word of it is broken."""
    from voicechat.ui.text import cells

    words = (cells(word) for row in rows for word in row[-1].split())
    longest = max((word for word in words if word <= LONGEST_WORD), default=0)
    return min(_widest(columns, rows, len(columns) - 1), max(longest, LEAST_OF_LAST))


def _width_before_last(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    return sum(_widest(columns, rows, index) + GAP for index in range(len(columns) - 1))


def _stacked(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Each row as a paragraph, where the columns have no room beside each other."""
    from voicechat.ui.text import fold

    named = next(index for index, column in enumerate(columns) if column)
    labels = max(len(column) for column in columns[named + 1 :]) + 2
    lines: list[str] = []
    for row in rows:
        lines.append(" ".join(filter(None, row[: named + 1])))
        for column, cell in zip(columns[named + 1 :], row[named + 1 :], strict=True):
            if cell:
                lines += fold(f"  {column:<{labels}}{cell}", width)
    return lines


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows of our own short words as lines, their columns under each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(("", *row), (0, *widths), strict=True)).rstrip()
        for row in rows
    )


def print_json(value: object) -> None:
    """Print JSON of untrusted text: its value is the same, and nothing in it is a command to the terminal."""
    import typer

    from voicechat.ui.text import escape_json

    typer.echo(escape_json(json.dumps(value, ensure_ascii=False, indent=2)))


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
