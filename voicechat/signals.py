"""Signals as callbacks on the event loop, where the platform's loop can take them and where it cannot."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any


def endings() -> dict[int, int]:
    """The signals that end a program in order, and its exit code then: Ctrl-C, a polite kill, a closed terminal."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as under nohup
        numbers.append(signal.SIGHUP)
    return {int(number): 128 + number for number in numbers}


@contextlib.contextmanager
def on_signals(handlers: Mapping[int, Callable[[], None]]) -> Iterator[None]:
    """While inside, each of these signals calls its handler on the running loop.

    Does nothing outside the main thread, where no signal arrives.
    """
    loop = asyncio.get_running_loop()
    with contextlib.ExitStack() as taken:
        for number, handler in handlers.items():
            with contextlib.suppress(RuntimeError, ValueError):  # not the main thread
                try:
                    loop.add_signal_handler(number, handler)
                    taken.callback(loop.remove_signal_handler, number)
                except NotImplementedError:  # Windows; its loop does wake up for a signal
                    taken.callback(signal.signal, number, _take(loop, number, handler))
        yield


def _take(loop: asyncio.AbstractEventLoop, number: int, handler: Callable[[], None]) -> Any:
    """Have the interpreter call the handler on the loop; returns what it did before with that signal."""
    return signal.signal(number, lambda *_: loop.call_soon_threadsafe(handler)) or signal.SIG_DFL
