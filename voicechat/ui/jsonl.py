"""The view for programs: every notice one JSON object per line on stdout (docs/json.md)."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import TextIO

from voicechat.conversation.notices import Notice, WarningNotice
from voicechat.ui.base import Controls
from voicechat.ui.lines import run_with_lines
from voicechat.ui.output import LineOutput
from voicechat.ui.text import escape_json


class JsonView:
    """UTF-8 lines. `t` counts from the making of the view. With `controls`, lines of stdin are delivered to them."""

    def __init__(
        self,
        out: TextIO,
        controls: Controls | None = None,
        *,
        stdin_fd: int = 0,
        now: Callable[[], float] = time.monotonic,
    ):
        self._out = LineOutput(out, "utf-8", missing=self._missing)
        self._controls = controls
        self._stdin_fd = stdin_fd
        self._now = now
        self._began = now()

    def show(self, notice: Notice) -> None:
        self._out.write(self._line(notice))

    def _line(self, notice: Notice) -> str:
        line = {"t": round(self._now() - self._began, 3), "type": notice.kind, **asdict(notice)}
        return escape_json(json.dumps(line, ensure_ascii=False))

    def _missing(self, count: int) -> str:
        return self._line(WarningNotice("output", f"{count} lines are missing here: they were not read in time."))

    async def run(self) -> None:
        await run_with_lines(self._out.wait_closed(), self._controls, self._stdin_fd)

    def close(self) -> None:
        self._out.close()
