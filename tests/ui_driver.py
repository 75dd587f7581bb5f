"""A real live view in a terminal of the test's: notices come in as JSON lines, what the user does goes out as such.

`python -m tests.ui_driver COMMANDS_FD REPORTS_FD`. A command is `{"type": KIND, ...fields}`, or
`{"microphone": dBFS, "speaker": dBFS}`, or `{"close": true}`; a report `["submit", "text"]`, `["ready"]`, ...
"""

import asyncio
import json
import os
import sys
from typing import Any, get_args

from voicechat.conversation.notices import Notice
from voicechat.ui.factory import make_view
from voicechat.ui.lines import LineReader

KINDS = {kind.kind: kind for kind in get_args(Notice)}


class Levels:
    microphone = speaker = float("-inf")
    muted = paused = False

    def microphone_dbfs(self) -> float:
        return self.microphone

    def speaker_dbfs(self) -> float:
        return self.speaker


class Reports:
    def __init__(self, fd: int):
        self._fd = fd

    def tell(self, *report: Any) -> None:
        os.write(self._fd, (json.dumps(report) + "\n").encode())

    def submit(self, line: str) -> None:
        self.tell("submit", line)

    def interrupt(self) -> None:
        self.tell("interrupt")

    def hold(self, down: bool) -> None:
        self.tell("hold", down)

    def complete(self, text: str) -> list[str]:
        return [line for line in ("/image ", "/instructions ", "/stats") if line.startswith(text)] if text else []

    def quit(self) -> None:
        self.tell("quit")

    def end_of_input(self) -> None:
        self.tell("end_of_input")


async def main(commands_fd: int, reports_fd: int, interactive: bool) -> None:
    levels, reports = Levels(), Reports(reports_fd)
    view = make_view("auto", levels, reports, interactive=interactive, verbose="VERBOSE" in os.environ)
    running = asyncio.create_task(view.run())
    reports.tell("ready")
    with LineReader(commands_fd) as commands:
        async for line in commands:
            command = json.loads(line)
            if command.get("close"):
                break
            if "cancel" in command:
                running.cancel()
                await asyncio.wait([running])
            elif "type" in command:
                view.show(KINDS[command.pop("type")](**command))
            else:
                for name, value in command.items():
                    setattr(levels, name, value)
    view.close()
    if not running.done():
        await running
    reports.tell("closed")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:] != ["quiet"]))
