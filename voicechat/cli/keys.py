"""Single keys from the terminal while something plays."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TextIO


@contextlib.contextmanager
def watch_keys(actions: Mapping[str, Callable[[], None]]) -> Iterator[None]:
    """Call an action on the loop when its key is pressed (`" "`, `"c-c"`). Without a terminal nothing is watched.

    When stdin carries the text, the keys come from the controlling terminal.
    """
    with contextlib.ExitStack() as stack:
        terminal = _terminal(stack)
        if terminal is not None:
            from prompt_toolkit.input import create_input

            keyboard = create_input(terminal)

            def press() -> None:
                for key in keyboard.read_keys():
                    if (action := actions.get(str(getattr(key.key, "value", key.key)))) is not None:
                        action()

            # Raw: a key counts without Enter, and is not shown. Ctrl-C then comes as a key, too.
            stack.enter_context(keyboard.raw_mode())
            stack.enter_context(keyboard.attach(press))
        yield


def _terminal(stack: contextlib.ExitStack) -> "TextIO | None":
    if not sys.stderr.isatty():
        return None
    terminal = sys.stdin
    if not terminal.isatty():
        try:
            terminal = stack.enter_context(Path("/dev/tty").open(encoding="utf-8"))  # noqa: SIM115 - the stack closes it
        except OSError:
            return None
    if hasattr(os, "tcgetpgrp"):
        with contextlib.suppress(OSError):
            # A background job that changed the terminal's mode would be stopped for it.
            return terminal if os.tcgetpgrp(terminal.fileno()) == os.getpgrp() else None
        return None
    return terminal
