"""What a complaint means, by its code or by its words."""

import json
from typing import Any

import pytest

from voicechat.dialects.openai.client import ClientProfile, RealtimeCodec
from voicechat.realtime import events as ev
from voicechat.redaction import remember


def complain(error: Any, **profile: Any) -> ev.ServiceError:
    codec = RealtimeCodec(ClientProfile(**profile))
    (event,) = codec.decode(json.dumps({"type": "error", "event_id": "event_1", "error": error}))
    assert isinstance(event, ev.ServiceError)
    return event


@pytest.mark.parametrize(
    ("error", "severity"),
    [
        ({"code": "input_audio_buffer_commit_empty"}, "benign"),
        ({"code": "conversation_already_has_active_response"}, "benign"),
        ({"code": "response_cancel_not_active"}, "benign"),
        ({"code": "item_truncate_invalid_item_id"}, "benign"),
        ({"code": None, "message": "Only model output audio messages can be truncated"}, "benign"),
        ({"code": "invalid_value", "message": "Audio content of 5ms is already shorter than 9ms"}, "benign"),
        ({"code": "invalid_value", "message": "Cannot create response while user is speaking."}, "benign"),
        ({"code": "invalid_event"}, "recoverable"),
        ({"code": "invalid_value", "message": "Invalid value: 'x'."}, "recoverable"),
        ({"code": "rate_limit_exceeded"}, "recoverable"),
        ({"code": "Throttling.AllocationQuota", "message": "Allocated quota exceeded for now."}, "recoverable"),
        ({"code": "limit_burst_rate"}, "recoverable"),
        ({"code": "session_expired"}, "retry"),
        ({"code": "x", "message": "Your session hit the maximum duration of 60 minutes."}, "retry"),
        ({"message": "Your session was closed because no response was generated for 180 seconds."}, "retry"),
        ({"type": "server_error", "message": "The server had an error"}, "retry"),
        ({"code": "InternalError"}, "retry"),
        ({"code": "invalid_api_key"}, "fatal"),
        ({"code": "InvalidApiKey"}, "fatal"),
        ({"code": None, "message": "Missing bearer or basic authentication in header"}, "fatal"),
        ({"code": "invalid_model"}, "fatal"),
        ({"code": "missing_model"}, "fatal"),
        ({"code": "model_not_found"}, "fatal"),
        ({"code": "ModelAccessDenied"}, "fatal"),
        ({"code": "insufficient_quota"}, "fatal"),
        ({"code": "AllocationQuota.FreeTierOnly"}, "fatal"),
        ({"code": "Arrearage"}, "fatal"),
        ({"message": "Allocated quota exceeded, please increase your quota limit."}, "fatal"),
        ({"code": "beta_api_shape_disabled"}, "fatal"),
        ({"message": "/realtime: Invalid model name passed in model=x. Call `/v1/models` to view models."}, "fatal"),
        ({"message": "There are no healthy deployments for this model. Passed model=x"}, "fatal"),
        ({"message": "Authentication Error, Invalid proxy server token passed. Received API Key = 1"}, "fatal"),
        ({"message": "key not allowed to access model. This key can only access models=['y']"}, "fatal"),
        ({"code": "400", "message": "ExceededBudget: Budget has been exceeded! Current cost: 2"}, "fatal"),
        ({"code": "model_not_found", "message": "当前分组 default 下对于模型 x 无可用渠道"}, "fatal"),
        ({"message": "No available channel for model x under group default (distributor)"}, "fatal"),
        ({"message": "无效的令牌"}, "fatal"),
        ({"code": "insufficient_user_quota", "message": "用户额度不足"}, "fatal"),
        ("a bare string", "recoverable"),
        ({"code": 400}, "recoverable"),
        (None, "recoverable"),
    ],
)
def test_severity(error: Any, severity: str) -> None:
    event = complain(error)
    assert event.severity == severity
    assert event.message
    assert bool(event.hint) or severity != "fatal", "what is final says what to do"


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("Cancellation failed: no active response found", "response_cancel_not_active"),
        (
            "Cannot create response while another response is in progress.",
            "conversation_already_has_active_response",
        ),
        ("Cannot create response while user is speaking.", "invalid_value"),
        ("Error committing input audio buffer: buffer too small.", "input_audio_buffer_commit_empty"),
    ],
)
def test_harmless_texts_get_the_code_that_belongs_to_them(message: str, code: str) -> None:
    assert complain({"code": "invalid_value", "message": message}).code == code


def test_every_field_is_passed_on() -> None:
    error = {"type": "invalid_request_error", "code": "c", "message": "m", "param": "item.id", "event_id": "event_x_1"}
    assert complain(error) == ev.ServiceError("m", "c", "recoverable", "", "item.id")


def test_the_key_is_named_and_never_shown() -> None:
    secret = "0123456789abcdef0123456789abcdef"
    message = f"Incorrect API key provided: sk-proj-abcdefghijkl, or was it {secret}? Bearer tok.en/xyz"
    remember(secret)
    event = complain({"code": "invalid_api_key", "message": message}, key_name="NEWAPI_API_KEY")
    assert event.message == "Incorrect API key provided: ***, or was it ***? Bearer ***"
    assert "NEWAPI_API_KEY" in event.hint


def test_a_short_key_is_taken_out_where_it_stands_alone_and_a_word_never() -> None:
    remember("k-12", "test", "k1")
    event = complain({"message": "Key k-12 or 'k-12'? A bk-12 is tested, a test too."})
    assert event.message == "Key *** or '***'? A bk-12 is tested, a test too."
