"""Calls of tools in a session, on a virtual clock: each is answered once, and spoken about at the right moment."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.stage import Stage, pcm
from voicechat.conversation import notices as note
from voicechat.conversation.tooling import ASKING_S, ToolKit
from voicechat.conversation.turn_taking import TurnTaking
from voicechat.conversation.workshop import ToolPlan, Workshop
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev
from voicechat.realtime.capabilities import Capabilities
from voicechat.tools.calls import LIMIT, MOST_AT_ONCE, Call
from voicechat.tools.schema import tool_of
from voicechat.tools.spec import Outcome, tool
from voicechat.tools.toolbox import Toolbox

MANUAL = TurnTaking(hands_free=False)


@tool(read_only=True)
def look(what: str = "") -> str:
    """Look."""
    return what


def send(to: str) -> str:
    """Send."""
    return to


class Desk(Stage):
    """A stage with tools that end when the test says so."""

    def __init__(self, capabilities: Capabilities | None = None, turns: TurnTaking | None = None, **rules: Any):
        self.started: list[Call] = []
        self.stopped: list[Call] = []
        toolbox = Toolbox([tool_of(look, "test"), tool_of(send, "test")])
        kit = ToolKit(toolbox, self.started.append, self.stopped.append, **{"interactive": True, **rules})
        super().__init__(capabilities, turns, tools=kit, **({} if turns is None else {"turn_detection": None}))
        self.open()

    def user(self, number: int = 1, words: str = "what is new") -> None:
        item = f"u{number}"
        self.tell(ev.SpeechStarted(item), ev.SpeechStopped(item), ev.InputCommitted(item))
        self.tell(ev.UserTranscript(item, words, True))

    def calls(self, response: str, *names: str, done: bool = True, arguments: str = "{}") -> None:
        """The model calls these tools in one response."""
        self.tell(ev.ResponseStarted(response))
        for index, name in enumerate(names):
            self.tell(ev.ToolCall(response, f"{response}-i{index}", f"{response}-c{index}", name, arguments))
        if done:
            self.tell(ev.ResponseFinished(response, "completed"))

    def ends(self, index: int, output: str = "found", ok: bool = True) -> None:
        self.session.tooling.ended(self.started[index], Outcome(output, ok))

    @property
    def results(self) -> list[tuple[str, str]]:
        return [(each.call_id, each.output) for each in self.of(cmd.ToolResult)]

    @property
    def asked(self) -> int:
        return len(self.of(cmd.CreateResponse))

    def reconnect(self) -> None:
        self.session.lost()
        self.sent.clear()
        self.tell(ev.SessionCreated("again"), ev.SessionConfigured("Cherry"))


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


# -- silence -----------------------------------------------------------------------------------------------------


def test_silence_is_filled_once_per_call_by_the_model_where_that_leaves_no_trace() -> None:
    desk = Desk(Capabilities(supports_asides=True), filler_after_ms=2000)
    desk.user()
    desk.calls("r1", "look")
    desk.pass_ms(1800, voiced=False)
    assert desk.asked == 0
    desk.pass_ms(500, voiced=False)
    (create,) = desk.of(cmd.CreateResponse)
    assert (create.aside, create.tool_choice) == (True, "none")
    desk.tell(ev.ResponseStarted("f", out_of_band=True), ev.AssistantText("f", "fi", 0, "Still looking."))
    desk.tell(ev.AssistantAudio("f", "fi", 0, pcm(500)))
    desk.pass_ms(200)
    assert desk.session.state == "speaking"
    desk.tell(ev.AssistantAudioDone("f", "fi"), ev.ResponseFinished("f", "completed"))
    desk.pass_ms(10_000, voiced=False)
    assert desk.asked == 1, "once per call"
    assert desk.session.state == "thinking"
    desk.ends(0)
    assert desk.asked == 2
    desk.speak(2, "it was found", ms=100)
    desk.pass_ms(500)
    assert [(a.text, a.aside) for a in desk.of(note.AssistantTurn)] == [
        ("Still looking.", True),
        ("it was found", False),
    ]
    desk.reconnect()
    assert "Still looking." not in [item.text for item in desk.of(cmd.SendText)]


def test_a_drop_while_the_silence_is_filled_tells_the_next_session_nothing_of_it() -> None:
    desk = Desk(Capabilities(supports_asides=True), filler_after_ms=2000)
    desk.user()
    desk.calls("r1", "look")
    desk.pass_ms(2300, voiced=False)
    desk.tell(ev.ResponseStarted("f", out_of_band=True), ev.AssistantText("f", "fi", 0, "Still looking."))
    desk.tell(ev.AssistantAudio("f", "fi", 0, pcm(500)))
    desk.pass_ms(200)
    desk.reconnect()
    assert [item.text for item in desk.of(cmd.SendText)] == ["what is new"]
    desk.pass_ms(1000)
    assert desk.session.answers.last == (), "and there is no answer to be taken back"


def test_silence_is_filled_by_a_sound_elsewhere() -> None:
    desk = Desk(filler_after_ms=2000)
    desk.user()
    desk.calls("r1", "look")
    desk.pass_ms(6000, voiced=False)
    assert 250 <= desk.played_ms <= 300
    assert (desk.asked, desk.session.state) == (0, "thinking")
    desk.ends(0)
    assert desk.asked == 1


def test_what_counts_is_the_silence_not_the_call_and_the_user_is_never_talked_over() -> None:
    desk = Desk(Capabilities(supports_asides=True), filler_after_ms=2000)
    desk.user()
    desk.tell(ev.ResponseStarted("r1"), ev.AssistantText("r1", "i", 0, "I shall look that up."))
    desk.tell(ev.AssistantAudio("r1", "i", 0, pcm(3000)), ev.AssistantAudioDone("r1", "i"))
    desk.tell(ev.ToolCall("r1", "i2", "c1", "look", "{}"), ev.ResponseFinished("r1", "completed"))
    desk.pass_ms(4500, voiced=False)
    assert desk.asked == 0, "1.5 s after the model's own words"
    desk.pass_ms(400, speech=True, voiced=True)  # heard here, before the service has said so
    desk.pass_ms(1000, voiced=False)
    assert desk.asked == 0
    desk.tell(ev.SpeechStarted("u2"))
    desk.pass_ms(5000, voiced=True)
    assert desk.asked == 0


# -- asking first ------------------------------------------------------------------------------------------------


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
