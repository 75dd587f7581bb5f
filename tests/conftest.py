"""Fixtures for every test, and the rule that a test leaves nothing running."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.soundcard import SoundCard

settings.register_profile("ci", derandomize=True)  # the same cases each time: a red run means a change, not luck
if os.environ.get("CI"):
    settings.load_profile("ci")

GRACE_S = 2.0

# A shell's background job ignores Ctrl-C, and so would every program that a test starts from it and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def soundcard() -> Iterator[SoundCard]:
    """A fresh virtual sound card, without a room."""
    with SoundCard() as card:
        yield card


def children() -> set[str]:
    """ "pid name" of each child process of this one (Linux; elsewhere nothing is found)."""
    found = set()
    for task in Path("/proc/self/task").glob("*"):
        try:
            pids = (task / "children").read_text().split()
        except OSError:  # the thread ended meanwhile
            continue
        for pid in pids:
            try:
                found.add(f"{pid} {Path(f'/proc/{pid}/comm').read_text().strip()}")
            except OSError:  # the process ended meanwhile
                continue
    return found


@pytest.fixture(autouse=True)
def nothing_is_left_running(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A thread, a child process or an asyncio task that outlives its test fails it by name."""
    threads, processes = set(threading.enumerate()), children()
    tasks: list[str] = []
    run = asyncio.run

    def watched(main: Coroutine[Any, Any, Any], **options: Any) -> Any:
        async def body() -> Any:
            result = await main
            others = asyncio.all_tasks() - {asyncio.current_task()}
            if others:
                _, pending = await asyncio.wait(others, timeout=GRACE_S)
                tasks.extend(f"task {task.get_name()} {task.get_coro()}" for task in pending)
            return result

        return run(body(), **options)

    monkeypatch.setattr(asyncio, "run", watched)
    yield
    end = time.monotonic() + GRACE_S
    for thread in set(threading.enumerate()) - threads:
        thread.join(max(0.0, end - time.monotonic()))
    while (left := children() - processes) and time.monotonic() < end:
        time.sleep(0.02)
    leaks = tasks + [f"thread {thread.name}" for thread in set(threading.enumerate()) - threads]
    leaks += [f"process {process}" for process in left]
    if leaks:
        pytest.fail("left running by this test: " + ", ".join(leaks))
