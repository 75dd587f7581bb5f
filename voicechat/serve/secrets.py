"""Short-lived keys for pages: `POST /v1/realtime/client_secrets` (reference, section 2.4).

A page must not hold a token. Its server asks for a secret with its own, and the page opens sessions with that for some
minutes; what the secret was made for is what the session begins with.
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from voicechat.dialects.fields import Json
from voicechat.dialects.openai.server import ServerCodec
from voicechat.dialects.openai.server.checks import Rejected, as_object, as_whole, known, one_of
from voicechat.serve import refusals
from voicechat.serve.tokens import Grant, digest_of

PREFIX = "ek_"
LIFE_S = (10, 7200)
DEFAULT_S = 600
MOST = 10_000
"""Secrets that may be alive at once."""


@dataclass(frozen=True, slots=True)
class Secret:
    grant: Grant
    session: Json
    expires_at: int

    @property
    def model(self) -> str:
        return str(self.session.get("model") or "")


class Secrets:
    """In this process' memory, by their hashes. `clock` is in unix seconds."""

    def __init__(self, clock: Callable[[], float] = time.time):
        self._clock = clock
        self._alive: dict[str, Secret] = {}

    def create(self, grant: Grant, body: object) -> Json:
        """The answer to a request. Raises Rejected for what it may not ask, Refusal when there are too many."""
        fields = {} if body is None else as_object(body, "body")
        known(fields, ("expires_after", "session"))
        expiry = as_object(fields.get("expires_after") or {}, "expires_after")
        known(expiry, ("anchor", "seconds"), "expires_after")
        one_of(expiry.get("anchor", "created_at"), "expires_after.anchor", ("created_at",))
        life_s = as_whole(expiry.get("seconds", DEFAULT_S), "expires_after.seconds", *LIFE_S)
        session = as_object(fields.get("session") or {"type": "realtime"}, "session")
        if not isinstance(session.get("model", ""), str):
            raise Rejected("invalid_type", "Invalid type for 'session.model': expected a string.", "session.model")
        shown = ServerCodec().prepare(session)
        now = self._clock()
        self._alive = {digest: secret for digest, secret in self._alive.items() if secret.expires_at > now}
        if len(self._alive) >= MOST:
            raise refusals.full()
        value, expires_at = PREFIX + secrets.token_urlsafe(24), int(now) + life_s
        self._alive[digest_of(value)] = Secret(grant, session, expires_at)
        return {"value": value, "expires_at": expires_at, "session": shown | {"model": session.get("model", "")}}

    def find(self, key: str) -> Secret | None:
        """None for what is no secret at all. Raises Refusal for one that is not, or no longer, alive."""
        if not key.startswith(PREFIX):
            return None
        secret = self._alive.get(digest_of(key))
        if secret is None or secret.expires_at <= self._clock():
            raise refusals.wrong_key()
        return secret
