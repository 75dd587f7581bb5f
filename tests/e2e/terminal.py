"""The real program in a pseudo terminal, and what is on its screen (pyte)."""

import fcntl
import os
import pty
import select
import struct
import termios
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pyte

from tests.e2e.scenes import KEYS
from tests.program import isolated_environment, start
from tests.soundcard import SoundCard

PATIENCE_S = 20.0
SHOW_CURSOR, HIDE_CURSOR = b"\x1b[?25h", b"\x1b[?25l"
BRACKETED_PASTE_OFF, BRACKETED_PASTE_ON = b"\x1b[?2004l", b"\x1b[?2004h"


class Terminal:
    """`voicechat ARGUMENTS` with a terminal for stdin, stdout and stderr. A context manager."""

    def __init__(
        self,
        arguments: list[str],
        home: Path,
        columns: int = 80,
        rows: int = 24,
        card: SoundCard | None = None,
        env: Mapping[str, str] | None = None,
    ):
        self.screen = pyte.HistoryScreen(columns, rows, history=500)
        self._stream = pyte.ByteStream(self.screen)
        self._changed = threading.Condition()
        self.raw = b""
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.before = termios.tcgetattr(self.slave)
        environment = isolated_environment(home, card, KEYS | dict(env or {}))
        streams = dict.fromkeys(("stdin", "stdout", "stderr"), self.slave)
        self.process = start(arguments, env=environment, cwd=home, **streams)
        self._over = False
        self._reader = threading.Thread(target=self._read, name="terminal")
        self._reader.start()

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.hang_up()
        os.close(self.slave)

    def hang_up(self) -> None:
        """The window is closed: the program gets SIGHUP and cannot write any more."""
        if not self._over:
            self._over = True
            self._reader.join()
            os.close(self.master)

    def _read(self) -> None:
        while not self._over or select.select([self.master], [], [], 0)[0]:
            if select.select([self.master], [], [], 0.05)[0]:
                with self._changed:  # what was taken and is not on the screen is seen by nobody
                    data = os.read(self.master, 65536)
                    self.raw += data
                    self._stream.feed(data)
                    self._changed.notify_all()

    def type(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def rows(self) -> list[str]:
        """The screen without the empty rows at its end."""
        lines = [line.rstrip() for line in self.screen.display]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def everything(self) -> list[str]:
        """What has scrolled away, then the screen."""
        above = ["".join(line[x].data for x in range(self.screen.columns)).rstrip() for line in self.screen.history.top]
        return above + self.rows()

    def see(self, *texts: str) -> None:
        """Wait until all of these are on the screen at the same time."""
        self.until(lambda: all(text in "\n".join(self.rows()) for text in texts), " and ".join(texts))

    def until_it_waits(self) -> None:
        """Until the program sleeps, in the read that follows what it has asked. Python looks for signals before that
        read and not in it: one that comes between the two is seen with the next key only."""
        stat = Path(f"/proc/{self.process.pid}/stat")
        end = time.monotonic() + PATIENCE_S
        while stat.read_text().rpartition(")")[2].split()[0] != "S":
            assert time.monotonic() < end, "it does not wait for anything"
            time.sleep(0.001)

    def until(self, true: Callable[[], bool], what: str = "it") -> None:
        end = time.monotonic() + PATIENCE_S
        with self._changed:
            while not true():
                seen = self._changed.wait(max(end - time.monotonic(), 0.0))
                assert seen, f"not seen: {what}\n" + "\n".join(self.rows())

    def wait(self, timeout_s: float = 10.0) -> int:
        """The exit code. Raises TimeoutExpired."""
        code = self.process.wait(timeout_s)
        while True:
            with self._changed:
                if not select.select([self.master], [], [], 0.05)[0]:
                    return code
            time.sleep(0.01)  # the reader thread takes what is left

    def check_sane(self) -> None:
        """The terminal is as it was before: modes, cursor, no paste brackets; and nothing bad was written."""
        assert termios.tcgetattr(self.slave) == self.before
        assert self.raw.rfind(SHOW_CURSOR) >= self.raw.rfind(HIDE_CURSOR)
        assert self.raw.rfind(BRACKETED_PASTE_OFF) >= self.raw.rfind(BRACKETED_PASTE_ON)
        text = "\n".join(self.everything())
        assert "Traceback" not in text, text
        assert "canary" not in text, text
