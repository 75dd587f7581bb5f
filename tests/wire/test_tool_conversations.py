"""Tools over a real socket, in GA, Beta and Qwen: whatever a service does, a call is run once and answered once.

A whole conversation (`Talk`) with its line, codec and runner, in this process, without devices and without a program
to start; the service is led frame by frame (tests/wire/tool_service.py) and notes what it must never be sent.
"""

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


@every_dialect
def test_parallel_calls_are_answered_each_when_it_ends_and_spoken_of_once(dialect: str, tmp_path: Path) -> None:
    async def tell(desk: Desk) -> None:
        service = await asked(desk)
        await service.begin("resp_1")
        for number, what in enumerate(("Oslo", "Rome", "Bonn"), 1):
            await service.call("resp_1", f"call_{number}", "look", f'{{"what":"{what}"}}')
        await service.call("resp_1", "call_4", "look", '{"where":"Oslo"}')
        await desk.calls_running(3)
        desk.finish("Rome")
        desk.finish("Bonn")
        assert len(await service.outputs(3)) == 3
        assert service.of("response.create") == [], "one runs, and the response that called has not ended"
        await service.end("resp_1")
        desk.finish("Oslo")
        outputs = await service.outputs(4)
        assert outputs[0][1].startswith("Invalid arguments. what: Field required")
        assert sorted(outputs)[:3] == [
            (f"call_{n}", f"{w} was found") for n, w in ((1, "Oslo"), (2, "Rome"), (3, "Bonn"))
        ]
        await service.next("response.create")
        kinds = [each.get("item", each)["type"] for each in service.got]
        assert kinds[-2:] == ["function_call_output", "response.create"]
        await service.begin("resp_2")
        await service.say("resp_2", "All were found.")
        await service.end("resp_2")
        await desk.answers(1)

    desk = story(tell, dialect, tmp_path)
    assert desk.runs == {"Oslo": 1, "Rome": 1, "Bonn": 1}
    assert len(desk.service.of("response.create")) == 1


@every_dialect
def test_a_call_that_is_told_again_and_again_runs_once(dialect: str, tmp_path: Path) -> None:
    async def tell(desk: Desk) -> None:
        service = await asked(desk)
        await service.begin("resp_1")
        for _ in range(2):
            await service.announce("resp_1", "call_1", "look")
        for _ in range(2):
            await service.arguments("resp_1", "call_1", "look", OSLO)
        await desk.calls_running(1)
        desk.finish("Oslo")
        await service.outputs(1)
        for _ in range(2):
            await service.item_done("resp_1", "call_1", "look", OSLO)
        again = [service.as_output("call_1", "look", OSLO)] * 2
        await service.end("resp_1", output=again)
        await service.next("response.create")
        await service.end("resp_1", output=again)
        await service.item_done("resp_1", "call_1", "look", OSLO)
        await service.begin("resp_2")
        await service.say("resp_2", "It was found.")
        await service.end("resp_2")
        await desk.answers(1)

    desk = story(tell, dialect, tmp_path)
    assert desk.runs == {"Oslo": 1}
    assert len(desk.service.items("function_call_output")) == len(desk.service.of("response.create")) == 1


@every_dialect
def test_a_call_that_only_the_end_of_its_response_tells_of_is_run(dialect: str, tmp_path: Path) -> None:
    async def tell(desk: Desk) -> None:
        service = await asked(desk)
        await service.begin("resp_1")
        await service.announce("resp_1", "call_1", "look")
        await service.end("resp_1", output=[service.as_output("call_1", "look", OSLO)])
        await desk.calls_running(1)
        await service.arguments("resp_1", "call_1", "look", OSLO)  # too late: it is known
        desk.finish("Oslo")
        assert await service.outputs(1) == [("call_1", "Oslo was found")]
        await service.next("response.create")
        await service.begin("resp_2")
        await service.end("resp_2")

    desk = story(tell, dialect, tmp_path)
    assert desk.runs == {"Oslo": 1}
    assert len(desk.service.of("response.create")) == 1


@every_dialect
def test_a_late_result_is_handed_over_during_speech_and_nothing_is_asked_for(dialect: str, tmp_path: Path) -> None:
    """The answer to what the user says meanwhile begins after it, and so knows it."""

    async def tell(desk: Desk) -> None:
        service = await asked(desk)
        await service.begin("resp_1")
        await service.call("resp_1", "call_1", "look", OSLO)
        await service.end("resp_1")
        await desk.calls_running(1)
        await service.speech_started("item_2")
        await desk.until(lambda: desk.talk.session.state == "listening")
        desk.finish("Oslo")
        assert await service.outputs(1) == [("call_1", "Oslo was found")]
        await service.speech_stopped("item_2", "and hurry")
        await service.begin("resp_2")
        await service.say("resp_2", "It was found.")
        await service.end("resp_2")
        await desk.answers(1)

    desk = story(tell, dialect, tmp_path)
    assert desk.runs == {"Oslo": 1}
    assert desk.service.of("response.create") == []


