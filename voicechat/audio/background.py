"""Calls that may never come back, such as one into a sound server that does not answer."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def in_background(work: Callable[[], T], name: str) -> "asyncio.Future[T]":
    """`work` on a thread of its own, which does not keep the program from ending as `asyncio.to_thread`'s would.

    The future need not be waited for. Cancelling it does not end the thread.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def deliver(give: Callable[[], None]) -> None:
        def settle() -> None:
            if not future.done():
                give()

        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle)

    def run() -> None:
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 - every one is the waiter's
            failure = error
            deliver(lambda: future.set_exception(failure))
        else:
            deliver(lambda: future.set_result(result))

    threading.Thread(target=run, name=f"voicechat-{name}", daemon=True).start()
    return future
