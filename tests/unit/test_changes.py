"""What the user changes in the middle: told to the running session where that takes it, else to a new one."""

import base64
import json
from typing import Any

import pytest

from tests.unit.stage import Stage, pcm
from voicechat.archive.past import Spoken
from voicechat.conversation import notices as note
from voicechat.conversation.changes import Changes
from voicechat.conversation.turn_taking import TurnTaking
from voicechat.conversation.typed import TypedLines
from voicechat.dialects.openai.client import RealtimeCodec
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev
from voicechat.realtime.capabilities import UPDATES, Capabilities
from voicechat.realtime.scope import ScopedCodec

MANUAL = TurnTaking(hands_free=False)
SERVER = cmd.TurnDetection()


class Play:
    """A session with its changes; a new session is there as soon as it is asked for and nothing is going on."""

    def __init__(
        self,
        capabilities: Capabilities | None = None,
        turn_taking: TurnTaking = MANUAL,
        detection: cmd.TurnDetection | None = SERVER,
        **config: Any,
    ):
        self.capabilities = capabilities or Capabilities()
        own = detection if turn_taking.hands_free else None
        self.stage = Stage(self.capabilities, turn_taking, turn_detection=own, **config).open()
        self.session = self.stage.session
        self.lines = TypedLines(self.session, lambda code, words: None)
        self.renewals = 0
        self.done: list[str] = []
        self._wanted = False
        self.changes = Changes(self.session, self.lines, detection, lambda: self.capabilities, self._renew)

    def _renew(self) -> None:
        self._wanted = True

    def pass_ms(self, ms: int, **how: Any) -> None:
        for _ in range(0, ms, 100):
            self.stage.pass_ms(100, **how)
            self.changes.tick()
            self.lines.take()
            if self._wanted and self.session.settled:
                self._wanted = False
                self.renewals += 1
                self.session.lost()
                self.stage.tell(ev.SessionCreated("again"), ev.SessionConfigured("Cherry"))
                self.done.append(self.changes.take_done())

    def talk(self) -> None:
        self.session.say("hello")
        self.stage.speak(1)
        self.pass_ms(1500)
        self.stage.sent.clear()

    @property
    def configured(self) -> list[cmd.SessionConfig]:
        return [command.config for command in self.stage.of(cmd.Configure)]


def without(*names: str) -> Capabilities:
    return Capabilities(updates=UPDATES - set(names))


def test_what_the_running_session_takes_is_told_to_that() -> None:
    play = Play(instructions="Be kind.")
    play.talk()
    play.changes.ask("instructions", instructions="Sing.")
    play.pass_ms(300)
    assert [config.instructions for config in play.configured] == ["Sing."]
    assert play.renewals == 0
    assert play.changes.take_done() == "instructions"
    assert play.changes.take_done() == ""


def test_it_waits_for_the_end_of_the_answer() -> None:
    play = Play()
    play.session.say("hello")
    play.stage.tell(ev.ResponseStarted("r"), ev.AssistantAudio("r", "i", 0, pcm(300)))
    play.changes.ask("instructions", instructions="Sing.")
    play.pass_ms(500)
    assert play.configured == []
    assert play.changes.take_done() == "", "it is not done yet"
    play.stage.tell(ev.ResponseFinished("r", "completed"))
    play.pass_ms(200)
    assert [config.instructions for config in play.configured] == ["Sing."]


def test_what_it_does_not_take_is_done_by_a_new_session_that_is_told_the_conversation() -> None:
    play = Play(without("voice"), voice="marin", greeting="Hi!")
    play.stage.speak(0, "Hi!")
    play.pass_ms(1500)
    play.session.say("hello")
    play.stage.speak(1, "one two")
    play.pass_ms(100)
    play.changes.ask("voice", voice="cedar")
    play.pass_ms(300)
    assert play.renewals == 0, "not in the middle of what is heard"
    play.stage.sent.clear()
    play.pass_ms(1500)
    assert play.renewals == 1
    assert [(config.voice, config.greeting) for config in play.configured] == [("cedar", "")]
    told = [(item.role, item.text) for item in play.stage.of(cmd.SendText)]
    assert told == [("assistant", "Hi!"), ("user", "hello"), ("assistant", "one two")]
    assert play.stage.of(cmd.CreateResponse) == []
    assert play.done == ["voice"]


