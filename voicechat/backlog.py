"""Writing to what may not take it: a pipe whose reader has stopped, a disk that does not answer.

The event loop waits for neither. What is to be written waits here, in order, for a thread that does.
"""

import threading
from collections import deque
from collections.abc import Callable
from functools import partial


class Backlog:
    """Work for a thread of its own, which begins with the first and does not keep the program from ending.

    At most `most` pieces wait; beyond that the oldest is given up and counted. The work itself must not raise.
    """

    def __init__(self, name: str, most: int):
        self._name = f"voicechat-{name}"
        self._most = most
        self._waiting: deque[Callable[[], None]] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._busy = False
        self._ending = False
        self._done = 0
        self._lost = 0

    def __len__(self) -> int:
        """How many pieces wait."""
        return len(self._waiting)

    def add(self, work: Callable[[], None]) -> None:
        """Have this done after all that waits; nothing is taken after `end`."""
        with self._changed:
            if self._ending:
                return
            if len(self._waiting) >= self._most:
                self._waiting.popleft()
                self._lost += 1
            self._waiting.append(work)
            self._changed.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()

    def take_lost(self) -> int:
        """How many pieces were given up since this was last asked."""
        with self._changed:
            lost, self._lost = self._lost, 0
        return lost

    def end(self, patience_s: float) -> bool:
        """Take nothing more and wait until all is done; False when not one piece was for `patience_s`."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()
            done = -1
            while (self._waiting or self._busy) and done != self._done:
                done = self._done
                self._changed.wait_for(partial(self._further_than, done), patience_s)
            finished = not self._waiting and not self._busy
        if finished and self._thread is not None:
            self._thread.join()
        return finished

    def _further_than(self, done: int) -> bool:
        return self._done != done

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ending)
                if not self._waiting:
                    return
                work = self._waiting.popleft()
                self._busy = True
            work()
            with self._changed:
                self._busy = False
                self._done += 1
                self._changed.notify_all()
