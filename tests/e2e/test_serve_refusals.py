"""`voicechat serve`: who is let in, how much, and what happens to those who send nonsense, too much, or nothing."""

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.gateway import Served, served
from tests.realtime_server import RealtimeServer, Reply, Script
from voicechat.serve.gateway import Limits
from voicechat.serve.tokens import hash_of

MODEL = "newapi/any"
LONG = Script(replies=(Reply("One two three four.", seconds=1.0, pace=2.0),))


@asynccontextmanager
async def gateway(
    tmp_path: Path, more: str = "", script: Script | None = None, **options: Any
) -> AsyncIterator[Served]:
    config = tmp_path / "config.toml"
    async with RealtimeServer("ga", script=script) as service:
        config.write_text(f'[providers.newapi]\nurl = "{service.url}"\n{more}')
        async with served(config, **options) as server:
            yield server


def token(name: str, key: str, more: str = "") -> str:
    return f'[serve.tokens.{name}]\nhash = "{hash_of(key)}"\n{more}\n'


def dial(server: Served, query: str = f"?model={MODEL}", path: str = "/v1/realtime", **options: Any) -> connect:
    return connect(f"ws:{server.here}{path}{query}", compression=None, proxy=None, **options)


async def ending(socket: ClientConnection) -> tuple[list[dict[str, Any]], int, str]:
    """Everything until the close, and the close."""
    events: list[dict[str, Any]] = []
    async with asyncio.timeout(10):
        with contextlib.suppress(ConnectionClosed):  # of a code that means more than an end
            async for frame in socket:
                events.append(json.loads(frame))
    assert socket.close_code is not None
    return events, socket.close_code, socket.close_reason or ""


async def refused(server: Served, **how: Any) -> tuple[str | None, int]:
    async with dial(server, **how) as socket:
        (error,), code, reason = await ending(socket)
        assert error["type"] == "error"
        assert reason.startswith(error["error"]["type"])
        return error["error"]["code"], code


async def event(socket: ClientConnection, kind: str) -> dict[str, Any]:
    async with asyncio.timeout(10):
        while True:
            found: dict[str, Any] = json.loads(await socket.recv())
            if found["type"] == kind:
                return found


def bearer(key: str) -> dict[str, Any]:
    return {"additional_headers": {"Authorization": f"Bearer {key}"}}


def test_nobody_is_let_in_by_mistake(tmp_path: Path) -> None:
    tokens = token("anna", "vc-a", 'models = ["newapi/*"]\nsessions = 1') + token("bob", "vc-b", 'models = ["offline"]')

    async def main() -> None:
        async with gateway(tmp_path, tokens) as server, httpx.AsyncClient(base_url=f"http:{server.here}") as http:
            assert await refused(server) == (None, 3000)
            assert await refused(server, **bearer("vc-c")) == ("invalid_api_key", 3000)
            assert await refused(server, query="", **bearer("vc-a")) == ("missing_model", 4000)
            assert await refused(server, query="?model=newapi/", **bearer("vc-a")) == ("invalid_model", 4000)
            assert await refused(server, **bearer("vc-b")) == ("model_not_found", 4004)
            with pytest.raises(InvalidStatus) as caught:
                async with dial(server, path="/openai/v1/realtime"):
                    pass
            assert caught.value.response.status_code == 401
            assert json.loads(caught.value.response.body)["error"]["type"] == "invalid_request_error"
            assert (await http.get("/v1/models")).status_code == 401
            assert (await http.get("/metrics")).status_code == 401
            listed = await http.get("/v1/models", headers={"Authorization": "Bearer vc-a"})
            assert [model["id"] for model in listed.json()["data"]] == ["newapi/cosyvoice-v2"]

            # as a browser, as Azure's clients, and as everybody else
            offered = ["realtime", "openai-insecure-api-key.vc-a"]
            async with dial(server, subprotocols=offered) as socket:
                assert socket.subprotocol == "realtime"
                await event(socket, "session.created")
                assert await refused(server, **bearer("vc-a")) == ("rate_limit_exceeded", 1013)
            for path, query, headers in (
                ("/openai/v1/realtime", f"?model={MODEL}", {"api-key": "vc-a"}),
                ("/openai/realtime", f"?api-version=2025-04-01-preview&deployment={MODEL}", {"api-key": "vc-a"}),
                ("/v1/realtime", f"?model={MODEL}&api-key=vc-a", {}),
            ):
                async with dial(server, query, path, additional_headers=headers) as socket:
                    created = await event(socket, "session.created")
                    assert ("modalities" in created["session"]) == ("api-version" in query)

    asyncio.run(main())


