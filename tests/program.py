"""The real program as a child process, as a user runs it: arguments in; JSON lines, text and an exit code out."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import IO, Any

from tests.forked import Forked, Server
from tests.soundcard import SoundCard

ROOT = Path(__file__).resolve().parent.parent
KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "SYSTEMROOT", "VIRTUAL_ENV", "COVERAGE_PROCESS_START")
READ_ONCE = ("PYTHON", "LANG", "LC_", "TYPER_", "_TYPER_", "FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS", "TERMINAL_")
"""What an interpreter, or a library that is imported, reads once: see tests/forked.py."""


class Program:
    """`voicechat ARGUMENTS` with a home of its own: no key, configuration or device of the developer is seen.

    `card`: the sound card it uses; without one there is no sound device at all. `env`: variables to add.
    `stdin`: bytes to feed, then end of file; None is an empty input; "open" keeps it open for `write`.
    `home` is where its files live; kept by the caller when given, else removed at the end. A context manager;
    whatever happens the process is gone when it is left.
    """

    def __init__(
        self,
        arguments: list[str],
        *,
        card: SoundCard | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes | str | None = None,
        home: Path | None = None,
    ):
        self._scratch = tempfile.TemporaryDirectory(prefix="voicechat-home-", ignore_cleanup_errors=True)
        self.home = home or Path(self._scratch.name)
        self.arguments = arguments
        self.lines: list[str] = []
        self.events: list[dict[str, Any]] = []
        self.times: list[float] = []
        """The monotonic time at which each of `events` was read."""
        self._stderr: list[str] = []
        self._changed = threading.Condition()
        self._open_pipes = 2
        self.started = time.monotonic()
        self.process = start(
            arguments,
            env=isolated_environment(self.home, card, env or {}),
            cwd=self.home,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self._threads = [
            threading.Thread(target=self._read, args=(self.process.stdout, self._take_line), name="program's stdout"),
            threading.Thread(target=self._read, args=(self.process.stderr, self._stderr.append), name="its stderr"),
        ]
        if isinstance(stdin, bytes):
            self._threads.append(threading.Thread(target=self._feed, args=(stdin,), name="program's stdin"))
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> "Program":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def stdout(self) -> str:
        """What it has written so far."""
        with self._changed:
            return "".join(self.lines)

    @property
    def stderr(self) -> str:
        with self._changed:
            return "".join(self._stderr)

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        """The JSON lines of this type so far."""
        with self._changed:
            return [event for event in self.events if event.get("type") == kind]

    def wait_for(
        self,
        type: str,
        predicate: Callable[[dict[str, Any]], bool] = lambda event: True,
        timeout_s: float = 15.0,
        *,
        count: int = 1,
    ) -> dict[str, Any]:
        """The `count`-th JSON line of this type that the predicate accepts, past ones included.

        Raises AssertionError with all output when the program ends without it, or after `timeout_s`.
        """

        def matches() -> list[dict[str, Any]]:
            return [event for event in self.events if event.get("type") == type and predicate(event)]

        with self._changed:
            self._changed.wait_for(lambda: len(matches()) >= count or not self._open_pipes, timeout_s)
            found = matches()
        if len(found) < count:
            raise AssertionError(f"{len(found)} of {count} lines {type!r} within {timeout_s} s.\n{self.describe()}")
        return found[count - 1]

    def wait_for_text(self, text: str, timeout_s: float = 15.0) -> None:
        """Until `text` has been written to stdout or stderr."""

        def written() -> bool:
            return text in "".join(self.lines) or text in "".join(self._stderr)

        with self._changed:
            self._changed.wait_for(lambda: written() or not self._open_pipes, timeout_s)
            found = written()
        assert found, f"{text!r} was not written within {timeout_s} s.\n{self.describe()}"

    def write(self, text: str) -> None:
        """Type into its stdin (`stdin="open"`)."""
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def close_stdin(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def interrupt(self) -> None:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def wait(self, timeout_s: float = 30.0) -> int:
        """The exit code, with all output read. Raises AssertionError when it has not ended in time."""
        try:
            code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout_s} s.\n{self.describe()}") from None
        for thread in self._threads:
            thread.join(5)
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for thread in self._threads:
            thread.join(5)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None and not pipe.closed:
                pipe.close()
        self._scratch.cleanup()

    def describe(self) -> str:
        """Everything it wrote, for a failed test."""
        try:
            ended = self.process.wait(0 if self._open_pipes else 2)
        except subprocess.TimeoutExpired:
            ended = None
        state = "is running" if ended is None else f"exit {ended}"
        words = " ".join(self.arguments)
        return f"voicechat {words}: {state}\n--- stdout\n{self.stdout[-4000:]}\n--- stderr\n{self.stderr[-4000:]}"

    def _take_line(self, line: str) -> None:
        self.lines.append(line)
        try:
            event = json.loads(line)
        except ValueError:  # plain output is allowed; the whole text is in `lines`
            return
        if isinstance(event, dict):
            self.events.append(event)
            self.times.append(time.monotonic())

    def _read(self, pipe: IO[bytes], take: Callable[[str], None]) -> None:
        for line in pipe:
            with self._changed:
                take(line.decode(errors="replace"))
                self._changed.notify_all()
        with self._changed:
            self._open_pipes -= 1
            self._changed.notify_all()

    def _feed(self, data: bytes) -> None:
        assert self.process.stdin is not None
        try:
            with self.process.stdin as pipe:
                pipe.write(data)
        except BrokenPipeError:
            return  # it ended without reading all of its input, which is its right


def start(
    arguments: list[str], *, env: dict[str, str], cwd: Path, stdin: int, stdout: int, stderr: int
) -> Forked | subprocess.Popen[bytes]:
    """The program in a session of its own; by a fresh interpreter where what it imports or reads once is another."""
    plain = plain_environment()
    told = any(name.startswith(READ_ONCE) and value != plain.get(name) for name, value in env.items())
    told = told or "--workers" in arguments  # a library of metrics asks once whether there are several
    if told or any(cwd.glob("*.py")) or any(cwd.glob("*/__init__.py")):
        command = [sys.executable, "-m", "voicechat", *arguments]
        return subprocess.Popen(
            command, env=env, cwd=cwd, stdin=stdin, stdout=stdout, stderr=stderr, start_new_session=True,
            # A terminal must be the controlling one, or Ctrl-C typed into it would reach nobody.
            preexec_fn=(lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0)) if stdin >= 0 else None,
        )  # fmt: skip
    return Forked(server(), arguments, env, cwd, stdin, stdout, stderr)


def server() -> Server:
    with _starting:
        return _server()


_starting = threading.Lock()  # some tests start several programs at once
_server = cache(lambda: Server(plain_environment()))


def plain_environment() -> dict[str, str]:
    """The way to programs and the language."""
    env = {name: os.environ[name] for name in KEPT if name in os.environ}
    return {"LANG": "C.UTF-8", **env, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def isolated_environment(home: Path, card: SoundCard | None, extra: Mapping[str, str]) -> dict[str, str]:
    """An environment that shares nothing with the developer's but the way to programs and the language."""
    env = plain_environment()
    env |= {"TERM": "xterm-256color", "NO_PROXY": "127.0.0.1"}
    if card is not None:
        env |= card.variables
    else:
        # One device that cannot exist: with none at all PortAudio 19.7 aborts in an assertion.
        asound = home / "no-sound.conf"
        asound.write_text("pcm.nothing { type hw card 99 }\n")
        env |= {"ALSA_CONFIG_PATH": str(asound), "PULSE_SERVER": "unix:/nonexistent"}
    env |= {"HOME": str(home), "USERPROFILE": str(home), "APPDATA": str(home)}
    for name in ("CONFIG", "DATA", "STATE", "CACHE"):
        env[f"XDG_{name}_HOME"] = str(home / name.lower())
    return env | dict(extra)
