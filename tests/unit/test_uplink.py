"""The way out: order, a bounded backlog of sound, and the end of the connection."""

import asyncio
import json

import pytest

from voicechat.conversation.uplink import BACKLOG_MS, Uplink
from voicechat.realtime import commands as cmd
from voicechat.realtime.capabilities import Capabilities
from voicechat.realtime.codec import WireFrame
from voicechat.realtime.events import Event
from voicechat.wire.memory import MemoryTransport
from voicechat.wire.transport import Closed

SECOND = bytes(2 * 16_000)


class Plain:
    """A dialect with one word per command, and two for text."""

    capabilities = Capabilities(input_rate_hz=16_000)

    def encode(self, command: cmd.Command) -> list[WireFrame]:
        if isinstance(command, cmd.AppendAudio):
            return [command.pcm]
        if isinstance(command, cmd.SendText):
            return [command.text, f"end of {command.text}"]
        return [type(command).__name__]

    def decode(self, frame: WireFrame) -> list[Event]:
        raise NotImplementedError(json.dumps(str(frame)))

    def replies(self) -> list[WireFrame]:
        return []


def second(number: int) -> cmd.AppendAudio:
    return cmd.AppendAudio(bytes([number]) * len(SECOND))


def test_commands_leave_in_order_and_all_frames_of_each() -> None:
    async def main() -> list[WireFrame]:
        near, far = MemoryTransport.pair()
        uplink = Uplink(Plain())
        running = asyncio.create_task(uplink.run(near))
        uplink.send(cmd.AppendAudio(b"ab"))
        uplink.send(cmd.SendText("hello"))
        uplink.send(cmd.CommitAudio())
        await asyncio.wait_for(uplink.flushed(), 5)
        uplink.send(cmd.CreateResponse())
        received = [await asyncio.wait_for(far.receive(), 5) for _ in range(5)]
        running.cancel()
        await asyncio.wait([running])
        return received

    assert asyncio.run(main()) == [b"ab", "hello", "end of hello", "CommitAudio", "CreateResponse"]


def test_beyond_the_backlog_the_oldest_sound_is_dropped_and_counted_and_no_command_is() -> None:
    async def main() -> None:
        seconds = int(BACKLOG_MS / 1000)
        uplink = Uplink(Plain())
        uplink.send(cmd.Configure(cmd.SessionConfig()))
        for number in range(seconds + 3):
            uplink.send(second(number))
        uplink.send(cmd.CommitAudio())
        assert uplink.dropped_ms == 3000
        near, far = MemoryTransport.pair()
        running = asyncio.create_task(uplink.run(near))
        received = [await asyncio.wait_for(far.receive(), 5) for _ in range(seconds + 2)]
        assert received[0] == "Configure"
        assert [frame[0] for frame in received[1:-1]] == list(range(3, seconds + 3))
        assert received[-1] == "CommitAudio"
        # What was sent waits no more: there is room again.
        for number in range(seconds):
            uplink.send(second(number))
        assert uplink.dropped_ms == 3000
        running.cancel()
        await asyncio.wait([running])

    asyncio.run(main())


def test_it_ends_with_the_connection() -> None:
    async def main() -> None:
        near, far = MemoryTransport.pair()
        uplink = Uplink(Plain())
        running = asyncio.create_task(uplink.run(near))
        await far.close()
        uplink.send(cmd.ClearAudio())
        with pytest.raises(Closed):
            await asyncio.wait_for(running, 5)

    asyncio.run(main())


def test_flushed_waits_for_a_slow_network() -> None:
    async def main() -> None:
        gate = asyncio.Event()

        class Slow(MemoryTransport):
            async def send(self, frame: WireFrame) -> None:
                await gate.wait()

        uplink = Uplink(Plain())
        running = asyncio.create_task(uplink.run(Slow()))
        uplink.send(cmd.CommitAudio())
        flushed = asyncio.create_task(uplink.flushed())
        done, _ = await asyncio.wait([flushed], timeout=0.05)
        assert not done
        gate.set()
        await asyncio.wait_for(flushed, 5)
        running.cancel()
        await asyncio.wait([running])

    asyncio.run(main())


class Sleepy(Plain):
    """One that ends a session in which nothing is sent."""

    capabilities = Capabilities(input_rate_hz=16_000, keep_alive_s=0.01)


def test_a_session_that_would_fall_asleep_is_kept_open_by_empty_appends_and_no_other_is() -> None:
    async def first(codec: Plain) -> WireFrame:
        near, far = MemoryTransport.pair()
        uplink = Uplink(codec)
        running = asyncio.create_task(uplink.run(near))
        waiting = asyncio.create_task(far.receive())
        await asyncio.wait([waiting], timeout=0.1 if codec.capabilities.keep_alive_s is None else 5)
        uplink.send(cmd.CommitAudio())
        frame = await asyncio.wait_for(waiting, 5)
        running.cancel()
        await asyncio.wait([running])
        return frame

    assert asyncio.run(first(Sleepy())) == b""
    assert asyncio.run(first(Plain())) == "CommitAudio"


def test_sound_leaves_at_once_while_nothing_waits_and_in_its_turn_otherwise() -> None:
    async def main() -> None:
        class Narrow(MemoryTransport):
            open = True

            def send_now(self, frame: WireFrame) -> bool:
                return self.open and super().send_now(frame)

        near, far = Narrow.pair()
        uplink = Uplink(Plain())
        uplink.send(cmd.AppendAudio(b"1"))
        running = asyncio.create_task(uplink.run(near))
        await asyncio.wait_for(uplink.flushed(), 5)
        uplink.send(cmd.AppendAudio(b"2"))
        assert far._inbox.qsize() == 2  # no other task had to run
        near.open = False  # type: ignore[attr-defined]
        uplink.send(cmd.AppendAudio(b"3"))
        near.open = True  # type: ignore[attr-defined]
        uplink.send(cmd.AppendAudio(b"4"))
        uplink.send(cmd.CommitAudio())
        uplink.send(cmd.AppendAudio(b"5"))
        received = [await asyncio.wait_for(far.receive(), 5) for _ in range(6)]
        assert received == [b"1", b"2", b"3", b"4", "CommitAudio", b"5"]
        running.cancel()
        await asyncio.wait([running])
        uplink.send(cmd.AppendAudio(b"6"))  # nobody sends any more
        assert far._inbox.empty()

    asyncio.run(main())
