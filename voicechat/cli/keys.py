"""Single keys from the terminal while something plays, and a terminal that is taken away for a while (Ctrl-Z, `fg`)."""

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TextIO

from voicechat.signals import on_signals
from voicechat.ui.job_control import TerminalClosed, explained


class Jobs:
    """Who holds the terminal (by its mode, by a bar drawn on it) lets go of it on SIGTSTP and takes it back later."""

    def __init__(self) -> None:
        self._holders: list[tuple[Callable[[], None], Callable[[], None]]] = []
        self._held = True

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """While inside, Ctrl-Z stops the program in order. Where there are no jobs (Windows) nothing is watched."""
        if sys.platform == "win32":
            yield
            return
        with on_signals({signal.SIGTSTP: self._stop, signal.SIGCONT: self._go_on}):
            yield

    @contextlib.contextmanager
    def holding(self, take: Callable[[], None], let_go: Callable[[], None]) -> Iterator[None]:
        """`take` now and after a stop; `let_go` before one and in the end."""
        holder = take, let_go
        if self._held:
            _on_terminal(take)
        self._holders.append(holder)
        try:
            yield
        finally:
            self._holders.remove(holder)
            if self._held:
                _on_terminal(let_go)

    def _let_go(self) -> None:
        if self._held:
            self._held = False
            for _, let_go in reversed(self._holders):
                _on_terminal(let_go)

    def _stop(self) -> None:
        self._let_go()
        if sys.platform != "win32":
            os.kill(os.getpid(), signal.SIGSTOP)

    def _go_on(self) -> None:
        """SIGCONT: after `fg` the terminal is ours, after `bg` it is the shell's. After a SIGSTOP, of which nobody is
        told, the shell has changed its mode meanwhile."""
        self._let_go()
        if _in_front(sys.stderr):
            self._held = True
            for take, _ in self._holders:
                _on_terminal(take)


def _on_terminal(act: Callable[[], None]) -> None:
    """Its window may be closed at any moment: what cannot be drawn or set back then is nobody's loss."""
    with contextlib.suppress(TerminalClosed), explained():
        act()


@contextlib.contextmanager
def watch_keys(actions: Mapping[str, Callable[[], None]], jobs: Jobs) -> Iterator[None]:
    """Call an action on the loop when its key is pressed (`" "`). Without a terminal nothing is watched.

    When stdin carries the text, the keys come from the controlling terminal. Ctrl-C is SIGINT, but on Windows a key
    (`"c-c"`).
    """
    with contextlib.ExitStack() as stack:
        terminal = _terminal(stack)
        if terminal is not None:
            from prompt_toolkit.input import create_input

            keyboard = create_input(terminal)
            watching = contextlib.ExitStack()

            def press() -> None:
                for key in keyboard.read_keys():
                    if (action := actions.get(str(getattr(key.key, "value", key.key)))) is not None:
                        action()

            def take() -> None:
                watching.enter_context(keyboard.raw_mode() if sys.platform == "win32" else _single_keys(terminal))
                # Detached while stopped: a job in the background that reads the terminal is stopped for it.
                watching.enter_context(keyboard.attach(press))

            stack.enter_context(jobs.holding(take, watching.close))
        yield


@contextlib.contextmanager
def _single_keys(terminal: TextIO) -> Iterator[None]:
    """A key counts without Enter, and is not shown. Ctrl-C and Ctrl-Z stay signals, to everybody in the job.

    Ctrl-\\ is switched off: it would end the program with the terminal in this mode.
    """
    import termios

    descriptor = terminal.fileno()
    before, mode = termios.tcgetattr(descriptor), termios.tcgetattr(descriptor)
    mode[3] &= ~(termios.ECHO | termios.ICANON | termios.IEXTEN)
    off = bytes([os.fpathconf(descriptor, "PC_VDISABLE") & 0xFF])
    for name, value in ((termios.VMIN, 1), (termios.VTIME, 0), (termios.VQUIT, off)):
        mode[6][name] = value
    termios.tcsetattr(descriptor, termios.TCSANOW, mode)
    try:
        yield
    finally:
        if _in_front(terminal):  # else the mode is the shell's by now
            termios.tcsetattr(descriptor, termios.TCSANOW, before)


def _in_front(terminal: TextIO) -> bool:
    """Whether we are the terminal's foreground job. A background job that changed its mode would be stopped for it."""
    try:
        return not hasattr(os, "tcgetpgrp") or os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    except OSError:
        return False


def _terminal(stack: contextlib.ExitStack) -> "TextIO | None":
    if not sys.stderr.isatty():
        return None
    terminal = sys.stdin
    if not terminal.isatty():
        try:
            terminal = stack.enter_context(Path("/dev/tty").open(encoding="utf-8"))  # noqa: SIM115 - the stack closes it
        except OSError:
            return None
    return terminal if _in_front(terminal) else None
