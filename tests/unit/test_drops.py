"""What a drop leaves behind: answers that are asked for again have one end, and the line forgets old wishes."""

import asyncio

import pytest

from tests.unit.stage import Stage, pcm
from voicechat.conversation import commands as cmd
from voicechat.conversation import events as ev
from voicechat.conversation import notices as note
from voicechat.conversation.line import Line
from voicechat.conversation.retry import RetryPolicy
from voicechat.errors import ConnectionFailed, VoicechatError
from voicechat.providers.base import Frame, ProviderOptions
from voicechat.providers.openai import OpenAI
from voicechat.transport import Closed


def reconnected(stage: Stage) -> None:
    stage.session.lost()
    stage.pass_ms(500)
    stage.tell(ev.SessionCreated("again"), ev.SessionConfigured("Cherry"))


@pytest.mark.parametrize("text", ["", "one two"])
def test_an_answer_nothing_was_heard_of_is_asked_for_again_and_ends_once(text: str) -> None:
    stage = Stage().open()
    stage.session.say("hello")
    stage.tell(ev.ResponseStarted("lost"))
    if text:
        stage.tell(ev.AssistantText("lost", "item0", 0, text))
    reconnected(stage)
    assert stage.of(note.AssistantTurn) == []
    assert len(stage.of(cmd.CreateResponse)) == 2
    stage.tell(ev.AssistantAudio("lost", "item0", 0, pcm(500)))  # nothing may be played of it
    stage.speak(1)
    stage.pass_ms(1500)
    assert [(turn.turn, turn.text, turn.status) for turn in stage.of(note.AssistantTurn)] == [
        (1, "one two three four", "completed")
    ]
    assert stage.played_ms == 1000
    assert [command.text for command in stage.of(cmd.SendText)] == ["hello", "hello"]
    assert stage.session.state == "idle"


def test_an_answer_that_was_being_heard_ends_with_what_there_was() -> None:
    stage = Stage().open()
    stage.session.say("hello")
    stage.speak(1, finish=False)
    stage.pass_ms(200)
    reconnected(stage)
    stage.pass_ms(1500)
    assert [(turn.heard, turn.status) for turn in stage.of(note.AssistantTurn)] == [
        ("one two three four", "incomplete")
    ]
    assert len(stage.of(cmd.CreateResponse)) == 1


class Scripted:
    """A connection that opens a session, and then does what its test says."""

    trace = ""

    def __init__(self) -> None:
        self.frames: asyncio.Queue[Frame | Closed] = asyncio.Queue()
        for kind in ("session.created", "session.updated"):
            self.frames.put_nowait(f'{{"type": "{kind}", "session": {{"id": "s"}}}}')

    async def connect(self) -> None:
        """Nothing to do."""

    async def send(self, frame: Frame) -> None:
        """Nobody listens."""

    async def receive(self) -> Frame:
        frame = await self.frames.get()
        if isinstance(frame, Closed):
            raise frame
        return frame

    async def close(self) -> None:
        self.frames.put_nowait(Closed(1000))


class Dead(Scripted):
    async def connect(self) -> None:
        raise ConnectionFailed("nobody there")


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
        line = Line(provider, connect, handle, ready.is_set, lost, waiting, RetryPolicy(jitter=0.0), sleep=sleep)
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
