"""A live view in a pseudo terminal, and what is on its screen, seen through a terminal emulator (pyte)."""

import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import pyte

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 20.0
SESSION = {"type": "session", "provider": "qwen", "model": "omni-flash", "voice": "Cherry", "aec": True}


class Joining(pyte.HistoryScreen):
    """A terminal that draws emoji that are joined, and their colours of skin, in the two cells of the first."""

    def draw(self, data: str) -> None:
        for character in data:
            before = self._before()
            if before is not None and (character == "\u200d" or "🏻" <= character <= "🏿" or before.endswith("\u200d")):
                x = self.cursor.x - 2
                cell = self.buffer[self.cursor.y][x]
                self.buffer[self.cursor.y][x] = cell._replace(data=before + character)
                self.dirty.add(self.cursor.y)
            else:
                super().draw(character)

    @property
    def display(self) -> list[str]:
        return [
            "".join(line[x].data for x in range(self.columns))
            for line in map(self.buffer.__getitem__, range(self.lines))
        ]

    def _before(self) -> str | None:
        """The wide character before the cursor."""
        x, line = self.cursor.x, self.buffer[self.cursor.y]
        return line[x - 2].data if x >= 2 and line[x - 1].data == "" else None


class Terminal:
    """A live view in a pseudo terminal of its own."""

    def __init__(
        self,
        columns: int,
        rows: int,
        *options: str,
        stdin: int | None = None,
        screen: type[pyte.HistoryScreen] = pyte.HistoryScreen,
        **env: str,
    ):
        self.screen = screen(columns, rows, history=500)
        self._stream = pyte.ByteStream(self.screen)
        self._changed = threading.Condition()
        self.raw = b""
        self.master, self.slave = pty.openpty()
        self.resize(columns, rows)
        self.before = termios.tcgetattr(self.slave)
        commands, self._commands = os.pipe()
        self._reports, reports = os.pipe()
        environ = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.ui_driver", str(commands), str(reports), *options],
            cwd=ROOT,
            stdin=self.slave if stdin is None else stdin,
            stdout=self.slave,
            stderr=subprocess.PIPE,
            pass_fds=(commands, reports),
            env=environ | {"TERM": "xterm-256color"} | env,
        )
        os.close(commands)
        os.close(reports)
        self._over = False
        self._reader = threading.Thread(target=self._read, name="pty reader")
        self._reader.start()

    def __enter__(self) -> "Terminal":
        assert self.report() == ["ready"]
        self.see("●")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over = True
        os.close(self._commands)
        if self.process.poll() is None:
            self.process.kill()
        assert self.process.stderr is not None
        complaints = self.process.stderr.read().decode()
        self.process.stderr.close()
        self.process.wait()
        self._reader.join()
        for fd in (self.master, self.slave, self._reports):
            os.close(fd)
        if error is None:
            assert complaints == ""

    def _read(self) -> None:
        while not self._over:
            if select.select([self.master], [], [], 0.05)[0]:
                data = os.read(self.master, 65536)
                with self._changed:
                    self.raw += data
                    self._stream.feed(data)
                    self._changed.notify_all()

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def send(self, *commands: dict[str, Any]) -> None:
        os.write(self._commands, "".join(json.dumps(command) + "\n" for command in commands).encode())

    def type(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def report(self) -> list[Any]:
        """The next thing the user did, as the view's controls were told."""
        line = b""
        while not line.endswith(b"\n"):
            assert select.select([self._reports], [], [], DEADLINE_S)[0], f"no report: {line!r}\n{self.text()}"
            line += os.read(self._reports, 1)
        report: list[Any] = json.loads(line)
        return report

    def rows(self) -> list[str]:
        """What is on the screen; empty rows at the end are left out. The emulator's filler of wide cells too."""
        lines = [line.rstrip() for line in self.screen.display]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def text(self) -> str:
        return "\n".join(self.rows())

    def until(self, true: Callable[[], bool]) -> None:
        end = time.monotonic() + DEADLINE_S
        with self._changed:
            while not true():
                assert self._changed.wait(end - time.monotonic()), f"not seen:\n{self.text()}"

    def see(self, text: str) -> None:
        """Wait for `text` in a whole picture: one that has been drawn down to the status line."""
        self.until(lambda: text in self.text() and "●" in self.rows()[-1])

    def row(self, text: str) -> int:
        return next(index for index, line in enumerate(self.screen.display) if text in line)

    def column(self, row: int, character: str) -> int:
        """The cell where `character` first stands in that row."""
        cells = self.screen.buffer[row]
        return next(column for column in range(self.screen.columns) if cells[column].data == character)

    def close(self) -> None:
        self.send({"close": True})
        while self.report() != ["closed"]:
            pass
