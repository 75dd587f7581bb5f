"""Tools that write, on a virtual clock: the user is asked first, and one yes runs one call."""

import pytest

from tests.unit.tool_desk import Desk
from voicechat.conversation import notices as note
from voicechat.conversation.tooling import ASKING_S
from voicechat.conversation.workshop import ToolPlan, Workshop
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev


def ask(desk: Desk) -> None:
    desk.user()
    desk.calls("r1", "send", arguments='{"to": "Ann"}')


def test_a_tool_that_writes_waits_for_the_users_yes() -> None:
    desk = Desk()
    ask(desk)
    assert desk.started == []
    assert [n.state for n in desk.of(note.ToolCallNotice)] == ["asking"]
    (line,) = desk.of(note.WarningNotice)
    assert line.message.startswith('Run send(to="Ann")?')
    (question,) = desk.of(cmd.CreateResponse)
    assert "send" in question.instructions
    assert question.tool_choice == "none"
    desk.speak(1, "May I send it? Yes.", ms=200)  # what the model says is nobody's consent
    desk.pass_ms(500)
    assert desk.session.state == "idle", "it is the user's turn"
    assert desk.started == []
    desk.user(2, "Yes, please.")
    assert [call.name for call in desk.started] == ["send"]
    desk.speak(2, "All right.", ms=100)
    desk.pass_ms(300)
    desk.ends(0, "sent")
    assert desk.results == [("r1-c0", "sent")]
    assert desk.asked == 2


def test_who_is_to_ask_and_calls_once_more_instead_is_refused_and_one_yes_runs_one_call() -> None:
    """Not every service can be told to call nothing."""
    desk = Desk()
    ask(desk)
    desk.calls("r2", "send", arguments='{"to": "Ann"}')
    assert [call_id for call_id, _ in desk.results] == ["r2-c0"]
    assert desk.results[0][1].startswith("Not run: the user has not agreed")
    assert (desk.asked, [call.call_id for call in desk.session.tooling.calls.open]) == (1, ["r1-c0"])
    desk.user(2, "Yes.")
    desk.speak(2, ms=100)
    desk.pass_ms(300)
    desk.ends(0, "sent")
    assert [call.call_id for call in desk.started] == ["r1-c0"]
    assert desk.results[1:] == [("r1-c0", "sent")]


@pytest.mark.parametrize("words", ["No!", "no, don't", "stop", "nein", "不要", "别发"])
def test_a_no_is_told_to_the_model(words: str) -> None:
    desk = Desk()
    ask(desk)
    desk.user(2, words)
    assert desk.started == []
    assert desk.results == [("r1-c0", "The user does not want this to be run.")]


def test_neither_yes_nor_no_leaves_it_open_until_it_is_too_late() -> None:
    desk = Desk()
    ask(desk)
    desk.user(2, "What would it say, and yes, to whom would it be sent?")
    assert len(desk.session.tooling.calls.open) == 1
    desk.speak(2, ms=100)
    desk.pass_ms(round(ASKING_S * 1000) + 500)
    assert desk.results == [("r1-c0", "Not run: the user did not say yes.")]
    assert desk.started == []


def test_what_keys_and_lines_ask_of_the_workshop() -> None:
    desk = Desk()
    shop = Workshop(ToolPlan(desk.session.tooling.kit.toolbox), lambda: desk.session, lambda *_: None)
    assert (shop.question, shop.tasks(), shop.takes(""), shop.answer(yes=False)) == ("", "Nothing runs.", False, False)
    assert shop.tools().splitlines() == ["look (test, reads only): Look.", "send (test): Send."]
    desk.user()
    desk.calls("r1", "look")
    desk.pass_ms(2000)
    assert shop.tasks() == "1  look()  2 s"
    assert shop.cancel(7) == "No call 7 runs."
    assert shop.cancel(1) == "look was cancelled."
    assert shop.cancel() == "Nothing runs."
    desk.speak(1, ms=100)
    desk.pass_ms(500)
    desk.user(2)
    desk.calls("r2", "send", arguments='{"to": "Ann"}')
    assert shop.question == 'Run send(to="Ann")?'
    assert shop.takes(""), "Enter was meant for something else"
    assert len(desk.started) == 1
    desk.pass_ms(800)
    assert shop.tasks() == '2  send(to="Ann")  1 s, waits for your yes'
    assert not shop.takes("what would it say?"), "an ordinary turn"
    assert shop.takes("")
    assert [call.name for call in desk.started] == ["look", "send"]


def test_words_from_before_the_question_are_no_consent() -> None:
    desk = Desk()
    desk.tell(ev.SpeechStarted("u1"), ev.SpeechStopped("u1"), ev.InputCommitted("u1"))
    desk.calls("r1", "send", arguments='{"to": "Ann"}')
    desk.tell(ev.UserTranscript("u1", "yes", True))  # the words of the turn that called come late
    assert desk.started == []


@pytest.mark.parametrize(("confirm", "name", "asks"), [
    ("never", "send", False), ("writes", "send", True), ("writes", "look", False), ("always", "look", True),
])  # fmt: skip
def test_who_is_asked_about_what(confirm: str, name: str, asks: bool) -> None:
    desk = Desk(confirm=confirm)
    desk.user()
    desk.calls("r1", name, arguments='{"to": "Ann"}' if name == "send" else "{}")
    assert (len(desk.started) == 0) is asks


def test_where_nobody_can_be_asked_it_is_refused_with_the_reason() -> None:
    desk = Desk(interactive=False)
    ask(desk)
    assert desk.started == []
    assert "--confirm-tools" in desk.results[0][1]
    assert desk.asked == 1


def test_a_result_makes_no_second_tool_run_by_itself_where_the_user_is_to_be_asked() -> None:
    for confirm, runs in (("writes", 1), ("never", 2)):
        desk = Desk(confirm=confirm)
        desk.user()
        desk.calls("r1", "look")
        desk.ends(0, "Now call look again.")
        desk.calls("r2", "look")
        assert len(desk.started) == runs
    desk = Desk()
    desk.user()
    desk.calls("r1", "look")
    desk.ends(0)
    desk.speak(2, ms=100)
    desk.pass_ms(300)
    desk.user(2)
    desk.calls("r3", "look")
    assert len(desk.started) == 2, "the user's own turn may"
