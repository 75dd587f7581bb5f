"""Frames to events, by value, under both names of every renamed event."""

import base64
import json
from typing import Any

import pytest

from voicechat.audio import g711
from voicechat.dialects.openai.client import ClientProfile, RealtimeCodec
from voicechat.dialects.openai.client.server_events import UNUSED
from voicechat.realtime import events as ev
from voicechat.redaction import remember

IDS = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}
TRANSCRIPTION = "conversation.item.input_audio_transcription"


def decode(codec: RealtimeCodec, kind: str, **fields: Any) -> list[ev.Event]:
    return codec.decode(json.dumps({"type": kind, "event_id": "event_1", **fields}))


def answering(**profile: Any) -> RealtimeCodec:
    """A codec in the middle of the response `resp_1`."""
    codec = RealtimeCodec(ClientProfile(**profile))
    decode(codec, "response.created", response={"id": "resp_1"})
    return codec


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


GA_SESSION = {"id": "sess_1", "type": "realtime", "model": "m", "expires_at": 1_790_000_000}
USAGE = {
    "total_tokens": 60,
    "input_tokens": 40,
    "output_tokens": 20,
    "input_token_details": {
        "text_tokens": 25,
        "audio_tokens": 10,
        "image_tokens": 5,
        "cached_tokens": 8,
        "cached_tokens_details": {"text_tokens": 5, "audio_tokens": 2, "image_tokens": 1},
    },
    "output_token_details": {"text_tokens": 4, "audio_tokens": 16},
}
QWEN_USAGE = {name.replace("token_details", "tokens_details"): value for name, value in USAGE.items()}
COUNTED = ev.Usage(40, 20, 25, 10, 5, 8, 4, 16, 5, 2, 1)
TRANSCRIBED = {
    "type": "tokens",
    "total_tokens": 20,
    "input_tokens": 16,
    "output_tokens": 4,
    "input_token_details": {"text_tokens": 6, "audio_tokens": 10},
}
CALL = {"id": "item_1", "type": "function_call", "call_id": "call_1", "name": "clock", "arguments": "{}"}

