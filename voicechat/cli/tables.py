"""Tables on stdout: drawn by Rich on a terminal, plain aligned lines in a pipe, JSON on request."""

import json
from collections.abc import Sequence


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows of untrusted text: markup in it is inert, control characters are shown escaped."""
    import io
    import sys

    import typer
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    terminal = sys.stdout.isatty()
    table = Table(box=box.SIMPLE_HEAD if terminal else None, pad_edge=False, header_style="bold", show_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=not terminal, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_printable(cell)) for cell in row))
    if terminal:
        Console().print(table)
        return
    text = io.StringIO()
    # One line per row however long it is: a pipe wants whole lines.
    Console(file=text, width=10_000, color_system=None).print(table)
    typer.echo("\n".join(line.rstrip() for line in text.getvalue().splitlines()))


def print_json(value: object) -> None:
    """Print JSON of untrusted text: its value is the same, and nothing in it is a command to the terminal."""
    import typer

    from voicechat.ui.text import escape_json

    typer.echo(escape_json(json.dumps(value, ensure_ascii=False, indent=2)))


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
