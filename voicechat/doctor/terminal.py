"""The terminal: what the live view needs of it. None of it is necessary: a pipe holds a conversation too."""

import shutil
import sys

from voicechat.doctor.checks import Check

TERMINAL = "terminal"
NARROWEST, LOWEST = 60, 10


def terminal_check() -> Check:
    from rich.console import Console

    tty = sys.stdout.isatty() and sys.stdin.isatty()
    size = shutil.get_terminal_size()
    encoding = (sys.stdout.encoding or "unknown").lower()
    colours = Console(file=sys.stdout).color_system or "none"
    figures = {
        "tty": tty,
        "columns": size.columns,
        "lines": size.lines,
        "encoding": encoding,
        "colours": colours,
    }
    if not encoding.replace("-", "").startswith("utf"):
        advice = "Set LANG to a UTF-8 locale (or PYTHONUTF8=1), or some text will be shown as escapes."
        return Check(TERMINAL, False, f"It writes {encoding}, which holds no Chinese.", advice, figures=figures)
    if not tty:
        return Check(
            TERMINAL, None, f"Not a terminal ({encoding}): plain lines instead of the live view.", "", 0, figures
        )
    detail = f"{size.columns} × {size.lines}, {encoding}, colours: {colours}."
    small = size.columns < NARROWEST or size.lines < LOWEST
    advice = f"Make it at least {NARROWEST} × {LOWEST}, or use --plain." if small else ""
    return Check(TERMINAL, not small, detail, advice, figures=figures)