CASES: list[tuple[str, dict[str, Any], list[ev.Event]]] = [
    (
        "session.created",
        {"session": {**GA_SESSION, "audio": {"output": {"voice": "marin"}}}},
        [ev.SessionCreated("sess_1", "m", "marin", 1_790_000_000.0)],
    ),
    ("session.created", {"session": {"id": "s", "voice": "Tina"}}, [ev.SessionCreated("s", "", "Tina")]),
    ("session.updated", {"session": {"voice": "Cherry"}}, [ev.SessionConfigured("Cherry")]),
    (
        "session.updated",
        {"session": {"audio": {"output": {"voice": {"id": "voice_1"}}}}},
        [ev.SessionConfigured("voice_1")],
    ),
    (
        "session.updated",
        {"session": {"voice": "Cherry", "audio": {"input": {"transcription": {"model": "whisper-1"}}}}},
        [ev.SessionConfigured("Cherry", "whisper-1")],
    ),
    (
        "session.updated",
        {"session": {"voice": "Cherry", "input_audio_transcription": {"model": "whisper-1"}}},
        [ev.SessionConfigured("Cherry", "whisper-1")],
    ),
    ("session.finished", {}, [ev.SessionFinished()]),
    ("session.closed", {}, [ev.SessionFinished()]),
    (
        "input_audio_buffer.speech_started",
        {"item_id": "item_1", "audio_start_ms": 1240},
        [ev.SpeechStarted("item_1", 1240)],
    ),
    ("input_audio_buffer.speech_started", {}, [ev.SpeechStarted("~input-1")]),
    (
        "input_audio_buffer.speech_stopped",
        {"item_id": "item_1", "audio_end_ms": 2240},
        [ev.SpeechStopped("item_1", 2240)],
    ),
    ("input_audio_buffer.committed", {"item_id": "item_1"}, [ev.InputCommitted("item_1")]),
    ("input_audio_buffer.commited", {"item_id": "item_1"}, [ev.InputCommitted("item_1")]),
    ("input_audio_buffer.cleared", {}, [ev.InputCleared()]),
    (
        "conversation.item.created",
        {"item": {"id": "item_1", "type": "message", "role": "user"}},
        [ev.ItemAdded("item_1", "user")],
    ),
    ("conversation.item.added", {"item": CALL}, [ev.ItemAdded("item_1", "", "function_call")]),
    ("conversation.item.done", {"item": CALL}, []),
    (
        "conversation.item.truncated",
        {"item_id": "item_1", "index": 0, "audio_end_ms": 740},
        [ev.ItemTruncated("item_1", 740)],
    ),
    ("conversation.item.deleted", {"item_id": "item_1"}, [ev.ItemDeleted("item_1")]),
    (
        "conversation.item.retrieved",
        {"item": {"id": "item_1", "content": [{"type": "output_audio", "transcript": "Hi."}, {"text": " You."}]}},
        [ev.ItemRetrieved("item_1", "Hi. You.")],
    ),
    (
        f"{TRANSCRIPTION}.completed",
        {"item_id": "item_1", "transcript": "你好", "usage": {"type": "duration", "seconds": 1.5}},
        [ev.UserTranscript("item_1", "你好", True, ev.Usage(seconds=1.5))],
    ),
    (
        f"{TRANSCRIPTION}.completed",
        {"item_id": "item_1", "transcript": "Hi", "usage": TRANSCRIBED},
        [ev.UserTranscript("item_1", "Hi", True, ev.Usage(16, 4, 6, 10, output_text_tokens=4))],
    ),
    (
        f"{TRANSCRIPTION}.failed",
        {"item_id": "item_1", "error": {"code": "audio_unintelligible", "message": "Unclear."}},
        [ev.UserTranscriptFailed("item_1", "Unclear.")],
    ),
    (f"{TRANSCRIPTION}.failed", {"item_id": "i", "error": {"code": "x"}}, [ev.UserTranscriptFailed("i", "x")]),
    ("response.created", {"response": {"id": "resp_1"}}, [ev.ResponseStarted("resp_1")]),
    ("response.function_call_arguments.delta", {**IDS, "call_id": "call_1", "delta": "{"}, []),
    (
        "response.function_call_arguments.done",
        {**IDS, "call_id": "call_1", "name": "clock", "arguments": ' {"a":1}'},
        [ev.ToolCall("resp_1", "item_1", "call_1", "clock", ' {"a":1}')],
    ),
    (
        "response.output_item.done",
        {"response_id": "resp_1", "item": CALL},
        [ev.ToolCall("resp_1", "item_1", "call_1", "clock", "{}")],
    ),
    ("response.output_item.done", {"response_id": "resp_1", "item": {"type": "message"}}, []),
    ("response.output_item.done", {"response_id": "resp_1", "item": {**CALL, "status": "incomplete"}}, []),
    (
        "response.done",
        {"response": {"id": "resp_1", "status": "completed", "usage": USAGE}},
        [ev.ResponseFinished("resp_1", "completed", usage=COUNTED)],
    ),
    (
        "response.done",
        {"response": {"id": "resp_1", "usage": QWEN_USAGE}},
        [ev.ResponseFinished("resp_1", "completed", usage=COUNTED)],
    ),
    (
        "response.done",
        {
            "response": {
                "id": "resp_1",
                "status": "cancelled",
                "status_details": {"type": "cancelled", "reason": "turn_detected"},
                "usage": None,
            }
        },
        [ev.ResponseFinished("resp_1", "cancelled", "turn_detected")],
    ),
    (
        "response.done",
        {"response": {"id": "resp_1", "status": "incomplete", "status_details": "max_output_tokens"}},
        [ev.ResponseFinished("resp_1", "incomplete", "max_output_tokens")],
    ),
    (
        "response.done",
        {
            "response": {
                "id": "resp_1",
                "status": "failed",
                "status_details": {"type": "failed", "error": {"code": "server_error", "message": "Oops."}},
            }
        },
        [ev.ResponseFinished("resp_1", "failed", "", "Oops.", "server_error")],
    ),
    (
        "response.done",
        {"response": {"id": "resp_1", "status": "completed", "output": [CALL]}},
        [
            ev.ToolCall("resp_1", "item_1", "call_1", "clock", "{}"),
            ev.ResponseFinished("resp_1", "completed"),
        ],
    ),
    (
        "rate_limits.updated",
        {"rate_limits": [{"name": "tokens", "limit": 9, "remaining": 5, "reset_seconds": 0.5}, {"name": "requests"}]},
        [ev.RateLimits({"tokens": 5}, {"tokens": 0.5})],
    ),
    ("a.new.event", {"anything": 1}, [ev.Ignored("a.new.event")]),
]
for old, new in (("response.audio", "response.output_audio"), ("response.text", "response.output_text")):
    for name in (old, new):
        spoken = "audio" in name
        text = f"{name}_transcript" if spoken else name
        CASES += [
            (f"{text}.delta", {**IDS, "delta": "word "}, [ev.AssistantText("resp_1", "item_1", 0, "word ", spoken)]),
            (
                f"{text}.done",
                {**IDS, "transcript" if spoken else "text": "words"},
                [ev.AssistantTextDone("resp_1", "item_1", 0, "words", spoken)],
            ),
            (f"{text}.done", {**IDS, "value": "v"}, [ev.AssistantTextDone("resp_1", "item_1", 0, "v", spoken)]),
        ]
        if spoken:
            CASES += [
                (
                    f"{name}.delta",
                    {**IDS, "content_index": 1, "delta": b64(b"\x01\x02"), "obfuscation": "x"},
                    [ev.AssistantAudio("resp_1", "item_1", 1, b"\x01\x02")],
                ),
                (f"{name}.done", {**IDS}, [ev.AssistantAudioDone("resp_1", "item_1", 0)]),
            ]
