"""Which view a program run gets."""

import os
import sys
from typing import Literal, TextIO

from voicechat.ui.base import Controls, Meters, View


def make_view(
    kind: Literal["auto", "plain", "json"],
    meters: Meters,
    controls: Controls,
    *,
    interactive: bool,
    words: TextIO | None = None,
    verbose: bool = False,
) -> View:
    """`auto` is the live view where stdout is a terminal that can move its cursor, else plain lines.

    `interactive`: stdin holds what the user writes. From a keyboard it is an input line in the live view; in all
    other cases its lines are delivered one by one, and its end is told. Otherwise stdin is left alone, but for
    Esc, Ctrl-C and Ctrl-D in the live view, which owns the keyboard. `words`: where plain lines go, stdout when None.
    `verbose`: the live view shows figures for those who measure.
    """
    if kind == "json":
        from voicechat.ui.jsonl import JsonView

        return JsonView(sys.stdout, controls if interactive else None)
    if kind == "plain" or not sys.stdout.isatty() or os.environ.get("TERM") in ("dumb", "unknown"):
        from voicechat.ui.plain import PlainView

        return PlainView(words or sys.stdout, sys.stderr, controls if interactive else None)
    from voicechat.ui.live import LiveView

    return LiveView(meters, controls, interactive=interactive, verbose=verbose)
