"""What a drop leaves behind: answers that are asked for again have one end, and the line forgets old wishes."""

import pytest

from tests.unit.stage import Stage, pcm
from voicechat.archive.lines import Called
from voicechat.archive.past import Spoken
from voicechat.conversation import notices as note
from voicechat.conversation.turn_taking import TurnTaking
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev
from voicechat.realtime.capabilities import Capabilities

MANUAL = TurnTaking(hands_free=False)


def reconnected(stage: Stage) -> None:
    stage.session.lost()
    stage.pass_ms(500)
    stage.tell(ev.SessionCreated("again"), ev.SessionConfigured("Cherry"))


@pytest.mark.parametrize("text", ["", "one two"])
def test_an_answer_nothing_was_heard_of_is_asked_for_again_and_ends_once(text: str) -> None:
    stage = Stage().open()
    stage.session.say("hello")
    stage.tell(ev.ResponseStarted("lost"))
    if text:
        stage.tell(ev.AssistantText("lost", "item0", 0, text))
    reconnected(stage)
    assert stage.of(note.AssistantTurn) == []
    assert len(stage.of(cmd.CreateResponse)) == 2
    stage.tell(ev.AssistantAudio("lost", "item0", 0, pcm(500)))  # nothing may be played of it
    stage.speak(1)
    stage.pass_ms(1500)
    assert [(turn.turn, turn.text, turn.status) for turn in stage.of(note.AssistantTurn)] == [
        (1, "one two three four", "completed")
    ]
    assert stage.played_ms == 1000
    assert [command.text for command in stage.of(cmd.SendText)] == ["hello", "hello"]
    assert stage.session.state == "idle"


def test_an_answer_that_was_being_heard_ends_with_what_there_was() -> None:
    stage = Stage().open()
    stage.session.say("hello")
    stage.speak(1, finish=False)
    stage.pass_ms(200)
    reconnected(stage)
    stage.pass_ms(1500)
    assert [(turn.heard, turn.status) for turn in stage.of(note.AssistantTurn)] == [
        ("one two three four", "incomplete")
    ]
    assert len(stage.of(cmd.CreateResponse)) == 1


def sent_ms(stage: Stage) -> int:
    """How much sound was sent, of 10 ms each."""
    return 10 * len(stage.of(cmd.AppendAudio))


def test_the_new_session_knows_the_answer_that_is_still_being_played() -> None:
    stage = Stage().open()
    stage.session.say("hello")
    stage.speak(1, ms=4000, finish=False)
    stage.pass_ms(300)
    reconnected(stage)
    told = [(item.role, item.text) for item in stage.of(cmd.SendText)[1:]]
    assert told == [("user", "hello"), ("assistant", "one two three four")]
    assert stage.session.restorer.complete


def test_a_manual_turn_that_is_begun_while_the_line_is_down_is_sent_from_its_beginning() -> None:
    stage = Stage(turn_taking=MANUAL, turn_detection=None).open()
    stage.session.lost()
    stage.session.begin_turn()
    stage.pass_ms(2000, voiced=True)
    stage.tell(ev.SessionCreated("again"), ev.SessionConfigured("Cherry"))
    stage.pass_ms(500, voiced=True)
    stage.session.end_turn()
    assert sent_ms(stage) == 2500
    assert [type(command) for command in stage.sent[-2:]] == [cmd.CommitAudio, cmd.CreateResponse]


def test_a_manual_turn_held_while_the_line_is_down_is_sent_without_the_one_before() -> None:
    stage = Stage(turn_taking=MANUAL, turn_detection=None).open()
    stage.session.begin_turn()
    stage.pass_ms(1000, voiced=True)
    stage.session.end_turn()
    stage.speak(1, ms=1000)
    stage.pass_ms(1500)
    stage.session.lost()
    stage.session.begin_turn()
    stage.pass_ms(2000, voiced=True)
    stage.session.end_turn()
    stage.sent.clear()
    stage.tell(ev.SessionCreated("again"), ev.SessionConfigured("Cherry"))
    assert sent_ms(stage) == 2000
    assert [type(command) for command in stage.sent[-2:]] == [cmd.CommitAudio, cmd.CreateResponse]


