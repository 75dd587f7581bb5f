"""What a new session is told: in order, as heard, and not more than it can take."""

from voicechat.conversation.history import MOST_CHARS, History
from voicechat.conversation.notices import AssistantTurn, UserTurn


def test_late_words_of_the_user_stand_before_the_answer_to_them() -> None:
    history = History()
    history.add(AssistantTurn(1, "Fine, and you?", "Fine,", True, 500))
    history.add(UserTurn(1, "how are you"))
    assert history.items() == [("user", "how are you"), ("assistant", "Fine,")]
    assert history.has_user_words(1)
    assert not history.has_user_words(2)


def test_nothing_is_told_of_what_was_not_understood_or_not_heard() -> None:
    history = History()
    history.add(UserTurn(1, ""))
    history.add(AssistantTurn(1, "unheard", "", True, 0))
    assert history.items() == []
    assert history.whole


def test_the_oldest_is_left_out_when_it_is_too_much() -> None:
    history = History()
    for turn in range(1, 11):
        history.add(UserTurn(turn, f"{turn}".ljust(MOST_CHARS // 4, ".")))
    assert [text.rstrip(".") for _, text in history.items()] == ["7", "8", "9", "10"]
    assert not history.whole
