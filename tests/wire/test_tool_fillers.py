"""Words that fill the silence of a tool, over a real socket: outside the conversation, and never over the user."""

from pathlib import Path

from tests.wire.tool_service import ToolService
from tests.wire.tool_talk import OSLO, Desk, asked, story
from voicechat.conversation import notices as note


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