def test_a_turn_begun_while_an_answer_was_owed_takes_its_place() -> None:
    stage = Stage(turn_taking=MANUAL, turn_detection=None).open()
    stage.session.say("hello")
    stage.session.lost()
    stage.session.begin_turn()
    stage.pass_ms(500, voiced=True)
    stage.sent.clear()
    stage.tell(ev.SessionCreated("again"), ev.SessionConfigured("Cherry"))
    assert stage.of(cmd.CreateResponse) == []
    assert stage.session.recording
    assert sent_ms(stage) == 500


def test_speech_into_a_line_that_nobody_knew_was_dead_is_sent_again() -> None:
    stage = Stage().open()
    stage.pass_ms(5000, voiced=False)
    stage.pass_ms(3000, voiced=True)
    stage.pass_ms(2000, voiced=False)
    stage.sent.clear()
    reconnected(stage)
    assert sent_ms(stage) == pytest.approx(5500, abs=20)


def test_speech_that_the_service_has_answered_is_not_sent_again() -> None:
    stage = Stage().open()
    stage.pass_ms(1000, voiced=True)
    stage.tell(ev.SpeechStarted("u1"), ev.SpeechStopped("u1"))
    stage.speak(1, ms=500)
    stage.pass_ms(2000, voiced=False)
    stage.sent.clear()
    reconnected(stage)
    assert sent_ms(stage) == 0


def test_a_second_drop_sends_the_same_speech_once_more() -> None:
    stage = Stage().open()
    stage.session.lost()
    stage.pass_ms(3000, voiced=True)
    stage.tell(ev.SessionCreated("two"), ev.SessionConfigured("Cherry"))
    stage.pass_ms(500, voiced=False)
    for name, heard in (("three", False), ("four", True)):
        if heard:
            stage.tell(ev.SpeechStarted("u1"))
            stage.pass_ms(200, voiced=False)
        stage.sent.clear()
        stage.session.lost()
        stage.tell(ev.SessionCreated(name), ev.SessionConfigured("Cherry"))
        assert sent_ms(stage) >= 3500, name


def test_what_the_user_has_given_up_is_not_asked_for_again() -> None:
    stage = Stage().open()
    stage.session.say("hello")
    stage.session.lost()
    stage.session.interrupt()
    stage.sent.clear()
    stage.tell(ev.SessionCreated("again"), ev.SessionConfigured("Cherry"))
    assert stage.of(cmd.CreateResponse) == []
    assert stage.session.settled


def test_a_local_turn_held_while_the_line_is_down_is_committed() -> None:
    stage = Stage(turn_taking=TurnTaking(local_turns=True), turn_detection=None).open()
    stage.session.lost()
    stage.pass_ms(1000, voiced=True)
    stage.pass_ms(1000, voiced=False)
    stage.sent.clear()
    stage.tell(ev.SessionCreated("again"), ev.SessionConfigured("Cherry"))
    assert len(stage.of(cmd.CommitAudio)) == 1
    assert len(stage.of(cmd.CreateResponse)) == 1
    assert sum(len(command.pcm) for command in stage.of(cmd.AppendAudio)) >= len(pcm(1400))


def test_where_nobody_may_interrupt_the_sound_over_an_answer_is_not_sent_after_a_drop_either() -> None:
    stage = Stage(turn_taking=TurnTaking(barge_in=False)).open()
    stage.session.say("hello")
    stage.speak(1, ms=5000, finish=False)
    stage.pass_ms(500)
    stage.session.lost()
    stage.pass_ms(1000, voiced=True)
    stage.sent.clear()
    stage.tell(ev.SessionCreated("again"), ev.SessionConfigured("Cherry"))
    assert not any(any(command.pcm) for command in stage.of(cmd.AppendAudio))


