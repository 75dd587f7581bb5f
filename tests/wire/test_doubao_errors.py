"""What Doubao's complaints mean, from hand-written bytes; and that no server can break the codec."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.doubao_server.wire import audio_frame, error_frame, event_frame
from tests.wire.brackets import check
from tests.wire.doubao_codec import PCM, VAD, Call, meaning, speaking, vad
from voicechat.dialects.doubao.wire import ServerEvent
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev

# -- complaints


def only_error(events: list[ev.Event]) -> ev.ServiceError:
    (error,) = [event for event in events if isinstance(event, ev.ServiceError)]
    return error


@pytest.mark.parametrize(
    ("code", "message", "severity", "hint"),
    [
        (45000003, "Abnormal silence audio", "retry", "ten minutes.* Start again"),
        (45000292, "quota exceeded for types: concurrency", "fatal", "Too many conversations"),
        (45000010, "load grant: requested grant not found", "fatal", "app id and access token"),
        (
            55000001,
            "sami error: codes=52000042, desc=DialogAudioIdleTimeoutError",
            "retry",
            "^No sound reached.* Start again",
        ),
        (42000020, "dialog.extra.model= 9 cant support enable_music=true", "fatal", "configuration"),
        (50000000, "Yaml: line 3: found unknown escape character", "fatal", "backslashes"),
        (45000000, "unable to decode V1 protocol message", "fatal", "client's fault"),
        (55000031, "server busy", "retry", "Try again"),
        (55000001, "ServerError", "retry", "Try again"),
    ],
)
def test_complaints_that_end_the_session(code: int, message: str, severity: str, hint: str) -> None:
    import re

    call = vad()
    for events in (call.codec.decode(error_frame(code, message)), vad().server(153, error=f"[{code}] {message}")):
        error = only_error(events)
        assert error.severity == severity
        assert re.search(hint, f"{error.message} {error.hint}")
        assert message in error.message
        assert error.code in error.message, "support asks for it"
        assert error.message.endswith(".")
        assert (ev.SessionFinished() in events) == (severity == "retry")


def test_an_empty_packet_is_harmless() -> None:
    assert only_error(vad().server(599, status_code="45000002", message="empty audio")).severity == "benign"


def test_an_error_in_a_round_fails_the_reply_and_the_session_goes_on() -> None:
    call = speaking(vad())
    error = {"status_code": "50000000", "message": "AudioQueryError"}
    assert call.server(599, **error) == [
        ev.ResponseFinished("r-1", "failed", message="AudioQueryError (code 50000000).", code="50000000")
    ]
    assert call.audio(PCM) == [ev.Ignored("late audio")]
    assert only_error(call.server(599, **error)).severity == "recoverable"
    assert call.server(450, question_id="q-2") == [ev.SpeechStarted("q-2")]


def test_a_running_session_survives_a_request_that_is_refused() -> None:
    refused = {"status_code": "45000001", "message": "truncation is not enabled"}
    assert only_error(vad().server(599, **refused)).severity == "recoverable"
    call = Call()
    call.replies()
    call.server(50)
    call.client(cmd.Configure(call.config))
    assert only_error(call.server(599, **refused)).severity == "fatal", "it was the session itself"


@pytest.mark.parametrize("refused", [True, False])
def test_the_models_own_answer_is_heard_when_its_replacement_does_not_come(refused: bool) -> None:
    call = vad(context="It rains.")
    call.server(450, question_id="q")
    call.server(459)
    kind = "default" if refused else "audit_content_risky"
    if refused:
        call.server(599, status_code="45000001", message="external_rag is too long")
    assert call.server(350, reply_id="r", question_id="q", tts_type=kind) == [ev.ResponseStarted("r", "q")]


def test_a_connection_that_starts_twice_has_one_session() -> None:
    call = vad()
    assert call.server(50) == [ev.Ignored("a second connection start")]


def test_an_idle_session_is_over_in_whatever_form_it_is_told() -> None:
    events = vad().server(599, status_code="52000042", message="DialogAudioIdleTimeoutError")
    assert (only_error(events).severity, events[-1]) == ("retry", ev.SessionFinished())


def test_a_voice_that_does_not_fit_falls_back_to_the_models_own_in_a_new_session() -> None:
    call = Call(voice="zh_male_wrong", turn_detection=VAD)
    call.replies()
    call.server(50)
    call.client(cmd.Configure(call.config))
    first = call.session_id
    events = call.server(153, error="[55000001] ClientError:InvalidSpeaker")
    assert events == [ev.ConfigureAgain("[55000001] ClientError:InvalidSpeaker", voice_dropped="zh_male_wrong")]
    ((event, shape),) = call.client(cmd.Configure(cmd.SessionConfig(turn_detection=VAD)))
    assert (event, shape["tts"]["speaker"]) == (100, "zh_female_vv_jupiter_bigtts")
    assert call.session_id != first
    last = call.server(153, error="ClientError:InvalidSpeaker")
    assert only_error(last).severity == "fatal"
    assert "voicechat voices" in only_error(last).hint


def test_a_refused_connection_is_lost() -> None:
    call = Call()
    events = call.server(51, error="no")
    assert (only_error(events).message, events[-1]) == ("no.", ev.SessionFinished())


def test_a_key_in_a_complaint_is_not_repeated() -> None:
    from voicechat.dialects.doubao.codec import DoubaoCodec
    from voicechat.dialects.doubao.session_shape import DialogueProfile
    from voicechat.redaction import remember

    remember("access-token-1")
    codec = DoubaoCodec(DialogueProfile())
    assert only_error(codec.decode(error_frame(45000001, "bad access-token-1"))).message == "bad *** (code 45000001)."


# -- nothing breaks it


@pytest.mark.parametrize("body", [b"{", b"[]", b"null", b"\xff\xfe", b'{"results":3}', b"[" * 100_000])
@pytest.mark.parametrize("event", [int(event) for event in ServerEvent if event not in (50, 52, 150, 352)])
def test_broken_json_is_counted(event: int, body: bytes) -> None:
    events = vad().raw(event, body)
    if body != b'{"results":3}' or event == 451:
        assert [(type(e).__name__, getattr(e, "broken", None)) for e in events] == [("Ignored", True)]


@pytest.mark.parametrize(
    ("event", "fields"),
    [
        (350, {"reply_id": [3]}),
        (450, {"question_id": []}),
        (451, {"results": [{"text": 4}]}),
        (451, {"results": ["x"]}),
        (550, {"content": {}}),
        (154, {"usage": {"input_text_tokens": "many"}}),
        (154, {"usage": {"input_text_tokens": 1e400}}),
        (567, {"items": {}}),
        (599, {"message": 3}),
    ],
)
def test_fields_of_a_wrong_type_are_counted(event: int, fields: dict[str, Any]) -> None:
    (ignored,) = vad().server(event, **fields)
    assert isinstance(ignored, ev.Ignored)
    assert ignored.broken


@pytest.mark.parametrize("frame", ["", "{}", "hello", b"", b"\x11", bytes(100), b'{"type":"error"}'])
def test_what_is_no_frame_is_counted(frame: str | bytes) -> None:
    (ignored,) = vad().codec.decode(frame)
    assert isinstance(ignored, ev.Ignored)
    assert ignored.broken


def test_an_error_frame_without_json_keeps_its_text() -> None:
    body = b"too bad"
    frame = b"\x11\xf0\x10\x00" + (55000000).to_bytes(4, "big") + len(body).to_bytes(4, "big") + body
    assert only_error(vad().codec.decode(frame)).message == "too bad (code 55000000)."


def test_frames_of_another_session_are_not_ours() -> None:
    call = vad()
    assert call.codec.decode(event_frame(450, "other", {})) == [ev.Ignored("another session")]
    assert meaning(call.codec.decode(audio_frame("other", PCM))) == []


WIRE_EVENTS = st.sampled_from([*(int(event) for event in ServerEvent), 551, 0, 1])
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "reply_id": st.sampled_from(["", "a", "b"]),
        "question_id": st.sampled_from(["", "q"]),
        "content": st.text(max_size=5),
        "tts_type": st.sampled_from(["default", "external_rag", "chat_tts_text"]),
        "results": st.lists(st.fixed_dictionaries({"text": st.text(max_size=5)}), max_size=2),
        "status_code": st.sampled_from(["50000000", "52000042", 3, None]),
        "message": st.text(max_size=5),
        "error": st.one_of(st.text(max_size=5), st.dictionaries(st.text(max_size=3), st.integers())),
    },
)


COMMANDS = st.sampled_from(
    [cmd.CancelResponse(), cmd.SendText("hi", item_id="turn-1"), cmd.CreateResponse(), cmd.CommitAudio("turn-2")]
)
FRAMES = st.tuples(WIRE_EVENTS, FIELDS)


@pytest.mark.parametrize("detection", [VAD, None], ids=["the service ends turns", "we end turns"])
@settings(max_examples=200, deadline=None)
@given(things=st.lists(FRAMES | COMMANDS, max_size=30))
def test_whatever_the_order_every_reply_has_one_beginning_and_one_end(
    detection: cmd.TurnDetection | None, things: list[tuple[int, dict[str, Any]] | cmd.Command]
) -> None:
    call = Call(turn_detection=detection).open()
    told: list[ev.Event] = []
    for thing in things:
        if not isinstance(thing, tuple):
            call.client(thing)
        else:
            told += call.audio(PCM) if thing[0] == 352 else call.server(thing[0], **thing[1])
    replies = check(told, all_end=False)
    assert sum(not isinstance(events[-1], ev.ResponseFinished) for events in replies.values()) <= 1


def test_random_mutations_of_a_call_never_raise() -> None:
    chance, call = random.Random(7), vad()
    name = call.session_id
    frames = [
        event_frame(event, name, {"reply_id": "r", "results": [{"text": "x"}], "content": "y", "error": "z"})
        for event in ServerEvent
    ]
    frames += [audio_frame(name, PCM * 50), audio_frame(name, PCM * 50, gzipped=True), error_frame(45000000, "x")]
    understood = 0
    for _ in range(20_000):
        data = bytearray(chance.choice(frames))
        for _ in range(chance.randint(0, 4)):
            place = chance.randrange(len(data))
            if not 12 <= place < 12 + len(name) or chance.random() < 0.1:  # another session's would all be dropped
                data[place] = chance.randrange(256)
        understood += bool(meaning(call.codec.decode(bytes(data))))
        call.replies()
    assert understood > 2000, "the frames did not reach the decoders"
