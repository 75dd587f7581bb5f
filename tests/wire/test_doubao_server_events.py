"""What Doubao's events mean, from hand-written bytes."""

from typing import Any

import numpy as np
import pytest

from tests.wire.doubao_codec import PCM, VAD, Call, ended, made_up, meaning, speaking, vad
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev


def test_a_round_of_speech() -> None:
    call = vad()
    assert call.server(450, question_id="q") == [ev.SpeechStarted("q")]
    assert call.server(451, results=[{"text": "今天", "is_interim": True}]) == [ev.UserTranscript("q", "今天", False)]
    assert call.server(451, results=[{"text": "今天好", "is_interim": False}]) == [
        ev.UserTranscript("q", "今天好", False)
    ]
    assert call.server(459) == ended("q", "今天好")
    ids = {"question_id": "q", "reply_id": "r"}
    assert call.server(350, tts_type="default", text="", **ids) == [ev.ResponseStarted("r", "q")]
    assert call.server(550, content="很", **ids) == [ev.AssistantText("r", "r", 0, "很")]
    assert call.audio(PCM) == [ev.AssistantAudio("r", "r", 0, PCM)]
    assert call.server(351, **ids) == []
    assert call.server(559, **ids) == []
    assert call.server(359, **ids) == [ev.ResponseFinished("r", "completed")]
    usage = {
        "input_text_tokens": 1,
        "input_audio_tokens": 20,
        "cached_text_tokens": 3,
        "cached_audio_tokens": 4,
        "output_text_tokens": 50,
        "output_audio_tokens": 60,
    }
    assert call.server(154, usage=usage) == [ev.UsageReported("r", ev.Usage(21, 110, 1, 20, 0, 7, 50, 60, 3, 4))]


def test_the_text_may_come_before_the_sound_and_the_words_from_the_alternatives() -> None:
    call = vad()
    call.server(450, question_id="q")
    assert call.server(451, results=[{"alternatives": [{"text": "hi"}]}]) == [ev.UserTranscript("q", "hi", False)]
    assert call.server(550, content="a", reply_id="r") == [
        *ended("q", "hi"),  # at the latest when the reply begins
        ev.ResponseStarted("r", "q"),
        ev.AssistantText("r", "r", 0, "a"),
    ]
    assert call.audio(PCM) == [ev.Ignored("late audio")], "no sentence has begun"
    assert call.server(350, reply_id="r", tts_type="default") == []


def test_an_odd_byte_waits_for_the_next_frame_of_the_same_reply_only() -> None:
    call = speaking(vad())
    assert call.audio(b"\3") == []
    assert call.audio(b"\0\4") == [ev.AssistantAudio("r-1", "r-1", 0, b"\3\0")]
    call.server(359, reply_id="r-1")
    call.server(350, reply_id="r-2")
    assert call.audio(b"\5\0") == [ev.AssistantAudio("r-2", "r-2", 0, b"\5\0")]


def test_float32_is_decoded_and_ogg_which_nobody_asked_for_is_left_out() -> None:
    call = speaking(vad())
    call.server(359, reply_id="r-1")
    floats = Call(turn_detection=VAD, audio_format="float32").open()
    floats.server(350, reply_id="r")
    (sound,) = floats.audio(np.array([0.5, -1.0], "<f4").tobytes())
    assert sound == ev.AssistantAudio("r", "r", 0, np.array([16384, -32767], "<i2").tobytes())
    call.server(350, reply_id="r-2")
    assert call.audio(b"OggS" + bytes(range(200))) == [ev.Ignored("sound that cannot be decoded", broken=True)]


@pytest.mark.parametrize("ids", [True, False], ids=["ids", "no ids"])
def test_barge_in_ends_the_reply_and_drops_what_is_late(ids: bool) -> None:
    reply = "r-1" if ids else ""
    late = {"reply_id": "r-1"} if ids else {}
    call = speaking(vad(), reply)
    spoke, cancelled = call.server(450, question_id="q-2")
    assert spoke == ev.SpeechStarted("q-2")
    assert cancelled == ev.ResponseFinished(reply or made_up(cancelled), "cancelled")
    assert call.audio(PCM) == [ev.Ignored("late audio")]
    assert call.server(550, content="late", **late) == [ev.Ignored("late text")]
    assert call.server(350, tts_type="default", **late) == [ev.Ignored("late sentence")]
    assert call.audio(PCM) == [ev.Ignored("late audio")]
    assert meaning(call.server(559, **late) + call.server(359, **late)) == []
    call.server(459)
    new = {"reply_id": "r-2"} if ids else {}
    (began,) = call.server(350, **new)
    assert began == ev.ResponseStarted("r-2" if ids else made_up(began), "q-2")
    assert len(meaning(call.audio(PCM))) == 1