def test_speech_that_was_not_transcribed_is_sent_again() -> None:
    stage = Stage().open()
    stage.session.say("hello")
    stage.speak(1, ms=100)
    stage.pass_ms(200)
    stage.tell(ev.SpeechStarted("u1"))
    stage.pass_ms(1000, voiced=True)
    stage.tell(ev.SpeechStopped("u1"), ev.UserTranscriptFailed("u1", "no model"))
    stage.sent.clear()
    reconnected(stage)
    assert stage.of(cmd.CreateResponse) == []
    assert sent_ms(stage) >= 1000
    assert stage.session.state == "listening"


def test_a_greeting_that_was_not_heard_is_spoken_after_the_drop() -> None:
    stage = Stage(greeting="Welcome!")
    stage.tell(ev.SessionCreated("sess"), ev.SessionConfigured("Cherry"))
    reconnected(stage)
    assert [create.words for create in stage.of(cmd.CreateResponse)] == ["Welcome!", "Welcome!"]


# --- An earlier conversation, which goes on ---

EARLIER = (Spoken("user", "My name is Ada."), Spoken("assistant", "Hello Ada."), Spoken("user", "Thank you."))


def continued(capabilities: Capabilities | None = None, **config: object) -> Stage:
    stage = Stage(capabilities, past=EARLIER, **config)
    stage.tell(ev.SessionCreated("sess"), ev.SessionConfigured("Cherry"))
    return stage


def test_the_first_session_of_a_conversation_that_goes_on_is_told_the_earlier_one() -> None:
    stage = continued(greeting="Good morning!")
    assert [(told.role, told.text) for told in stage.of(cmd.SendText)] == [said[:2] for said in EARLIER]
    assert stage.of(cmd.CreateResponse) == []  # nobody is greeted twice
    assert (stage.session.settled, stage.session.turn) == (True, 0)
    assert stage.session.restorer.complete


def test_a_service_that_takes_no_items_has_the_earlier_conversation_in_its_instructions() -> None:
    stage = continued(Capabilities(supports_restoring=False), instructions="Be kind.")
    assert stage.of(cmd.SendText) == []
    told = stage.of(cmd.Configure)[0].config.instructions
    assert told.startswith("Be kind.")
    assert told.endswith("User: My name is Ada.\nYou: Hello Ada.\nUser: Thank you.")


@pytest.mark.parametrize("kind", ["items", "words", "instructions", "no tools"])
def test_a_call_of_the_earlier_conversation_comes_with_its_result(kind: str) -> None:
    capabilities = Capabilities(
        supports_call_items=kind != "words",
        supports_restoring=kind != "instructions",
        supports_tools=kind != "no tools",
    )
    past = (Spoken("user", "Is it warm?"), Spoken("tool", "12", Called("weather", '{"city": "Oslo"}', "12")))
    stage = Stage(capabilities, past=past)
    stage.tell(ev.SessionCreated("sess"), ev.SessionConfigured("Cherry"))
    calls, results, told = stage.of(cmd.SendToolCall), stage.of(cmd.ToolResult), stage.of(cmd.SendText)
    if kind == "items":
        assert calls == [cmd.SendToolCall("earlier-2", "weather", '{"city": "Oslo"}')]
        assert results == [cmd.ToolResult("earlier-2", "12")]
        return
    assert (calls, results) == ([], [])
    words = told[-1].text if told else stage.of(cmd.Configure)[0].config.instructions
    assert words.endswith(
        "12" if kind == "instructions" else 'weather was called with {"city": "Oslo"} and returned: 12)'
    )


def test_after_a_drop_both_are_told_in_their_order() -> None:
    stage = continued()
    stage.session.say("And now?")
    stage.speak(1, "Now we go on.")
    stage.pass_ms(1200)
    stage.sent.clear()
    reconnected(stage)
    said = [earlier.text for earlier in EARLIER]
    assert [told.text for told in stage.of(cmd.SendText)] == [*said, "And now?", "Now we go on."]
