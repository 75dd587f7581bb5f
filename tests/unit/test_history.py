"""What a new session is told: in order, as heard, and not more than it can take."""

from voicechat.conversation.history import History
from voicechat.text.window import MOST_ITEMS, MOST_TOKENS


def test_late_words_of_the_user_stand_before_the_answer_to_them() -> None:
    history = History()
    history.add(1, "assistant", "Fine,")
    history.add(1, "user", "how are you")
    assert history.items() == [("user", "how are you"), ("assistant", "Fine,")]
    assert history.knows_question(1)
    assert not history.knows_question(2)


def test_late_words_stand_before_every_part_of_the_answer_and_after_the_turn_before() -> None:
    history = History()
    for turn, role, text in (
        (1, "user", "first"),
        (2, "assistant", "part a"),
        (3, "user", "third"),
        (2, "assistant", "part b"),
        (2, "user", "the question"),
    ):
        history.add(turn, role, text)  # type: ignore[arg-type]
    assert [text for _, text in history.items()] == ["first", "the question", "part a", "part b", "third"]


def test_nothing_is_told_of_what_was_not_understood_or_not_heard() -> None:
    history = History()
    history.add(1, "user", "")
    history.add(1, "assistant", " ")
    assert history.items() == []
    assert history.whole


def test_the_oldest_is_left_out_when_it_is_too_much() -> None:
    history = History()
    for turn in range(1, 11):
        history.add(turn, "user", f"{turn}".ljust(MOST_TOKENS, "."))
    assert [text.rstrip(".") for _, text in history.items()] == ["7", "8", "9", "10"]
    assert not history.whole


def test_no_more_is_kept_than_is_told() -> None:
    history = History()
    for turn in range(1, 3 * MOST_ITEMS):
        history.add(turn, "user", f"{turn}")
    assert [text for _, text in history.items()] == [f"{turn}" for turn in range(2 * MOST_ITEMS, 3 * MOST_ITEMS)]
