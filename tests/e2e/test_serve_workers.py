"""`voicechat serve --workers`: several processes, one address, one limit, one page of metrics, one end."""

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.program import Program
from tests.realtime_server import RealtimeServer, Reply, Script
from tests.redis_server import RedisServer
from voicechat.serve.tokens import hash_of

LONG = Script(replies=(Reply("One two three four.", seconds=1.0, pace=2.0),))
KEY = {"Authorization": "Bearer vc-a"}


def test_workers_that_share_nothing_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.toml").touch()
    arguments = ["serve", "--port", "0", "--workers", "2", "--config", str(tmp_path / "config.toml")]
    with Program(arguments, home=tmp_path) as program:
        assert program.wait(20) == 3
        assert "keep limits and keys together in Redis, and none is named" in program.stderr


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_workers_are_one_server(tmp_path: Path) -> None:
    config, log = tmp_path / "config.toml", tmp_path / "log.jsonl"
    arguments = ["serve", "--port", "0", "--json", "--workers", "3", "--config", str(config), "--log-file", str(log)]
    with RealtimeServer("ga", script=LONG) as service, RedisServer() as redis:
        config.write_text(
            f'[providers.newapi]\nurl = "{service.url}"\n[serve]\nredis = "{redis.url}"\n'
            f'[serve.tokens.anna]\nhash = "{hash_of("vc-a")}"\nsessions = 4\n'
        )
        with Program(arguments, home=tmp_path) as program:
            port = program.wait_for("serving")["port"]
            assert len(program.events) == 1  # one address, said once
            replaced(program.pid)
            asyncio.run(talk(port, lambda: program.process.send_signal(signal.SIGTERM)))
            assert program.wait(20) == 0
    ended = [json.loads(line) for line in log.read_text().splitlines() if "session ends" in line]
    assert [line["code"] for line in ended].count("server_shutting_down") == 4


def replaced(parent: int) -> None:
    """One that is killed has a successor."""
    workers = children(parent)
    assert len(workers) == 3
    os.kill(workers[0], signal.SIGKILL)
    ends = time.monotonic() + 20
    while workers[0] in (now := children(parent)) or len(now) < 3:
        assert time.monotonic() < ends
        time.sleep(0.02)


async def talk(port: int, stop: Callable[[], None]) -> None:
    def dial() -> connect:
        return connect(f"ws://127.0.0.1:{port}/v1/realtime?model=newapi/any", proxy=None, additional_headers=KEY)

    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=KEY) as http:

        async def counted(name: str) -> float:
            text = (await http.get("/metrics", headers={"Connection": "close"})).text
            return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))

        sockets = [await dial() for _ in range(4)]
        for socket in sockets:
            await until(socket, "session.created")
        async with dial() as refused:  # whichever worker it comes to
            assert (await until(refused, "error"))["error"]["code"] == "rate_limit_exceeded"
        # asked of any of them, it is the sum of all
        assert {await counted("voicechat_sessions{") for _ in range(6)} == {4.0}

        for socket in sockets:
            await socket.send('{"type":"response.create"}')
        for socket in sockets:
            await until(socket, "response.output_audio.delta")
        stop()
        for socket in sockets:
            kinds: list[str] = []
            with contextlib.suppress(ConnectionClosed):
                while True:
                    kinds.append(json.loads(await socket.recv())["type"])
            assert "response.done" in kinds
            assert socket.close_code == 1001


async def until(socket: ClientConnection, kind: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            found: dict[str, Any] = json.loads(await socket.recv())
            if found["type"] == kind:
                return found
