"""The client under test as a process: what it costs, and how long it takes to end."""

import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from tests.program import isolated_environment
from tests.soundcard import SoundCard

EXIT_TIMEOUT_S = 5.0


class Client:
    """A context manager; `log` is what it wrote. `started` is the monotonic time of its launch."""

    def __init__(self, command: list[str], card: SoundCard):
        self._home = tempfile.TemporaryDirectory(prefix="benchmark-home-")
        self._log = Path(self._home.name) / "client.log"
        environment = isolated_environment(Path(self._home.name), card, {"OPENAI_API_KEY": "test"})
        self.started = time.monotonic()
        with self._log.open("wb") as out:
            self._process = subprocess.Popen(
                command, env=environment, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._home.cleanup()

    def log(self) -> str:
        return self._log.read_text(errors="replace")[-2000:]

    def exit_ms(self) -> float | None:
        """Ctrl-C until it is gone; None when it was not gone in time."""
        began = time.monotonic()
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(EXIT_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return None
        return (time.monotonic() - began) * 1000

    def cpu_s(self) -> float:
        """Processor time so far, its children's included (Linux)."""
        ticks = os.sysconf("SC_CLK_TCK")
        total = 0.0
        for pid in self._family():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / ticks
        return total

    def rss_mb(self) -> float:
        pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self._family())
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def _family(self) -> list[int]:
        pids = [self._process.pid]
        for pid in pids:
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                pids += [int(child) for child in task.read_text().split()]
        return pids
