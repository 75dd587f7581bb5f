"""Signals as callbacks on the event loop, where the platform's loop can take them."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Iterator, Mapping


def endings() -> dict[int, int]:
    """The signals that end a program in order, and its exit code then: Ctrl-C, a polite kill, a closed terminal."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as under nohup
        numbers.append(signal.SIGHUP)
    return {int(number): 128 + number for number in numbers}


@contextlib.contextmanager
def on_signals(handlers: Mapping[int, Callable[[], None]]) -> Iterator[None]:
    """While inside, each of these signals calls its handler on the running loop."""
    loop = asyncio.get_running_loop()
    taken = []
    for number, handler in handlers.items():
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):  # Windows; not the main thread's loop
            loop.add_signal_handler(number, handler)
            taken.append(number)
    try:
        yield
    finally:
        for number in taken:
            loop.remove_signal_handler(number)
