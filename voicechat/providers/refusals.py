"""What a refused handshake or an early close means, for services of the OpenAI Realtime family.

OpenAI upgrades first and refuses afterwards (an `error` event, then close 3000, 4000 or 4004, whose reason repeats
the code); Azure and DashScope answer the upgrade with an HTTP status; DashScope closes silently after accepting an
unknown model, and with 1007 when a quota is used up.
"""

import json
import re
from dataclasses import dataclass

from voicechat.dialects.complaints import Complaint, classify
from voicechat.dialects.fields import BrokenFrame
from voicechat.errors import ConnectionFailed, Refused, VoicechatError
from voicechat.realtime.events import ServiceError
from voicechat.redaction import redact

_MAX_TEXT = 300
_BEHIND = re.compile(r"rejected WebSocket connection: HTTP (40[134])")
"""What the library `websockets` says of a refused upgrade, and gateways that use it say as their reason."""


@dataclass(frozen=True, slots=True)
class Hints:
    """What a service's user should check, by what was refused."""

    key: str
    model: str
    url: str = "Check the address (--url)."


def explain(
    name: str,
    model: str,
    hints: Hints,
    status: int | None,
    close_code: int | None,
    text: str,
) -> VoicechatError:
    """`Refused` when trying again is of no use, `ConnectionFailed` when it may be."""
    said = complaint_of(text)
    error = classify(said)
    told = f": {said.message.rstrip('.')}" if said.message else ""
    if status is not None:
        return _by_status(name, model, hints, status, error, told)
    return _by_close(name, model, hints, close_code, error, told)


def _by_status(name: str, model: str, hints: Hints, status: int, error: ServiceError, told: str) -> VoicechatError:
    if status == 401:
        return Refused(f"{name} does not accept the key (HTTP 401){told}.", hints.key)
    if status == 403:
        return Refused(f"{name} denies access (HTTP 403){told}.", f"{hints.key} May it use {model or 'the model'}?")
    if status == 404:
        return Refused(f"{name} knows no such endpoint or model (HTTP 404){told}.", f"{hints.url} {hints.model}")
    if status == 429 and error.severity != "fatal":
        return ConnectionFailed(f"{name} is limiting requests (HTTP 429){told}.", "Wait a moment, then try again.")
    if status >= 500:
        return ConnectionFailed(f"{name} has a fault (HTTP {status}){told}.", "Try again in a moment.")
    if 300 <= status < 400:
        return Refused(f"{name} points to another address (HTTP {status}){told}.", hints.url)
    hint = error.hint if error.severity == "fatal" else hints.model
    return Refused(f"{name} refused the connection (HTTP {status}){told}.", hint)


def _by_close(
    name: str, model: str, hints: Hints, close_code: int | None, error: ServiceError, told: str
) -> VoicechatError:
    behind = _BEHIND.search(error.message)
    if behind is not None:  # a gateway accepted us, and was refused itself
        return _by_status(name, model, hints, int(behind[1]), error, told)
    code = f" (close code {close_code})" if close_code else ""
    if close_code == 3000:
        return Refused(f"{name} does not accept the key{code}{told}.", hints.key)
    if close_code == 4004:
        return Refused(f"{name} does not know the model {model}{code}{told}.", hints.model)
    if close_code == 1007 and error.severity != "fatal":
        return Refused(f"{name} rejected what it was sent{code}{told}.", f"A quota, or the model? {hints.model}")
    if error.severity == "fatal" or close_code in (1008, 4000, 4001, 4003):
        return Refused(f"{name} refused the session{code}{told}.", error.hint or f"{hints.key} {hints.model}")
    if close_code in (1000, 1005, 1006, None) and not told:
        return ConnectionFailed(
            f"{name} closed the connection without a word{code}.",
            f"Often that means it does not serve the model {model or 'asked for'}. {hints.model}",
        )
    return ConnectionFailed(f"{name} closed the connection{code}{told}.", "Try again in a moment.")


def complaint_of(text: str) -> Complaint:
    """A body or a close reason as a complaint: an error object, DashScope's flat one, `type.code`, or plain text."""
    try:
        body = json.loads(text)
        if isinstance(body, dict):
            return Complaint.read(body)
    except (ValueError, RecursionError, BrokenFrame):
        body = None
    plain = redact(" ".join(text.split()))[:_MAX_TEXT]
    if plain.startswith("<"):
        plain = ""  # a proxy's HTML page explains nothing
    return Complaint("", plain.rpartition(".")[2] if " " not in plain else "", plain, "", "")
