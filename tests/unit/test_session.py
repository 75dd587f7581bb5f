"""The state machine, on a virtual clock: turns, interruptions, and exactly one end per answer."""

import pytest

from tests.unit.stage import Stage, user_turn
from voicechat.audio.frames import Frame
from voicechat.conversation import notices as note
from voicechat.conversation.turn_taking import TurnTaking
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev
from voicechat.realtime.capabilities import Capabilities

PASSIVE = Capabilities(supports_interruption=False)


def test_configures_when_the_service_is_there_and_hears_only_when_it_agreed() -> None:
    stage = Stage(instructions="be brief")
    stage.session.hear(Frame(b"\0" * 960, False, -70.0, 100.0))
    assert stage.sent == []
    stage.tell(ev.SessionCreated("sess"))
    assert [c.config.instructions for c in stage.of(cmd.Configure)] == ["be brief"]
    stage.tell(ev.SessionConfigured("Tina"))
    assert stage.session.voice == "Tina"
    stage.session.hear(Frame(b"\0" * 960, False, -70.0, 100.0))
    assert len(stage.of(cmd.AppendAudio)) == 1
    stage.session.hear(Frame(b"\0" * 960, False, -70.0, 100.0, speech=True))
    assert [command.speech for command in stage.of(cmd.AppendAudio)] == [False, True], "the detector's word goes along"


def test_a_hands_free_turn_goes_through_the_states() -> None:
    stage = Stage().open()
    user_turn(stage)
    stage.speak(1, ms=200)
    stage.pass_ms(300)
    assert stage.states() == ["listening", "thinking", "speaking", "idle"]
    assert stage.of(note.UserTurn) == [note.UserTurn(1, "hello")]
    (answer,) = stage.of(note.AssistantTurn)
    assert answer == note.AssistantTurn(1, "one two three four", "one two three four", False, 200)
    assert stage.of(cmd.CreateResponse) == []  # the service answers by itself
    assert stage.session.settled


def test_an_answer_is_over_when_it_was_played_not_when_it_was_sent() -> None:
    stage = Stage().open()
    user_turn(stage)
    stage.speak(1, ms=500)
    stage.pass_ms(400)
    assert stage.of(note.AssistantTurn) == []
    assert stage.session.state == "speaking"
    stage.pass_ms(200)
    assert len(stage.of(note.AssistantTurn)) == 1


def test_the_service_hears_the_user_over_the_answer() -> None:
    stage = Stage().open()
    user_turn(stage)
    stage.speak(1, ms=2000, finish=False)
    stage.pass_ms(1000)
    stage.tell(ev.SpeechStarted("u2"))
    assert stage.of(cmd.TruncateItem) == [cmd.TruncateItem("item1", 0, 1010)]
    assert stage.of(cmd.CancelResponse) == []  # it has interrupted itself
    (answer,) = stage.of(note.AssistantTurn)
    assert (answer.interrupted, answer.heard, answer.heard_ms) == (True, "one two", 1010)
    assert stage.session.state == "listening"
    # late pieces of the old answer, then its end: nothing is played, nothing is published twice
    played = stage.played_ms
    stage.tell(ev.AssistantAudio("resp1", "item1", 0, b"\0" * 9600), ev.AssistantText("resp1", "item1", 0, " five"))
    stage.tell(ev.ResponseFinished("resp1", "cancelled", "turn_detected"))
    stage.pass_ms(200)
    assert stage.played_ms - played == 10  # the fade
    assert len(stage.of(note.AssistantTurn)) == 1
    assert stage.session.state == "listening"


def test_a_late_end_of_the_old_answer_does_not_end_the_waiting_for_the_new_one() -> None:
    stage = Stage().open()
    user_turn(stage)
    stage.speak(1, ms=2000, finish=False)
    stage.pass_ms(500)
    user_turn(stage, "u2", "wait")
    stage.tell(ev.ResponseFinished("resp1", "cancelled"))
    assert stage.session.state == "thinking"
    stage.speak(2, ms=100)
    stage.pass_ms(200)
    assert [a.turn for a in stage.of(note.AssistantTurn)] == [1, 2]


@pytest.mark.parametrize(
    ("capabilities", "commands"),
    [
        (PASSIVE, {cmd.CancelResponse, cmd.TruncateItem}),
        (Capabilities(), {cmd.TruncateItem}),
        (Capabilities(supports_truncation=False), set()),
        (Capabilities(supports_interruption=False, supports_cancel=False, supports_truncation=False), set()),
    ],
)
def test_cancel_and_truncate_only_where_the_service_asks_for_them(
    capabilities: Capabilities, commands: set[type]
) -> None:
    stage = Stage(capabilities).open()
    user_turn(stage)
    stage.speak(1, finish=False)
    stage.pass_ms(300)
    stage.sent.clear()
    stage.tell(ev.SpeechStarted("u2"))
    assert {type(c) for c in stage.sent} == commands


