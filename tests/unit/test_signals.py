"""Signals on a loop that cannot take them, as on Windows."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable

from voicechat.signals import on_signals


class Elsewhere(asyncio.SelectorEventLoop):
    """The loop of a platform without `add_signal_handler`."""

    def add_signal_handler(self, sig: int, callback: Callable[..., object], *args: object) -> None:
        raise NotImplementedError

    def remove_signal_handler(self, sig: int) -> bool:
        raise NotImplementedError


def test_ctrl_c_reaches_its_handler_and_the_task_goes_on() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)

    async def main() -> list[str]:
        told: list[str] = []
        came = asyncio.Event()

        def handler(name: str) -> Callable[[], None]:
            def note() -> None:
                told.append(name)
                came.set()

            return note

        inside = signal.getsignal(signal.SIGINT)
        with on_signals({signal.SIGINT: handler("int"), signal.SIGTERM: handler("term")}):
            for number in (signal.SIGINT, signal.SIGTERM):
                came.clear()
                os.kill(os.getpid(), number)
                await asyncio.wait_for(came.wait(), 5)
        assert signal.getsignal(signal.SIGINT) is inside
        return told

    with asyncio.Runner(loop_factory=Elsewhere) as runner:
        assert runner.run(main()) == ["int", "term"]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_outside_the_main_thread_no_signal_is_taken() -> None:
    before = signal.getsignal(signal.SIGINT)
    inside: list[object] = []

    async def main() -> None:
        with on_signals({signal.SIGINT: lambda: None}):
            inside.append(signal.getsignal(signal.SIGINT))

    def run(loop_factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(main())

    for factory in (Elsewhere, asyncio.SelectorEventLoop):
        thread = threading.Thread(target=run, args=(factory,))
        thread.start()
        thread.join()
    assert inside == [before, before]
