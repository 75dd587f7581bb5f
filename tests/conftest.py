"""Fixtures for every test, the rule that a test leaves nothing running, and how tests share the machine."""

import asyncio
import fcntl
import os
import signal
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.forked import Forked, Server
from tests.soundcard import SoundCard
from voicechat import redaction
from voicechat.providers.catalogue import providers

settings.register_profile("ci", derandomize=True)  # the same cases each time: a red run means a change, not luck
if os.environ.get("CI"):
    settings.load_profile("ci")

GRACE_S = 5.0
WORKERS_PER_CORE, MOST_WORKERS = 3, 12  # most tests wait for sound, a child process or a time-out

# A shell's background job ignores Ctrl-C, and so would every program that a test starts from it and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # so does what nohup started a closed window
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# What whoever runs the tests talks with, his keys above all, is none of their business.
for info in providers().values():
    for variable in (*info.environment.values(), *info.aliases):
        os.environ.pop(variable, None)
for variable in [name for name in os.environ if name.startswith("VOICECHAT_")]:
    del os.environ[variable]


@pytest.fixture
def soundcard() -> Iterator[SoundCard]:
    """A fresh virtual sound card, without a room."""
    with SoundCard() as card:
        yield card


@pytest.fixture(autouse=True)
def every_test_has_its_own_secrets() -> Iterator[None]:
    """What one test remembers as a key is an ordinary word in the next."""
    before = set(redaction._known)
    yield
    redaction._known.clear()
    redaction._known.update(before)


def children() -> set[str]:
    """ "pid name" of each program, and of each child process of this one (Linux; elsewhere nothing more is found)."""
    found = {f"{program.pid} {' '.join(program.arguments)}" for program in set(Forked.running)}
    for task in Path("/proc/self/task").glob("*"):
        try:
            pids = (task / "children").read_text().split()
        except OSError:  # the thread ended meanwhile
            continue
        for pid in {*pids} - Server.pids:
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


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """`-n auto`: several workers for folders, none for a file or a choice of tests, which they would only hold up."""
    chosen = config.option.keyword or config.option.markexpr or any(".py" in argument for argument in config.args)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 0 if chosen else min(MOST_WORKERS, WORKERS_PER_CORE * cores)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`realtime` tests come last, one after the other: who has the machine for itself keeps it for all of them."""
    items.sort(key=is_realtime)


def is_realtime(item: pytest.Item | None) -> bool:
    return item is not None and item.get_closest_marker("realtime") is not None


floors: list[ExitStack] = []
"""What a worker keeps locked from one `realtime` test to the next."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """A `realtime` test has the machine for itself: the other workers finish what they are at, and wait for it."""
    if not hasattr(item.config, "workerinput"):
        return (yield)
    floor = floors.pop() if floors else take_floor(is_realtime(item))
    try:
        return (yield)
    finally:
        if is_realtime(item) and is_realtime(nextitem):
            floors.append(floor)
        else:
            floor.close()


def take_floor(alone: bool) -> ExitStack:
    """For one alone or shared, until it is closed."""
    locks = ExitStack()
    # Who waits for the floor keeps the door shut, or those who share it would never leave it free.
    door = locks.enter_context(lock("__init__.py", alone))
    locks.enter_context(lock("conftest.py", alone))
    if not alone:
        fcntl.flock(door, fcntl.LOCK_UN)
    return locks


@contextmanager
def lock(name: str, alone: bool) -> Iterator[int]:
    """A lock between processes on a file beside this one: for one alone, or shared."""
    file = os.open(Path(__file__).with_name(name), os.O_RDONLY)
    try:
        fcntl.flock(file, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield file
    finally:
        os.close(file)
