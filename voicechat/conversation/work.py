"""What runs side by side in a conversation, and what ends all of it: the first reason, or the first failure."""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine, Iterator
from typing import Any

log = logging.getLogger(__name__)


class Work:
    """Tasks and callbacks of one conversation. Whatever happens first settles the future that `begin` gives."""

    def __init__(self) -> None:
        self._over: asyncio.Future[str] | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def begin(self) -> asyncio.Future[str]:
        """The future that ends it all: with a reason, or with what went wrong."""
        self._over = asyncio.get_running_loop().create_future()
        return self._over

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` beside the rest; its failure ends the conversation."""
        self.watch(asyncio.create_task(work, name=getattr(work, "__qualname__", "work")))

    def watch(self, task: asyncio.Task[None]) -> None:
        task.add_done_callback(self._task_done)
        self._tasks.append(task)

    def end(self, reason: str) -> None:
        if self._over is not None and not self._over.done():
            self._over.set_result(reason)

    async def stop(self) -> None:
        """Cancel what still runs, and wait for it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """For what the loop calls, or a view: a failure ends the conversation, as that of a task does."""
        try:
            yield
        except Exception as error:
            if self._over is None:
                raise
            if not self._over.done():
                log.debug("a callback failed", exc_info=True)
                self._over.set_exception(error)

    def _task_done(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or self._over is None or self._over.done():
            return
        if (error := task.exception()) is not None:
            self._over.set_exception(error)