def test_nothing_is_truncated_before_the_first_sound_or_after_the_last() -> None:
    stage = Stage().open()
    user_turn(stage)
    stage.speak(1, ms=100)
    stage.tell(ev.SpeechStarted("u2"))  # not a block was played yet
    assert stage.of(cmd.TruncateItem) == []
    stage.tell(ev.SpeechStopped("u2"))
    stage.speak(2, ms=100)
    stage.pass_ms(150)
    stage.tell(ev.SpeechStarted("u3"))  # all of it was
    assert stage.of(cmd.TruncateItem) == []
    assert [a.interrupted for a in stage.of(note.AssistantTurn)] == [True, False]


def test_voice_pauses_the_answer_before_the_service_says_a_word() -> None:
    stage = Stage().open()
    user_turn(stage)
    stage.speak(1, ms=3000)
    stage.pass_ms(500, voiced=False)
    stage.pass_ms(40, voiced=True)
    assert stage.speaker.paused
    stage.tell(ev.SpeechStarted("u2"))
    assert not stage.speaker.busy or stage.speaker.queued_ms == 0
    (interruption,) = [n.interruption_ms for n in stage.of(note.LatencyNotice) if n.interruption_ms]
    assert interruption is not None
    assert interruption <= 60


def test_a_cough_costs_a_pause_and_no_word() -> None:
    stage = Stage().open()
    user_turn(stage)
    stage.speak(1, ms=1000)
    stage.pass_ms(300, voiced=False)
    stage.pass_ms(80, voiced=True)
    stage.pass_ms(1500, voiced=False)
    (answer,) = stage.of(note.AssistantTurn)
    assert (answer.interrupted, answer.heard, answer.heard_ms) == (False, answer.text, 1000)
    assert stage.of(cmd.TruncateItem) == []
    assert stage.played_ms == 1010  # the faded block twice


def test_local_speech_alone_interrupts_and_the_service_is_told_when_it_stays_deaf() -> None:
    stage = Stage().open()
    user_turn(stage)
    stage.speak(1, ms=3000, finish=False)
    stage.pass_ms(500, voiced=False)
    stage.pass_ms(300, voiced=True)
    assert [a.interrupted for a in stage.of(note.AssistantTurn)] == [True]
    assert stage.of(cmd.CancelResponse) == []
    stage.pass_ms(700, voiced=False)
    assert stage.of(cmd.CancelResponse) == [cmd.CancelResponse("resp1")]


def test_no_barge_in_keeps_talking_and_sends_silence() -> None:
    stage = Stage(turn_taking=TurnTaking(barge_in=False)).open()
    user_turn(stage)
    stage.speak(1, ms=1000)
    stage.pass_ms(100, voiced=True)
    stage.sent.clear()
    stage.pass_ms(500, voiced=True)
    assert not stage.speaker.paused
    assert {(any(c.pcm), c.speech) for c in stage.of(cmd.AppendAudio)} == {(False, False)}
    stage.pass_ms(600, voiced=True)
    assert any(stage.of(cmd.AppendAudio)[-1].pcm)


def test_one_spoken_answer_split_into_two_responses_ends_twice_and_in_order() -> None:
    stage = Stage().open()
    user_turn(stage)
    stage.speak(1, "first half", ms=300)
    stage.tell(ev.ResponseStarted("resp1b"), ev.AssistantText("resp1b", "item1b", 0, "second half here"))
    stage.tell(ev.AssistantAudio("resp1b", "item1b", 0, b"\1\0" * 24_00 * 3))
    stage.pass_ms(450)
    stage.tell(ev.SpeechStarted("u2"))
    first, second = stage.of(note.AssistantTurn)
    assert (first.interrupted, first.heard) == (False, "first half")
    assert (second.interrupted, second.heard) == (True, "second")


def test_a_failed_answer_says_why_and_ends_the_turn() -> None:
    stage = Stage().open()
    user_turn(stage)
    stage.tell(ev.ResponseStarted("r"), ev.ResponseFinished("r", "failed", message="over quota"))
    assert [e.message for e in stage.of(note.ErrorNotice)] == ["The answer is failed: over quota"]
    assert [a.status for a in stage.of(note.AssistantTurn)] == ["failed"]
    assert stage.session.state == "idle"


