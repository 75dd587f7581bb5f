"""Runs the work of calls: what blocks in a thread of its own, the rest on the loop; both within a time and a size."""

import asyncio
import inspect
import logging
import re
import threading
from collections.abc import Callable
from typing import Any

from voicechat.tools.calls import Call
from voicechat.tools.spec import MAX_CHARS, TIMEOUT_S, Outcome, ToolFailed

_SEQUENCES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)", re.DOTALL)
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

log = logging.getLogger(__name__)


class Runner:
    """`done(call, outcome)` is called on the loop, once for each call that was started and not stopped."""

    def __init__(
        self, done: Callable[[Call, Outcome], None], *, timeout_s: float = TIMEOUT_S, max_chars: int = MAX_CHARS
    ):
        self._done = done
        self._timeout_s = timeout_s
        self._max_chars = max_chars
        self._tasks: dict[Call, asyncio.Task[None]] = {}

    def start(self, call: Call) -> None:
        self._tasks[call] = asyncio.create_task(self._run(call), name=f"tool {call.name}")

    def stop(self, call: Call) -> None:
        """Its outcome is not wanted any more. A thread cannot be ended: it is left alone, and ends with the program."""
        if (task := self._tasks.pop(call, None)) is not None:
            task.cancel()

    async def close(self) -> None:
        """Stop everything."""
        tasks, self._tasks = list(self._tasks.values()), {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, call: Call) -> None:
        limit_s = (call.spec.timeout_s if call.spec else None) or self._timeout_s
        most = (call.spec.max_chars if call.spec else None) or self._max_chars
        try:
            async with asyncio.timeout(limit_s):
                outcome = await self._outcome(call)
        except TimeoutError:
            outcome = Outcome(f"{call.name} did not finish within {limit_s:g} s.", ok=False)
        self._tasks.pop(call, None)
        self._done(call, Outcome(cut(harmless(outcome.output), most), outcome.ok))

    async def _outcome(self, call: Call) -> Outcome:
        assert call.work is not None
        work = call.work
        if work.blocking:
            return await in_thread(lambda: _settle(work), f"tool {call.name}")
        try:
            result = work()
            return rendered(await result if inspect.isawaitable(result) else result)
        except asyncio.CancelledError:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001  a tool may raise anything
            return _failure(error)


def _settle(work: Callable[[], Any]) -> Outcome:
    try:
        return rendered(work())
    except (Exception, SystemExit) as error:  # noqa: BLE001  a tool may raise anything
        return _failure(error)


def _failure(error: BaseException) -> Outcome:
    if isinstance(error, ToolFailed):
        return Outcome(str(error), ok=False)
    log.debug("a tool failed", exc_info=error)
    words = f"{type(error).__name__}: {error}".removesuffix(": ")
    return Outcome(f"The tool failed: {words}", ok=False)


def rendered(result: Any) -> Outcome:
    """What the model is told of a result: text as it is, everything else as JSON."""
    from pydantic_core import PydanticSerializationError, to_json

    if isinstance(result, Outcome):
        return result
    if result is None:
        return Outcome("Done.")
    if isinstance(result, str):
        return Outcome(result)
    try:
        return Outcome(to_json(result, inf_nan_mode="null").decode("utf-8", "replace"))
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        log.debug("a tool's result", exc_info=error)
        return Outcome(f"The tool returned something that is no JSON: {type(result).__name__}.", ok=False)


def harmless(text: str) -> str:
    """Without what steers a terminal, and without half characters: nobody knows where this will be shown."""
    text = _SEQUENCES.sub("", text)
    return _CONTROLS.sub("", text).encode("utf-8", "replace").decode("utf-8")


def cut(text: str, most: int) -> str:
    """At most so many characters, and a word about what is missing."""
    if len(text) <= most:
        return text
    return f"{text[:most]}… (the first {most} of {len(text)} characters)"


async def in_thread(work: Callable[[], Outcome], name: str) -> Outcome:
    """`work` in a daemon thread of its own: one that hangs holds up neither the loop, nor others, nor the end."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Outcome] = loop.create_future()

    def settle(outcome: Outcome) -> None:
        if not future.done():
            future.set_result(outcome)

    def run() -> None:
        outcome = work()
        try:
            loop.call_soon_threadsafe(settle, outcome)
        except RuntimeError:  # the loop is closed: nobody waits any more
            log.debug("%s ended after the conversation", name)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await future
