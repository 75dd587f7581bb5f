"""Several processes on one port. The parent keeps them and does nothing else: it passes signals on, and starts another
where one dies.

They are forked, so that what is loaded is there once. Each has a group of its own: Ctrl-C in a terminal reaches the
parent alone, or every worker would be told twice. The end of a pipe tells them when the parent is gone.
"""

import logging
import os
import signal
import sys
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

BRIEF_S = 2.0
"""Whoever lives no longer has failed at its beginning, and so would the next."""
_ENDINGS = (signal.SIGINT, signal.SIGTERM)


def possible() -> bool:
    return sys.platform != "win32"


def supervise(count: int, work: Callable[[int], int], started: Callable[[], None], ended: Callable[[int], None]) -> int:
    """Keep `count` workers until a signal ends them; the exit code. Must be called before there are threads.

    `work` is given a descriptor that is at its end when the parent is; `ended` the id of each that has gone.
    """
    signal.signal(signal.SIGCHLD, lambda *_: None)  # where it is ignored nobody can wait for it
    signal.pthread_sigmask(signal.SIG_BLOCK, {*_ENDINGS, signal.SIGCHLD})
    life, parent = os.pipe()
    workers: dict[int, float] = {}
    for _ in range(count):
        workers[_fork(work, life, parent)] = time.monotonic()
    started()
    stopping, code = False, 0
    while workers:
        number = signal.sigwait({*_ENDINGS, signal.SIGCHLD})
        if number != signal.SIGCHLD:
            stopping = True
            _tell(workers, number)
            continue
        for pid, status in _gone(workers):
            lived_s = time.monotonic() - workers.pop(pid)
            ended(pid)
            found = os.waitstatus_to_exitcode(status)
            if stopping:
                code = max(code, abs(found))
            elif found > 0 and lived_s < BRIEF_S:  # nobody killed it
                log.error("a worker ended at once (%d): the others are ended too", found)
                stopping, code = True, 1
                _tell(workers, signal.SIGTERM)
            else:
                log.warning("worker %d ended (%d); another takes its place", pid, found)
                workers[_fork(work, life, parent)] = time.monotonic()
    return code


def _fork(work: Callable[[int], int], life: int, parent: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.setpgid(0, 0)
        os.close(parent)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {*_ENDINGS, signal.SIGCHLD})
        code = work(life)
    except Exception:
        log.exception("a worker failed")
    finally:
        logging.shutdown()
        os._exit(code)  # what the parent left open is the parent's


def _gone(workers: dict[int, float]) -> list[tuple[int, int]]:
    found = [os.waitpid(pid, os.WNOHANG) for pid in workers]
    return [(pid, status) for pid, status in found if pid]


def _tell(workers: dict[int, float], number: int) -> None:
    for pid in workers:
        os.kill(pid, number)
