"""What waits for a client: order, and the short way while nothing does."""

import asyncio

from voicechat.realtime.codec import WireFrame
from voicechat.serve.outbox import HEARTBEAT, MOST_UNREAD, Outbox


def test_frames_go_at_once_while_nothing_waits_and_keep_their_order_when_something_does() -> None:
    async def main() -> None:
        told: list[WireFrame] = []
        at_once: list[WireFrame] = []
        gate = asyncio.Event()
        open_to = 2

        def send_now(frame: WireFrame) -> bool:
            if len(at_once) >= open_to:
                return False
            told.append(frame)
            at_once.append(frame)
            return True

        async def send(frame: WireFrame) -> None:
            await gate.wait()
            told.append(frame)

        outbox = Outbox(send, send_now)
        outbox.put(["0"])  # nobody sends yet
        assert told == []
        running = asyncio.create_task(outbox.run())
        gate.set()
        await asyncio.wait_for(outbox.all_sent(), 5)
        gate.clear()
        outbox.put(["1", "2", "3"])
        assert (told, at_once) == (["0", "1", "2"], ["1", "2"])
        open_to = 10
        outbox.put(["4"])  # behind what waits
        assert at_once == ["1", "2"]
        await asyncio.sleep(0)
        outbox.put(["5"])  # and behind what is being sent
        assert at_once == ["1", "2"]
        gate.set()
        await asyncio.wait_for(outbox.all_sent(), 5)
        assert told == ["0", "1", "2", "3", "4", "5"]
        running.cancel()
        await asyncio.wait([running])

    asyncio.run(main())


def test_what_went_at_once_fills_nothing() -> None:
    async def main() -> None:
        outbox = Outbox(lambda _: asyncio.sleep(0), lambda _: True)
        running = asyncio.create_task(outbox.run())
        await asyncio.sleep(0)
        outbox.put(["x" * (MOST_UNREAD + 1)])
        assert not outbox.full
        running.cancel()
        await asyncio.wait([running])

    asyncio.run(main())


def test_a_sign_of_life_comes_while_nothing_else_waits() -> None:
    async def main() -> None:
        told: asyncio.Queue[WireFrame] = asyncio.Queue()
        outbox = Outbox(told.put)
        beating = asyncio.create_task(outbox.beat(0.001))
        outbox.put(["waits"])
        await asyncio.sleep(0.02)
        assert len(outbox._frames) == 1
        running = asyncio.create_task(outbox.run())
        seen = [await asyncio.wait_for(told.get(), 5) for _ in range(3)]
        assert seen == ["waits", HEARTBEAT, HEARTBEAT]
        for task in (beating, running):
            task.cancel()
        await asyncio.wait([beating, running])

    asyncio.run(main())
