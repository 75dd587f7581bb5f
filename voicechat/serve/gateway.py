"""What the whole server knows: what is served, who is in, and whether it is about to stop."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicechat.realtime.price import Price
from voicechat.serve import refusals
from voicechat.serve.budget import LEASE_S, Budget
from voicechat.serve.metrics import Metrics
from voicechat.serve.models import Model, Models
from voicechat.serve.refusals import Refusal
from voicechat.serve.secrets import Secret, Secrets
from voicechat.serve.spending import Meter, Prices, meter_for
from voicechat.serve.store import MemoryStore, Store, Unreachable
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
    more_connections: int = 256
    """Beside one for each session: pages, requests, and those who only keep one."""
    upload_bytes: int = 25 * 1024 * 1024
    drain_s: float = 30.0


@dataclass
class Gateway:
    models: Models
    tokens: Tokens
    limits: Limits = Limits()
    metrics: Metrics = field(default_factory=Metrics)
    store: Store = field(default_factory=MemoryStore)
    """What is shared with other gateways."""
    lease_s: float = LEASE_S
    folder: Path | None = None
    """Where the other workers of this machine find files."""
    origins: tuple[str, ...] = ()
    stopping: bool = False
    _last_things: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    relays: "dict[Relay, Grant]" = field(default_factory=dict)
    """The sessions that are open."""
    _answers: set[asyncio.Task[Any]] = field(default_factory=set)
    """The HTTP requests under way."""
    _draining: set[asyncio.Task[None]] = field(default_factory=set)
    _empty: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while no session is open."""
    _sessions: int = 0
    _engines: int = 0

    def __post_init__(self) -> None:
        self.budget = Budget(self.store, self._used_up, lease_s=self.lease_s)
        self.secrets = Secrets(self.store)
        told = self.models.loaded.settings.prices
        self.prices = Prices(
            {name: Price(**one.model_dump(), source="the configuration") for name, one in told.items()}
        )

    @contextlib.asynccontextmanager
    async def place(self, grant: Grant, session_id: str) -> AsyncIterator[None]:
        """Room for one more session while inside. Raises Refusal when there is none."""
        if self._sessions >= self.limits.sessions:
            raise refusals.full()
        self._sessions += 1
        try:
            async with self.budget.place(grant, session_id):
                yield
        finally:
            self._sessions -= 1

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

    async def admit(self, key: str) -> Grant:
        """Whoever shows this key, for one more request. Raises Refusal."""
        if self.stopping:
            raise refusals.ending()
        grant = self.tokens.grant(key)
        await self.budget.request(grant)
        return grant

    async def known(self, key: str) -> Grant:
        """Whose key this is, for who only looks: no request, and heard while a store is away. Raises Refusal."""
        grant = self.tokens.grant(key)
        with contextlib.suppress(Unreachable):
            if await self.budget.revoked(grant):
                raise refusals.wrong_key()
        return grant

    async def admit_session(self, key: str) -> tuple[Grant, Secret | None]:
        """The same for a session, to which a short-lived secret is a key, too."""
        if self.stopping:
            raise refusals.ending()
        secret = await self.secrets.find(key)
        if secret is None:
            return await self.admit(key), None
        grant = self.tokens.again(secret.grant)  # revoked since then, or of a gateway that lets everybody in
        await self.budget.request(grant)
        return grant, secret

    async def meter(self, model: Model, grant: Grant) -> Meter:
        """For what a session costs. Raises Refusal where it may cost nothing more, or nobody knows what it does."""
        await self.budget.check_money(grant)
        return await meter_for(
            self.prices, model, grant, self.metrics, lambda money: self.budget.used(grant, money=money)
        )

    @contextlib.contextmanager
    def holding(self, relay: "Relay", grant: Grant) -> Iterator[None]:
        """The session is one of ours while inside."""
        self.relays[relay] = grant
        self._empty.clear()
        try:
            yield
        finally:
            del self.relays[relay]
            if not self.relays:
                self._empty.set()

    def _used_up(self, name: str, refusal: Refusal) -> None:
        """The sessions of a token that has used what it may today end after the answers that are being given."""
        for relay, grant in self.relays.items():
            if grant.name == name:
                task = asyncio.create_task(relay.drain(refusal), name="used up")
                self._draining.add(task)
                task.add_done_callback(self._draining.discard)

    @contextlib.contextmanager
    def counting_refusals(self) -> Iterator[None]:
        try:
            yield
        except Refusal as refusal:
            self.count_refusal(refusal)
            raise

    def count_refusal(self, refusal: Refusal) -> None:
        self.metrics.refused.labels(refusal.code or "no_key").inc()

    @contextlib.contextmanager
    def answering(self) -> Iterator[None]:
        """This task answers an HTTP request while inside: a server that stops waits for it, and then cancels it."""
        task = asyncio.current_task()
        assert task is not None
        self._answers.add(task)
        try:
            yield
        finally:
            self._answers.discard(task)

    def at_the_end(self, close: Callable[[], Awaitable[None]]) -> None:
        """Have something closed when nobody needs it any more."""
        self._last_things.append(close)

    async def close(self) -> None:
        for close in self._last_things:
            await close()
        await self.budget.close()

    async def empty(self) -> None:
        """Wait until no session is open."""
        if self.relays:
            await self._empty.wait()

    async def drain(self) -> None:
        """Let nobody in, let running answers finish, then end every session and request."""
        self.stopping = True
        draining = [asyncio.create_task(relay.drain(refusals.going_away()), name="drain") for relay in self.relays]
        if draining or self._answers:
            _, late = await asyncio.wait([*draining, *self._answers], timeout=self.limits.drain_s)
            for task in late:
                task.cancel()
        for relay in self.relays:
            relay.end(refusals.going_away())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVING_S):
                await self.empty()
                await asyncio.gather(*self._answers, return_exceptions=True)


def new_session_id() -> str:
    return f"sess_{secrets.token_hex(10)}"
