"""Recognisers that are forked from one which has loaded: a new one is there at once, and the model in memory once.

The server is a process of its own (`python -m voicechat.engine.forks`) and does nothing but load, once, and fork. It is
given a socket for each child (SCM_RIGHTS), which is the child's stdin and stdout. A child has one thread, since a fork
takes no others along: onnxruntime then works on the thread that asks, so that a session takes one processor at most.
Only the built-in recognisers are known to bear that, and only Linux (docs/scale.md).
"""

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import struct
import sys
import warnings
from collections.abc import Callable
from typing import Any

from voicechat.errors import VoicechatError
from voicechat.interpreter import child_python

log = logging.getLogger(__name__)

LOAD_TIMEOUT_S = 20.0
_PID = struct.Struct("<i")


def possible() -> bool:
    return sys.platform == "linux"


class Forked:
    """A child as `asyncio.subprocess.Process` would show it, as far as an ear looks."""

    def __init__(self, pid: int, stdout: asyncio.StreamReader, stdin: asyncio.StreamWriter):
        self.pid = pid
        self.stdout = stdout
        self.stdin = stdin

    @property
    def returncode(self) -> int | None:
        return 0 if self.stdout.at_eof() or self.stdout.exception() is not None else None

    def kill(self) -> None:
        """Its id is its own as long as its end of the socket is open."""
        if self.returncode is None:
            os.kill(self.pid, signal.SIGKILL)

    async def wait(self) -> int:
        return 0  # the socket's end is the child's; the server has taken it away


class ForkServer:
    """Starts with the first child. `arguments` make another server, in tests."""

    def __init__(self, arguments: tuple[str, ...] = ("-m", "voicechat.engine.forks")):
        self._arguments = arguments
        self._process: asyncio.subprocess.Process | None = None
        self._control: socket.socket | None = None
        self._one_by_one = asyncio.Lock()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def child(self) -> Forked:
        """One more recogniser. Raises OSError where there is none to be had; then `ear` starts its own."""
        async with self._one_by_one, asyncio.timeout(LOAD_TIMEOUT_S):
            if self.pid is not None:
                with contextlib.suppress(ConnectionError):  # it has ended, and that was not noticed yet
                    return await self._fork()
                assert self._process is not None
                await self._process.wait()
            await self._start()
            return await self._fork()

    async def _fork(self) -> Forked:
        """Raises ConnectionError when the server has ended."""
        assert self._control is not None
        near, far = socket.socketpair()
        try:
            socket.send_fds(self._control, [b"+"], [far.fileno()])
            told = await asyncio.get_running_loop().sock_recv(self._control, _PID.size)
            if len(told) < _PID.size:
                raise ConnectionResetError("the fork server has ended")
            near.setblocking(False)
            reader, writer = await asyncio.open_connection(sock=near)
        except BaseException:
            near.close()
            raise
        finally:
            far.close()
        return Forked(_PID.unpack(told)[0], reader, writer)

    async def _start(self) -> None:
        await self.close()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self._control = ours
        command, environment = child_python(*self._arguments, str(theirs.fileno()))
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C is for whoever started us
            )

    async def close(self) -> None:
        """The children live as long as their own sockets."""
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            if self._process.returncode is None:
                self._process.kill()
            await self._process.wait()
            self._process = None


def serve(control: socket.socket, work: Callable[[socket.socket], None]) -> None:
    """Fork a child for each socket that comes, until `control` is at its end."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them: they are taken away by the system
    # From 3.12 on Python warns that threads are not taken along; that is known here, and stderr may be a log of JSON.
    warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
    while True:
        _, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if not descriptors:
            return
        pid = os.fork()
        if pid:
            os.close(descriptors[0])
            control.sendall(_PID.pack(pid))
            continue
        try:
            control.close()
            with socket.socket(fileno=descriptors[0]) as mine:
                work(mine)
        finally:
            os._exit(0)


def main(descriptor: int) -> None:
    from voicechat.engine.added import load_ears
    from voicechat.engine.child import recognise

    with socket.socket(fileno=descriptor) as control:
        try:
            loaded = load_ears("", "")
        except VoicechatError as error:
            log.error("%s", error.message)
            return  # whoever asked sees the end, and starts an ear that says what is wrong

        def work(mine: socket.socket) -> None:
            def write(message: dict[str, Any]) -> None:
                mine.sendall(json.dumps(message).encode() + b"\n")

            try:
                write({"ready": loaded.remark})
                recognise(loaded.recogniser, mine.recv, write)
            except OSError:
                return  # the conversation has gone

        serve(control, work)


if __name__ == "__main__":
    main(int(sys.argv[1]))
