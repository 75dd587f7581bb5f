"""What was said until now, so that it can be written down in the middle of a conversation."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Any

from voicechat.conversation import notices as note

WRITTEN = (
    note.SessionNotice | note.StateNotice | note.UserTurn | note.PictureNotice | note.AssistantTurn | note.ToolNotice
)
MOST = 20_000
"""So many notices are remembered: a day of talk."""


class Minutes:
    """Shown every notice; keeps what was said, and when, in seconds since the beginning."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self.began = datetime.now().astimezone()
        self._clock = clock
        self._since = clock()
        self._notices: deque[tuple[float, note.Notice]] = deque(maxlen=MOST)

    def show(self, notice: note.Notice) -> None:
        if isinstance(notice, WRITTEN):
            self._notices.append((self._clock() - self._since, notice))

    def __iter__(self) -> Iterator[note.Notice]:
        return (notice for _, notice in self._notices)

    def lines(self) -> list[dict[str, Any]]:
        """The same as the lines of a kept conversation."""
        head = {"t": 0.0, "type": "conversation", "began": self.began.isoformat(timespec="seconds")}
        told = [{"t": round(at_s, 3), "type": notice.kind, **asdict(notice)} for at_s, notice in self._notices]
        return [head, *told]
