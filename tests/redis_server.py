"""A real Redis (or Valkey) for tests, on a socket of its own: it can stand still, die and come back empty."""

import shutil
import signal
import subprocess
import tempfile
from pathlib import Path


class RedisServer:
    """A context manager; `url` is where it is."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="voicechat-redis-")
        self._path = Path(self._folder.name) / "redis.sock"
        self.url = f"unix://{self._path}"
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> "RedisServer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._folder.cleanup()

    def start(self) -> None:
        program = shutil.which("redis-server") or shutil.which("valkey-server")
        assert program, "these tests need redis-server or valkey-server: script/setup installs it"
        where = ("--port", "0", "--unixsocket", str(self._path), "--dir", self._folder.name)
        self._process = subprocess.Popen(
            [program, *where, "--save", "", "--appendonly", "no"], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        assert any("eady to accept connections" in line for line in self._process.stdout), "it did not start"

    def stand_still(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process.wait()
            self._process = None
