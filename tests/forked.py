"""`python -m voicechat` without the half second of imports: forked off a process that has them behind it.

A start of the program costs more than most of what a test then asks of it, and there are hundreds. So each test process
has one server: an interpreter, started as one for the program is, that has imported all of it. Per start it forks
a watcher, which forks the program and tells its end. From there on it is the real program: a process and a session of
its own, with its own arguments, environment, folder and streams, from `__main__` to the interpreter's end. Not for what
an interpreter or a library reads only once: see `tests.program.start`.
"""

import atexit
import contextlib
import ctypes
import faulthandler
import fcntl
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
import traceback
from collections.abc import Mapping
from io import FileIO, TextIOWrapper
from pathlib import Path
from typing import IO, Any, ClassVar, TextIO
from weakref import WeakSet

LIBRARIES = (
    "httpx", "numpy", "prompt_toolkit.shortcuts", "pyaudio", "python_socks.async_.asyncio", "rich.console",
    "rich.markdown", "soundfile", "soxr", "starlette.applications", "tomlkit", "typer.rich_utils", "uvicorn",
    "webrtcvad", "websockets.asyncio.client",
)  # fmt: skip
"""What the program imports when it needs it, and what starts no threads by that: a fork loses them."""


class Server:
    """The interpreter that forks, in this environment; it goes when this process does."""

    pids: ClassVar[set[str]] = set()

    def __init__(self, env: Mapping[str, str]):
        self._control, theirs = socket.socketpair()
        self._lock = threading.Lock()
        command = [sys.executable, "-m", "tests.forked", str(theirs.fileno())]
        env = {**env, "OPENBLAS_NUM_THREADS": "1"}  # no threads, see above
        self.process = subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], start_new_session=True
        )
        theirs.close()
        self.pids.add(str(self.process.pid))
        atexit.register(self.close)

    def close(self) -> None:
        self._control.close()
        self.process.wait()

    def fork(self, *descriptors: int) -> None:
        with self._lock:
            socket.send_fds(self._control, [b"."], descriptors)


class Forked:
    """As much of `subprocess.Popen` as tests use, for `voicechat ARGUMENTS`.

    Each stream is subprocess.PIPE, subprocess.DEVNULL or a descriptor. A terminal as its stdin controls it.
    """

    running: ClassVar[WeakSet["Forked"]] = WeakSet()
    """Those whose end nobody has seen."""

    def __init__(
        self,
        server: Server,
        arguments: list[str],
        env: Mapping[str, str],
        cwd: Path,
        stdin: int,
        stdout: int,
        stderr: int,
    ):
        self.arguments = arguments
        self.stdin, theirs_in = _pipe(stdin, "wb")
        self.stdout, theirs_out = _pipe(stdout, "rb")
        self.stderr, theirs_err = _pipe(stderr, "rb")
        self._code: int | None = None
        self._lock = threading.Lock()
        self._watcher, theirs = socket.socketpair()
        self._says = self._watcher.makefile("rb")
        with theirs:
            server.fork(theirs.fileno(), theirs_in, theirs_out, theirs_err)
        for descriptor in (theirs_in, theirs_out, theirs_err):
            os.close(descriptor)
        order = json.dumps({"arguments": arguments, "env": dict(env), "cwd": str(cwd)})
        self._watcher.sendall(order.encode() + b"\n")
        self.pid = int(self._says.readline())
        self.running.add(self)

    @property
    def returncode(self) -> int | None:
        """The exit code, once `poll` or `wait` has seen it."""
        return self._code

    def poll(self) -> int | None:
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, less than zero for a signal. Raises subprocess.TimeoutExpired."""
        if not self._lock.acquire(timeout=-1 if timeout is None else timeout):
            raise subprocess.TimeoutExpired(["voicechat", *self.arguments], timeout or 0)
        try:
            if self._code is None:
                if not select.select([self._watcher], [], [], timeout)[0]:
                    raise subprocess.TimeoutExpired(["voicechat", *self.arguments], timeout or 0)
                self._code = int(self._says.readline())
                self._says.close()
                self._watcher.close()
                self.running.discard(self)
            return self._code
        finally:
            self._lock.release()

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it ends at this moment
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _pipe(stream: int, mode: str) -> tuple[IO[bytes] | None, int]:
    """(our end of a new pipe, the program's descriptor)."""
    if stream == subprocess.DEVNULL:
        return None, os.open(os.devnull, os.O_RDWR)
    if stream != subprocess.PIPE:
        return None, os.dup(stream)
    read, write = os.pipe()
    ours, theirs = (read, write) if mode == "rb" else (write, read)
    return os.fdopen(ours, mode), theirs  # type: ignore[return-value]


# -- in the server ---------------------------------------------------------------------------------------------


def serve(control: socket.socket) -> None:
    import voicechat

    for module in pkgutil.walk_packages(voicechat.__path__, "voicechat."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for library in LIBRARIES:
        importlib.import_module(library)
    gc.freeze()
    watchers: set[int] = set()
    while (received := socket.recv_fds(control, 1, 4))[0]:
        watcher, *streams = received[1]
        if not (pid := os.fork()):
            control.close()
            watch(socket.socket(fileno=watcher), streams)
        for descriptor in received[1]:
            os.close(descriptor)
        watchers = {each for each in (*watchers, pid) if os.waitpid(each, os.WNOHANG) == (0, 0)}
    for each in watchers:
        os.waitpid(each, 0)


def watch(asker: socket.socket, streams: list[int]) -> None:
    """Start what is asked for, which tells its process id, and at its end tell its exit code: each a line."""
    with asker.makefile("rb") as lines:
        order = json.loads(lines.readline())
    if not (pid := os.fork()):
        os.setsid()
        asker.sendall(b"%d\n" % os.getpid())
        asker.close()
        run(streams, **order)
    for descriptor in streams:
        os.close(descriptor)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    asker.sendall(b"%d\n" % code)
    os._exit(0)


def run(streams: list[int], arguments: list[str], env: dict[str, str], cwd: str) -> Any:
    """Be the program; does not return."""
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
        os.close(descriptor)
    if os.isatty(0):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    with contextlib.suppress(OSError):  # it was started without a stderr
        faulthandler.enable(os.dup(2))  # a crash in a library of C says where, though they are kept off stderr
    sys.stdin, sys.stdout, sys.stderr = map(renewed, range(3), (sys.stdin, sys.stdout, sys.stderr))
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr
    sys.argv = ["voicechat", *arguments]
    sys.path[0] = cwd  # as by -m
    code = 0
    try:
        runpy.run_module("voicechat", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
        code = 1
    ctypes.pythonapi.Py_Exit(code)  # threads joined, exit functions called, everything destroyed


def renewed(number: int, old: TextIO) -> TextIO:
    """A standard stream as the interpreter makes it when nothing is to be buffered."""
    if number == 0:
        return open(0, encoding=old.encoding, errors=old.errors, closefd=False)
    return TextIOWrapper(FileIO(number, "w", closefd=False), old.encoding, old.errors, write_through=True)  # type: ignore[arg-type]


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
