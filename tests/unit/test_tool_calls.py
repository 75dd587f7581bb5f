"""Calls of tools in a session, on a virtual clock: each is answered once, and spoken about at the right moment."""

from collections.abc import Callable

import pytest

from tests.unit.stage import pcm
from tests.unit.tool_desk import Desk
from voicechat.conversation import notices as note
from voicechat.conversation.turn_taking import TurnTaking
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev
from voicechat.realtime.capabilities import Capabilities
from voicechat.tools.calls import LIMIT, MOST_AT_ONCE

MANUAL = TurnTaking(hands_free=False)


def test_a_session_is_told_of_its_tools() -> None:
    desk = Desk()
    desk.reconnect()
    (configure,) = desk.of(cmd.Configure)
    assert [each.name for each in configure.config.tools] == ["look", "send"]
    deaf = Desk(Capabilities(supports_tools=False))
    deaf.reconnect()
    assert deaf.of(cmd.Configure)[0].config.tools == ()


def test_calls_of_one_response_run_side_by_side_and_lead_to_one_answer() -> None:
    desk = Desk(confirm="never")
    desk.user()
    desk.calls("r1", "look", "send", "look", done=False, arguments='{"to": "x"}')
    assert [call.name for call in desk.started] == ["send"], "what look is given is not what it takes"
    assert [output.split(".")[0] for _, output in desk.results] == ["Invalid arguments", "Invalid arguments"]
    desk = Desk()
    desk.user()
    desk.calls("r1", "look", "look", "look", done=False)
    assert [call.number for call in desk.started] == [1, 2, 3]
    desk.ends(1)
    desk.ends(0)
    assert desk.results == [("r1-c1", "found"), ("r1-c0", "found")], "each as it ends"
    desk.tell(ev.ResponseFinished("r1", "completed"))
    assert desk.asked == 0
    assert desk.session.state == "thinking"
    desk.ends(2)
    assert desk.asked == 1
    desk.pass_ms(1000)
    desk.speak(2, ms=100)
    desk.pass_ms(500)
    assert (desk.asked, desk.session.state, desk.session.settled) == (1, "idle", True)
    assert [(n.call, n.state) for n in desk.of(note.ToolCallNotice)] == [(1, "running"), (2, "running"), (3, "running")]
    assert sorted((n.call, n.ok, n.turn) for n in desk.of(note.ToolNotice)) == [
        (1, True, 1),
        (2, True, 1),
        (3, True, 1),
    ]


def test_an_answer_is_asked_for_after_the_end_of_the_response_that_called() -> None:
    desk = Desk()
    desk.user()
    desk.calls("r1", "look", done=False)
    desk.ends(0)
    desk.pass_ms(500)
    assert desk.asked == 0
    desk.tell(ev.ResponseFinished("r1", "completed"))
    assert desk.asked == 1


def test_a_call_that_is_told_twice_and_a_result_that_comes_twice_count_once() -> None:
    desk = Desk()
    desk.user()
    desk.calls("r1", "look", done=False)
    desk.tell(ev.ToolCall("r1", "i", "r1-c0", "look", "{}"), ev.ResponseFinished("r1", "completed"))
    desk.ends(0)
    desk.ends(0, "again")
    assert (len(desk.started), desk.results, desk.asked) == (1, [("r1-c0", "found")], 1)


def test_the_user_talks_while_a_tool_runs_and_its_result_is_spoken_after() -> None:
    desk = Desk()
    desk.user()
    desk.calls("r1", "look")
    desk.pass_ms(500)
    desk.user(2, "meanwhile, hello")
    desk.speak(2, ms=1000, finish=False)
    desk.pass_ms(200)
    desk.ends(0)
    assert desk.results == [("r1-c0", "found")], "handed over at once"
    assert desk.asked == 0, "not into the answer that is running"
    desk.tell(ev.AssistantAudioDone("resp2", "item2"), ev.ResponseFinished("resp2", "completed"))
    assert desk.asked == 1
    desk.speak(3, "it was found", ms=300)
    desk.pass_ms(2000)
    assert [a.text for a in desk.of(note.AssistantTurn)] == ["one two three four", "it was found"]
    assert not any(a.interrupted for a in desk.of(note.AssistantTurn))


