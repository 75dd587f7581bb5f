"""Gateways that share a real Redis: one limit, one secret, one revocation, and what happens while it is away."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import InvalidStatus

from tests.e2e.test_serve_refusals import MODEL, bearer, dial, ending, event, refused, token
from tests.gateway import Served, served
from tests.realtime_server import RealtimeServer, Reply, Script
from tests.redis_server import RedisServer
from voicechat.serve.redis_store import RedisStore
from voicechat.serve.shared import revoke_everywhere
from voicechat.serve.tokens import hash_of

OPENAI = '[providers.openai]\napi_key = "sk-x"\n'
AWAY_S = 10.0
KINDS = ("input_text", "input_audio", "output_text", "output_audio")
PRICE = '[prices.any]\ncurrency = "USD"\n' + "".join(f"{kind} = 1000.0\n" for kind in KINDS)


@asynccontextmanager
async def two_gateways(config: Path, redis: RedisServer) -> AsyncIterator[tuple[Served, Served]]:
    async with (
        served(config, store=RedisStore(redis.url, 0.2), lease_s=0.6) as one,
        served(config, store=RedisStore(redis.url, 0.2), lease_s=0.6) as other,
    ):
        yield one, other


async def is_alive(socket: ClientConnection) -> None:
    await socket.send('{"type":"input_audio_buffer.clear"}')
    await event(socket, "input_audio_buffer.cleared")


def test_two_gateways_are_one(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    tokens = (
        token("anna", "vc-a", "sessions = 1") + token("bob", "vc-b", "requests_per_minute = 3") + token("eve", "vc-e")
    )

    async def main(redis: RedisServer) -> None:
        async with RealtimeServer("ga") as service:
            config.write_text(f'[providers.newapi]\nurl = "{service.url}"\n{tokens}')
            async with two_gateways(config, redis) as (one, other), httpx.AsyncClient() as http:
                async with dial(one, **bearer("vc-a")) as socket:
                    await event(socket, "session.created")
                    assert await refused(other, **bearer("vc-a")) == ("rate_limit_exceeded", 1013)
                    await is_alive(socket)
                async with dial(other, **bearer("vc-a")) as socket:
                    await event(socket, "session.created")

                session = {"type": "realtime", "model": MODEL, "instructions": "Be brief."}
                headers = {"Authorization": "Bearer vc-b"}
                where = f"http:{one.here}/v1/realtime/client_secrets"
                made = await http.post(where, headers=headers, json={"session": session})
                key = bearer(made.json()["value"])
                async with dial(other, query="", **key) as socket:
                    assert (await event(socket, "session.created"))["session"]["instructions"] == "Be brief."
                async with dial(one, **bearer("vc-b")) as socket:
                    await event(socket, "session.created")
                assert await refused(other, **key) == ("rate_limit_exceeded", 1013)

                # revoked by whoever keeps the tokens of one of them, or of none
                async with dial(one, **bearer("vc-e")) as socket:
                    await event(socket, "session.created")
                await revoke_everywhere(redis.url, hash_of("vc-b"))
                await revoke_everywhere(redis.url, hash_of("vc-e"))
                for server in (one, other):
                    assert await refused(server, **bearer("vc-e")) == ("invalid_api_key", 3000)
                    assert await refused(server, **key) == ("invalid_api_key", 3000)

    with RedisServer() as redis:
        asyncio.run(main(redis))


def test_without_redis_sessions_live_and_nobody_new_is_let_in(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"

    async def main(redis: RedisServer) -> None:
        async with RealtimeServer("ga") as service:
            config.write_text(f'[providers.newapi]\nurl = "{service.url}"\n{token("anna", "vc-a", "sessions = 2")}')
            async with two_gateways(config, redis) as (one, other), dial(one, **bearer("vc-a")) as socket:
                await event(socket, "session.created")
                ways = ((redis.stand_still, redis.go_on, 0.0), (redis.kill, redis.start, AWAY_S))
                for away, back, seconds in ways:
                    away()
                    until = time.monotonic() + seconds
                    while True:
                        for server in (one, other):
                            assert await refused(server, **bearer("vc-a")) == ("limits_unavailable", 1013)
                        await is_alive(socket)
                        if time.monotonic() >= until:
                            break
                        await asyncio.sleep(0.2)  # there is nothing to wait for but the end
                    with pytest.raises(InvalidStatus) as caught:
                        async with dial(one, path="/openai/v1/realtime", **bearer("vc-a")):
                            pass
                    assert caught.value.response.status_code == 503
                    await is_alive(socket)
                    back()
                    async with dial(one, **bearer("vc-a")) as second:
                        await event(second, "session.created")
                        # the other one knows of both, even of a Redis that had forgotten them
                        assert await refused(other, **bearer("vc-a")) == ("rate_limit_exceeded", 1013)
                    await is_alive(socket)

    with RedisServer() as redis:
        asyncio.run(main(redis))


def test_who_has_spent_enough_hears_the_answer_out(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    tokens = token("anna", "vc-a", "spend_per_day = 0.01") + token(
        "bob", "vc-b", 'spend_per_day = 9.0\ncurrency = "CNY"'
    )
    config.touch(0o600)
    long = Script(replies=(Reply("One two three four.", seconds=0.3),))

    async def main() -> None:
        async with RealtimeServer("ga", script=long) as service:
            config.write_text(f'[providers.newapi]\nurl = "{service.url}"\n{PRICE}{tokens}{OPENAI}')
            async with served(config) as server, httpx.AsyncClient(base_url=f"http:{server.here}") as http:
                async with dial(server, **bearer("vc-a")) as socket, dial(server, **bearer("vc-a")) as idle:
                    for one in (socket, idle):
                        await event(one, "session.created")
                    await socket.send('{"type":"response.create"}')
                    events, code, reason = await ending(socket)
                    done = next(one for one in events if one["type"] == "response.done")
                    assert done["response"]["status"] == "completed"
                    assert events[-1]["error"]["code"] == "insufficient_quota"
                    assert (code, reason) == (1013, "insufficient_quota.insufficient_quota")
                    assert (await ending(idle))[1] == 1013
                assert await refused(server, **bearer("vc-a")) == ("insufficient_quota", 1013)
                # a limit of which nobody can say whether it is kept is none
                assert await refused(server, **bearer("vc-b")) == ("price_unknown", 4003)
                assert await refused(server, query="?model=newapi/other", **bearer("vc-b")) == ("price_unknown", 4003)
                counted = (await http.get("/metrics", headers=bearer("vc-b")["additional_headers"])).text
                assert 'voicechat_cost_total{currency="USD",model="newapi/other"}' in counted
                said = await http.post(
                    "/v1/audio/speech",
                    headers=bearer("vc-b")["additional_headers"],
                    json={"model": "openai/tts-1", "input": "Hello.", "voice": "alloy"},
                )
                assert (said.status_code, json.loads(said.content)["error"]["code"]) == (403, "price_unknown")

    asyncio.run(main())


def test_sessions_share_the_minutes_of_a_day_while_they_last(tmp_path: Path) -> None:
    """One alone would have six seconds; together they have no longer, at whichever gateway."""
    config = tmp_path / "config.toml"
    config.touch(0o600)

    async def main(redis: RedisServer) -> None:
        async with RealtimeServer("ga", script=Script()) as service:
            config.write_text(
                f'[providers.newapi]\nurl = "{service.url}"\n{token("anna", "vc-a", "minutes_per_day = 0.1")}'
            )
            async with (
                served(config, store=RedisStore(redis.url), lease_s=0.3) as one,
                served(config, store=RedisStore(redis.url), lease_s=0.3) as other,
                dial(one, **bearer("vc-a")) as first,
                dial(one, **bearer("vc-a")) as second,
                dial(other, **bearer("vc-a")) as third,
            ):
                ends = await asyncio.gather(*(ending(socket) for socket in (first, second, third)))
                assert [(events[-1]["error"]["code"], code) for events, code, _ in ends] == [
                    ("rate_limit_exceeded", 1013)
                ] * 3
                assert await refused(other, **bearer("vc-a")) == ("rate_limit_exceeded", 1013)

    with RedisServer() as redis:
        asyncio.run(main(redis))
