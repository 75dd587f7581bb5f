"""Interruptions at awkward moments, on a virtual clock: nothing stays mute, nobody else's answer is cancelled."""

import pytest

from tests.unit.stage import Stage, pcm
from voicechat.conversation import notices as note
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev


def in_the_last_block() -> Stage:
    """An answer of one second is paused by a suspicion that took its last ten milliseconds."""
    stage = Stage().open()
    stage.session.say("hello")
    stage.speak(1, ms=1000)
    stage.pass_ms(960, voiced=False)
    stage.pass_ms(30, voiced=True)
    assert stage.speaker.paused
    assert stage.speaker.queued_ms == 0
    stage.pass_ms(30, voiced=False)
    return stage


@pytest.mark.parametrize("how", ["the service hears it", "a typed line", "nothing comes of it"])
def test_an_answer_after_a_suspicion_in_the_last_block_is_heard(how: str) -> None:
    stage = in_the_last_block()
    if how == "the service hears it":
        stage.tell(ev.SpeechStarted("u2"), ev.SpeechStopped("u2"))
    elif how == "a typed line":
        stage.session.say("go on")
    else:
        stage.pass_ms(600, voiced=False)
    assert not stage.speaker.paused
    stage.pass_ms(100)
    before = stage.played_ms
    stage.speak(2, ms=500)
    stage.pass_ms(700)
    assert stage.played_ms - before == 500
    assert stage.session.settled
    assert [answer.heard_ms for answer in stage.of(note.AssistantTurn)] == [1000, 500]


def test_a_dropped_line_leaves_nothing_paused() -> None:
    """The answer is asked for once more, and the pause that was meant for it is over."""
    stage = Stage().open()
    stage.session.say("hello")
    stage.speak(1, ms=1000, finish=False)
    stage.pass_ms(500, voiced=False)
    stage.pass_ms(40, voiced=True)
    assert stage.speaker.paused
    stage.session.answers.abandon(again=True)
    stage.session.say("go on")
    assert not stage.speaker.paused


def test_what_was_not_heard_is_not_told_with_the_length_of_the_answer_before() -> None:
    stage = Stage().open()
    stage.session.say("hello")
    stage.speak(1, ms=5000)
    stage.pass_ms(5100)
    stage.speaker.prime_ms = 300
    stage.tell(ev.ResponseStarted("resp2"), ev.AssistantAudio("resp2", "item2", 0, pcm(100)))
    stage.speaker.prime_ms = 300
    stage.tell(ev.SpeechStarted("u2"))
    assert [answer.heard_ms for answer in stage.of(note.AssistantTurn)] == [5000, 0]
    assert stage.of(cmd.TruncateItem) == []


def test_what_was_heard_of_an_answer_that_is_closed_is_not_counted_for_the_next() -> None:
    stage = Stage().open()
    stage.session.say("hello")
    stage.speak(1, ms=5000, finish=False)
    stage.pass_ms(1000)
    stage.session.answers.abandon(again=True)  # its end will be told by another
    stage.tell(
        ev.ResponseStarted("resp2"),
        ev.AssistantText("resp2", "item2", 0, "five six"),
        ev.AssistantAudio("resp2", "item2", 0, pcm(2000)),
    )
    stage.tell(ev.SpeechStarted("u2"))
    (answer,) = stage.of(note.AssistantTurn)
    assert (answer.heard_ms, answer.heard) == (0, "")


def test_the_measure_of_an_interruption_ends_when_the_pause_silenced_the_answer() -> None:
    stage = Stage().open()
    stage.session.say("hello")
    stage.speak(1, ms=3000, finish=False)
    stage.pass_ms(500, voiced=False)
    stage.pass_ms(300, voiced=True)  # nobody but we: confirmed 250 ms after the pause
    (measured,) = [n.interruption_ms for n in stage.of(note.LatencyNotice) if n.interruption_ms is not None]
    assert measured == pytest.approx(40, abs=1)  # three blocks of voice and the fade


# -- the delayed cancel ----------------------------------------------------------------------------------------


def interrupted_here() -> Stage:
    stage = Stage().open()
    stage.session.say("hello")
    stage.speak(1, ms=3000, finish=False)
    stage.pass_ms(500, voiced=False)
    stage.pass_ms(300, voiced=True)
    assert [answer.interrupted for answer in stage.of(note.AssistantTurn)] == [True]
    assert stage.of(cmd.CancelResponse) == []
    return stage


@pytest.mark.parametrize("typed", [True, False])
def test_a_cancel_that_was_meant_for_one_answer_does_not_hit_the_next(typed: bool) -> None:
    stage = interrupted_here()
    stage.tell(ev.ResponseFinished("resp1", "cancelled"))
    if typed:
        stage.session.say("go on")
    stage.speak(2, ms=3000, finish=False)
    stage.pass_ms(1000)
    assert stage.of(cmd.CancelResponse) == []


def test_a_line_typed_before_the_delayed_cancel_sends_it_at_once_and_only_once() -> None:
    stage = interrupted_here()
    stage.session.say("go on")
    assert stage.of(cmd.CancelResponse) == [cmd.CancelResponse("resp1")]
    stage.tell(ev.ResponseFinished("resp1", "cancelled"))
    stage.speak(2, ms=2000, finish=False)
    stage.pass_ms(1000)
    assert len(stage.of(cmd.CancelResponse)) == 1
