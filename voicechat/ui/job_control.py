"""A terminal that is taken from the program for a while (Ctrl-Z, SIGTSTP, `fg`) or for good (its window is closed)."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

from voicechat.signals import on_signals
from voicechat.ui.base import OutputClosed


class TerminalClosed(OutputClosed):
    """The window was closed, or the line to it broke: what SIGHUP tells, which comes at the same time."""

    exit_code = 129


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """What reading, writing and setting a terminal that is gone raises, as TerminalClosed."""
    try:
        yield
    except (EOFError, OSError) as error:
        raise TerminalClosed from error
    except Exception as error:
        if type(error).__module__ == "termios":  # no OSError, and unknown to Windows
            raise TerminalClosed from error
        raise


def stop_job() -> None:
    """Ctrl-Z: stop everybody in this job, as the terminal does by itself when it is not raw."""
    if sys.platform != "win32":
        os.kill(0, signal.SIGTSTP)


@contextlib.contextmanager
def stoppable(
    app: Any, away: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext
) -> Iterator[None]:
    """While `app` (of prompt_toolkit) runs: on SIGTSTP give the terminal back, stop, and draw again when continued.

    `away`: entered while the terminal is given back.
    """
    stops: list[asyncio.Future[None]] = []  # kept: the loop holds tasks weakly

    def stop() -> None:
        from prompt_toolkit.application import run_in_terminal

        if app.is_running and app.context is not None:
            stops[:] = [asyncio.ensure_future(app.context.copy().run(run_in_terminal, stop_now))]
        else:
            stop_now()

    def stop_now() -> None:
        with away():
            _stop_now()

    try:
        with on_signals({} if sys.platform == "win32" else {signal.SIGTSTP: stop}):
            yield
    finally:
        for each in stops:
            each.cancel()


def _stop_now() -> None:
    if sys.platform != "win32":
        os.kill(os.getpid(), signal.SIGSTOP)
