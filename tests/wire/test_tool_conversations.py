"""Tools over a real socket, in GA, Beta and Qwen: whatever a service does, a call is run once and answered once.

A whole conversation (`Talk`) with its line, codec and runner, in this process, without devices and without a program
to start; the service is led frame by frame (tests/wire/tool_service.py) and notes what it must never be sent.
"""

from collections import Counter
from pathlib import Path

from tests.wire.tool_talk import OSLO, Desk, asked, every_dialect, story
from voicechat.conversation import notices as note


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
