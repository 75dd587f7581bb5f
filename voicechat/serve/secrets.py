"""Short-lived keys for pages: `POST /v1/realtime/client_secrets` (reference, section 2.4).

A page must not hold a token. Its server asks for a secret with its own, and the page opens sessions with that for some
minutes; what the secret was made for is what the session begins with.
"""

import json
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from voicechat.dialects.fields import Json
from voicechat.dialects.openai.server import ServerCodec
from voicechat.dialects.openai.server.checks import Rejected, as_object, as_whole, known, one_of
from voicechat.serve import refusals
from voicechat.serve.budget import failing_closed
from voicechat.serve.store import Store
from voicechat.serve.tokens import Grant, digest_of

PREFIX = "ek_"
LIFE_S = (10, 7200)
DEFAULT_S = 600


@dataclass(frozen=True, slots=True)
class Secret:
    grant: Grant
    session: Json
    expires_at: int

    @property
    def model(self) -> str:
        return str(self.session.get("model") or "")


class Secrets:
    """In the store, by their hashes. `clock` is in unix seconds."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.time):
        self._store = store
        self._clock = clock

    async def create(self, grant: Grant, body: object) -> Json:
        """The answer to a request. Raises Rejected for what it may not ask, Refusal when none can be kept."""
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
        value, expires_at = PREFIX + secrets.token_urlsafe(24), int(self._clock()) + life_s
        kept = {"grant": asdict(grant), "session": session, "expires_at": expires_at}
        async with failing_closed():
            await self._store.put(_name(value), json.dumps(kept), life_s)
        return {"value": value, "expires_at": expires_at, "session": shown | {"model": session.get("model", "")}}

    async def find(self, key: str) -> Secret | None:
        """None for what is no secret at all. Raises Refusal for one that is not, or no longer, alive."""
        if not key.startswith(PREFIX):
            return None
        async with failing_closed():
            found = await self._store.get(_name(key))
        if found is None:
            raise refusals.wrong_key()
        kept = json.loads(found)
        if kept["expires_at"] <= self._clock():
            raise refusals.wrong_key()
        grant = Grant(**kept["grant"] | {"models": tuple(kept["grant"]["models"])})
        return Secret(grant, kept["session"], kept["expires_at"])


def _name(key: str) -> str:
    return f"secret:{digest_of(key)}"
