"""What gateways share: the same promises by memory and by a real Redis, and what is special to each."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing

import pytest

from tests.redis_server import RedisServer
from voicechat.errors import ConfigError
from voicechat.serve import store as stores
from voicechat.serve.budget import Budget
from voicechat.serve.redis_store import RedisStore
from voicechat.serve.refusals import Refusal
from voicechat.serve.shared import open_store
from voicechat.serve.store import MemoryStore, Store, Unreachable
from voicechat.serve.tokens import Grant

BRIEF_S = 0.25


class Ticking:
    """Memory on a clock that a test moves; in Redis time passes by itself."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    async def pass_by(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture(params=["memory", "redis"])
def opened(
    request: pytest.FixtureRequest, redis: RedisServer
) -> tuple[Callable[[], Store], Callable[[float], Awaitable[None]]]:
    if request.param == "redis":
        return (lambda: RedisStore(redis.url)), asyncio.sleep
    ticking = Ticking()
    return (lambda: MemoryStore(lambda: ticking.now)), ticking.pass_by


def test_both_keep_the_same_promises(opened: tuple[Callable[[], Store], Callable[[float], Awaitable[None]]]) -> None:
    open_one, pass_by = opened

    async def main() -> None:
        async with aclosing(_Closing(open_one())) as closing:
            one = closing.store
            together = await asyncio.gather(*(one.allow("asked", 3, BRIEF_S) for _ in range(10)))
            assert sorted(together) == [False] * 7 + [True] * 3
            taken = await asyncio.gather(*(one.lease("places", f"s{n}", 2, 30.0) for n in range(8)))
            assert taken.count(True) == 2
            holder = f"s{taken.index(True)}"
            assert await one.lease("places", holder, 2, 30.0)  # it has one
            await one.release("places", holder)
            assert await one.lease("places", "late", 2, 30.0)
            assert await one.total("sum") == 0.0
            assert await one.add("sum", 1.25, BRIEF_S, "first") == 1.25
            assert await one.add("sum", 0.25, BRIEF_S, "second") == 1.5
            assert await one.total("sum") == 1.5
            await one.put("brief", "word", BRIEF_S)
            await one.put("lasting", "word", None)
            assert [await one.get(key) for key in ("brief", "lasting", "none")] == ["word", "word", None]
            await pass_by(BRIEF_S + 0.1)
            assert [await one.get(key) for key in ("brief", "lasting")] == [None, "word"]
            assert await one.total("sum") == 0.0
            assert await one.allow("asked", 3, BRIEF_S)

    asyncio.run(main())


def test_memory_keeps_only_so_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "MOST_KEPT", 2)

    async def main() -> None:
        one = MemoryStore()
        for key in "ab":
            await one.put(key, "x", 60.0)
        with pytest.raises(Unreachable):
            await one.put("c", "x", 60.0)

    asyncio.run(main())


def test_the_places_of_a_gateway_that_dies_come_free(redis: RedisServer) -> None:
    async def main() -> None:
        dying, living = RedisStore(redis.url), RedisStore(redis.url)
        assert await dying.lease("of a dead one", "a", 2, BRIEF_S)
        assert await living.lease("of a dead one", "b", 2, BRIEF_S)
        assert not await living.lease("of a dead one", "c", 2, BRIEF_S)
        await asyncio.sleep(0.15)
        await living.renew(BRIEF_S)
        await asyncio.sleep(0.15)  # past the first end of both
        assert await living.lease("of a dead one", "c", 2, BRIEF_S)
        assert not await living.lease("of a dead one", "d", 2, BRIEF_S)
        await asyncio.gather(dying.close(), living.close())

    asyncio.run(main())


def test_a_server_that_comes_back_empty_is_told_who_is_in() -> None:
    async def main() -> None:
        with RedisServer() as server:
            one = RedisStore(server.url, 0.2)
            assert await one.lease("places", "a", 1, 30.0)
            server.kill()
            with pytest.raises(Unreachable):
                await one.total("sum")
            await one.release("others", "x")  # whoever goes is not held up
            server.start()
            assert not await one.lease("places", "b", 1, 30.0)
            await one.close()

    asyncio.run(main())


def test_what_is_used_while_the_store_is_away_is_not_lost() -> None:
    async def main() -> None:
        with RedisServer() as server:
            store = RedisStore(server.url)
            ended: asyncio.Queue[tuple[str, str | None]] = asyncio.Queue()
            now = [time.time()]
            budget = Budget(
                RedisStore(server.url, 0.1),
                lambda name, refusal: ended.put_nowait((name, refusal.code)),
                clock=lambda: now[0],
                lease_s=0.15,
            )
            grant = Grant("anna", minutes_per_day=1.0, spend_per_day=2.0, sessions=5)
            async with budget.place(grant, "one"):
                seconds = f"seconds:anna:{int(now[0] // 86_400)}"
                await store.add("scripts", 1.0, 1.0, "are known")  # else nothing is done of what was asked meanwhile
                server.stand_still()
                budget.used(grant, money=2.5)
                with budget.talking(grant):
                    now[0] += 59
                await asyncio.sleep(0.01)  # it is asked by the connection that is there
                with pytest.raises(Refusal) as caught:
                    await budget.left_s(grant)
                assert (caught.value.status, caught.value.code) == (503, "limits_unavailable")
                with pytest.raises(Refusal) as caught:
                    async with budget.place(grant, "two"):
                        pass
                assert caught.value.code == "limits_unavailable"
                server.go_on()
                async with asyncio.timeout(5):
                    assert await ended.get() == ("anna", "insufficient_quota")
            await budget.close()
            # once, though it was asked several times while it stood still
            assert await store.total(seconds) == 59.0
            assert await store.total(seconds.replace("seconds", "money")) == 2.5
            other = Budget(store, clock=lambda: now[0])
            assert await other.left_s(grant) == pytest.approx(1.0)
            with pytest.raises(Refusal) as caught:
                await other.check_money(grant)
            assert (caught.value.status, caught.value.code) == (429, "insufficient_quota")
            await other.close()

    asyncio.run(main())


def test_an_address_of_no_use_is_told_without_it() -> None:
    with pytest.raises(ConfigError) as caught:
        open_store("http://user:secret@host")
    assert "secret" not in f"{caught.value.message}{caught.value.hint}"


class _Closing:
    def __init__(self, store: Store):
        self.store = store

    async def aclose(self) -> None:
        await self.store.close()
