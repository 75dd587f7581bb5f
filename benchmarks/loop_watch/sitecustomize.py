"""Loaded by an interpreter that has this folder on its PYTHONPATH: how late its event loop is, each five milliseconds.

At the end of the process it is written to the file named by LOOP_WATCH: [seconds since the start, milliseconds late]
for each time that it was later than a millisecond, and how often it was looked.
"""

import atexit
import json
import os
import time
from asyncio import AbstractEventLoop, base_events
from pathlib import Path

STEP_S = 0.005
began = time.monotonic()
late: list[tuple[float, float]] = []
looks = 0
run_forever = base_events.BaseEventLoop.run_forever


def look(loop: AbstractEventLoop, due: float) -> None:
    global looks
    now = loop.time()
    looks += 1
    if now - due > 0.001:
        late.append((round(due - began, 3), round((now - due) * 1000, 1)))
    due = max(due + STEP_S, now)
    loop.call_at(due, look, loop, due)


def watched(self: base_events.BaseEventLoop) -> None:
    if not looks:
        self.call_soon(look, self, self.time())
    run_forever(self)


def tell() -> None:
    Path(os.environ["LOOP_WATCH"]).write_text(json.dumps({"looks": looks, "late": late}))


if "LOOP_WATCH" in os.environ:
    base_events.BaseEventLoop.run_forever = watched  # type: ignore[method-assign]
    atexit.register(tell)
