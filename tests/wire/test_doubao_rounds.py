"""Which replies are heard, from hand-written bytes: after our own interruptions, and whatever ids the service gives."""

import pytest

from tests.wire.doubao_codec import PCM, VAD, Call, ended, made_up, meaning, speaking, vad
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev


def silent(call: Call, **ids: str) -> bool:
    """A whole reply with these ids comes to nothing."""
    events = call.server(350, tts_type="default", **ids) + call.server(550, content="late", **ids)
    return meaning(events + call.audio(PCM) + call.server(559, **ids) + call.server(359, **ids)) == []


def sounding(call: Call, **ids: str) -> bool:
    """A whole reply with these ids comes through, under its name or a new one."""
    *said, began, sound, ended = call.server(350, tts_type="default", **ids) + call.audio(PCM) + call.server(359, **ids)
    assert isinstance(began, ev.ResponseStarted)
    assert not any(hasattr(event, "response_id") for event in said)
    name = ids.get("reply_id") or made_up(began)
    assert began.response_id == name
    return [sound, ended] == [ev.AssistantAudio(name, name, 0, PCM), ev.ResponseFinished(name, "completed")]


def asked(call: Call, text: str) -> None:
    call.client(cmd.SendText(text))
    assert call.client(cmd.CreateResponse()) == [(501, {"content": text})]


@pytest.mark.parametrize("ids", [True, False], ids=["ids", "no ids"])
def test_a_reply_that_was_cancelled_before_it_began_is_never_heard(ids: bool) -> None:
    call = vad()
    call.server(450, **({"question_id": "q-1"} if ids else {}))
    call.server(459)
    call.client(cmd.CancelResponse())
    old, new = ({"question_id": f"q-{n}", "reply_id": f"r-{n}"} if ids else {} for n in (1, 2))
    assert silent(call, **old)
    call.server(450, **({"question_id": "q-2"} if ids else {}))
    assert silent(call, **old)
    call.server(459)
    assert sounding(call, **new)


def test_a_cancel_while_the_user_speaks_is_about_the_reply_before() -> None:
    call = speaking(vad())
    call.server(450, question_id="q-2")
    call.client(cmd.CancelResponse("r-1"))
    call.server(459)
    assert sounding(call, question_id="q-2", reply_id="r-2")


@pytest.mark.parametrize("ids", [True, False], ids=["ids", "no ids"])
@pytest.mark.parametrize("early", [True, False], ids=["confirmed before", "confirmed after"])
def test_a_question_that_was_cancelled_for_another_has_no_reply(ids: bool, early: bool) -> None:
    call = Call(turn_detection=None).open()
    old, new = ({"question_id": f"q-{n}", "reply_id": f"r-{n}"} if ids else {} for n in (1, 2))
    confirmed = [{"question_id": reply["question_id"]} if ids else {} for reply in (old, new)]
    asked(call, "first")
    if early:
        call.server(553, **confirmed[0])
    call.client(cmd.CancelResponse())
    asked(call, "second")
    if not early:
        assert call.server(553, **confirmed[0]) == [ev.ItemAdded("~input-1", "user")]
    assert silent(call, **old)
    call.server(553, **confirmed[1])
    assert sounding(call, **new)


def test_without_ids_a_reply_that_was_cancelled_is_late_until_the_new_question_is_confirmed() -> None:
    call = speaking(Call(turn_detection=VAD).open(), "")
    call.client(cmd.CancelResponse())
    (cancelled,) = call.server(351)
    assert cancelled == ev.ResponseFinished(made_up(cancelled), "cancelled")
    asked(call, "next")
    assert silent(call)
    call.server(553)
    assert sounding(call)


def test_a_question_that_was_refused_does_not_take_the_next_ones_confirmation() -> None:
    call = Call(turn_detection=None).open()
    asked(call, "first")
    call.client(cmd.CancelResponse())
    call.server(599, status_code="45000001", message="invalid request")
    asked(call, "second")
    call.server(553, question_id="q-2")
    assert sounding(call, question_id="q-2", reply_id="r-2")


@pytest.mark.parametrize("announced", ["before", "after", "never"])
def test_of_two_turns_that_the_client_ends_the_cancelled_one_has_no_reply(announced: str) -> None:
    """450 may come while the user holds the key, after that, or not at all."""
    call = Call(turn_detection=None, source="push_to_talk").open()

    def turn(number: int, cancel: bool) -> None:
        if announced == "before":
            call.server(450, question_id=f"q-{number}")
        call.client(cmd.CommitAudio())
        if cancel:
            call.client(cmd.CancelResponse())
        if announced == "after":
            call.server(450, question_id=f"q-{number}")
        call.server(451, results=[{"text": f"turn {number}"}])
        call.server(459)

    turn(1, True)
    assert silent(call, question_id="q-1", reply_id="r-1")
    turn(2, False)
    if announced != "never":
        assert silent(call, question_id="q-1", reply_id="r-1")
    assert sounding(call, question_id="q-2", reply_id="r-2")


