"""Servers of tools, real ones by the official SDK: over stdio and HTTP, well behaved and not."""

import asyncio
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.program import ROOT
from voicechat.errors import UsageError
from voicechat.tools import mcp as bridge
from voicechat.tools.calls import Call
from voicechat.tools.mcp import McpServers, tool_name, usable
from voicechat.tools.mcp_config import McpServer, read_file
from voicechat.tools.runner import Runner
from voicechat.tools.spec import Outcome
from voicechat.tools.toolbox import Toolbox


def program(fault: str = "", name: str = "test") -> McpServer:
    return McpServer(name, sys.executable, ("-m", "tests.mcp_server", "stdio", fault), cwd=str(ROOT))


class Bench:
    def __init__(self, *servers: McpServer):
        self.toolbox = Toolbox()
        self.lines: list[str] = []
        self.changes = 0
        self.servers = McpServers(servers, self.toolbox, self._changed, self.lines.append)
        self._news = asyncio.Event()

    def _changed(self) -> None:
        self.changes += 1
        self._news.set()

    async def call(self, name: str, **arguments: Any) -> Outcome:
        """As a conversation calls it."""
        spec = self.toolbox.find(name)
        assert spec is not None, [each.name for each in self.toolbox]
        done: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        call = Call(1, "c", name, "{}", 1, 0.0, spec, spec.prepare(arguments))
        Runner(lambda _, outcome: done.set_result(outcome), timeout_s=20).start(call)
        return await done

    async def until(self, met: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not met():
                self._news.clear()
                await self._news.wait()


@contextlib.asynccontextmanager
async def running(*servers: McpServer) -> AsyncIterator[Bench]:
    bench = Bench(*servers)
    bench.servers.start()
    try:
        async with asyncio.timeout(30):
            await bench.servers.started()
        yield bench
    finally:
        await bench.servers.close()


@contextlib.contextmanager
def over_http() -> Iterator[McpServer]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.mcp_server", str(port)], cwd=ROOT, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
        yield McpServer("web", url=f"http://127.0.0.1:{port}/mcp", headers={"Authorization": "Bearer x"})
    finally:
        process.kill()
        process.wait()


def test_real_servers_good_and_bad_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """One run, for every server takes a while to start: over stdio and HTTP; some lie, die, crash or flood.

    There is a proxy that would read the key of a server on this machine, and is not asked.
    """
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)

    async def talk(web: McpServer) -> None:
        bad = program("die", "dies"), program("crash", "crash"), program("flood", "flood")
        async with running(web, program("lie"), *bad, McpServer("none", "no-such-program")) as bench:
            found = {spec.name: spec for spec in bench.toolbox}
            names = ["add", "write", "slow", "fail"]
            assert [name for name in found if name.startswith("web")][:4] == [f"web_{name}" for name in names]
            assert {name for name, spec in found.items() if spec.read_only} == {"web_add", "dies_add"}
            assert found["web_add"].parameters["required"] == ["a", "b"]
            for name in ("web", "test"):
                assert await bench.call(f"{name}_write", text="x") == Outcome("wrote x"), "nothing steers a terminal"
                assert not (await bench.call(f"{name}_fail")).ok
                assert (await bench.call(tool_name(name, "a name.with/signs"))).output == "signs"
            assert not (await bench.call("web_add", a="x")).ok
            assert await bench.call("web_add", a=2, b=3) == Outcome("5")
            await given_up(bench, "test_slow", seconds=60)
            assert (await bench.call("test_write", text="y")).ok, "the server is in order after a call was given up"

            assert "test_add" not in found, "a schema that is none costs that tool alone"
            outcome = await bench.call("dies_add", a=1, b=2)
            assert not outcome.ok
            assert outcome.output.startswith("The MCP server dies failed")
            await bench.until(lambda: "dies_write" not in [spec.name for spec in bench.toolbox])
            assert "test_write" in [spec.name for spec in bench.toolbox]
            expected = [
                "The MCP server crash failed: .*this server has no licence",
                "The MCP server dies has ended",
                "The MCP server flood was left out: it floods its stderr",
                "The MCP server none failed: .*no-such-program",
                "The tool add of the MCP server test is left out: its schema cannot be used",
            ]
            for line, words in zip(sorted(bench.lines), expected, strict=True):
                assert re.match(words, line), bench.lines
        assert len(bench.toolbox) == 0

    with over_http() as web:
        asyncio.run(talk(web))


