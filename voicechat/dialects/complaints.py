"""What a service's complaint means: harmless, worth telling, worth a new session, or final.

Codes and texts: the OpenAI realtime reference's error table, DashScope's list, and what gateways (LiteLLM, New-API) say
behind a socket that they have accepted. Most of the latter have texts only, so the texts are read too, and the harmless
ones get OpenAI's code.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from voicechat.dialects.fields import Json, mapping, text
from voicechat.realtime.events import ServiceError, Severity
from voicechat.redaction import redact

_BENIGN_CODES = {
    "input_audio_buffer_commit_empty",
    "conversation_already_has_active_response",
    "response_cancel_not_active",
    "item_truncate_invalid_item_id",
}
_BENIGN_TEXTS = (
    ("no active response", "response_cancel_not_active"),
    ("another response is in progress", "conversation_already_has_active_response"),
    ("active response in progress", "conversation_already_has_active_response"),
    ("while user is speaking", ""),
    ("can be truncated", "item_truncate_invalid_item_id"),
    ("is already shorter than", "item_truncate_invalid_item_id"),
    ("buffer too small", "input_audio_buffer_commit_empty"),
    ("buffer is empty", "input_audio_buffer_commit_empty"),
)
_KEY_CODES = {"invalid_api_key", "invalidapikey", "authentication_error", "unauthorized", "invalid_token"}
_KEY_TEXTS = (
    "incorrect api key",
    "invalid api key",
    "invalid api-key",
    "missing bearer",
    "no api-key provided",
    "invalid proxy server token",
    "no api key",
    "authenticationerror",
    "authentication error",
    "无效的令牌",
)
_MODEL_CODES = {"invalid_model", "model_not_found", "missing_model", "invalidmodel", "model_not_supported"}
_MODEL_TEXTS = (
    "is not supported in realtime mode",
    "model not exist",
    "must provide a model parameter",
    "invalid model name",
    "no healthy deployments for this model",
    "does not exist or you do not have access",
    "no available channel for model",
    "无可用渠道",
)
_QUOTA_CODES = {
    "insufficient_quota",
    "insufficient_user_quota",
    "budget_exceeded",
    "allocationquota.freetieronly",
    "arrearage",
    "billing_hard_limit_reached",
}
_QUOTA_TEXTS = (
    "exceeded your current quota",
    "quota exceeded",
    "free tier",
    "freetieronly",
    "overdue",
    "insufficient balance",
    "budget has been exceeded",
    "额度不足",
)
_ACCESS_CODES = {"modelaccessdenied", "model.accessdenied", "accessdenied", "access_denied", "permission_error"}
_ACCESS_TEXTS = ("access denied", "not allowed to access model", "not allowed for team", "not allowed for this key")
_RATE_CODES = {"rate_limit_exceeded", "limit_requests", "limit_burst_rate", "throttling", "rate_limit_error"}
_LOST_CODES = {"session_expired", "server_error", "internalerror", "internal_error", "internal_server_error"}
_LOST_TEXTS = ("hit the maximum duration", "session was closed because")


@dataclass(frozen=True, slots=True)
class Complaint:
    """The `error` object of a service, read leniently: an object, a bare string, or fields of the event itself."""

    kind: str
    code: str
    message: str
    param: str
    event_id: str

    @classmethod
    def read(cls, event: Json) -> "Complaint":
        """From an `error` event. Raises BrokenFrame for fields of a wrong type."""
        if isinstance(event.get("error"), str):
            return cls("", "", redact(text(event, "error")), "", "")
        fields = mapping(event, "error") or {key: value for key, value in event.items() if key != "type"}
        code = fields.get("code")
        return cls(
            kind=redact(text(fields, "type")),
            code=str(code) if isinstance(code, int) else redact(text(fields, "code")),
            message=redact(text(fields, "message")),
            param=redact(text(fields, "param")),
            # The event's own id is the server's; only the one inside `error` is an echo of ours.
            event_id=text(fields, "event_id") if "error" in event else "",
        )


def classify(complaint: Complaint, key_name: str = "the API key") -> ServiceError:
    """The domain event for a complaint; nothing here depends on the state of a session."""
    code, lower = complaint.code, complaint.message.lower()
    severity: Severity = "recoverable"
    hint = ""
    names = {code.lower(), complaint.kind.lower()}
    throttled = bool(names & _RATE_CODES) or lower.startswith("throttling") or code.startswith("Throttling")
    if code == "beta_api_shape_disabled":
        severity, hint = "fatal", "This service no longer speaks the Beta dialect: use the dialect `ga`."
    elif names & _KEY_CODES or _any(lower, _KEY_TEXTS):
        severity, hint = "fatal", f"Check {key_name}: wrong, expired, or of another account or region?"
    elif names & _QUOTA_CODES or (_any(lower, _QUOTA_TEXTS) and not throttled):
        severity, hint = "fatal", "The account's quota or balance is used up: top it up or use another key."
    elif names & _MODEL_CODES or _any(lower, _MODEL_TEXTS):
        severity, hint = "fatal", "Choose a realtime model this account may use with --model."
    elif names & _ACCESS_CODES or _any(lower, _ACCESS_TEXTS):
        severity, hint = "fatal", f"The key in {key_name} may not use this model: ask for access or change --model."
    elif throttled:
        hint = "Too many requests: wait a little before the next turn."
    elif code in _BENIGN_CODES:
        severity = "benign"
    elif (benign := next((known for words, known in _BENIGN_TEXTS if words in lower), None)) is not None:
        severity, code = "benign", benign or code
    elif names & _LOST_CODES or _any(lower, _LOST_TEXTS):
        severity = "retry"
    message = complaint.message or complaint.code or complaint.kind or "The service reported an error without a text."
    return ServiceError(message, code or complaint.kind, severity, hint, complaint.param)


def _any(message: str, phrases: Iterable[str]) -> bool:
    return any(phrase in message for phrase in phrases)
