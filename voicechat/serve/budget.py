"""How much each token has used: requests in the last minute, sessions now, minutes and money today; days are UTC's.

What it uses is written down at once and, where the store does not answer, again with every beat: nothing is lost, and
meanwhile nobody new is let in.
"""

import asyncio
import contextlib
import logging
import math
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from secrets import token_hex

from voicechat.serve import refusals
from voicechat.serve.refusals import Refusal
from voicechat.serve.store import Store, Unreachable
from voicechat.serve.tokens import Grant

log = logging.getLogger(__name__)

DAY_S = 86_400
LEASE_S = 30.0
"""After so long the sessions of a gateway that died no longer count; it renews them three times as often."""
OVER_S = 0.01
"""Two clocks, and sums that are rounded: what was to last so long has lasted it then."""
SECOND, MONEY = "seconds", "money"


@contextlib.asynccontextmanager
async def failing_closed() -> AsyncIterator[None]:
    """Raises Refusal where the store does not answer."""
    try:
        yield
    except Unreachable as error:
        log.warning("somebody is sent away: %s", error)
        raise refusals.limits_unavailable() from error


class Budget:
    """`used_up` is told whose minutes or money of today are used up, and in which words. `clock` is in unix seconds.

    Everything but `revoked`, `talking`, `sounded`, `used` and `close` raises Refusal.
    """

    def __init__(
        self,
        store: Store,
        used_up: Callable[[str, Refusal], None] = lambda name, refusal: None,
        clock: Callable[[], float] = time.time,
        lease_s: float = LEASE_S,
    ):
        self._store = store
        self._used_up = used_up
        self._clock = clock
        self._lease_s = lease_s
        self._due: defaultdict[str, float] = defaultdict(float)
        """What the store has not been asked to add."""
        self._asked: dict[str, tuple[str, float]] = {}
        """Additions, by what they add to, of which it is not known whether they arrived: their names and amounts."""
        self._limits: dict[str, tuple[str, float, Refusal]] = {}
        """Of each sum: whose it is, how much it may be, and what is said then."""
        self._talking: dict[object, tuple[Grant, float]] = {}
        """Sessions of tokens that may talk so long, and until when their time was counted."""
        self._some = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def request(self, grant: Grant) -> None:
        """One more of this token, which must not be revoked; at most so many a minute."""
        async with failing_closed():
            if await self.revoked(grant):
                raise refusals.wrong_key()
            most = grant.requests_per_minute
            if most is not None and not await self._store.allow(f"requests:{grant.name}", most, 60.0):
                raise refusals.busy(f"This token may ask {most} times a minute.")

    async def revoked(self, grant: Grant) -> bool:
        """Raises Unreachable."""
        return bool(grant.digest) and await self._store.get(revocation(grant.digest)) is not None

    async def left_s(self, grant: Grant) -> float:
        """How much longer this token may talk today; inf: as long as it likes."""
        async with failing_closed():
            if grant.minutes_per_day is None:
                return math.inf
            for session, (who, _) in self._talking.items():
                if who.name == grant.name:
                    self._count(session)
            left_s = grant.minutes_per_day * 60 - await self._sum(SECOND, grant)
            if left_s <= 0:
                raise refusals.talked()
            return left_s

    async def check_money(self, grant: Grant) -> None:
        """It may still spend some today."""
        async with failing_closed():
            if grant.spend_per_day is not None and await self._sum(MONEY, grant) >= grant.spend_per_day:
                raise refusals.spent()

    @contextlib.asynccontextmanager
    async def place(self, grant: Grant, session_id: str) -> AsyncIterator[None]:
        """One of the sessions of this token while inside."""
        self._start()
        if grant.sessions is None:
            yield
            return
        key = f"sessions:{grant.name}"
        async with failing_closed():
            if not await self._store.lease(key, session_id, grant.sessions, self._lease_s):
                raise refusals.busy(f"This token may hold {grant.sessions} sessions at once.")
        try:
            yield
        finally:
            await self._store.release(key, session_id)

    @contextlib.contextmanager
    def talking(self, grant: Grant, left_s: float = math.inf) -> Iterator[None]:
        """The time inside is this token's. It is counted with every beat, so that several sessions, here and at other
        gateways, share what is left of the day, and when `left_s` are over, so that one alone has no more."""
        if grant.minutes_per_day is None:
            yield
            return
        session = object()
        self._talking[session] = (grant, self._clock())
        over = None
        if left_s < math.inf:
            over = asyncio.get_running_loop().call_later(left_s + OVER_S, self._count, session)
        try:
            yield
        finally:
            if over is not None:
                over.cancel()
            self._count(session)
            del self._talking[session]

    def _count(self, session: object) -> None:
        grant, since = self._talking[session]
        self._talking[session] = (grant, now := self._clock())
        self._owe(SECOND, grant, max(0.0, now - since), 60 * (grant.minutes_per_day or 0), refusals.talked())

    def sounded(self, grant: Grant, seconds: float) -> None:
        """So much sound was read aloud or written down for this token."""
        self._start()
        if seconds and grant.minutes_per_day is not None:
            self._owe(SECOND, grant, seconds, 60 * grant.minutes_per_day, refusals.talked())

    def used(self, grant: Grant, *, money: float) -> None:
        if money and grant.spend_per_day is not None:
            self._owe(MONEY, grant, money, grant.spend_per_day, refusals.spent())

    def _owe(self, what: str, grant: Grant, amount: float, most: float, refusal: Refusal) -> None:
        key = self._key(what, grant)
        self._due[key] += amount
        self._limits[key] = (grant.name, most, refusal)
        self._some.set()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(Unreachable):
            await self._write_down()
        await self._store.close()

    def _start(self) -> None:
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._beat(), name="leases"), asyncio.create_task(self._tell())]

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._lease_s / 3)
            for session in self._talking:
                self._count(session)
            self._some.set()
            try:
                await self._store.renew(self._lease_s)
            except Unreachable as error:
                log.warning("sessions go on, new ones are sent away: %s", error)

    async def _tell(self) -> None:
        while True:
            await self._some.wait()
            self._some.clear()
            with contextlib.suppress(Unreachable):  # the next beat tries again
                await self._write_down()

    async def _write_down(self) -> None:
        while self._asked or self._due:
            if not self._asked:
                key, amount = self._due.popitem()
                self._asked[key] = (token_hex(8), amount)
            for key, (once, amount) in list(self._asked.items()):
                total = await self._store.add(key, amount, 2 * DAY_S, once)
                del self._asked[key]
                limit = self._limits.pop(key, None)
                if limit is not None and total >= limit[1]:
                    self._used_up(limit[0], limit[2])

    async def _sum(self, what: str, grant: Grant) -> float:
        key = self._key(what, grant)
        unknown = self._asked.get(key, ("", 0.0))[1]
        return await self._store.total(key) + self._due.get(key, 0.0) + unknown

    def _key(self, what: str, grant: Grant) -> str:
        return f"{what}:{grant.name}:{int(self._clock() // DAY_S)}"


def revocation(digest: str) -> str:
    """Under which name it is kept that a token is revoked."""
    return f"revoked:{digest}"
