"""`voicechat serve` as it is started: where it listens, what it refuses to begin with, and how it ends."""

import asyncio
import gc
import json
import os
import signal
import socket
from pathlib import Path

from websockets.asyncio.client import connect

from tests.program import Program
from tests.realtime_server import RealtimeServer, Reply, Script
from voicechat.config import load
from voicechat.serve.gateway import Gateway
from voicechat.serve.models import Models
from voicechat.serve.server import Address, bind, serve
from voicechat.serve.tokens import Tokens

LONG = Script(replies=(Reply("One two three four.", seconds=1.0, pace=2.0),))


def run(home: Path, *arguments: str) -> tuple[int, str, str]:
    with Program(["serve", *arguments], home=home) as program:
        return program.wait(20), program.stdout, program.stderr


def test_a_signal_lets_an_answer_end(tmp_path: Path) -> None:
    config, log = tmp_path / "config.toml", tmp_path / "log.jsonl"
    with RealtimeServer("ga", script=LONG) as service:
        config.write_text(f'[providers.newapi]\nurl = "{service.url}"\n')
        arguments = ["serve", "--port", "0", "--json", "--config", str(config), "--log-file", str(log)]
        with Program(arguments, home=tmp_path) as program:
            listening = program.wait_for("serving")
            assert listening["url"] == f"http://127.0.0.1:{listening['port']}"
            assert "newapi/cosyvoice-v2" in listening["models"]

            async def talk() -> list[str]:
                url = f"ws://127.0.0.1:{listening['port']}/v1/realtime?model=newapi/any"
                async with connect(url, proxy=None) as socket:
                    await socket.send('{"type":"response.create"}')
                    kinds: list[str] = []
                    while "response.output_audio.delta" not in kinds:
                        kinds.append(json.loads(await socket.recv())["type"])
                    program.process.send_signal(signal.SIGTERM)
                    try:
                        async for frame in socket:
                            kinds.append(json.loads(frame)["type"])
                    finally:
                        assert socket.close_code == 1001
                return kinds

            kinds = asyncio.run(talk())
            assert kinds[-1] == "error"
            assert "response.done" in kinds
            assert program.wait(10) == 0
    facts = [json.loads(line) for line in log.read_text().splitlines()]
    ended = next(line for line in facts if line["message"] == "session ends")
    assert ended["model"] == "newapi/any"
    assert ended["code"] == "server_shutting_down"
    assert ended["spoken_s"] == 1.0
    assert "One two" not in log.read_text()


def test_what_cannot_be_served_is_said_at_once(tmp_path: Path) -> None:
    config = ("--config", str(tmp_path / "config.toml"))
    (tmp_path / "config.toml").touch()
    code, _, error = run(tmp_path, "--host", "0.0.0.0", *config)
    assert (code, "there is no token yet" in error) == (3, True)
    code, token, error = run(tmp_path, "token", "create", "anna", "--models", "offline", *config)
    assert code == 0
    assert token.startswith("vc-")
    written = (tmp_path / "config.toml").read_text()
    assert token.strip() not in written
    assert "sha256:" in written
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, _, error = run(tmp_path, "--port", str(taken.getsockname()[1]), *config)
    assert (code, "cannot be listened on" in error) == (2, True)
    (tmp_path / "no.pem").write_text("this is none")
    no = str(tmp_path / "no.pem")
    code, _, error = run(tmp_path, "--port", "0", "--cert", no, "--key", no, *config)
    assert (code, "no certificate and its key" in error) == (3, True)
    assert run(tmp_path, "token", "revoke", "anna", *config)[0] == 0
    assert run(tmp_path, "token", "revoke", "anna", *config)[0] == 2
    assert json.loads(run(tmp_path, "token", "list", "--json", *config)[1]) == []


def test_what_was_loaded_is_not_looked_through_for_garbage(tmp_path: Path) -> None:
    """That would hold up every session by tens of milliseconds."""
    watched, end = os.pipe()
    frozen: list[int] = []

    def listening() -> None:
        frozen.append(gc.get_freeze_count())
        os.close(end)

    try:
        gateway = Gateway(Models(load(Path(os.devnull)), {}), Tokens({}))
        address = Address("127.0.0.1", 0)
        assert asyncio.run(serve(gateway, address, bind(address), listening, life=watched)) == 0
        assert frozen[0] > 10_000
    finally:
        gc.unfreeze()
        os.close(watched)