def test_a_page_gets_a_key_that_does_not_last(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            gateway(tmp_path, token("anna", "vc-a", "requests_per_minute = 7")) as server,
            httpx.AsyncClient(base_url=f"http:{server.here}", headers={"Authorization": "Bearer vc-a"}) as http,
        ):
            session = {"type": "realtime", "model": MODEL, "instructions": "Talk like a pirate."}
            wish = {"session": session, "expires_after": {"anchor": "created_at", "seconds": 60}}
            made = (await http.post("/v1/realtime/client_secrets", json=wish)).json()
            assert made["value"].startswith("ek_")
            assert made["session"]["instructions"] == "Talk like a pirate."
            offered = ["realtime", f"openai-insecure-api-key.{made['value']}"]
            async with dial(server, query="", subprotocols=offered) as socket:
                created = (await event(socket, "session.created"))["session"]
                assert (created["model"], created["instructions"]) == (MODEL, "Talk like a pirate.")
            assert (
                await http.get("/v1/models", headers={"Authorization": f"Bearer {made['value']}"})
            ).status_code == 401
            for wrong in (
                {"session": {"type": "realtime", "voise": 1}},
                {"expires_after": {"seconds": 9}},
                {"x": 1},
                [],
            ):
                assert (await http.post("/v1/realtime/client_secrets", json=wrong)).status_code == 400, wrong
            server.gateway.secrets._clock = lambda: made["expires_at"] + 1
            assert await refused(server, subprotocols=offered) == ("invalid_api_key", 3000)
            server.gateway.secrets._clock = lambda: made["expires_at"] - 1
            assert await refused(server, query="?model=nobody", subprotocols=offered) == ("model_not_found", 4004)
            limited = await http.get("/v1/models")
            assert (limited.status_code, limited.json()["error"]["code"]) == (429, "rate_limit_exceeded")

    asyncio.run(main())


def test_a_page_of_another_host_is_sent_away(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            gateway(tmp_path, origins=("https://example.org",)) as server,
            httpx.AsyncClient(base_url=f"http:{server.here}") as http,
        ):
            for origin, fine in ((f"http:{server.here}", True), ("https://example.org", True), ("null", False),
                                 ("https://evil.example", False), ("http://127.0.0.1:1", False),
                                 ("http://[::1", False)):  # fmt: skip
                status = (await http.get("/v1/models", headers={"Origin": origin})).status_code
                assert (status == 200) == fine, origin
                if fine:
                    async with dial(server, origin=origin):
                        continue
                with pytest.raises(InvalidStatus) as caught:
                    async with dial(server, origin=origin):
                        pass
                assert caught.value.response.status_code == 403, origin
            # a name that was made to point here
            assert (await http.get("/v1/models", headers={"Host": "evil.example"})).status_code == 403

    asyncio.run(main())


def nonsense(seed: int) -> list[str | bytes]:
    """Frames that no client should send."""
    chance = random.Random(seed)
    update: dict[str, Any] = {"type": "session.update", "session": {"type": "realtime", "instructions": "be brief"}}
    frames: list[str | bytes] = [
        "{", "null", "[]", "1e999", '{"type":5}', '{"type":"no.such.event"}', b"\x00\xff", "[" * 100_000,
        '{"type":"input_audio_buffer.append","audio":"***"}', '{"type":"input_audio_buffer.commit"}',
        '{"type":"response.cancel"}', "",
        '{"type":"conversation.item.truncate","item_id":"x","content_index":0,"audio_end_ms":1}',
        '{"type":"conversation.item.delete","item_id":"no-such"}', '{"type":"conversation.item.create"}',
    ]  # fmt: skip
    for _ in range(150):
        text = bytearray(json.dumps(update).encode())
        for _ in range(chance.randint(1, 6)):
            text[chance.randrange(len(text))] = chance.randrange(32, 127)
        frames.append(text.decode())
    return frames


def test_nonsense_earns_errors_and_the_session_goes_on(tmp_path: Path) -> None:
    async def main() -> None:
        async with gateway(tmp_path) as server, dial(server) as socket:
            await event(socket, "session.created")
            frames = nonsense(7)
            for frame in frames:
                await socket.send(frame)
            async with asyncio.timeout(20):  # each is answered, by an error or by what it asked for
                for _ in frames:
                    assert json.loads(await socket.recv())["type"] in ("error", "session.updated")
            part = {"type": "input_text", "text": "hello"}
            item = {"type": "message", "role": "user", "content": [part]}
            await socket.send(json.dumps({"type": "conversation.item.create", "item": item}))
            await socket.send('{"type":"response.create"}')
            done = await event(socket, "response.done")
            assert done["response"]["status"] == "completed"

            # what is too large ends the session, and no other one
            async with dial(server) as big:
                await event(big, "session.created")
                with contextlib.suppress(ConnectionClosed):  # while it is still sent
                    await big.send(" " * (17 * 1024 * 1024))
                _, code, _ = await ending(big)
                assert code == 1009
            await socket.send('{"type":"input_audio_buffer.clear"}')
            await event(socket, "input_audio_buffer.cleared")

    asyncio.run(main())


