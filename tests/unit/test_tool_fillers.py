"""Silence while a tool runs, on a virtual clock: filled once, by the model or by a sound, and never over the user."""

from tests.unit.stage import pcm
from tests.unit.tool_desk import Desk
from voicechat.conversation import notices as note
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev
from voicechat.realtime.capabilities import Capabilities


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
