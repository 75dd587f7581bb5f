"""What the program says on stderr beside its data: broken at words where that is a terminal, whole lines where not."""

import sys

import typer

MEASURE = 120


def tell(text: str, *, dim: bool = False) -> None:
    """A line, or several. In a terminal what goes on hangs below what began it; `dim` is for asides."""
    if sys.stderr.isatty():
        import shutil

        from voicechat.ui.text import fold

        text = "\n".join(fold(text, min(shutil.get_terminal_size().columns, MEASURE)))
    typer.echo(typer.style(text, dim=True) if dim else text, err=True)