def test_a_session_ends_by_its_age(tmp_path: Path) -> None:
    async def main() -> None:
        async with gateway(tmp_path, limits=Limits(session_s=0.3)) as server, dial(server) as socket:
            events, code, reason = await ending(socket)
            assert events[0]["session"]["expires_at"] > 0
            assert events[-1]["error"]["code"] == "session_expired"
            assert (code, reason) == (1001, "invalid_request_error.session_expired")

    asyncio.run(main())


def test_a_server_that_stops_lets_answers_end(tmp_path: Path) -> None:
    async def main() -> None:
        async with gateway(tmp_path, script=LONG) as server, dial(server) as talking, dial(server) as idle:
            for socket in (talking, idle):
                await event(socket, "session.created")
            await talking.send('{"type":"response.create"}')
            await event(talking, "response.output_audio.delta")
            stopping = asyncio.create_task(server.gateway.drain())
            _, code, _ = await ending(idle)
            assert code == 1001
            assert await refused(server) == ("server_shutting_down", 1012)
            events, code, _ = await ending(talking)
            done = next(one for one in events if one["type"] == "response.done")
            assert done["response"]["status"] == "completed"
            assert code == 1001
            await stopping

    asyncio.run(main())


def test_a_client_that_does_not_read_holds_up_nobody(tmp_path: Path) -> None:
    """What waits for it is bounded, and the service behind it is not read any further."""
    flood = Script(replies=(Reply("Blah.", pcm=bytes(400 * 48_000), pace=10_000.0, delta_ms=4000),))

    async def main() -> None:
        async with gateway(tmp_path, script=flood) as server:
            slow = await dial(server, max_queue=1)
            await event(slow, "session.created")
            await slow.send('{"type":"response.create"}')
            async with dial(server) as other:
                await event(other, "session.created")
                for _ in range(20):
                    await other.send('{"type":"input_audio_buffer.clear"}')
                    await event(other, "input_audio_buffer.cleared")
            async with asyncio.timeout(20):
                while max(relay.outbox.chars for relay in server.gateway.relays) < 500_000:  # noqa: ASYNC110 - nothing tells
                    await asyncio.sleep(0)
            assert max(relay.outbox.chars for relay in server.gateway.relays) < 2_000_000
            got = 0
            async with asyncio.timeout(20):
                while True:
                    told = json.loads(await slow.recv())
                    got += len(told.get("delta", "")) * 3 // 4 if told["type"] == "response.output_audio.delta" else 0
                    if told["type"] == "response.done":
                        break
            assert got == 400 * 48_000  # and nothing is lost
            slow.transport.abort()

    asyncio.run(main())


def test_a_flood_of_nonsense_holds_up_nobody(tmp_path: Path) -> None:
    """What it is answered with waits in bounds, and so does what it goes on sending."""

    async def main() -> None:
        async with gateway(tmp_path) as server:
            flood = await dial(server, max_queue=1)
            await event(flood, "session.created")
            sending = asyncio.create_task(_flood(flood, 30_000))
            async with dial(server) as other:
                await event(other, "session.created")
                for _ in range(20):
                    await other.send('{"type":"input_audio_buffer.clear"}')
                    await event(other, "input_audio_buffer.cleared")
            await asyncio.wait((sending,), timeout=1.0)
            assert not sending.done()
            assert max(relay.outbox.chars for relay in server.gateway.relays) < 1_010_000
            flood.transport.abort()
            with contextlib.suppress(ConnectionClosed):
                await sending

    async def _flood(socket: ClientConnection, frames: int) -> None:
        for _ in range(frames):
            await socket.send(bytes(2000))

    asyncio.run(main())


def test_many_come_and_go(tmp_path: Path) -> None:
    async def main() -> None:
        async with gateway(tmp_path, limits=Limits(sessions=8)) as server:
            chance = random.Random(3)

            async def visit() -> None:
                try:
                    async with dial(server) as socket:
                        if chance.random() < 0.5:
                            await socket.recv()
                        if chance.random() < 0.3:
                            socket.transport.abort()
                except ConnectionClosed:
                    pass

            for _ in range(15):
                await asyncio.gather(*(visit() for _ in range(20)))
            async with asyncio.timeout(10):
                await server.gateway.empty()
            async with httpx.AsyncClient(base_url=f"http:{server.here}") as http:
                counted = (await http.get("/metrics")).text
            assert 'voicechat_sessions{model="newapi/other"} 0.0' in counted  # names are the clients' choice
            assert MODEL not in counted
            assert 'voicechat_refused_total{code="server_busy"}' in counted

    asyncio.run(main())