def test_a_late_sentence_of_the_old_round_does_not_borrow_the_new_rounds_sound() -> None:
    call = speaking(vad())
    call.server(450, question_id="q-2")
    call.server(459)
    call.server(350, reply_id="r-2")
    assert call.server(350, reply_id="r-1") == [ev.Ignored("late sentence")]
    assert call.audio(PCM) == [ev.Ignored("late audio")], "it belongs to the last sentence start, which is late"
    assert call.server(359, reply_id="r-1") == [ev.Ignored("late end")]
    assert call.server(350, reply_id="r-2") == []
    assert call.audio(PCM) == [ev.AssistantAudio("r-2", "r-2", 0, PCM)]
    assert call.server(359, reply_id="r-2") == [ev.ResponseFinished("r-2", "completed")]


def test_the_first_sentence_to_a_question_that_was_replaced_is_late() -> None:
    call = vad()
    call.server(450, question_id="q-1")
    call.server(459)
    call.server(450, question_id="q-2")
    old = {"question_id": "q-1", "reply_id": "r-1"}
    for _ in range(2):
        assert call.server(350, tts_type="default", **old) == [ev.Ignored("late sentence")]
        assert call.server(550, content="late", **old) == [ev.Ignored("late text")]
        assert call.audio(PCM) == [ev.Ignored("late audio")]
        call.server(459)
    assert call.server(350, question_id="q-2", reply_id="r-2") == [ev.ResponseStarted("r-2", "q-2")]


def test_two_rounds_interleaved_have_one_end_each() -> None:
    call = speaking(vad())
    assert call.server(350, reply_id="r-2") == [
        ev.ResponseFinished("r-1", "incomplete"),
        ev.ResponseStarted("r-2", "q-1"),
    ]
    assert meaning(call.server(550, content="x", reply_id="r-1") + call.server(359, reply_id="r-1")) == []
    assert call.server(359, reply_id="r-2") == [ev.ResponseFinished("r-2", "completed")]
    assert meaning(call.server(359, reply_id="r-2")) == []


def test_our_own_interruption_closes_the_floor_until_something_is_asked() -> None:
    call = speaking(vad())
    call.client(cmd.CancelResponse("r-1"))
    assert call.audio(PCM) == [ev.ResponseFinished("r-1", "cancelled"), ev.Ignored("late audio")]
    assert meaning(call.server(359, reply_id="r-1")) == []
    call.client(cmd.SendText("next"))
    call.client(cmd.CreateResponse())
    (added,) = call.server(553, question_id="q-2")
    assert isinstance(added, ev.ItemAdded)
    (began,) = call.server(350)
    assert began == ev.ResponseStarted(made_up(began), added.item_id)


def test_a_typed_question_ends_a_reply_that_is_still_running() -> None:
    call = speaking(vad())
    assert call.server(553, question_id="q-2") == [
        ev.ResponseFinished("r-1", "cancelled"),
        ev.ItemAdded("q-2", "user"),
    ]


def test_sound_in_a_frame_that_is_no_audio_is_ignored() -> None:
    assert speaking(vad()).server(352) == [ev.Ignored("event 352")]


def test_audio_before_any_sentence_is_dropped_and_counted() -> None:
    assert vad().audio(PCM) == [ev.Ignored("late audio")]


def test_when_the_user_ends_the_turns_speech_is_no_interruption() -> None:
    call = Call(turn_detection=None, source="push_to_talk").open()
    call.client(cmd.CommitAudio("turn-1"))
    assert call.server(450, question_id="q") == []
    call.server(451, results=[{"text": "hello", "is_interim": False}])
    assert call.server(459) == ended("turn-1", "hello")
    plain = Call(turn_detection=None, source="push_to_talk").open()
    plain.client(cmd.CommitAudio("turn-1"))
    plain.server(451, results=[{"text": "hello", "is_interim": True}])
    assert plain.server(459) == ended("turn-1", "hello"), "450 may be left out"


def test_a_greeting_shows_its_words_once() -> None:
    call = vad()
    call.client(cmd.CreateResponse("Greet with: 你好", "你好"))
    assert call.server(350, reply_id="r") == [ev.ResponseStarted("r"), ev.AssistantText("r", "r", 0, "你好")]
    assert call.server(550, content="你好", reply_id="r") == []
    assert call.audio(PCM) == [ev.AssistantAudio("r", "r", 0, PCM)]


@pytest.mark.parametrize(
    ("event", "fields", "events"),
    [
        (567, {"items": [{"item_id": "i", "role": "user", "text": "x"}]}, [ev.ItemAdded("i", "user")]),
        (568, {}, []),
        (568, {"message": "missing: 1"}, [ev.ServiceError("missing: 1", "", "benign")]),
        (569, {"items": [{"item_id": "i", "text": "x"}]}, [ev.ItemRetrieved("i", "x")]),
        (570, {}, []),
        (571, {"items": [{"item_id": "i"}]}, [ev.ItemDeleted("i")]),
        (571, {"status_code": 40000010, "message": "empty"}, [ev.ServiceError("empty", "40000010", "benign")]),
        (551, {}, [ev.Ignored("event 551")]),
        (154, {}, []),
        (451, {"results": []}, []),
        (152, {}, [ev.ServiceError("The service ended the session.", severity="retry"), ev.SessionFinished()]),
    ],
)
def test_other_events(event: int, fields: dict[str, Any], events: list[ev.Event]) -> None:
    assert vad().server(event, **fields) == events