def test_a_server_elsewhere_is_asked_through_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async def talk() -> None:
        async with await asyncio.start_server(refuse, "127.0.0.1", 0) as proxy:
            monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}")
            async with running(McpServer("web", url="http://192.0.2.1/mcp")) as bench:
                assert asked[0] == b"POST http://192.0.2.1/mcp HTTP/1.1\r\n"
                assert bench.lines[0].startswith("The MCP server web failed: ")

    asyncio.run(talk())


def test_a_socks_proxy_and_broken_certificates_are_named_in_a_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_text("none")

    async def talk(server: McpServer) -> str:
        async with running(server) as bench:
            [line] = bench.lines
            return line

    broken = asyncio.run(talk(McpServer("web", url="https://192.0.2.1/mcp", ca_file=str(tmp_path / "ca.pem"))))
    assert "cannot be reached: The ca_file" in broken
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:9")
    line = asyncio.run(talk(McpServer("web", url="http://192.0.2.1/mcp")))
    assert line.startswith("The MCP server web cannot be reached: The SDK of MCP knows no SOCKS proxy, and 127.0.0.1:9")


async def given_up(bench: Bench, name: str, **arguments: Any) -> None:
    spec = bench.toolbox.find(name)
    assert spec is not None
    runner = Runner(lambda call, outcome: None)
    call = Call(1, "c", name, "{}", 1, 0.0, spec, spec.prepare(arguments))
    runner.start(call)
    await asyncio.sleep(0.05)
    runner.stop(call)


def test_a_server_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "START_S", 0.5)

    async def talk() -> None:
        async with running(program("mute")) as bench:
            assert bench.lines == ["The MCP server test did not start within 0.5 s."]

    asyncio.run(talk())


def test_a_schema_that_services_would_refuse_is_none() -> None:
    assert usable({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]})
    assert usable({"type": "object"})
    assert not usable(None)
    assert not usable({"type": "string"})
    assert not usable({"type": "object", "properties": []})
    assert not usable({"type": "object", "properties": {"a": 1}})
    assert not usable({"type": "object", "required": "a"})
    assert not usable({"type": "object", "description": "x" * 30_000})


def test_names_are_what_services_take_and_stay_apart() -> None:
    assert tool_name("files", "read_file") == "files_read_file"
    names = {tool_name("s", "a" * 80 + end) for end in "xy"} | {tool_name("s", "日本"), tool_name("s", "日文")}
    assert len(names) == 4
    assert all(len(name) <= 64 and name.replace("_", "").isalnum() and name.isascii() for name in names)


def test_a_file_of_servers_is_read_as_other_programs_write_it(tmp_path: Path) -> None:
    file = tmp_path / "mcp.json"
    table = {
        "files": {"command": "npx", "args": ["-y", "x"], "env": {"TOKEN": "secret-word"}},
        "web": {"type": "http", "url": "https://example.com/mcp", "headers": {"Authorization": "Bearer secret-word"}},
        "off": {"command": "x", "disabled": True},
    }
    file.write_text(json.dumps({"mcpServers": table}))
    files, web = read_file(file)
    assert (files.command, files.args, web.url) == ("npx", ("-y", "x"), "https://example.com/mcp")
    assert "secret-word" not in repr((files, web))
    for text in (
        "",
        "[]",
        "{}",
        '{"mcpServers": {"a b": {"command": "x"}}}',
        '{"mcpServers": {"a": {}}}',
        "[" * 99_999,
    ):
        file.write_text(text)
        with pytest.raises(UsageError):
            read_file(file)
    os.remove(file)
    with pytest.raises(UsageError):
        read_file(file)
