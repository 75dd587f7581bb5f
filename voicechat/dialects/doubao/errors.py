"""What a complaint of the service means. Codes and texts: the document's error table, and what was seen live.

An outer code often wraps an inner one ("sami error: codes=52000042, desc=…"): the inner one is believed.
"""

import re

from voicechat.dialects.fields import Json, text
from voicechat.realtime.events import ServiceError, Severity
from voicechat.redaction import redact

_CODE = re.compile(r"(?<!\d)[2-6]\d{7}(?!\d)")

_ACTIVATE = (
    "Is the service switched on for this app in the console, and are app id and access token of the same app? "
    "A key of the new console belongs into DOUBAO_API_KEY."
)
_LATER = "Try again in a moment."
_CONFIGURATION = "A part of the session's configuration was refused: check model, voice and options."
_TOO_MANY = "Too many conversations at once for this account: end others, or wait some minutes."

_BY_CODE: dict[str, tuple[Severity, str]] = {
    "42000020": ("fatal", _CONFIGURATION),
    "45000001": ("fatal", _CONFIGURATION),
    "45000002": ("benign", ""),
    "45000003": ("retry", "Start again."),
    "45000010": ("fatal", _ACTIVATE),
    "45000292": ("fatal", _TOO_MANY),
    "52000009": ("retry", "Start again."),
    "52000030": ("recoverable", "The sound stopped in the middle of a sentence."),
    "52000042": ("retry", "Start again."),
    "55000030": ("retry", _LATER),
    "55000031": ("retry", _LATER),
}
_BY_TEXT: tuple[tuple[str, Severity, str], ...] = (
    ("invalidspeaker", "fatal", "Voice and model do not fit: `voicechat voices --provider doubao` lists the pairs."),
    (
        "resource mismatch",
        "fatal",
        "That voice is of another service: `voicechat voices --provider doubao` lists them.",
    ),
    ("escape character", "fatal", "Leave backslashes and unusual characters out of the instructions."),
    ("requested grant not found", "fatal", _ACTIVATE),
    ("resource not granted", "fatal", _ACTIVATE),
    ("types: concurrency", "fatal", _TOO_MANY),
    ("quota exceeded", "fatal", "The account's quota is used up, or too many conversations run at once."),
    ("audioidletimeout", "retry", "Start again."),
    ("session number limit", "retry", "The session before this one has not ended yet. Start again."),
)
_ENDS_THE_SESSION = frozenset({"45000003", "52000009", "52000042"})
_REFUSES_A_REQUEST = frozenset({"42000020", "45000001"})
"""A running session goes on without what was asked."""
_NO_SOUND = "No sound reached the service, because the program was paused or the network stalled"
_REASONS = (
    (("45000003", "abnormal silence"), "Nothing was said for ten minutes, so the service hung up"),
    (("52000009", "52000042", "audioidletimeout"), _NO_SOUND),
)
"""What some complaints mean. It is a part of the message: the line that tells of a reconnection has no hint."""


def complaint_of(payload: Json) -> str:
    """The text of an error's payload: `error` or `message`, or an `error` object's message. Raises BrokenFrame."""
    error = payload.get("error")
    if isinstance(error, dict):
        return text(error, "message") or str(error.get("code", ""))
    return text(payload, "error", "message")


def status_of(payload: Json) -> str:
    """`status_code`, which is a string in some events and a number in others. Raises BrokenFrame."""
    code = payload.get("status_code")
    return str(code) if isinstance(code, int) else text(payload, "status_code")


def classify(code: str, message: str, *, dead: bool) -> ServiceError:
    """The domain event for a complaint. `dead`: it came in a form after which there is no session any more."""
    message = redact(" ".join(message.split()))[:500]
    inner = [found for found in _CODE.findall(message) if found != code]
    known = next((c for c in (*inner, code) if c in _BY_CODE), "")
    code = known or (inner[0] if inner and not code else code)
    lower = message.lower()
    severity: Severity = "retry" if dead else "recoverable"
    hint = _LATER if code.startswith("5") else ""
    if known:
        severity, hint = _BY_CODE[known]
    for words, its_severity, its_hint in _BY_TEXT:
        if words in lower:
            severity, hint = its_severity, its_hint
            break
    if dead and not known and code.startswith("4") and severity == "retry":
        severity, hint = "fatal", hint or "The service calls it the client's fault: check model, voice and options."
    if severity == "fatal" and not dead and known in _REFUSES_A_REQUEST:
        severity, hint = "recoverable", "The conversation goes on without what was asked."
    elif severity == "retry" and not dead and code not in _ENDS_THE_SESSION:
        severity = "recoverable"
    elif severity in ("recoverable", "benign") and dead:
        severity = "retry"
    return ServiceError(_explained(code, message), code, severity, hint)


def _explained(code: str, message: str) -> str:
    """With the reason in plain words where it is known, and with the number that support asks for."""
    said = message.rstrip(".") or "The service reported an error without a text"
    if code and code not in said:
        said += f" (code {code})"
    lower = said.lower()
    reason = next((f"{reason}: " for signs, reason in _REASONS if any(sign in lower for sign in signs)), "")
    return f"{reason}{said}."


def is_invalid_speaker(message: str) -> bool:
    return "invalidspeaker" in message.lower()
