"""What the whole server knows: what is served, who is in, and whether it is about to stop."""

import asyncio
import contextlib
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from voicechat.serve import refusals
from voicechat.serve.budget import Budget
from voicechat.serve.metrics import Metrics
from voicechat.serve.models import Model, Models
from voicechat.serve.refusals import Refusal
from voicechat.serve.secrets import Secret, Secrets
from voicechat.serve.tokens import Grant, Tokens

if TYPE_CHECKING:
    from voicechat.serve.relay import Relay

LEAVING_S = 6.0
"""How long sessions that were told to end may take to be gone."""


@dataclass(frozen=True, slots=True)
class Limits:
    sessions: int = 200
    offline_sessions: int = 4
    """Each has a recogniser of its own, which takes a processor while somebody speaks."""
    session_s: float = 1800.0
    message_bytes: int = 16 * 1024 * 1024
    upload_bytes: int = 25 * 1024 * 1024
    drain_s: float = 30.0


@dataclass
class Gateway:
    models: Models
    tokens: Tokens
    limits: Limits = Limits()
    metrics: Metrics = field(default_factory=Metrics)
    budget: Budget = field(default_factory=Budget)
    secrets: Secrets = field(default_factory=Secrets)
    origins: tuple[str, ...] = ()
    stopping: bool = False
    _last_things: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    relays: "set[Relay]" = field(default_factory=set)
    """The sessions that are open."""
    _empty: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while no session is open."""
    _places: Counter[str] = field(default_factory=Counter)
    """Sessions by the holder of their token."""
    _engines: int = 0

    @contextlib.contextmanager
    def place(self, grant: Grant) -> Iterator[None]:
        """Room for one more session while inside. Raises Refusal when there is none."""
        if self._places.total() >= self.limits.sessions:
            raise refusals.full()
        if grant.sessions is not None and self._places[grant.name] >= grant.sessions:
            raise refusals.busy(f"This token may hold {grant.sessions} sessions at once.")
        self._places[grant.name] += 1
        try:
            yield
        finally:
            self._places[grant.name] -= 1

    @contextlib.contextmanager
    def engine(self, model: Model) -> Iterator[None]:
        """The same on this machine's engine, if it is that."""
        if model.local and self._engines >= self.limits.offline_sessions:
            raise refusals.full()
        self._engines += model.local
        try:
            yield
        finally:
            self._engines -= model.local

    def admit(self, key: str) -> Grant:
        """Whoever shows this key, for one more request. Raises Refusal."""
        return self._counted(self.tokens.grant, key)

    def admit_session(self, key: str) -> tuple[Grant, Secret | None]:
        """The same for a session, to which a short-lived secret is a key, too."""
        secret = self.secrets.find(key)
        grant = self._counted(self.tokens.grant if secret is None else lambda _: secret.grant, key)
        return grant, secret

    def _counted(self, grant_of: Callable[[str], Grant], key: str) -> Grant:
        if self.stopping:
            raise refusals.ending()
        grant = grant_of(key)
        self.budget.request(grant)
        return grant

    @contextlib.contextmanager
    def holding(self, relay: "Relay") -> Iterator[None]:
        """The session is one of ours while inside."""
        self.relays.add(relay)
        self._empty.clear()
        try:
            yield
        finally:
            self.relays.discard(relay)
            if not self.relays:
                self._empty.set()

    @contextlib.contextmanager
    def counting_refusals(self) -> Iterator[None]:
        try:
            yield
        except Refusal as refusal:
            self.metrics.refused.labels(refusal.code or "no_key").inc()
            raise

    def at_the_end(self, close: Callable[[], Awaitable[None]]) -> None:
        """Have something closed when nobody needs it any more."""
        self._last_things.append(close)

    async def close(self) -> None:
        for close in self._last_things:
            await close()

    async def empty(self) -> None:
        """Wait until no session is open."""
        if self.relays:
            await self._empty.wait()

    async def drain(self) -> None:
        """Let nobody in, let running answers finish, then end every session."""
        self.stopping = True
        draining = [asyncio.create_task(relay.drain(), name="drain") for relay in self.relays]
        if draining:
            _, late = await asyncio.wait(draining, timeout=self.limits.drain_s)
            for task in late:
                task.cancel()
        for relay in self.relays:
            relay.end(refusals.going_away())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVING_S):
                await self.empty()


def new_session_id() -> str:
    return f"sess_{secrets.token_hex(10)}"
