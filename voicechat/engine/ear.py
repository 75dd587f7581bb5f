"""The recogniser in a process of its own, so that neither the event loop nor the sound ever waits for it.

What the child reads and writes is in `child`. Utterances are recognised one after another in the order of their
beginnings.

The sound of an utterance is kept until it is understood: when the child dies or hangs, a new one is given it, and if
that fails too, one with a lesser recogniser. So it costs time, and no words. A slow machine is no hang: where the
system tells, a child that works is waited for.
"""

import asyncio
import json
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from voicechat.engine.builtin import MOONSHINE, POCKETSPHINX, installed
from voicechat.engine.forks import Forked, ForkServer
from voicechat.engine.recogniser import RATE_HZ, Hypothesis
from voicechat.engine.utterance import ProcessUtterance, Utterance
from voicechat.interpreter import child_python, processor_s

log = logging.getLogger(__name__)

ANSWER_TIMEOUT_S = 8.0
"""A recogniser hangs that gives no sign of life for so long after an utterance's end. A long pass takes 3 s on a slow
machine.
"""
LOAD_TIMEOUT_S = 30.0
MOST_WORK_S = 60.0
"""Of the processor without a sign of life, which is an endless loop."""
END_TIMEOUT_S = 2.0
ADDED_PATIENCE = 4
"""A model that the user added may be so many times slower."""
BACKLOG_BYTES = 120 * RATE_HZ * 2
"""Sound that may wait for the child: a recording may be sent all at once, and is understood faster than it sounds.
More of it means a child that hangs.
"""
MOST_FAILURES = 4
"""So many children without a single understood utterance between them, and no more is started."""


class Ear(Protocol):
    """Hears one conversation. Nobody who feeds it ever waits for it: however slow it is, a cancel must get by."""

    def start(self) -> None:
        """Begin to load. Needs a running loop."""
        ...

    def listen(self, on_partial: Callable[[Hypothesis], None]) -> Utterance: ...

    async def close(self) -> None: ...


class ProcessEar:
    """An `Ear` whose recogniser is a child of this process.

    `tell` is given one line whenever the user should know something: that a lesser recogniser is at work, or that
    one died. `added` are ears that the user added (a name or a folder), for speech in `language`; else a child is
    forked from what `forks` has loaded, where there is one. `arguments` make another child, in tests.
    """

    def __init__(
        self,
        tell: Callable[[str], None] = log.warning,
        arguments: Sequence[str] = ("-m", "voicechat.engine.child"),
        *,
        added: str = "",
        language: str = "",
        forks: ForkServer | None = None,
    ):
        self._tell = tell
        self._forks = None if added else forks
        self._arguments = [*arguments, *([f"--ears={added}", f"--language={language}"] if added else [])]
        self._added = added
        self._child: _Child | None = None
        self._gone: list[_Child] = []
        self._failures = 0
        self._without: list[str] = []
        self._remarked = ""
        self._reason = ""
        self._closing = False

    @property
    def pid(self) -> int | None:
        """Of the child, while there is one."""
        return None if self._child is None or self._child.gone else self._child.pid

    def start(self) -> None:
        """Start a child, unless one runs or there is no hope in another."""
        if self._closing or (self._child is not None and not self._child.gone) or self._failures >= MOST_FAILURES:
            return
        without = [f"--without={name}" for name in self._without]
        patience = ADDED_PATIENCE if self._added and self._added not in self._without else 1
        if self._child is not None:
            self._gone.append(self._child)
        forks = None if without else self._forks
        self._child = _Child([*self._arguments, *without], forks, patience, self._ready, self._understood, self._died)

    def listen(self, on_partial: Callable[[Hypothesis], None]) -> Utterance:
        utterance = ProcessUtterance(on_partial)
        self._give(utterance)
        return utterance

    def _give(self, utterance: "ProcessUtterance") -> None:
        self.start()
        if self._child is None or self._child.gone or not utterance.movable:
            utterance.fail(self._reason or "The recogniser is closed.")
        else:
            self._child.take(utterance)

    async def close(self) -> None:
        self._closing = True
        for child in (*self._gone, *([self._child] if self._child else [])):
            await child.close()

    def _ready(self, remark: str) -> None:
        if remark and remark != self._remarked:
            self._remarked = remark
            self._tell(remark)

    def _understood(self) -> None:
        self._failures = 0

    def _died(self, reason: str, was_ready: bool, refused: bool, left: "Iterable[ProcessUtterance]") -> None:
        if not self._closing:
            self._tell(self._learn(reason, was_ready, refused))
        for utterance in left:
            self._give(utterance)

    def _learn(self, reason: str, was_ready: bool, refused: bool) -> str:
        """What a death means for the next child, in a line for the user."""
        self._failures = MOST_FAILURES if refused else self._failures + 1
        self._reason = reason
        if not was_ready or self._failures > 1:  # a lesser one may do better
            if self._added and self._added not in self._without:
                self._without.append(self._added)
            elif installed(POCKETSPHINX) and MOONSHINE not in self._without:
                self._without.append(MOONSHINE)
        hope = "A new one takes over." if self._failures < MOST_FAILURES else "Typed turns still work."
        return f"{reason} {hope}"