def test_without_450_the_words_are_not_those_of_an_earlier_question() -> None:
    call = Call(turn_detection=None, source="push_to_talk").open()
    asked(call, "typed")
    call.server(553, question_id="q-1")
    call.server(350, question_id="q-1", reply_id="r-1")
    call.server(359, question_id="q-1", reply_id="r-1")
    for _ in range(2):
        early = call.server(451, results=[{"text": "hel"}])  # while the key is held
        assert isinstance(early[0], ev.UserTranscript)
        item = early[0].item_id
        assert item.startswith("~input")
        call.client(cmd.CommitAudio())
        assert call.server(451, results=[{"text": "hello"}]) == [ev.UserTranscript(item, "hello", False)]
        assert call.server(459) == ended(item, "hello")
    call.server(450, question_id="q-2")
    call.client(cmd.CommitAudio("turn-9"))
    call.server(451, results=[{"text": "bye"}])
    assert call.server(459) == ended("turn-9", "bye")
    assert call.server(350, question_id="q-2", reply_id="r-2") == [ev.ResponseStarted("r-2", "turn-9")]
    call.client(cmd.CommitAudio("turn-10"))
    assert call.server(451, results=[{"text": "again"}]) == [
        ev.ResponseFinished("r-2", "incomplete"),  # whose end has not come
        ev.UserTranscript("turn-10", "again", False),
    ]


@pytest.mark.parametrize("ids", [True, False], ids=["ids", "no ids"])
def test_a_reply_without_an_end_is_over_when_we_end_the_next_turn(ids: bool) -> None:
    call = Call(turn_detection=None).open()
    names = []
    for number in (1, 2):
        call.client(cmd.CommitAudio(f"turn-{number}"))
        call.server(459)
        reply = {"question_id": f"q-{number}", "reply_id": f"r-{number}"} if ids else {}
        events = call.server(350, **reply)
        names += [event.response_id for event in events if isinstance(event, ev.ResponseStarted)]
    assert len(set(names)) == 2


def test_words_that_still_come_are_a_turn_without_450() -> None:
    call = vad()
    (late,) = call.server(451, results=[{"text": "late", "is_interim": False}])
    assert isinstance(late, ev.UserTranscript)
    began, words = call.server(451, results=[{"text": "hello", "is_interim": True}])
    assert isinstance(began, ev.SpeechStarted)
    assert words == ev.UserTranscript(began.item_id, "hello", False)
    assert call.server(459) == ended(began.item_id, "hello")


def test_the_words_of_a_turn_are_its_own_although_the_next_was_committed_already() -> None:
    call = Call(turn_detection=None, source="push_to_talk").open()
    call.client(cmd.CommitAudio("turn-1"))
    call.client(cmd.CommitAudio("turn-2"))
    for name in ("turn-1", "turn-2"):
        call.server(451, results=[{"text": name}])
        assert call.server(459) == ended(name, name)


def test_a_confirmation_that_comes_after_its_reply_has_begun_does_not_end_it() -> None:
    call = Call(turn_detection=None).open()
    asked(call, "hello")
    ids = {"question_id": "q", "reply_id": "r"}
    assert call.server(350, **ids) == [ev.ResponseStarted("r", "~input-1")]
    assert call.server(553, question_id="q") == [ev.ItemAdded("~input-1", "user")]
    assert call.audio(PCM) == [ev.AssistantAudio("r", "r", 0, PCM)]
    assert call.server(359, **ids) == [ev.ResponseFinished("r", "completed")]


def test_what_is_said_in_place_of_an_answer_that_must_not_be_given_has_words() -> None:
    call = vad()
    call.server(450, question_id="q")
    call.server(459)
    ids = {"question_id": "q", "reply_id": "r"}
    risky = {"tts_type": "audit_content_risky", **ids}
    assert call.server(350, text="换个话题", **risky) == [
        ev.ResponseStarted("r", "q"),
        ev.AssistantText("r", "r", 0, "换个话题"),
    ]
    assert call.server(550, content="换个话题", **ids) == [], "once"
    assert call.server(350, text="吧。", **risky) == [ev.AssistantText("r", "r", 0, "吧。")]
    assert call.server(350, text="吧。", **(ids | {"tts_type": "default"})) == []
