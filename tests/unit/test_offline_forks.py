"""Recognisers forked from one that has loaded: each session has its own, and they share the model."""

import asyncio
import os
import select
import signal
from pathlib import Path

import pytest

from tests.recordings import GO_FORWARD
from tests.unit.test_offline_ear import utter
from tests.unit.test_offline_turns import samples
from voicechat.engine.ear import ProcessEar
from voicechat.engine.forks import Forked, ForkServer

SAID = ("Go forward ten meters.", "Go forward ten metres.")
"""Which of them hangs on where the sound was cut."""


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def test_sessions_share_what_was_loaded_and_nothing_else(capfd: pytest.CaptureFixture[str]) -> None:
    async def main() -> None:
        forks, told = ForkServer(), list[str]()
        one, other = ProcessEar(told.append, forks=forks), ProcessEar(told.append, forks=forks)
        sound = samples(GO_FORWARD)
        try:
            texts = await asyncio.gather(utter(one, sound), utter(other, sound))
            assert all(text in SAID for text, _ in texts)
            pids = {one.pid, other.pid}
            assert None not in pids
            assert len(pids) == 2
            server = forks.pid
            for pid in pids:
                assert pid is not None
                assert parent_of(pid) == server
                assert len(os.listdir(f"/proc/{pid}/task")) == 1  # a processor at most

            # one that dies is followed by another, and what was said to it is understood
            utterance = one.listen(lambda _: None)
            utterance.feed(sound[: len(sound) // 2], 0)
            assert one.pid is not None
            os.kill(one.pid, signal.SIGKILL)
            utterance.feed(sound[len(sound) // 2 :], 0)
            utterance.finish()
            assert await utterance.text() in SAID
            assert len(told) == 1
            assert capfd.readouterr().err == ""  # a server's log may go there; Python 3.12 warns of forks

            # without the server those that are there go on, and the next comes from a new one
            assert server is not None
            os.kill(server, signal.SIGKILL)
            assert (await utter(other, sound))[0] in SAID
            third = ProcessEar(told.append, forks=forks)
            assert (await utter(third, sound))[0] in SAID
            assert forks.pid not in (None, server)
            await third.close()
        finally:
            await asyncio.gather(one.close(), other.close())
            await forks.close()

    asyncio.run(main())


def test_a_server_that_has_ended_unnoticed_is_followed_by_another() -> None:
    async def main() -> None:
        forks = ForkServer()
        children = [await forks.child()]
        try:
            server = forks.pid
            assert server is not None
            ended = os.pidfd_open(server)
            os.kill(server, signal.SIGKILL)
            select.select([ended], [], [])  # it is dead, and the loop has not been told
            os.close(ended)
            assert forks.pid == server
            children.append(await forks.child())
            assert forks.pid not in (None, server)
            assert parent_of(children[1].pid) == forks.pid
        finally:
            for child in children:
                child.stdin.close()
                await child.stdin.wait_closed()
            await forks.close()

    asyncio.run(main())


def test_a_child_whose_socket_breaks_while_it_is_written_to_is_followed_by_another() -> None:
    """A killed one's socket is at its end, or broken: that hangs on whether it was just written to."""

    class Breaking(ForkServer):
        async def child(self) -> Forked:
            forked = await super().child()
            if not broken:
                broken.append(forked)
                forked.stdout.set_exception(BrokenPipeError())
            return forked

    broken: list[Forked] = []

    async def main() -> None:
        forks, told = Breaking(), list[str]()
        ear = ProcessEar(told.append, forks=forks)
        try:
            async with asyncio.timeout(60):
                assert (await utter(ear, samples(GO_FORWARD)))[0].lower().startswith("go forward ten met")
            assert told[0] == "The recogniser ended unexpectedly. A new one takes over."
        finally:
            await ear.close()
            await forks.close()

    asyncio.run(main())


def test_where_nothing_can_be_forked_an_ear_starts_its_own() -> None:
    async def main() -> None:
        forks = ForkServer(("-c", "raise SystemExit(3)"))
        ear = ProcessEar(lambda _: None, forks=forks)
        try:
            assert (await utter(ear, samples(GO_FORWARD)))[0] in SAID
            assert ear.pid is not None
            assert parent_of(ear.pid) == os.getpid()
        finally:
            await ear.close()
            await forks.close()

    asyncio.run(main())