def test_never_into_the_users_words() -> None:
    desk = Desk()
    desk.user()
    desk.calls("r1", "look")
    desk.tell(ev.SpeechStarted("u2"))
    desk.ends(0)
    desk.pass_ms(3000, voiced=True)
    assert desk.asked == 0
    desk.tell(ev.SpeechStopped("u2"), ev.InputCommitted("u2"))
    desk.pass_ms(300)
    assert desk.asked == 0, "the service answers by itself, and knows the result"
    desk.speak(2, ms=100)
    desk.pass_ms(3000)
    assert desk.asked == 0
    assert desk.session.settled


@pytest.mark.parametrize("silence", [lambda desk: desk.session.interrupt(), lambda desk: desk.user(2)])
def test_the_result_of_an_answer_that_was_silenced_is_handed_over_without_a_word(
    silence: Callable[[Desk], None],
) -> None:
    desk = Desk()
    desk.user()
    desk.tell(ev.ResponseStarted("resp1"), ev.AssistantAudio("resp1", "item1", 0, pcm(3000)))
    desk.tell(ev.AssistantText("resp1", "item1", 0, "let me look that up for you"))
    desk.tell(ev.ToolCall("resp1", "i", "c1", "look", "{}"))
    desk.pass_ms(500)
    silence(desk)
    desk.tell(ev.ResponseFinished("resp1", "cancelled"))
    if desk.session.turn == 2:
        desk.speak(2, ms=100)
    desk.pass_ms(500)
    assert desk.stopped == [], "it is not cancelled by that"
    desk.ends(0)
    desk.pass_ms(3000)
    assert (desk.results, desk.asked) == ([("c1", "found")], 0)
    assert desk.session.settled


def test_a_key_while_a_tool_runs_silences_its_result() -> None:
    desk = Desk()
    desk.user()
    desk.calls("r1", "look")
    desk.pass_ms(500)
    desk.session.interrupt()
    assert desk.session.state == "idle"
    desk.ends(0)
    desk.pass_ms(3000)
    assert (desk.results, desk.asked, desk.stopped) == ([("r1-c0", "found")], 0, [])
    desk.user(2)
    desk.calls("r2", "look")
    desk.session.interrupt()
    desk.session.say("never mind")
    assert desk.asked == 1, "nothing else is on its way"


def test_a_turn_that_is_being_recorded_is_not_spoken_into() -> None:
    desk = Desk(turns=MANUAL)
    desk.session.say("look")
    desk.calls("r1", "look")
    desk.session.begin_turn()
    desk.pass_ms(500, voiced=True)
    desk.ends(0)
    desk.pass_ms(500, voiced=True)
    assert desk.asked == 1, "for the typed line"
    desk.session.end_turn()
    assert desk.asked == 2, "for the spoken turn, which knows the result"
    desk.speak(2, ms=100)
    desk.pass_ms(500)
    assert (desk.asked, desk.session.settled) == (2, True)


def test_a_call_that_comes_after_the_interruption_is_not_run() -> None:
    desk = Desk()
    desk.user()
    desk.speak(1, finish=False)
    desk.pass_ms(300)
    desk.session.interrupt()
    desk.tell(ev.ToolCall("resp1", "i", "c1", "look", "{}"), ev.ResponseFinished("resp1", "cancelled"))
    assert desk.started == []
    assert desk.results == [("c1", "Not run: the user interrupted.")]


@pytest.mark.parametrize("items", [True, False])
def test_a_call_over_a_drop_runs_once_and_its_result_reaches_the_next_session(items: bool) -> None:
    desk = Desk(Capabilities(supports_call_items=items))
    desk.user()
    desk.calls("1:r1", "look", "look", done=False, arguments='{"what": "x"}')
    desk.ends(0, "first")
    desk.reconnect()
    pair = [cmd.SendToolCall("call-1", "look", '{"what": "x"}'), cmd.ToolResult("call-1", "first")]
    words = [cmd.SendText('(The tool look was called with {"what": "x"} and returned: first)')]
    assert desk.sent[1:] == [cmd.SendText("what is new"), *(pair if items else words)]
    assert (len(desk.started), desk.session.state) == (2, "thinking")
    desk.pass_ms(1000)
    assert desk.asked == 0, "it would be called a second time"
    desk.ends(1, "second")
    again = [cmd.SendToolCall("call-2", "look", '{"what": "x"}'), cmd.ToolResult("call-2", "second")]
    told = [cmd.SendText('(The tool look was called with {"what": "x"} and returned: second)')]
    assert desk.sent[-1 - len(again if items else told) :] == [*(again if items else told), cmd.CreateResponse()]
    desk.speak(2, ms=100)
    desk.pass_ms(500)
    assert desk.session.settled