class _Child:
    """One recogniser process, and the utterances it was given. Frames wait for it in a bounded backlog."""

    def __init__(
        self,
        arguments: Sequence[str],
        forks: ForkServer | None,
        patience: float,
        ready: Callable[[str], None],
        understood: Callable[[], None],
        died: "Callable[[str, bool, bool, Iterable[ProcessUtterance]], None]",
    ):
        self.gone = False
        self.pid: int | None = None
        self._on_ready, self._understood, self._died = ready, understood, died
        self._process: asyncio.subprocess.Process | Forked | None = None
        self._forks = forks
        self._frames: deque[bytes] = deque()
        self._backlog_bytes = 0
        self._some = asyncio.Event()
        self._waiting: deque[ProcessUtterance] = deque()
        self._ready = self._refused = False
        self._reason = "The recogniser ended unexpectedly."
        self._patience: asyncio.TimerHandle | None = None
        self._patience_factor = patience
        self._worked_s = self._works_since_s = 0.0
        self._wait(LOAD_TIMEOUT_S)
        self._task = asyncio.create_task(self._run(arguments), name="offline-ear")

    def take(self, utterance: "ProcessUtterance") -> None:
        """As far as it has been spoken; the rest comes by `send`."""
        self._waiting.append(utterance)
        for frame in utterance.given_to(self):
            self.send(frame)

    def send(self, frame: bytes) -> None:
        if self.gone:
            return
        self._frames.append(frame)
        self._backlog_bytes += len(frame)
        self._some.set()
        if self._backlog_bytes > BACKLOG_BYTES:
            self._hangs()
        elif not frame.startswith(b"A") and self._ready:
            self._be_patient()

    async def close(self) -> None:
        self._kill()
        await asyncio.wait({self._task})

    def _be_patient(self) -> None:
        """Somebody waits for an answer, or nobody does; each sign of life begins the time anew."""
        self._wait(ANSWER_TIMEOUT_S if any(utterance.ended for utterance in self._waiting) else None)

    def _wait(self, timeout_s: float | None) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        if timeout_s is not None:
            self._worked_s = self._works_since_s = self._processor_s()
            self._look_again(timeout_s)

    def _look_again(self, timeout_s: float) -> None:
        loop = asyncio.get_running_loop()
        self._patience = loop.call_later(timeout_s * self._patience_factor, self._look, timeout_s)

    def _look(self, timeout_s: float) -> None:
        """It has given no sign of life for so long. On a busy machine that says little while it works."""
        before_s, self._worked_s = self._worked_s, self._processor_s()
        worked_s = self._worked_s - self._works_since_s
        if self._worked_s > before_s and worked_s < MOST_WORK_S * self._patience_factor:
            self._look_again(timeout_s)
        else:
            self._hangs()

    def _processor_s(self) -> float:
        return 0.0 if self.pid is None else processor_s(self.pid)

    def _hangs(self) -> None:
        self._reason = "The recogniser hung and was ended."
        self._kill()

    def _leave(self) -> None:
        self.gone = True
        self._wait(None)
        self._frames.clear()
        self._some.set()

    def _kill(self) -> None:
        self._leave()
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def _run(self, arguments: Sequence[str]) -> None:
        process = self._process = await self._begin(arguments)
        self.pid = process.pid
        if self.gone:
            process.kill()
        assert process.stdin is not None
        assert process.stdout is not None
        writer = asyncio.create_task(self._write(process.stdin), name="offline-ear-feed")
        try:
            while line := await process.stdout.readline():
                self._take(json.loads(line))
        except ConnectionError:
            log.debug("the recogniser was killed before it had read everything")
        except (ValueError, TypeError, KeyError):  # it is no line of ours
            self._reason = "The recogniser said what nobody understands, and was ended."
            self._kill()
        self._leave()
        await writer
        process.stdin.close()
        try:
            # It is ending by itself: a signal now would take its end away from who waits for it.
            async with asyncio.timeout(END_TIMEOUT_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        self._died(self._reason, self._ready, self._refused, self._waiting)

    async def _begin(self, arguments: Sequence[str]) -> asyncio.subprocess.Process | Forked:
        if self._forks is not None:
            try:
                return await self._forks.child()
            except (OSError, TimeoutError) as error:
                log.warning("a recogniser of its own is started: %s", error)
        command, environment = child_python(*arguments)
        return await asyncio.create_subprocess_exec(
            *command,
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C in the terminal is for the conversation: it closes the ear itself
        )

    async def _write(self, stdin: asyncio.StreamWriter) -> None:
        try:
            while not self.gone:
                while self._frames:
                    frame = self._frames.popleft()
                    stdin.write(frame)
                    await stdin.drain()
                    self._backlog_bytes -= len(frame)
                self._some.clear()
                await self._some.wait()
        except (BrokenPipeError, ConnectionResetError):
            log.debug("the recogniser has gone")  # `_run` sees the end too, and fails what waits

    def _take(self, message: dict[str, Any]) -> None:
        if "error" in message:
            self._reason, self._refused = message["error"], True
        elif "ready" in message:
            self._ready = True
            self._on_ready(message["ready"])
        elif self._waiting and "partial" in message:
            self._waiting[0].partial(Hypothesis(message["partial"], message["settled"]), message["at"])
        elif self._waiting and "final" in message:
            self._waiting.popleft().succeed(message["final"])
            self._understood()
        if self._ready:
            self._be_patient()
