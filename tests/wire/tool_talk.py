"""A whole conversation with tools that end when the test says so, at a service that the test leads."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.wire.tool_service import PATIENCE_S, ToolService
from voicechat.audio.engine import AudioPlan, silent_input
from voicechat.conversation import notices as note
from voicechat.conversation.talk import Talk, TalkPlan
from voicechat.conversation.turn_taking import TurnTaking
from voicechat.conversation.workshop import ToolPlan
from voicechat.providers.base import ProviderOptions
from voicechat.providers.registry import create
from voicechat.realtime.commands import SessionConfig, TurnDetection
from voicechat.tools.schema import tool_of
from voicechat.tools.spec import tool
from voicechat.tools.toolbox import Toolbox
from voicechat.wire.retry import RetryPolicy
from voicechat.wire.websocket import WebSocketTransport

PROVIDERS = {"ga": "openai", "beta": "newapi", "qwen": "qwen"}
OSLO = '{"what":"Oslo"}'


class Desk:
    """One conversation. `runs` counts what was run, `finish` lets a running tool return."""

    def __init__(self, service: ToolService):
        self.service = service
        self.runs: Counter[str] = Counter()
        self.notices: list[note.Notice] = []
        self._gates: dict[str, asyncio.Event] = {}
        self._changed = asyncio.Event()
        self.talk: Talk

    @tool(read_only=True)
    async def look(self, what: str) -> str:
        """Look."""
        self.runs[what] += 1
        self._gates[what] = asyncio.Event()
        await self._gates[what].wait()
        return f"{what} was found"

    async def send(self, what: str) -> str:
        """Send it, where the user agrees."""
        self.runs[f"sent {what}"] += 1
        return "sent"

    def finish(self, what: str) -> None:
        self._gates[what].set()

    # the view

    def show(self, notice: note.Notice) -> None:
        self.notices.append(notice)
        self._changed.set()

    async def run(self) -> None:
        await asyncio.Event().wait()

    def close(self) -> None:
        """Nothing to put back."""

    async def until(self, true: Callable[[], bool]) -> None:
        """Until a notice makes it true."""
        async with asyncio.timeout(PATIENCE_S):
            while not true():
                self._changed.clear()
                await self._changed.wait()

    async def calls_running(self, count: int) -> None:
        """Until so many calls were begun, since the beginning."""
        await self.until(lambda: sum(isinstance(each, note.ToolCallNotice) for each in self.notices) >= count)
        await asyncio.sleep(0)  # the task of the last one begins

    async def answers(self, count: int) -> None:
        await self.until(lambda: sum(isinstance(each, note.AssistantTurn) for each in self.notices) >= count)

    async def settled(self) -> None:
        """Until nothing is left to be done, and whatever was sent has arrived."""
        await self.until(lambda: self.talk.session.settled)
        await self.talk.line._uplink.flushed()
        await (await self.service.connections[-1].ping())


@asynccontextmanager
async def conversation(dialect: str, folder: Path, filler_after_ms: int = 0) -> AsyncIterator[Desk]:
    """With a filler it is OpenAI's own service, which alone of these knows answers outside the conversation."""
    async with ToolService(dialect) as service:
        desk = Desk(service)
        options = ProviderOptions(api_key="k" * 20, url=service.url, dialect=dialect if dialect != "qwen" else "")
        provider = create(PROVIDERS[dialect], options)
        if filler_after_ms:
            provider._official = True  # type: ignore[attr-defined]
        plan = TalkPlan(
            SessionConfig(turn_detection=TurnDetection()),
            TurnTaking(),
            AudioPlan(make_input=silent_input, output_file=str(folder / "out.wav")),
            retry=RetryPolicy(delays_s=(0.01,), jitter=0.0),
            detection=TurnDetection(),
            tools=ToolPlan(
                Toolbox([tool_of(desk.look), tool_of(desk.send)]), interactive=True, filler_after_ms=filler_after_ms
            ),
        )
        desk.talk = Talk(provider, lambda: WebSocketTransport(provider.request()), plan)
        run = asyncio.create_task(desk.talk.run(desk))
        try:
            await desk.until(lambda: any(isinstance(each, note.SessionNotice) for each in desk.notices))
            yield desk
            await desk.settled()
        finally:
            desk.talk.quit(0)
            await asyncio.wait_for(run, PATIENCE_S)
        assert service.wrongs == []
        assert [each.message for each in desk.notices if isinstance(each, note.ErrorNotice)] == []


def story(tell: Callable[[Desk], Awaitable[None]], dialect: str, folder: Path, filler_after_ms: int = 0) -> Desk:
    told: list[Desk] = []

    async def main() -> None:
        async with conversation(dialect, folder, filler_after_ms) as desk:
            told.append(desk)
            await tell(desk)

    asyncio.run(main())
    return told[0]


every_dialect = pytest.mark.parametrize("dialect", list(PROVIDERS))


async def asked(desk: Desk, item: str = "item_1", words: str = "look for it") -> ToolService:
    """The user has said something, and the service begins to answer."""
    await desk.service.speech_started(item)
    await desk.service.speech_stopped(item, words)
    return desk.service