def test_an_answer_that_never_comes_is_given_up() -> None:
    stage = Stage().open()
    user_turn(stage)
    stage.pass_ms(21_000)
    assert [w.code for w in stage.of(note.WarningNotice)] == ["no_answer"]
    assert stage.session.settled


def test_voice_to_voice_counts_from_the_users_last_sound() -> None:
    stage = Stage().open()
    stage.tell(ev.SpeechStarted("u1"))
    stage.pass_ms(500, voiced=True)
    stage.pass_ms(300, voiced=False)
    stage.tell(ev.SpeechStopped("u1"))
    stage.speak(1, ms=100)
    stage.pass_ms(50, voiced=False)
    (latency,) = stage.of(note.LatencyNotice)
    assert latency == note.LatencyNotice(1, 300.0, 300.0, 300.0)


def test_local_turns_are_found_and_held_by_speech_however_it_drowns_in_noise() -> None:
    stage = Stage(PASSIVE, TurnTaking(local_turns=True, silence_ms=300), turn_detection=None).open()
    stage.pass_ms(500, voiced=True, speech=False)  # a door, a key
    assert stage.sent == []
    stage.pass_ms(1000, voiced=False, speech=True)
    assert stage.states() == ["listening"]
    stage.pass_ms(290, voiced=False)
    assert stage.of(cmd.CommitAudio) == []
    stage.pass_ms(20, voiced=False)
    assert len(stage.of(cmd.CommitAudio)) == 1


def test_the_users_speech_ends_where_the_sure_verdict_says_so() -> None:
    stage = Stage().open()
    stage.pass_ms(200, voiced=True)
    stage.tell(ev.SpeechStarted("u1"))
    stage.pass_ms(1000, voiced=False, speech=True)
    stage.pass_ms(500, voiced=False)
    stage.tell(ev.SpeechStopped("u1"))
    stage.speak(1, ms=100)
    stage.pass_ms(10)
    (latency,) = [n.first_audio_ms for n in stage.of(note.LatencyNotice) if n.first_audio_ms is not None]
    assert latency == pytest.approx(500, abs=20)


def test_local_turns_commit_and_ask_by_themselves() -> None:
    stage = Stage(PASSIVE, TurnTaking(local_turns=True, silence_ms=300), turn_detection=None).open()
    stage.pass_ms(500, voiced=False)
    assert stage.sent == []
    stage.pass_ms(500, voiced=True)
    assert stage.session.state == "listening"
    stage.pass_ms(400, voiced=False)
    kinds = [type(c) for c in stage.sent]
    assert kinds[-2:] == [cmd.CommitAudio, cmd.CreateResponse]
    sent_ms = sum(len(c.pcm) for c in stage.of(cmd.AppendAudio)) / 48
    assert sent_ms == 360 + 500 + 300


def test_the_conversations_end_publishes_what_is_open() -> None:
    stage = Stage().open()
    stage.tell(ev.SpeechStarted("u1"), ev.SpeechStopped("u1"))
    stage.speak(1, ms=1000)
    stage.pass_ms(510)
    stage.session.finish()
    assert stage.of(note.UserTurn) == [note.UserTurn(1, "")]
    assert [(a.interrupted, a.heard) for a in stage.of(note.AssistantTurn)] == [(True, "one two")]
    assert stage.sent[-1] == cmd.Finish()


def test_broken_and_unknown_frames_are_counted() -> None:
    stage = Stage().open()
    stage.tell(ev.Ignored("x.y"), ev.Ignored("not json", broken=True), ev.Ignored("z"))
    counters = stage.session.counters
    assert (counters.ignored_events, counters.broken_frames) == (2, 1)


def test_a_tool_nobody_has_is_answered_so_that_the_model_goes_on() -> None:
    stage = Stage().open()
    user_turn(stage)
    stage.tell(ev.ResponseStarted("r"), ev.ToolCall("r", "i", "call1", "weather", "{}"))
    assert stage.of(cmd.CreateResponse) == []
    stage.tell(ev.ResponseFinished("r", "completed"))
    assert [c.call_id for c in stage.of(cmd.ToolResult)] == ["call1"]
    assert len(stage.of(cmd.CreateResponse)) == 1


def test_a_rejected_voice_is_warned_about_and_left_out() -> None:
    stage = Stage(voice="Nobody")
    stage.tell(ev.SessionCreated("s"), ev.ConfigureAgain("voice", voice_dropped="Nobody"))
    assert [c.config.voice for c in stage.of(cmd.Configure)] == ["Nobody", ""]
    assert [w.code for w in stage.of(note.WarningNotice)] == ["voice"]