def test_several_changes_are_one() -> None:
    play = Play(without("voice"))
    play.changes.ask("voice", voice="cedar")
    play.changes.ask("instructions", instructions="Sing.")
    play.changes.ask("voice", voice="ash")
    play.pass_ms(500)
    assert [(config.voice, config.instructions) for config in play.configured] == [("ash", "Sing.")]
    assert play.renewals == 1
    assert play.done == ["voice instructions"]


def test_lines_that_are_typed_meanwhile_come_after_it() -> None:
    play = Play(without("voice"))
    play.changes.ask("voice", voice="cedar")
    play.lines.submit("sing")
    assert play.stage.of(cmd.SendText) == []
    play.pass_ms(500)
    kinds = [type(command) for command in play.stage.sent]
    assert kinds.index(cmd.Configure) < kinds.index(cmd.SendText)
    assert [item.text for item in play.stage.of(cmd.SendText)] == ["sing"]


def test_where_items_cannot_be_put_back_an_update_keeps_what_was_said() -> None:
    play = Play(Capabilities(supports_restoring=False), instructions="Be kind.")
    play.talk()
    play.session.lost()
    play.stage.tell(ev.SessionCreated("again"), ev.SessionConfigured("Cherry"))
    play.changes.ask("instructions", instructions="Sing.")
    play.pass_ms(300)
    before, after = (config.instructions for config in play.configured)
    assert after == before.replace("Be kind.", "Sing.")
    assert "User: hello" in after


@pytest.mark.parametrize("pictures", [False, True])
def test_clear_begins_with_nothing(pictures: bool) -> None:
    play = Play(Capabilities(supports_images=True))
    if pictures:
        play.session.pictures.add(cmd.SendImage(b"a"))
    play.talk()
    play.changes.begin_afresh()
    play.pass_ms(500)
    assert play.renewals == 1
    assert [type(command) for command in play.stage.sent] == [cmd.Configure]
    assert play.done == ["clear"]
    assert not play.changes.answer_again(), "there is nothing left to answer"


@pytest.mark.parametrize("detection", [SERVER, None], ids=["by the service", "here"])
def test_turns_are_taken_in_the_other_way_and_back(detection: cmd.TurnDetection | None) -> None:
    play = Play(turn_taking=TurnTaking(local_turns=detection is None), detection=detection)
    play.changes.take_turns(hands_free=False)
    play.pass_ms(300, voiced=True)
    assert play.stage.of(cmd.AppendAudio) == [], "nobody has begun a turn"
    assert play.configured[-1].turn_detection is None
    assert play.session.mic.turn_taking == MANUAL
    play.lines.opened = True
    play.lines.submit("")
    play.pass_ms(300, voiced=True)
    play.lines.submit("")
    assert len(play.stage.of(cmd.CommitAudio)) == 1
    play.stage.speak(1)
    play.pass_ms(1500)
    play.stage.sent.clear()
    play.changes.take_turns(hands_free=True)
    play.pass_ms(300, voiced=True)
    assert play.configured[-1].turn_detection is detection
    assert play.session.mic.turn_taking == TurnTaking(local_turns=detection is None)
    assert play.stage.of(cmd.AppendAudio)


def test_a_turn_that_is_being_spoken_is_given_up_with_the_way_of_turns() -> None:
    play = Play()
    play.session.begin_turn()
    play.pass_ms(300, voiced=True)
    play.changes.take_turns(hands_free=True)
    assert not play.session.recording
    assert play.session.state == "idle"
    assert len(play.stage.of(cmd.ClearAudio)) == 1
    assert play.stage.of(cmd.CommitAudio) == []