@every_dialect
def test_a_result_that_comes_into_another_answer_is_spoken_of_after_it(dialect: str, tmp_path: Path) -> None:
    async def tell(desk: Desk) -> None:
        service = await asked(desk)
        await service.begin("resp_1")
        await service.call("resp_1", "call_1", "look", OSLO)
        await service.end("resp_1")
        await desk.calls_running(1)
        await asked(desk, "item_2", "can you hear me")
        await service.begin("resp_2")
        await service.say("resp_2", "Of course.")
        await desk.until(lambda: desk.talk.session.state == "speaking")
        desk.finish("Oslo")
        await service.outputs(1)
        assert service.of("response.create") == []
        await service.end("resp_2")
        await service.next("response.create")
        await service.begin("resp_3")
        await service.say("resp_3", "It was found.")
        await service.end("resp_3")
        await desk.answers(2)

    desk = story(tell, dialect, tmp_path)
    words = [each.text for each in desk.notices if isinstance(each, note.AssistantTurn)]
    assert words == ["Of course.", "It was found."]
    assert len(desk.service.of("response.create")) == 1


@every_dialect
def test_a_call_that_the_user_talks_into_is_not_run_and_one_that_runs_goes_on(dialect: str, tmp_path: Path) -> None:
    async def tell(desk: Desk) -> None:
        service = await asked(desk)
        await service.begin("resp_1")
        await service.say("resp_1", "Let me look.", ms=2000)
        await desk.until(lambda: desk.talk.session.state == "speaking")
        await service.call("resp_1", "call_1", "look", OSLO)
        await desk.calls_running(1)
        await service.announce("resp_1", "call_2", "look")
        await service.speech_started("item_2")  # which cancels the response
        await service.item_done("resp_1", "call_2", "look", '{"what":"R', "incomplete")
        await service.arguments("resp_1", "call_2", "look", '{"what":"Rome"}')
        await service.speech_stopped("item_2", "never mind")
        await service.begin("resp_2")
        await service.say("resp_2", "All right.")
        await service.end("resp_2")
        await desk.answers(2)
        desk.finish("Oslo")
        assert await service.outputs(1) == [("call_1", "Oslo was found")], "without a word about it"

    desk = story(tell, dialect, tmp_path)
    assert desk.runs == {"Oslo": 1}
    assert desk.service.of("response.create") == []


@every_dialect
def test_a_call_that_was_under_way_when_a_key_interrupted_is_answered_and_not_run(dialect: str, tmp_path: Path) -> None:
    async def tell(desk: Desk) -> None:
        service = await asked(desk)
        service.heeds_cancel = False
        await service.begin("resp_1")
        await service.say("resp_1", "Let me look.", ms=2000)
        await desk.until(lambda: desk.talk.session.state == "speaking")
        desk.talk.interrupt()
        await service.next("response.cancel")
        await service.call("resp_1", "call_1", "look", OSLO)
        await service.end("resp_1", "cancelled")
        assert await service.outputs(1) == [("call_1", "Not run: the user interrupted.")]

    desk = story(tell, dialect, tmp_path)
    assert desk.runs == {}
    assert desk.service.of("response.create") == []


@every_dialect
def test_one_yes_runs_one_call_though_the_model_calls_where_it_was_to_ask(dialect: str, tmp_path: Path) -> None:
    async def tell(desk: Desk) -> None:
        service = await asked(desk)
        await service.begin("resp_1")
        await service.call("resp_1", "call_1", "send", OSLO)
        await service.end("resp_1")
        question = (await service.next("response.create"))["response"]
        assert "send" in question["instructions"]
        await service.begin("resp_2")
        await service.call("resp_2", "call_2", "send", OSLO)
        assert [call for call, _ in await service.outputs(1)] == ["call_2"]
        await service.end("resp_2")
        await asked(desk, "item_2", "yes, please")
        assert (await service.outputs(2))[1] == ("call_1", "sent")
        await service.begin("resp_3")
        await service.say("resp_3", "It was sent.")
        await service.end("resp_3")
        await desk.answers(1)

    desk = story(tell, dialect, tmp_path)
    assert desk.runs == {"sent Oslo": 1}