CASES += [(kind, dict(IDS), []) for kind in sorted(UNUSED)]


def begun(events: list[ev.Event]) -> list[ev.Event]:
    """With the beginning that the service did not announce."""
    unannounced = hasattr(events[0], "response_id") and not isinstance(events[0], ev.ResponseStarted)
    return [ev.ResponseStarted("resp_1"), *events] if unannounced else events


@pytest.mark.parametrize(("kind", "fields", "events"), CASES)
def test_one_frame(kind: str, fields: dict[str, Any], events: list[ev.Event]) -> None:
    events = begun(events) if events else []
    assert decode(RealtimeCodec(), kind, **fields) == events
    again = json.dumps({"type": kind, **fields}).encode()
    assert RealtimeCodec().decode(again) == events, "JSON in a binary frame is JSON all the same"


def test_transcription_deltas_are_the_whole_text_so_far() -> None:
    codec = RealtimeCodec()
    events = [decode(codec, f"{TRANSCRIPTION}.delta", item_id="a", delta=word) for word in ("go ", "forward", None)]
    assert events == [
        [ev.UserTranscript("a", "go ", False)],
        [ev.UserTranscript("a", "go forward", False)],
        [ev.UserTranscript("a", "go forward", False)],
    ]
    assert decode(codec, f"{TRANSCRIPTION}.completed", item_id="a") == [ev.UserTranscript("a", "go forward", True)]


@pytest.mark.parametrize("kind", ["delta", "text"])
def test_cumulative_transcription_replaces(kind: str) -> None:
    codec = RealtimeCodec()
    assert decode(codec, f"{TRANSCRIPTION}.{kind}", item_id="a", text="", stash="今") == [
        ev.UserTranscript("a", "今", False)
    ]
    assert decode(codec, f"{TRANSCRIPTION}.{kind}", item_id="a", text="今天", stash="适合", emotion="neutral") == [
        ev.UserTranscript("a", "今天适合", False)
    ]


def test_nothing_is_heard_of_a_transcription_after_its_end() -> None:
    codec = RealtimeCodec()
    decode(codec, f"{TRANSCRIPTION}.completed", item_id="a", transcript="done")
    assert decode(codec, f"{TRANSCRIPTION}.delta", item_id="a", delta="late") == [
        ev.Ignored("transcription delta after its end")
    ]
    assert decode(codec, f"{TRANSCRIPTION}.completed", item_id="a", transcript="done") == [
        ev.Ignored("transcription completed twice")
    ]
    assert decode(codec, f"{TRANSCRIPTION}.delta", item_id="b", delta="next") == [ev.UserTranscript("b", "next", False)]


def test_a_sample_split_over_two_deltas_is_put_together_per_item() -> None:
    codec = answering()

    def audio(item_id: str, data: bytes) -> list[ev.Event]:
        return decode(codec, "response.audio.delta", **{**IDS, "item_id": item_id}, delta=b64(data))

    assert audio("a", b"\x01\x02\x03") == [ev.AssistantAudio("resp_1", "a", 0, b"\x01\x02")]
    assert audio("b", b"\x11\x12") == [ev.AssistantAudio("resp_1", "b", 0, b"\x11\x12")]
    assert audio("a", b"\x04") == [ev.AssistantAudio("resp_1", "a", 0, b"\x03\x04")]
    assert audio("a", b"\x05") == []
    decode(codec, "response.audio.done", **{**IDS, "item_id": "a"})
    assert audio("a", b"\x06\x07") == [ev.AssistantAudio("resp_1", "a", 0, b"\x06\x07")], "the odd byte ended there"


@pytest.mark.parametrize("law", ["g711_ulaw", "g711_alaw"])
def test_g711_answers_are_decoded(law: g711.Law) -> None:
    codec = answering(audio_format=law)
    coded = bytes([0x00, 0x55, 0xAA])
    assert decode(codec, "response.audio.delta", **IDS, delta=b64(coded)) == [
        ev.AssistantAudio("resp_1", "item_1", 0, g711.decode(law, coded))
    ]


def test_a_response_ends_once_and_lends_its_id_meanwhile() -> None:
    codec = RealtimeCodec()
    decode(codec, "response.created", response={"id": "resp_7"})
    assert decode(codec, "response.text.delta", item_id="a", delta="x") == [
        ev.AssistantText("resp_7", "a", 0, "x", False)
    ]
    done = {"response": {"id": "resp_7", "status": "completed"}}
    assert decode(codec, "response.done", **done) == [ev.ResponseFinished("resp_7", "completed")]
    assert decode(codec, "response.done", **done) == [ev.Ignored("a second end of a response")]


