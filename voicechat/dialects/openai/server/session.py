"""The state of a session: its values as asked for and as accepted, and which dialect shows them."""

from collections import deque
from dataclasses import dataclass, field

from voicechat.dialects.fields import Json
from voicechat.dialects.openai.server.checks import Rejected
from voicechat.dialects.openai.server.profile import Dialect, ServerProfile

MAX_UPDATES = 16
"""Updates that may wait to be accepted by whoever is behind."""


@dataclass(frozen=True, slots=True)
class _Wish:
    values: Json
    event_id: str | None
    answers: int
    """How many of the client's updates are answered when it is granted; 0: nobody asked."""


@dataclass(slots=True)
class Session:
    """`values` are those of FIELDS by name as the client last asked for them; the next update is laid over them."""

    profile: ServerProfile
    dialect: Dialect
    values: Json
    voice_locked: bool = False
    """The client has been sent sound: no other voice may follow."""
    _accepted: Json = field(default_factory=dict)
    _waiting: deque[_Wish] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self._accepted = self._accepted or self.values

    @property
    def dashscope(self) -> bool:
        return self.profile.manner == "dashscope"

    @property
    def strict(self) -> bool:
        """GA refuses what it does not know."""
        return self.dialect == "ga"

    def prepare(self, values: Json) -> None:
        """It begins with these."""
        self.values = self._accepted = values

    def ask(self, values: Json, event_id: str | None) -> None:
        """The client wants these from now on. Raises Rejected when too many such wishes are open."""
        if len(self._waiting) >= MAX_UPDATES:
            raise Rejected("rate_limit_exceeded", "Too many session.update events are waiting to be accepted.")
        self.values = values
        self._waiting.append(_Wish(values, event_id, 1))

    def begin(self) -> None:
        """Whoever is behind begins, or begins anew: it is told all at once, and has forgotten what it was told."""
        answers = sum(wish.answers for wish in self._waiting)
        self._waiting.clear()
        self._waiting.append(_Wish(self.values, None, answers))

    def accept(self) -> tuple[Json, int]:
        """The oldest wish is in force: its values, and how many updates that answers."""
        if not self._waiting:
            return self._accepted, 0
        wish = self._waiting.popleft()
        self._accepted = wish.values
        return wish.values, wish.answers

    def refuse(self) -> str | None:
        """The oldest wish was refused as a whole: its `event_id`. A later one holds all that is wanted now."""
        if not self._waiting:
            return None
        refused = self._waiting.popleft()
        if not self._waiting:
            self.values = self._accepted
        return refused.event_id
