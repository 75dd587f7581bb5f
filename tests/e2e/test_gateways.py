"""Gateways that accept the socket and refuse behind it, each in its own way (the texts are LiteLLM's and New-API's)."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from websockets.asyncio.server import ServerConnection, serve

from tests.e2e.scenes import KEYS, check_manners, errors_of
from tests.program import Program

NO_MODEL = "/realtime: Invalid model name passed in model=nothing. Call `/v1/models` to view available models."


@contextmanager
def gateway(event: dict[str, object] | None, code: int, reason: str) -> Iterator[tuple[str, list[int]]]:
    """Accepts, says the event, closes. Gives its address, and an entry for each connection."""
    loop = asyncio.new_event_loop()
    came: list[int] = []
    ready: list[str] = []
    started, over = threading.Event(), asyncio.Event()

    async def refuse(socket: ServerConnection) -> None:
        came.append(1)
        if event is not None:
            await socket.send(json.dumps(event))
        await socket.close(code, reason)

    async def main() -> None:
        async with serve(refuse, "127.0.0.1", 0) as server:
            ready.append(f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/v1/realtime")
            started.set()
            await over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()), name="gateway")
    thread.start()
    try:
        assert started.wait(10)
        yield ready[0], came
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()


def error(message: str, **fields: object) -> dict[str, object]:
    return {"type": "error", "error": {"type": "invalid_request_error", "message": message, **fields}}


REFUSALS = [
    (None, 1011, f"400: {{'error': '{NO_MODEL}'}}"[:120], "--model"),
    (error(NO_MODEL, code=400), 1011, "", "--model"),
    (error(NO_MODEL), 1000, "", "--model"),
    (None, 1008, "Authentication Error, Invalid proxy server token passed.", "Check the API key"),
    (None, 1011, "Authentication Error, Invalid proxy server token passed.", "Check the API key"),
    (error("当前分组 default 下对于模型 nothing 无可用渠道", code="model_not_found"), 1011, "", "--model"),
    (None, 1011, "Internal server error: litellm.AuthenticationError: AuthenticationError: OpenAIException", "API key"),
    (None, 1000, "Authentication Error, No api key passed in.", "Check the API key"),
    (None, 1011, "Internal server error: server rejected WebSocket connection: HTTP 401", "OPENAI_API_KEY"),
    (None, 1011, "server rejected WebSocket connection: HTTP 403", "May it use nothing?"),
    (error("The model `nothing` does not exist or you do not have access to it."), 1000, "", "--model"),
    (error("用户额度不足", code="insufficient_user_quota"), 1011, "", "quota"),
]


@pytest.mark.parametrize(("event", "code", "reason", "hint"), REFUSALS)
def test_it_is_a_refusal_with_what_to_fix(event: dict[str, object] | None, code: int, reason: str, hint: str) -> None:
    with gateway(event, code, reason) as (url, came):
        words = ["say", "hi", "--provider", "openai", "--url", url, "--model", "nothing", "--output", "a.raw"]
        with Program(words, env=KEYS) as program:
            assert program.wait() == 6, program.describe()
            check_manners(program)
            assert len(errors_of(program)) == 1
            assert hint in program.stderr, program.describe()
            assert "Try again" not in program.stderr, program.describe()
    assert len(came) == 1


def test_a_fault_is_one_and_its_words_are_told() -> None:
    with gateway(error("upstream timed out"), 1011, "") as (url, _):
        words = ["say", "hi", "--provider", "openai", "--url", url, "--output", "a.raw"]
        with Program(words, env=KEYS) as program:
            assert program.wait() == 5, program.describe()
            assert "upstream timed out" in program.stderr, program.describe()