@every_dialect
def test_calls_over_a_drop_run_once_and_a_new_call_of_the_same_number_is_another(dialect: str, tmp_path: Path) -> None:
    async def tell(desk: Desk) -> None:
        service = await asked(desk)
        await service.begin("resp_1")
        await service.call("resp_1", "call_1", "look", OSLO)
        await service.call("resp_1", "call_2", "look", '{"what":"Rome"}')
        await desk.calls_running(2)
        desk.finish("Oslo")
        await service.outputs(1)
        await service.drop()
        await desk.until(lambda: len(service.connections) == 2 and desk.talk.session.ready)
        assert desk.runs == {"Oslo": 1, "Rome": 1}
        await asked(desk, "item_1", "and for Bonn")
        await service.begin("resp_1")
        await service.call("resp_1", "call_1", "look", '{"what":"Bonn"}')
        await service.end("resp_1")
        await desk.calls_running(3)
        desk.finish("Rome")
        desk.finish("Bonn")
        await service.next("response.create")
        await service.begin("resp_2")
        await service.say("resp_2", "All were found.")
        await service.end("resp_2")
        await desk.answers(1)

    desk = story(tell, dialect, tmp_path)
    service = desk.service
    assert desk.runs == {"Oslo": 1, "Rome": 1, "Bonn": 1}
    assert len(service.of("response.create")) == 1
    outputs = Counter(item["output"] for item in service.items("function_call_output"))
    told = [item["content"][0]["text"] for item in service.items("message")]
    if dialect == "qwen":  # its calls cannot be put back as items: they are told in words
        assert outputs == {"Oslo was found": 1, "Bonn was found": 1}
        assert [sum(f"returned: {what}" in words for words in told) for what in ("Oslo", "Rome")] == [1, 1]
    else:
        assert outputs == {"Oslo was found": 2, "Rome was found": 1, "Bonn was found": 1}, "Oslo's for both sessions"


async def filled(desk: Desk) -> ToolService:
    """A tool runs, nobody speaks, and the model is asked for a few words outside the conversation."""
    service = await asked(desk)
    await service.begin("resp_1")
    await service.call("resp_1", "call_1", "look", OSLO)
    await service.end("resp_1")
    await desk.calls_running(1)
    wanted = (await service.next("response.create"))["response"]
    assert (wanted["conversation"], wanted["tool_choice"]) == ("none", "none")
    await service.begin("resp_2", aside=True)
    await service.say("resp_2", "Still looking.", ms=400)
    await desk.until(lambda: desk.talk.session.state == "speaking")
    return service


def turns(desk: Desk) -> list[tuple[str, bool, bool]]:
    return [(each.text, each.aside, each.interrupted) for each in desk.notices if isinstance(each, note.AssistantTurn)]


def test_a_filler_is_outside_the_conversation_and_the_result_is_spoken_of_after_it(tmp_path: Path) -> None:
    async def tell(desk: Desk) -> None:
        service = await filled(desk)
        desk.finish("Oslo")
        await service.outputs(1)
        assert len(service.of("response.create")) == 1, "not over the filler"
        await service.end("resp_2")
        assert "conversation" not in (await service.next("response.create")).get("response", {})
        await service.begin("resp_3")
        await service.say("resp_3", "It was found.")
        await service.end("resp_3")
        await desk.answers(2)

    desk = story(tell, "ga", tmp_path, filler_after_ms=100)
    assert turns(desk) == [("Still looking.", True, False), ("It was found.", False, False)]
    assert len(desk.service.of("response.create")) == 2


def test_who_talks_over_a_filler_silences_it_and_is_answered_beside_it(tmp_path: Path) -> None:
    """The service cancels nothing that is outside the conversation: its end comes whenever it comes."""

    async def tell(desk: Desk) -> None:
        service = await filled(desk)
        await service.speech_started("item_2")
        await desk.answers(1)
        await service.speech_stopped("item_2", "can you hear me")
        await service.begin("resp_3")
        await service.say("resp_2", " One moment.")
        await service.say("resp_3", "Of course.")
        await service.end("resp_2")
        await service.end("resp_3")
        await desk.answers(2)
        desk.finish("Oslo")
        await service.outputs(1)
        await service.next("response.create")
        await service.begin("resp_4")
        await service.say("resp_4", "It was found.")
        await service.end("resp_4")
        await desk.answers(3)

    desk = story(tell, "ga", tmp_path, filler_after_ms=100)
    assert turns(desk) == [
        ("Still looking.", True, True),
        ("Of course.", False, False),
        ("It was found.", False, False),
    ]
    assert len(desk.service.of("response.create")) == 2
