"""The view for pipes and for `--plain`: one finished line per turn on stdout, everything else on stderr.

A terminal gets the same, broken at words: it would break them anywhere.
"""

import asyncio
import os
import time
from collections.abc import Callable
from typing import TextIO

from voicechat.conversation import notices as note
from voicechat.ui import wording
from voicechat.ui.base import Controls
from voicechat.ui.lines import run_with_lines
from voicechat.ui.output import LineOutput
from voicechat.ui.text import clean, fold
from voicechat.ui.turns import Finished, Turns


class PlainView:
    """`you: …` and `Cherry: …` lines. With `controls`, lines of stdin are delivered to them while it runs."""

    def __init__(
        self,
        out: TextIO,
        err: TextIO,
        controls: Controls | None = None,
        *,
        stdin_fd: int = 0,
        now: Callable[[], float] = time.monotonic,
    ):
        self._out = LineOutput(out)
        self._err = LineOutput(err, beside=self._out)
        self._controls = controls
        self._stdin_fd = stdin_fd
        self._now = now
        self._turns = Turns(latency_patience_s=0.0)
        self._timer: asyncio.TimerHandle | None = None
        self._speaker = wording.ASSISTANT
        self._sessions = 0
        # Someone sits there who may not know what to do next.
        self._guides = controls is not None and err.isatty() and os.isatty(stdin_fd)
        self._out_columns, self._err_columns = _columns(out), _columns(err)

    def show(self, notice: note.Notice) -> None:
        now = self._now()
        match notice:
            case note.SessionNotice():
                self._session(notice)
            case note.WarningNotice(code, message):
                self._tell(message if code in wording.OWN_WORDS else f"warning: {message}")
            case note.ConnectionNotice():
                self._tell(wording.connection(notice))
            case note.ErrorNotice(_, message, hint):
                self._tell(f"error: {message}")
                if hint:
                    self._tell(f"  {hint}")
            case note.PictureNotice():
                self._tell(f"picture: {wording.picture(notice)}")
            case note.EndNotice():
                self._print(self._turns.release_all())
                if self._sessions:
                    self._tell(wording.summary(notice, guides=self._guides))
            case _:
                self._turns.add(notice, now)
        self._print(self._turns.release(now))
        self._set_timer(now)

    async def run(self) -> None:
        await run_with_lines(self._out.wait_closed(), self._controls, self._stdin_fd)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._print(self._turns.release_all())
        self._out.close()
        self._err.close()

    def _set_timer(self, now: float) -> None:
        """Show an answer whose question is never transcribed after a while, although nothing else happens."""
        if self._timer is not None:
            self._timer.cancel()
        due = self._turns.next_due()
        self._timer = None if due is None else asyncio.get_running_loop().call_later(due - now, self._time_is_up)

    def _time_is_up(self) -> None:
        now = self._now()
        self._print(self._turns.release(now))
        self._set_timer(now)

    def _session(self, notice: note.SessionNotice) -> None:
        self._speaker = clean(wording.speaker(notice))
        self._sessions += 1
        if self._sessions == 1:
            self._tell(f"voicechat: {wording.service(notice)}")
            if self._guides:
                self._tell(f"{wording.opening(notice)} Ctrl-C ends.")
        else:
            self._tell(wording.reconnected(notice))

    def _print(self, finished: list[Finished]) -> None:
        for each in finished:
            match each.notice:
                case note.UserTurn(_, text):
                    self._say(f"you: {clean(text) or wording.NOT_UNDERSTOOD}")
                case note.AssistantTurn() as turn:
                    self._say(f"{self._speaker}: {_answer(turn)}")
                case note.ToolNotice() as tool:
                    self._tell(f"tool: {wording.tool(tool)}")

    def _say(self, text: str) -> None:
        for line in _folded(text, self._out_columns):
            self._out.write(line)

    def _tell(self, text: str) -> None:
        if not self._out.broken:  # nobody reads us any more: leave without a word
            for line in _folded(clean(text, multiline=True), self._err_columns):
                self._err.write(line)


def _columns(stream: TextIO) -> int:
    """The width of a terminal; 0 for anything else, which wants whole lines."""
    try:
        return os.get_terminal_size(stream.fileno()).columns if stream.isatty() else 0
    except (OSError, ValueError):
        return 0


def _folded(text: str, columns: int) -> list[str]:
    return fold(text, columns) if columns else text.split("\n")


def _answer(turn: note.AssistantTurn) -> str:
    heard, unheard = (clean(part).strip() for part in wording.split_heard(turn))
    if turn.interrupted and not turn.heard_ms and not heard and not unheard:
        return wording.SILENCED
    if turn.interrupted:
        rest = f"; not heard: {unheard}" if unheard else ""
        return f"{heard} [{wording.interrupted(turn)}{rest}]".lstrip()
    words = heard or wording.NO_WORDS
    return words if turn.status == "completed" else f"{words} [{clean(turn.status)}]"
