"""The line by scripted connections: what is told, what is retried, and what ends it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

import pytest

from tests.unit.stage import Stage
from voicechat.conversation import line as line_module
from voicechat.conversation.line import HURRY_S, SHORTEST_LIFE_S, Line
from voicechat.dialects.openai.client import ClientProfile, RealtimeCodec
from voicechat.errors import ConnectionFailed, VoicechatError
from voicechat.providers.base import ProviderOptions
from voicechat.providers.openai import OpenAI
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev
from voicechat.realtime.capabilities import Capabilities
from voicechat.realtime.codec import Codec, WireFrame
from voicechat.wire.retry import RetryPolicy
from voicechat.wire.transport import Closed


class Scripted:
    """A connection that opens a session, and then does what its test says."""

    trace = ""
    round_trip_ms: float | None = None

    def __init__(self) -> None:
        self.frames: asyncio.Queue[WireFrame | Closed] = asyncio.Queue()
        for kind in ("session.created", "session.updated"):
            self.frames.put_nowait(f'{{"type": "{kind}", "session": {{"id": "s"}}}}')

    async def connect(self) -> None:
        """Nothing to do."""

    async def send(self, frame: WireFrame) -> None:
        """Nobody listens."""

    def send_now(self, frame: WireFrame) -> bool:
        return False  # let it wait for `send`

    async def receive(self) -> WireFrame:
        frame = await self.frames.get()
        if isinstance(frame, Closed):
            raise frame
        return frame

    async def close(self) -> None:
        self.frames.put_nowait(Closed(1000))


class Dead(Scripted):
    async def connect(self) -> None:
        raise ConnectionFailed("nobody there")


@dataclass
class Story:
    """A line over scripted connections, and all that it told. The clock stands still unless a test moves it."""

    provider: OpenAI = field(default_factory=lambda: OpenAI(ProviderOptions(api_key="k" * 20)))
    connections: list[Scripted] = field(default_factory=list)
    events: list[ev.Event] = field(default_factory=list)
    waits: list[str] = field(default_factory=list)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    sessions: "asyncio.Queue[ev.Event]" = field(default_factory=asyncio.Queue)
    now: float = 0.0

    def line(self) -> Line:
        def connect() -> Scripted:
            self.connections.append(Scripted())
            return self.connections[-1]

        def handle(event: ev.Event) -> None:
            self.events.append(event)
            if isinstance(event, ev.SessionConfigured):
                self.ready.set()
                self.sessions.put_nowait(event)

        def waiting(error: VoicechatError, _: int, __: float) -> None:
            self.waits.append(error.message)

        async def sleep(_: float) -> None:
            await asyncio.sleep(0)

        return Line(
            self.provider, connect, handle, self.ready.clear, waiting,
            RetryPolicy(jitter=0.0), lambda: self.now, sleep,
        )  # fmt: skip

    async def opened(self) -> None:
        """Until the next connection has a session."""
        await asyncio.wait_for(self.sessions.get(), 5)

    def says(self, kind: str, **fields: object) -> None:
        self.connections[-1].frames.put_nowait(json.dumps({"type": kind, **fields}))

    def complains(self, code: str) -> None:
        self.says("error", error={"type": "server_error", "code": code, "message": f"said {code}"})

    @property
    def errors(self) -> list[str]:
        return [event.message for event in self.events if isinstance(event, ev.ServiceError)]


def tell(story: Callable[[Story, Line], Awaitable[None]]) -> Story:
    told = Story()

    async def main() -> None:
        line = told.line()
        run = asyncio.create_task(line.run())
        try:
            async with asyncio.timeout(20):
                await told.opened()
                await story(told, line)
        finally:
            run.cancel()
            await asyncio.gather(run, return_exceptions=True)

    asyncio.run(main())
    return told


class Mute(Scripted):
    """Says that its session is lost, goes on all the same, and never accepts a configuration."""

    def __init__(self) -> None:
        super().__init__()
        self.frames = asyncio.Queue()
        self.frames.put_nowait('{"type": "session.created", "session": {"id": "s"}}')
        self.frames.put_nowait('{"type": "error", "error": {"code": "server_error", "message": "a moment"}}')
        self.frames.put_nowait('{"type": "session.created", "session": {"id": "s"}}')


def test_a_complaint_that_is_taken_back_leaves_the_session_the_rest_of_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(line_module, "READY_TIMEOUT_S", 0.4)
    monkeypatch.setattr(line_module, "COMPLAINT_S", 0.05)
    provider = OpenAI(ProviderOptions(api_key="k" * 20))

    async def main() -> None:
        line = Line(provider, Mute, lambda event: None, lambda: None, lambda *_: None)
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises(ConnectionFailed):
            await line.run()
        assert loop.time() - began >= 0.39

    asyncio.run(main())


def test_a_session_that_has_expired_is_renewed_without_a_word() -> None:
    async def story(told: Story, line: Line) -> None:
        told.now = SHORTEST_LIFE_S + 1
        told.complains("session_expired")
        told.connections[-1].frames.put_nowait(Closed(1001, "expired"))
        await told.opened()

    told = tell(story)
    assert (told.errors, told.waits) == ([], [])


def test_somebody_who_does_not_want_to_wait_is_not_made_to_and_loses_no_attempt() -> None:
    told = Story()

    async def main() -> None:
        line = told.line()
        asleep = asyncio.Event()

        async def sleep(_: float) -> None:
            asleep.set()
            await asyncio.Event().wait()

        async def drops() -> None:
            asleep.clear()
            told.connections[-1].frames.put_nowait(Closed(1006))
            await asyncio.wait_for(asleep.wait(), 5)
            assert line.waits

        line._sleep = sleep
        run = asyncio.create_task(line.run())
        await told.opened()
        line.try_now()  # up, and nothing is waited for: it is forgotten
        for number in range(1, 20):  # there are five attempts
            await drops()
            assert len(told.connections) == number
            told.now += HURRY_S
            line.try_now()
            await told.opened()
            assert not line.waits
        assert len(told.waits) == 2 * 19, "told once more: it is tried now"
        await drops()
        line.try_now()  # too soon: somebody leans on the key
        assert line.waits
        assert len(told.waits) == 2 * 19 + 1
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)

    asyncio.run(main())


def test_a_session_that_expires_at_once_is_not_renewed_in_a_circle() -> None:
    async def story(told: Story, line: Line) -> None:
        told.complains("session_expired")
        told.connections[-1].frames.put_nowait(Closed(1001, "expired"))
        await told.opened()

    assert tell(story).waits == ["said session_expired"]


def test_a_service_that_says_its_session_is_lost_and_then_nothing_is_left() -> None:
    async def story(told: Story, line: Line) -> None:
        told.complains("server_error")
        await told.opened()

    told = tell(story)
    assert (told.errors, told.waits) == ([], ["said server_error"])


def test_a_complaint_after_which_it_goes_on_is_told_and_forgotten() -> None:
    async def story(told: Story, line: Line) -> None:
        told.complains("server_error")
        told.says("response.created", response={"id": "r1", "status": "in_progress"})
        told.connections[-1].frames.put_nowait(Closed(1006))
        await told.opened()

    told = tell(story)
    assert told.errors == ["said server_error"]
    assert told.waits == ["openai closed the connection, code 1006."]


class Broken:
    """A codec that fails on one command, and is right about everything else."""

    def __init__(self, codec: Codec):
        self._codec = codec
        self.capabilities = codec.capabilities
        self.decode, self.replies = codec.decode, codec.replies

    def encode(self, command: cmd.Command) -> list[WireFrame]:
        if isinstance(command, cmd.SendText):
            raise ZeroDivisionError("a bug")
        return self._codec.encode(command)


def test_a_way_out_that_fails_does_not_leave_a_line_that_is_mute() -> None:
    told = Story()
    codec = told.provider.codec

    async def main() -> None:
        told.provider.codec = lambda: Broken(codec())  # type: ignore[method-assign,assignment,return-value]
        line = told.line()
        run = asyncio.create_task(line.run())
        await told.opened()
        line.send(cmd.SendText("hello"))
        with pytest.raises(ZeroDivisionError):
            await asyncio.wait_for(run, 5)

    asyncio.run(main())


def test_a_wish_to_renew_while_the_line_is_down_does_not_outlive_the_next_connection() -> None:
    waits: list[int] = []
    ready, down = asyncio.Event(), asyncio.Event()

    async def main() -> None:
        connections: list[Scripted] = []

        def connect() -> Scripted:
            connections.append(Dead() if len(connections) == 1 else Scripted())
            return connections[-1]

        async def sleep(_: float) -> None:
            line.renew()  # the machine has slept just now
            await asyncio.sleep(0)

        def handle(event: ev.Event) -> None:
            if isinstance(event, ev.SessionConfigured):
                ready.set()

        def lost() -> None:
            ready.clear()
            down.set()

        def waiting(_: VoicechatError, attempt: int, __: float) -> None:
            waits.append(attempt)

        provider = OpenAI(ProviderOptions(api_key="k" * 20))
        line = Line(provider, connect, handle, lost, waiting, RetryPolicy(jitter=0.0), sleep=sleep)
        run = asyncio.create_task(line.run())
        for code, number in ((1006, 1), (1006, 3), (4000, 4)):
            await asyncio.wait_for(ready.wait(), 5)
            assert len(connections) == number
            connections[-1].frames.put_nowait(Closed(code, "over"))
            if code == 1006:
                await asyncio.wait_for(down.wait(), 5)
                down.clear()
        with pytest.raises(ConnectionFailed, match="code 4000"):
            await asyncio.wait_for(run, 5)

    asyncio.run(main())
    assert waits == [1, 2]


class Configured(Scripted):
    """A connection that says nothing before it was spoken to. `speaks_first`: it says that it is there."""

    def __init__(self, *, speaks_first: bool) -> None:
        self.frames = asyncio.Queue()
        self.asked: list[str] = []
        if speaks_first:
            self.frames.put_nowait('{"type": "session.created", "session": {"id": "s"}}')

    async def send(self, frame: WireFrame) -> None:
        self.asked.append(json.loads(frame)["type"])
        if self.asked == ["session.update"]:
            self.frames.put_nowait('{"type": "session.updated", "session": {}}')


@pytest.mark.parametrize("speaks_first", [True, False])
def test_a_session_is_configured_when_the_service_has_spoken_or_at_once_where_it_waits(speaks_first: bool) -> None:
    connection = Configured(speaks_first=speaks_first)
    provider = OpenAI(ProviderOptions(api_key="k" * 20))
    known = provider.codec().capabilities
    codec = RealtimeCodec(ClientProfile(replace(known, emits_session_created=speaks_first), dialect="ga"))

    async def main() -> None:
        ready = asyncio.Event()
        provider.codec = lambda: codec  # type: ignore[method-assign]
        stage = Stage(codec.capabilities)

        def handle(event: ev.Event) -> None:
            stage.tell(event)
            while stage.sent:
                line.send(stage.sent.pop(0))
            if stage.session.ready:
                ready.set()

        line = Line(provider, lambda: connection, handle, lambda: None, lambda *_: None)
        run = asyncio.create_task(line.run())
        await asyncio.wait_for(ready.wait(), 5)
        assert line.ready
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)

    asyncio.run(main())
    assert connection.asked == ["session.update"]


@pytest.mark.parametrize("tells", [True, False])
def test_the_last_word_is_waited_for_where_the_service_has_one(tells: bool) -> None:
    connection = Configured(speaks_first=True)
    codec = RealtimeCodec(ClientProfile(Capabilities(emits_session_finished=tells), dialect="qwen"))
    provider = OpenAI(ProviderOptions(api_key="k" * 20))
    provider.codec = lambda: codec  # type: ignore[method-assign]

    async def main() -> None:
        there = asyncio.Event()
        line = Line(provider, lambda: connection, lambda _: there.set(), lambda: None, lambda *_: None)
        run = asyncio.create_task(line.run())
        await asyncio.wait_for(there.wait(), 5)
        line.send(cmd.Finish())
        if not tells:
            await asyncio.wait_for(line.finish(60), 5)
        else:
            finishing = asyncio.create_task(line.finish(60))
            assert not (await asyncio.wait([finishing], timeout=0.1))[0]
            connection.frames.put_nowait('{"type": "session.finished"}')
            await asyncio.wait_for(finishing, 5)
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)

    asyncio.run(main())


def test_ids_of_two_connections_are_told_apart() -> None:
    async def story(told: Story, line: Line) -> None:
        for _ in range(2):
            told.says("response.created", response={"id": "r1", "status": "in_progress"})
            told.says("response.done", response={"id": "r1", "status": "completed"})
            told.connections[-1].frames.put_nowait(Closed(1006))
            await told.opened()

    begun = [event.response_id for event in tell(story).events if isinstance(event, ev.ResponseStarted)]
    assert begun == ["1:r1", "2:r1"]
