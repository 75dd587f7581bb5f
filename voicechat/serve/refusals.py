"""A no, in the three ways in which it may have to be said: an HTTP answer, an `error` event, a close."""

import json
import secrets
from dataclasses import dataclass, field

from starlette.responses import JSONResponse, Response

from voicechat.dialects.fields import Json
from voicechat.dialects.openai.server.checks import Rejected


@dataclass(eq=False)
class Refusal(Exception):
    """`code` is for programs, `message` for people. None of them quotes a key."""

    status: int
    close_code: int
    code: str | None
    message: str
    kind: str = "invalid_request_error"
    param: str | None = None
    retry_after_s: int | None = None
    more: Json = field(default_factory=dict)
    """What an HTTP answer says beside the error."""

    def body(self) -> Json:
        """Of an HTTP answer (reference, section 16)."""
        error = {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}
        return {"error": error, **self.more}

    def event(self) -> str:
        """The `error` event before the close."""
        error = {
            "type": self.kind, "code": self.code, "message": self.message, "param": self.param, "event_id": None
        }  # fmt: skip
        return json.dumps({"type": "error", "event_id": f"event_{secrets.token_hex(10)}", "error": error})

    @property
    def reason(self) -> str:
        """Of the close, as OpenAI writes it."""
        return f"{self.kind}.{self.code}" if self.code else self.kind


def answer(refusal: Refusal) -> Response:
    headers = {} if refusal.retry_after_s is None else {"Retry-After": str(refusal.retry_after_s)}
    if refusal.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(refusal.body(), refusal.status, headers)


def no_key() -> Refusal:
    return Refusal(401, 3000, None, "Missing bearer or basic authentication in header")


def wrong_key() -> Refusal:
    return Refusal(401, 3000, "invalid_api_key", "Incorrect API key provided.")


def no_model() -> Refusal:
    return Refusal(400, 4000, "missing_model", "You must provide a model parameter.", param="model")


def unknown_model(name: str) -> Refusal:
    message = f"The model {name[:80]!r} is not served here; GET /v1/models lists those that are."
    return Refusal(404, 4000, "invalid_model", message, param="model")


def foreign_model(name: str) -> Refusal:
    message = f"The model {name[:80]!r} does not exist or you do not have access to it."
    return Refusal(403, 4004, "model_not_found", message, param="model")


def rejected(error: Rejected) -> Refusal:
    """For what a client wrote."""
    return Refusal(400, 4000, error.code, str(error), param=error.param)


def unknown_url(method: str, path: str) -> Refusal:
    return Refusal(404, 4000, "unknown_url", f"Invalid URL ({method[:20]} {path[:200]})")


def foreign_origin() -> Refusal:
    message = "This page may not use this server; its origin would have to be among [serve] origins."
    return Refusal(403, 3000, "origin_not_allowed", message, "permission_error")


def foreign_host() -> Refusal:
    message = "Without tokens this server answers to the names of this machine only."
    return Refusal(403, 3000, "host_not_allowed", message, "permission_error")


def busy(what: str) -> Refusal:
    return Refusal(429, 1013, "rate_limit_exceeded", f"{what} Try again later.", "rate_limit_error", retry_after_s=5)


def full() -> Refusal:
    message = "All places are taken at the moment. Try again later."
    return Refusal(503, 1013, "server_busy", message, "server_error", retry_after_s=5)


def limits_unavailable() -> Refusal:
    message = "Limits and keys cannot be looked up at the moment. Try again later."
    return Refusal(503, 1013, "limits_unavailable", message, "server_error", retry_after_s=5)


def talked() -> Refusal:
    return busy("This token has used its minutes of today.")


def spent() -> Refusal:
    message = "You exceeded your current quota: this token has spent what it may spend today."
    return Refusal(429, 1013, "insufficient_quota", message, "insufficient_quota")


def price_unknown(what: str) -> Refusal:
    message = f"This token may spend so much a day, and what {what[:80]} costs is not known in its currency."
    return Refusal(403, 4003, "price_unknown", message, "permission_error", param="model")


def ending() -> Refusal:
    message = "This server is about to stop and takes no new sessions."
    return Refusal(503, 1012, "server_shutting_down", message, "server_error", retry_after_s=5)


def going_away() -> Refusal:
    """To a session that is open."""
    message = "This server stops; connect again to go on elsewhere."
    return Refusal(503, 1001, "server_shutting_down", message, "server_error")


def too_old(minutes: float) -> Refusal:
    message = f"Your session hit the maximum duration of {minutes:g} minutes."
    return Refusal(403, 1001, "session_expired", message)


def too_large(most_bytes: int) -> Refusal:
    message = f"The body is too large: at most {most_bytes // 1_048_576} MiB are taken."
    return Refusal(413, 1009, "request_too_large", message)


def broken_off() -> Refusal:
    """Nobody reads it: whoever asked has gone."""
    return Refusal(400, 4000, "request_broken_off", "The request broke off.")


def failed(message: str) -> Refusal:
    """What stands behind cannot be had."""
    return Refusal(502, 1011, "upstream_failed", message, "server_error")
