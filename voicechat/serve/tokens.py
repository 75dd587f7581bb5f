"""Who may use the server, and how much: bearer tokens, of which only the hash is kept."""

import hashlib
import hmac
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from voicechat.errors import VoicechatError
from voicechat.serve import refusals

if TYPE_CHECKING:
    from voicechat.config.settings import ServeToken

log = logging.getLogger(__name__)

PREFIX = "vc-"
_SCHEME = "sha256:"


@dataclass(frozen=True, slots=True)
class Grant:
    """What one token allows. None is without limit."""

    name: str = ""
    """Whose it is; "" is nobody's in particular: no token was asked for."""
    models: tuple[str, ...] = ("*",)
    sessions: int | None = None
    requests_per_minute: int | None = None
    minutes_per_day: float | None = None
    spend_per_day: float | None = None
    currency: str = ""
    """Of what may be spent."""
    digest: str = ""
    """Of the token; "" where none was asked for."""

    def allows(self, model: str) -> bool:
        return any(fnmatchcase(model, pattern) for pattern in self.models)


class Tokens:
    """`table` is `[serve.tokens]`. Without any, everybody is let in: the server then listens to this machine only.

    When the file at `path` changes, `read` is asked again. A file that cannot be read leaves everything as it was, and
    one without tokens lets nobody in who once needed one.
    """

    def __init__(
        self,
        table: "Mapping[str, ServeToken]",
        path: Path | None = None,
        read: "Callable[[], Mapping[str, ServeToken]] | None" = None,
    ):
        self._path = path
        self._read = read
        self._changed_at = self._stamp()
        self._grants = _grants(table)
        self.demanded = bool(self._grants)

    def grant(self, key: str) -> Grant:
        """Raises Refusal for a key that is none. How long it takes does not tell how much of a key was right."""
        self._look_again()
        if not self.demanded:
            return Grant()
        if not key:
            raise refusals.no_key()
        return self._of(digest_of(key))

    def again(self, grant: Grant) -> Grant:
        """What the token of an earlier grant allows by now. Raises Refusal where it is none any more, or was none."""
        self._look_again()
        return self._of(grant.digest) if self.demanded else grant

    def _of(self, digest: str) -> Grant:
        found = None
        for known, grant in self._grants:
            if hmac.compare_digest(digest, known):
                found = grant
        if found is None:
            raise refusals.wrong_key()
        return found

    def _look_again(self) -> None:
        stamp = self._stamp()
        if self._read is None or stamp == self._changed_at:
            return
        self._changed_at = stamp
        try:
            self._grants = _grants(self._read())
        except VoicechatError as error:
            log.warning("the tokens stay as they were: %s", error.message)
        self.demanded = self.demanded or bool(self._grants)

    def _stamp(self) -> tuple[int, int]:
        try:
            found = self._path.stat() if self._path is not None else None
        except OSError:
            found = None
        return (found.st_mtime_ns, found.st_ino) if found is not None else (0, 0)


def new_token() -> str:
    return PREFIX + secrets.token_urlsafe(32)


def hash_of(token: str) -> str:
    """As the configuration keeps it. The token is random, so that no slow hash is needed."""
    return _SCHEME + digest_of(token)


def digest_of(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def digest_in(written: str) -> str:
    """The same from the configuration's `hash`."""
    return written.removeprefix(_SCHEME)


def _grants(table: "Mapping[str, ServeToken]") -> list[tuple[str, Grant]]:
    return [(digest_in(token.hash), _grant(name, token)) for name, token in table.items()]


def _grant(name: str, token: "ServeToken") -> Grant:
    return Grant(
        name,
        tuple(token.models),
        token.sessions,
        token.requests_per_minute,
        token.minutes_per_day,
        token.spend_per_day,
        token.currency,
        digest_in(token.hash),
    )