def test_a_result_that_comes_while_the_line_is_down_waits_for_the_next_session() -> None:
    desk = Desk()
    desk.user()
    desk.calls("1:r1", "look")
    desk.session.lost()
    desk.sent.clear()
    desk.ends(0)
    desk.pass_ms(300)
    assert desk.sent == []
    desk.tell(ev.SessionCreated("again"), ev.SessionConfigured("Cherry"))
    assert desk.results == [("call-1", "found")]
    desk.pass_ms(200)
    assert desk.asked == 1


def test_a_drop_before_the_answer_about_a_result_asks_for_that_answer_and_for_no_call() -> None:
    desk = Desk()
    desk.tell(ev.SpeechStarted("u1"), ev.SpeechStopped("u1"))  # whose words are never told
    desk.calls("1:r1", "look")
    desk.ends(0)
    assert desk.asked == 1
    desk.reconnect()
    assert desk.results == [("call-1", "found")]
    assert desk.asked == 1
    assert desk.of(cmd.AppendAudio) == []


def test_a_service_that_goes_on_by_itself_is_not_asked_twice() -> None:
    desk = Desk()
    desk.user()
    desk.calls("r1", "look")
    desk.ends(0)
    desk.tell(ev.ResponseStarted("r2"))  # its own idea, on its way when we asked
    desk.tell(ev.ServiceError("busy", "conversation_already_has_active_response", "benign"))
    desk.tell(ev.AssistantText("r2", "i2", 0, "found"), ev.ResponseFinished("r2", "completed"))
    desk.pass_ms(3000)
    assert desk.asked == 1
    assert desk.session.settled


def test_calls_in_a_row_without_a_word_come_to_an_end() -> None:
    desk = Desk(most_in_a_row=3, confirm="never")
    desk.user()
    for number in range(1, 20):
        asked = desk.asked
        desk.calls(f"r{number}", "look")
        if len(desk.started) == number:
            desk.ends(-1)
        if desk.asked == asked:
            break
    assert len(desk.started) == 3
    assert [create.tool_choice for create in desk.of(cmd.CreateResponse)] == ["", "", "none", "none", "none", "none"]
    assert desk.results[3][1] == LIMIT
    assert desk.session.settled
    desk.user(2)
    desk.calls("later", "look")
    assert len(desk.started) == 4, "a turn of the user begins to count anew"


def test_no_more_than_so_many_run_at_once() -> None:
    desk = Desk(most_in_a_row=100)
    desk.user()
    desk.calls("r1", *["look"] * (MOST_AT_ONCE + 1))
    assert len(desk.started) == MOST_AT_ONCE
    assert "run already" in desk.results[0][1]


def test_arguments_that_are_no_object_are_told_to_the_model() -> None:
    for arguments, words in (("[1]", "no JSON object"), ("{", "no JSON"), ("[" * 100_000, "no JSON"), ("", "")):
        desk = Desk()
        desk.user()
        desk.calls("r1", "look", arguments=arguments)
        assert (words in desk.results[0][1]) if words else len(desk.started) == 1


def test_a_call_that_is_cancelled_is_told_and_spoken_about() -> None:
    desk = Desk()
    desk.user()
    desk.calls("r1", "look")
    desk.session.tooling.cancel(desk.session.tooling.calls.open[0])
    assert desk.stopped == desk.started
    assert (desk.results, desk.asked) == ([("r1-c0", "Cancelled by the user.")], 1)
    desk.ends(0, "too late")
    assert len(desk.results) == 1


def test_what_runs_at_the_end_is_cancelled_and_the_model_told_before_the_last_word() -> None:
    desk = Desk()
    desk.user()
    desk.calls("r1", "look")
    desk.session.finish()
    assert desk.stopped == desk.started
    assert desk.sent[-2:] == [cmd.ToolResult("r1-c0", "Cancelled: the conversation has ended."), cmd.Finish()]
    desk.pass_ms(1000)
    desk.calls("r2", "look")
    desk.pass_ms(1000)
    assert (desk.asked, len(desk.started)) == (0, 1), "nothing begins any more"


def test_a_tool_that_runs_long_is_no_answer_that_does_not_come() -> None:
    desk = Desk()
    desk.user()
    desk.calls("r1", "look")
    desk.pass_ms(60_000)
    assert desk.of(note.WarningNotice) == []
    assert not desk.session.settled
    desk.ends(0)
    desk.pass_ms(25_000)
    assert [w.code for w in desk.of(note.WarningNotice)] == ["no_answer"], "that of the service is missed"
