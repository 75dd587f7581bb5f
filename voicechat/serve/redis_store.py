"""The store in Redis or Valkey. Its clock is the one that counts, and what must be atomic is a script there."""

import asyncio
import logging
import secrets
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from voicechat.errors import ConfigError
from voicechat.serve.store import Unreachable

log = logging.getLogger(__name__)

PREFIX = "voicechat:"
PATIENCE_S = 1.0
"""How long an answer is waited for; whoever wants in is sent away then."""
CONNECTIONS = 16
UNLIMITED = 2**31

_NOW = "local t = redis.call('TIME') local now = t[1] + t[2] / 1000000\n"
_ALLOW = (
    _NOW
    + """
local most, window_s = tonumber(ARGV[1]), tonumber(ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window_s)
if redis.call('ZCARD', KEYS[1]) >= most then return 0 end
redis.call('ZADD', KEYS[1], now, ARGV[3])
redis.call('PEXPIRE', KEYS[1], math.ceil(window_s * 1000))
return 1
"""
)
# What the asking gateway holds comes with each question: a server that was started anew knows of nobody.
_LEASE = (
    _NOW
    + """
local holder, most, life_s = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
for index = 4, #ARGV do redis.call('ZADD', KEYS[1], now + life_s, ARGV[index]) end
local free = redis.call('ZSCORE', KEYS[1], holder) or redis.call('ZCARD', KEYS[1]) < most
if free then redis.call('ZADD', KEYS[1], now + life_s, holder) end
redis.call('PEXPIRE', KEYS[1], math.ceil(life_s * 1000))
return free and 1 or 0
"""
)
# A server that stood still does what it was asked meanwhile, though nobody waits for it any more.
_ADD = """
if redis.call('SET', KEYS[2], 1, 'NX', 'PX', ARGV[2]) then redis.call('INCRBYFLOAT', KEYS[1], ARGV[1]) end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return redis.call('GET', KEYS[1])
"""


class RedisStore:
    """Implements `Store`. `url` is `redis://…`, `rediss://…` or `unix://…`. Raises ConfigError for any other."""

    def __init__(self, url: str, patience_s: float = PATIENCE_S):
        try:
            pool = BlockingConnectionPool.from_url(
                url,
                max_connections=CONNECTIONS,
                timeout=patience_s,
                socket_timeout=patience_s,
                socket_connect_timeout=patience_s,
                retry=Retry(NoBackoff(), 0),
                decode_responses=True,
            )
        except ValueError as error:
            raise ConfigError(
                "[serve] redis is no address of a Redis.", "redis://HOST:PORT/0, rediss://… for TLS, or unix://PATH."
            ) from error
        self._redis: Any = Redis.from_pool(pool)
        self._allow = self._redis.register_script(_ALLOW)
        self._lease = self._redis.register_script(_LEASE)
        self._add = self._redis.register_script(_ADD)
        self._held: defaultdict[str, set[str]] = defaultdict(set)
        self._order = asyncio.Lock()
        """A place that is given back while all are renewed would stay taken."""

    async def allow(self, key: str, most: int, window_s: float) -> bool:
        async with _answering():
            return bool(await self._allow(keys=[PREFIX + key], args=[most, window_s, secrets.token_hex(8)]))

    async def lease(self, key: str, holder: str, most: int, life_s: float) -> bool:
        async with _answering():
            taken = bool(await self._lease(keys=[PREFIX + key], args=[holder, most, life_s, *self._held[key]]))
        if taken:
            self._held[key].add(holder)
        return taken

    async def renew(self, life_s: float) -> None:
        async with self._order, _answering():
            for key, holders in list(self._held.items()):
                if holders:
                    first = next(iter(holders))
                    await self._lease(keys=[PREFIX + key], args=[first, UNLIMITED, life_s, *holders])
                else:
                    del self._held[key]

    async def release(self, key: str, holder: str) -> None:
        self._held[key].discard(holder)
        try:
            async with self._order, _answering():
                await self._redis.zrem(PREFIX + key, holder)
        except Unreachable as error:
            log.info("a place comes free by itself: %s", error)

    async def add(self, key: str, amount: float, life_s: float, once: str) -> float:
        keys = [PREFIX + key, f"{PREFIX}added:{once}"]
        async with _answering():
            return float(await self._add(keys=keys, args=[amount, int(life_s * 1000)]) or 0.0)

    async def total(self, key: str) -> float:
        async with _answering():
            return float(await self._redis.get(PREFIX + key) or 0.0)

    async def put(self, key: str, text: str, life_s: float | None) -> None:
        async with _answering():
            await self._redis.set(PREFIX + key, text, px=None if life_s is None else max(1, int(life_s * 1000)))

    async def get(self, key: str) -> str | None:
        async with _answering():
            text: str | None = await self._redis.get(PREFIX + key)
            return text

    async def close(self) -> None:
        await self._redis.aclose()
        await self._redis.connection_pool.aclose()


@asynccontextmanager
async def _answering() -> AsyncIterator[None]:
    try:
        yield
    except (RedisError, OSError) as error:  # a TimeoutError is an OSError
        raise Unreachable(f"Redis does not answer ({type(error).__name__})") from error