def test_a_tool_call_is_announced_once() -> None:
    codec = answering()
    call = ev.ToolCall("resp_1", "item_1", "call_1", "clock", "{}")
    decode(codec, "response.output_item.added", response_id="resp_1", item={**CALL, "arguments": ""})
    assert decode(codec, "response.function_call_arguments.done", **IDS, call_id="call_1", arguments="{}") == [call]
    assert decode(codec, "response.output_item.done", response_id="resp_1", item=CALL) == []
    done = {"id": "resp_1", "status": "completed", "output": [CALL]}
    assert decode(codec, "response.done", response=done) == [ev.ResponseFinished("resp_1", "completed")]


def test_a_call_without_a_name_waits_for_its_item() -> None:
    codec = answering()
    assert decode(codec, "response.function_call_arguments.done", **IDS, call_id="call_1", arguments="{}") == []
    assert decode(codec, "response.output_item.done", response_id="resp_1", item=CALL) == [
        ev.ToolCall("resp_1", "item_1", "call_1", "clock", "{}")
    ]


def test_no_text_of_the_service_repeats_the_key() -> None:
    key = "0123456789abcdef"
    remember(key)
    codec = RealtimeCodec(ClientProfile())
    error = {"type": f"t {key}", "code": f"c {key}", "message": f"m {key}", "param": f"p {key}"}
    kind = "conversation.item.input_audio_transcription.failed"
    events = decode(codec, kind, item_id="i", error=error) + decode(codec, kind, item_id="i", error={"code": key})
    events += decode(codec, "error", error=error) + decode(codec, "error", error={"type": key})
    for number, status in enumerate(("incomplete", "failed", "cancelled")):
        details = {"type": status, "reason": key, "error": error}
        events += decode(
            codec, "response.done", response={"id": f"{number}", "status": status, "status_details": details}
        )
    events = [event for event in events if not isinstance(event, ev.ResponseStarted)]
    assert len(events) == 7
    assert key not in repr(events)
    assert "message='m ***'" in repr(events[-3])


def test_an_exhausted_quota_ends_the_session_with_the_response() -> None:
    error = {"code": "insufficient_quota", "message": "You exceeded your current quota."}
    done = {"id": "resp_1", "status": "failed", "status_details": {"error": error}}
    finished, fatal = decode(answering(), "response.done", response=done)
    assert finished == ev.ResponseFinished("resp_1", "failed", "", error["message"], "insufficient_quota")
    assert isinstance(fatal, ev.ServiceError)
    assert fatal.severity == "fatal"


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not an object"),
        ("null", "not an object"),
        ("{}", "no type"),
        ('{"type": 1}', "no type"),
        ('{"type":"response.audio.delta","delta":"no base64!"}', "response.audio.delta"),
        ('{"type":"response.audio.delta","delta":"AAA"}', "response.audio.delta"),
        ('{"type":"response.audio.delta","delta":"ÄÖ=="}', "response.audio.delta"),
        ('{"type":"response.audio.delta","delta":7}', "response.audio.delta"),
        ('{"type":"response.text.delta","delta":["a"]}', "response.text.delta"),
        ('{"type":"response.text.delta","delta":"a","content_index":"0"}', "response.text.delta"),
        ('{"type":"response.text.delta","delta":"a","content_index":NaN}', "response.text.delta"),
        ('{"type":"response.text.delta","delta":"a","content_index":1' + "0" * 400 + "}", "response.text.delta"),
        ('{"type":"response.created","response":"resp_1"}', "response.created"),
        ('{"type":"response.done","response":{"usage":3}}', "response.done"),
        ('{"type":"response.done","response":{"status_details":3}}', "response.done"),
        ('{"type":"response.done","response":{"status":"completed","output":[1]}}', "response.done"),
        ('{"type":"session.created","session":[]}', "session.created"),
        ('{"type":"session.created","session":{"expires_at":"soon"}}', "session.created"),
        ('{"type":"error","error":7}', "error"),
        ('{"type":"rate_limits.updated","rate_limits":{}}', "rate_limits.updated"),
        ('{"type":"conversation.item.truncated","item_id":"a","audio_end_ms":true}', "conversation.item.truncated"),
    ],
)
def test_a_broken_frame_is_one_ignored_event(frame: str | bytes, kind: str) -> None:
    assert RealtimeCodec().decode(frame) == [ev.Ignored(kind, broken=True)]


def test_half_a_surrogate_pair_becomes_printable() -> None:
    frame = '{"type":"response.text.delta","item_id":"a","delta":"x\\ud83d"}'
    assert answering().decode(frame) == [ev.AssistantText("resp_1", "a", 0, "x?", False)]
