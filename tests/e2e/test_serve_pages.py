"""`voicechat serve` and pages of other hosts: the keys that they are given, what they may ask, and the paths."""

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from tests.e2e.test_serve_refusals import MODEL, bearer, dial, event, gateway, refused, token
from tests.gateway import Served, served
from voicechat.config.settings import ServeToken
from voicechat.serve.tokens import hash_of

PAGE = "https://app.example"
INSTRUCTIONS = "Talk like a pirate."


async def secret(server: Served, key: str = "", **session: Any) -> str:
    """A key for a page, made with a token."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with httpx.AsyncClient(base_url=f"http:{server.here}", headers=headers) as http:
        wish = {"session": {"type": "realtime", **session}}
        made = await http.post("/openai/v1/realtime/client_secrets", json=wish)  # as Azure's clients ask for it
        return str(made.json()["value"])


def offered(key: str, *more: str) -> dict[str, Any]:
    return {"subprotocols": ["realtime", f"openai-insecure-api-key.{key}", *more]}


async def status_of(server: Served, **how: Any) -> tuple[int, dict[str, Any]]:
    with pytest.raises(InvalidStatus) as caught:
        async with dial(server, **how):
            pass
    response = caught.value.response
    return response.status_code, json.loads(response.body)["error"]


def test_a_key_ends_with_the_token_it_was_made_with(tmp_path: Path) -> None:
    async def main() -> None:
        async with gateway(tmp_path, token("anna", "vc-a") + token("bob", "vc-b")) as server:
            key = await secret(server, "vc-a")
            async with dial(server, **offered(key)) as socket:
                await event(socket, "session.created")
            tokens = server.gateway.tokens
            anna, bob = (ServeToken(hash=hash_of(one)) for one in ("vc-a", "vc-b"))
            fewer = {"anna": anna.model_copy(update={"models": ["offline"]}), "bob": bob}
            tokens._read, tokens._changed_at = lambda: fewer, (1, 1)
            assert await refused(server, **offered(key)) == ("model_not_found", 4004)  # what it opens is today's
            tokens._read, tokens._changed_at = lambda: {"bob": bob}, (2, 2)
            assert await refused(server, **offered(key)) == ("invalid_api_key", 3000)

    asyncio.run(main())


def test_a_key_opens_the_model_it_was_made_for(tmp_path: Path) -> None:
    async def main() -> None:
        async with gateway(tmp_path) as server:
            key = await secret(server, model=MODEL)
            assert await refused(server, query="?model=newapi/dear", **offered(key)) == ("model_not_found", 4004)
            for query in ("", f"?model={MODEL}"):
                async with dial(server, query, **offered(key)) as socket:
                    assert (await event(socket, "session.created"))["session"]["model"] == MODEL
            async with dial(server, "?model=newapi/dear", **offered(await secret(server))) as socket:
                await event(socket, "session.created")

    asyncio.run(main())


def test_what_a_key_was_made_for_holds_in_every_dialect(tmp_path: Path) -> None:
    async def main() -> None:
        async with gateway(tmp_path) as server:
            session = {"model": MODEL, "instructions": INSTRUCTIONS, "output_modalities": ["text"]}
            key = await secret(server, **session)
            ways: tuple[tuple[str, dict[str, Any]], ...] = (
                ("/v1/realtime", offered(key, "openai-beta.realtime-v1")),
                ("/api-ws/v1/realtime", bearer(key)),
            )
            for path, how in ways:
                async with dial(server, "", path, **how) as socket:
                    created = (await event(socket, "session.created"))["session"]
                    assert created["instructions"] == INSTRUCTIONS
                    assert created["modalities"] == ["text"]
            odd = await secret(server, audio={"output": {"voice": "nobody"}})
            assert await refused(server, query="?model=offline", **offered(odd)) == ("invalid_value", 4000)
            async with dial(server, **offered(odd)) as socket:  # a service says itself whom it does not know
                await event(socket, "session.created")

    asyncio.run(main())


def test_a_listed_page_may_ask_what_others_may_not(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            gateway(tmp_path, token("anna", "vc-a"), origins=(PAGE,)) as server,
            httpx.AsyncClient(base_url=f"http:{server.here}") as http,
        ):
            asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization, x-any"}
            before = await http.options("/v1/audio/speech", headers={"Origin": PAGE, **asks})
            assert before.status_code == 200
            assert before.headers["access-control-allow-origin"] == PAGE
            assert "x-any" in before.headers["access-control-allow-headers"]
            for key, status in (("vc-a", 200), ("vc-x", 401)):
                answer = await http.get("/v1/models", headers={"Origin": PAGE, "Authorization": f"Bearer {key}"})
                assert answer.status_code == status
                assert answer.headers["access-control-allow-origin"] == PAGE
            other = await http.options("/v1/audio/speech", headers={"Origin": "https://evil.example", **asks})
            assert other.status_code == 403
            assert "access-control-allow-origin" not in other.headers

    asyncio.run(main())


def test_what_is_not_there_is_said_and_logged_as_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with (
            served(tmp_path / "config.toml") as server,
            httpx.AsyncClient(base_url=f"http:{server.here}") as http,
        ):
            for path in ("/v1/realtime/", "/v1/nothing", "/"):
                status, error = await status_of(server, path=path)
                assert (status, error["code"]) == (404, "unknown_url"), path
            status, error = await status_of(server, path="/openai/v1/realtime", query="?model=nobody")
            assert (status, error["code"]) == (404, "invalid_model")
            status, error = await status_of(server, origin="http://[::1")
            assert (status, error["code"]) == (403, "origin_not_allowed")
            wrong = await http.get("/v1/audio/speech")
            assert (wrong.status_code, wrong.json()["error"]["code"]) == (405, "method_not_allowed")
            assert wrong.headers["allow"] == "POST"
            assert (await http.get("/v1/nothing")).json()["error"]["code"] == "unknown_url"
        assert not [one.getMessage() for one in caplog.records if one.levelno >= logging.ERROR]

    asyncio.run(main())
