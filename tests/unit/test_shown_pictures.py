"""When a picture is sent: at once as an item, or beside the sound that it is committed with, and never lost."""

from typing import Any

import pytest

from tests.unit.stage import Stage, pcm
from voicechat.conversation.pictures import MOST_WAITING
from voicechat.conversation.turn_taking import TurnTaking
from voicechat.errors import UsageError
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev
from voicechat.realtime.capabilities import Capabilities

ITEMS = Capabilities(supports_images=True)
BESIDE = Capabilities(supports_images=True, images_in_sound=True, image_interval_s=1.0, supports_truncation=False)
MANUAL = TurnTaking(hands_free=False)


def stage(capabilities: Capabilities, turn_taking: TurnTaking = MANUAL) -> Stage:
    detection = cmd.TurnDetection() if turn_taking.hands_free else None
    return Stage(capabilities, turn_taking, turn_detection=detection).open()


def show(stage: Stage, *names: str) -> None:
    for name in names:
        stage.session.pictures.add(cmd.SendImage(name.encode()))


def told(stage: Stage) -> list[Any]:
    """What was sent: pictures by their content, commands by their class; runs of sound once."""
    names = [c.data.decode() if isinstance(c, cmd.SendImage) else type(c).__name__ for c in stage.sent]
    return [name for i, name in enumerate(names) if name != "AppendAudio" or names[i - 1 : i] != ["AppendAudio"]]


def test_an_item_goes_at_once_and_the_question_after_it() -> None:
    here = stage(ITEMS)
    show(here, "a", "b")
    here.pass_ms(300)
    assert told(here) == ["a", "b"]
    show(here, "c")
    here.session.say("what is it?")
    assert told(here) == ["a", "b", "c", "SendText", "CreateResponse"]


def test_beside_the_sound_they_keep_the_services_pace() -> None:
    here = stage(BESIDE)
    show(here, "a", "b", "c")
    here.pass_ms(200)
    assert told(here) == ["a"]
    here.pass_ms(1000)
    assert told(here) == ["a", "b"]
    here.pass_ms(1000)
    assert told(here) == ["a", "b", "c"]


def test_a_typed_question_commits_what_lies_beside_the_sound() -> None:
    here = stage(BESIDE)
    show(here, "a")
    here.session.say("what is it?")
    assert told(here) == ["a", "AppendAudio", "CommitAudio", "SendText", "CreateResponse"]
    silence = here.of(cmd.AppendAudio)[0]
    assert silence.pcm == bytes(2 * 24_000 // 5), "a fifth of a second"
    here.tell(ev.InputCommitted("picture-1-sound"), ev.UserTranscript("picture-1-sound", "", True))
    here.speak(1)
    here.pass_ms(1500)
    here.sent.clear()
    here.session.say("and now?")
    assert told(here) == ["SendText", "CreateResponse"], "once"


def test_a_spoken_turn_takes_what_waits() -> None:
    here = stage(BESIDE)
    here.session.begin_turn()
    here.pass_ms(300, voiced=True)
    show(here, "a", "b")
    here.session.end_turn()
    assert told(here) == ["AppendAudio", "a", "b", "CommitAudio", "CreateResponse"]


def test_what_was_cleared_with_the_sound_is_shown_again() -> None:
    here = stage(BESIDE)
    show(here, "a")
    here.pass_ms(100)
    here.session.begin_turn()
    here.session.end_turn()
    assert told(here) == ["a", "ClearAudio"]
    here.pass_ms(1200)
    assert told(here) == ["a", "ClearAudio", "a"]


def test_hands_free_what_the_service_committed_is_not_committed_again() -> None:
    here = stage(BESIDE, TurnTaking())
    show(here, "a")
    here.pass_ms(200, voiced=False)
    here.tell(ev.SpeechStarted("i"), ev.SpeechStopped("i"), ev.InputCommitted("i"), ev.UserTranscript("i", "hm", True))
    here.speak(1)
    here.pass_ms(1500, voiced=False)
    here.sent.clear()
    here.session.say("and now?")
    assert told(here) == ["SendText", "CreateResponse"]


@pytest.mark.parametrize("capabilities", [ITEMS, BESIDE])
def test_a_new_session_is_shown_the_latest_again(capabilities: Capabilities) -> None:
    here = stage(capabilities)
    show(here, "a", "b", "c", "d")
    here.pass_ms(5000)
    here.session.say("which is best?")
    here.speak(1)
    here.pass_ms(1500)
    here.session.lost()
    show(here, "e")
    here.sent.clear()
    here.tell(ev.SessionCreated("again"), ev.SessionConfigured("Cherry"))
    here.pass_ms(5000)
    shown = [name for name in told(here) if len(name) == 1]
    assert shown == ["b", "c", "d", "e"]
    assert told(here).index("SendText") < told(here).index("b"), "after what was said"
    here.sent.clear()
    here.pass_ms(3000)
    assert told(here) == []


def test_a_picture_in_an_answer_or_before_the_session_waits_for_nobody_else() -> None:
    here = Stage(ITEMS, MANUAL, turn_detection=None)
    show(here, "a")
    here.pass_ms(300)
    assert here.sent == []
    here.open()
    here.tell(ev.ResponseStarted("r"), ev.AssistantAudio("r", "i", 0, pcm(500)))
    here.pass_ms(200)
    assert told(here) == ["a"]


def test_more_than_a_few_that_wait_are_refused() -> None:
    here = Stage(ITEMS)
    show(here, *["a"] * MOST_WAITING)
    with pytest.raises(UsageError, match="pictures wait already"):
        show(here, "b")
