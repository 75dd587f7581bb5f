"""The order of finished turns, by values and a clock that is a number."""

from voicechat.conversation import notices as note
from voicechat.ui.turns import Finished, Turns

USER, ANSWER = note.UserTurn(1, "hello"), note.AssistantTurn(1, "hi", "hi", False, 400)


def told(finished: list[Finished]) -> list[note.Notice]:
    return [each.notice for each in finished]


def test_an_answer_waits_for_the_question_it_answers() -> None:
    turns = Turns()
    turns.add(note.LatencyNotice(1, voice_to_voice_ms=620.0), 0.0)
    turns.add(ANSWER, 0.0)
    assert turns.release(1.9) == []
    assert told(turns.held) == [ANSWER]
    turns.add(USER, 1.9)
    assert told(turns.release(1.9)) == [USER, ANSWER]
    assert turns.held == []


def test_a_greeting_has_no_question_and_waits_two_seconds() -> None:
    turns = Turns()
    turns.add(ANSWER, 10.0)
    assert turns.next_due() == 12.0
    assert told(turns.release(12.0)) == [ANSWER]
    assert turns.next_due() is None


def test_the_latency_may_come_a_moment_later() -> None:
    turns = Turns()
    turns.add(USER, 0.0)
    assert told(turns.release(0.0)) == [USER]
    turns.add(ANSWER, 1.0)
    assert turns.release(1.2) == []
    turns.add(note.LatencyNotice(1, interruption_ms=90.0), 1.2)
    assert turns.release(1.2) == []
    turns.add(note.LatencyNotice(1, first_audio_ms=480.0, first_token_ms=300.0), 1.25)
    assert turns.release(1.25) == [Finished(ANSWER, 1.0, 480.0)]


def test_without_latency_an_answer_is_shown_after_a_moment() -> None:
    turns = Turns()
    turns.add(USER, 0.0)
    turns.add(ANSWER, 1.0)
    assert told(turns.release(1.3)) == [USER, ANSWER]


def test_what_comes_behind_a_waiting_answer_waits_with_it() -> None:
    turns = Turns()
    second = note.UserTurn(2, "and now?")
    turns.add(ANSWER, 0.0)
    turns.add(second, 0.5)
    assert turns.release(0.5) == []
    turns.add(USER, 0.6)
    turns.add(note.LatencyNotice(1, voice_to_voice_ms=1.0), 0.6)
    assert told(turns.release(0.6)) == [USER, ANSWER, second]


def test_partials_are_there_until_the_turn_is_told() -> None:
    turns = Turns()
    turns.add(note.AssistantPartial(1, "hi"), 0.0)
    turns.add(note.UserPartial(1, "hel"), 0.0)
    turns.add(note.UserPartial(2, "wait"), 0.0)
    assert [(p.kind, p.text) for p in turns.partials()] == [
        ("user.partial", "hel"),
        ("assistant.partial", "hi"),
        ("user.partial", "wait"),
    ]
    turns.add(USER, 0.1)
    turns.add(ANSWER, 0.1)
    turns.add(note.UserPartial(1, "late"), 0.2)
    assert [p.text for p in turns.partials()] == ["wait"]


def test_an_answer_without_words_is_no_line_unless_something_went_wrong() -> None:
    turns = Turns()
    turns.add(USER, 0.0)
    turns.add(note.AssistantTurn(1, "", "", False, 0), 0.0)
    assert told(turns.release_all()) == [USER]
    failed = note.AssistantTurn(1, "", "", False, 0, "failed")
    turns.add(failed, 0.0)
    assert told(turns.release_all()) == [failed]