def test_again_takes_the_answer_out_and_asks_once_more() -> None:
    play = Play()
    play.talk()
    assert play.changes.answer_again()
    sent = play.stage.sent
    assert sent == [cmd.DeleteItem("item1"), cmd.CreateResponse()]
    play.stage.speak(2, "five six")
    play.pass_ms(1500)
    assert play.session.restorer.history.items() == [("user", "hello"), ("assistant", "five six")]
    assert play.session.restorer.history.whole
    assert [(turn.turn, turn.text) for turn in play.stage.of(note.AssistantTurn)][-1] == (1, "five six")


def test_again_in_the_middle_of_an_answer_breaks_it_off() -> None:
    play = Play()
    play.session.say("hello")
    play.stage.speak(1, finish=False)
    play.pass_ms(300)
    play.stage.sent.clear()
    assert play.changes.answer_again()
    kinds = [type(command) for command in play.stage.sent]
    assert kinds == [cmd.TruncateItem, cmd.CancelResponse, cmd.DeleteItem], "and it is asked for at its end"
    play.stage.tell(ev.ResponseFinished("resp1", "cancelled"))
    assert type(play.stage.sent[-1]) is cmd.CreateResponse


def test_again_where_nothing_can_be_taken_out_repeats_the_words() -> None:
    play = Play(Capabilities(supports_deletion=False))
    play.talk()
    assert play.changes.answer_again()
    assert [type(command) for command in play.stage.sent] == [cmd.SendText, cmd.CreateResponse]
    assert play.stage.of(cmd.SendText)[-1].text == "hello"
    play.stage.speak(2, "five six")
    play.pass_ms(1500)
    assert play.session.restorer.history.items() == [("user", "hello"), ("assistant", "five six")]


@pytest.mark.parametrize("during", [False, True], ids=["after the answer", "while it is played"])
def test_again_in_a_new_session_repeats_the_words_for_the_old_items_are_gone(during: bool) -> None:
    play = Play()
    first, second = (ScopedCodec(RealtimeCodec(), number) for number in (1, 2))
    piece = {"response_id": "r", "item_id": "i", "content_index": 0}
    frames: list[dict[str, Any]] = [
        {"type": "response.created", "response": {"id": "r"}},
        {"type": "response.output_audio_transcript.delta", "delta": "one two", **piece},
        {"type": "response.output_audio.delta", "delta": base64.b64encode(pcm(1000)).decode(), **piece},
        {"type": "response.done", "response": {"id": "r", "status": "completed"}},
    ]
    play.session.say("hello")
    for frame in frames:
        play.stage.tell(*first.decode(json.dumps(frame)))
    play.pass_ms(500 if during else 1500)
    play.session.lost()
    play.stage.tell(ev.SessionCreated("again"), ev.SessionConfigured("Cherry"))
    play.pass_ms(1500 if during else 0)
    play.stage.sent.clear()
    assert play.changes.answer_again()
    sent = [json.loads(frame) for command in play.stage.sent for frame in second.encode(command)]
    assert [frame["type"] for frame in sent] == ["conversation.item.create", "response.create"]
    assert sent[0]["item"]["content"][0]["text"] == "hello"


def test_again_right_after_going_on_repeats_the_words_and_not_the_name_of_a_picture() -> None:
    past = (Spoken("user", "hello"), Spoken("assistant", "Hi."), Spoken("picture", "[picture: cat.png, 640x480]"))
    play = Play(past=past)
    assert play.changes.answer_again()
    assert [told.text for told in play.stage.of(cmd.SendText)] == ["hello"]
    play.session.lost()
    play.stage.sent.clear()
    play.stage.tell(ev.SessionCreated("again"), ev.SessionConfigured("Cherry"))
    assert ("user", past[2].text) in [(told.role, told.text) for told in play.stage.of(cmd.SendText)]


def test_again_before_anything_was_said_is_refused() -> None:
    assert not Play().changes.answer_again()