def test_an_uneven_network_earns_the_next_answer_a_head_start() -> None:
    stage = Stage().open()
    user_turn(stage)
    stage.tell(ev.ResponseStarted("r"), ev.AssistantAudio("r", "i", 0, b"\1\0" * 2400))
    stage.pass_ms(200)  # the second piece comes 100 ms too late
    stage.tell(ev.AssistantAudio("r", "i", 0, b"\1\0" * 2400), ev.ResponseFinished("r", "completed"))
    stage.pass_ms(300)
    assert stage.speaker.underruns == 1
    user_turn(stage, "u2")
    before = stage.played_ms
    stage.tell(ev.ResponseStarted("r2"), ev.AssistantAudio("r2", "i2", 0, b"\1\0" * 2400))
    stage.pass_ms(50)
    assert stage.played_ms == before  # 100 ms are there, 120 are wanted
    stage.tell(ev.AssistantAudio("r2", "i2", 0, b"\1\0" * 2400))
    stage.pass_ms(50)
    assert stage.played_ms == before + 50


def test_a_cough_is_no_turn_of_ours_either() -> None:
    stage = Stage(PASSIVE, TurnTaking(local_turns=True, silence_ms=300), turn_detection=None).open()
    stage.session.say("hello")
    stage.speak(1, ms=2000)
    stage.pass_ms(500, voiced=False)
    stage.pass_ms(80, voiced=True)
    stage.pass_ms(2500, voiced=False)
    (answer,) = stage.of(note.AssistantTurn)
    assert (answer.interrupted, answer.heard_ms) == (False, 2000)
    assert stage.of(cmd.CommitAudio) == []


def test_a_word_over_the_answer_is_a_turn_of_ours_with_its_first_syllable() -> None:
    stage = Stage(PASSIVE, TurnTaking(local_turns=True, silence_ms=300), turn_detection=None).open()
    stage.session.say("hello")
    stage.speak(1, ms=5000)
    stage.pass_ms(1000, voiced=False)
    stage.pass_ms(600, voiced=True)
    stage.pass_ms(400, voiced=False)
    assert [a.interrupted for a in stage.of(note.AssistantTurn)] == [True]
    assert len(stage.of(cmd.CommitAudio)) == 1
    sent_ms = sum(len(c.pcm) for c in stage.of(cmd.AppendAudio)) / 48
    assert sent_ms >= 600 + 300


def test_a_service_that_never_says_when_speech_ended_does_not_listen_for_ever() -> None:
    stage = Stage().open()
    stage.tell(ev.SpeechStarted("u1"))
    stage.speak(1, ms=100)  # it answers all the same
    stage.pass_ms(200)
    assert stage.session.settled
    stage.tell(ev.SpeechStarted("u2"))  # and now it says nothing at all
    stage.pass_ms(21_000, voiced=False)
    assert stage.session.settled


def test_speech_over_an_answer_interrupts_even_while_listening() -> None:
    stage = Stage().open()
    stage.tell(ev.SpeechStarted("u1"))
    stage.session.handle(ev.ResponseStarted("r"))
    stage.tell(ev.SpeechStarted("u2"), ev.AssistantAudio("r", "i", 0, b"\1\0" * 48_000))
    stage.pass_ms(100)
    stage.tell(ev.SpeechStarted("u3"))
    stage.pass_ms(50)
    assert not stage.speaker.busy


def test_a_greeting_that_was_refused_for_now_keeps_its_words() -> None:
    stage = Stage(greeting="Good day!")
    stage.tell(ev.SessionCreated("s"), ev.SessionConfigured())
    stage.tell(ev.ServiceError("busy", "conversation_already_has_active_response", "benign"))
    stage.tell(ev.ResponseStarted("other"), ev.ResponseFinished("other", "completed"))
    assert ["Good day!" in c.instructions for c in stage.of(cmd.CreateResponse)] == [True, True]


def test_a_service_that_warns_has_refused_nothing() -> None:
    stage = Stage().open()
    stage.session.say("hello")
    stage.tell(ev.ServiceError("The voice has failed: another speaks.", severity="warning"))
    assert stage.of(note.WarningNotice) == [note.WarningNotice("service", "The voice has failed: another speaks.")]
    assert not stage.of(note.ErrorNotice)
    assert stage.session.state == "thinking", "the answer is still waited for"
