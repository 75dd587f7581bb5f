"""Tools of MCP servers, by the official SDK. One task per server owns its connection from beginning to end.

A server that cannot be started, says nothing, floods its stderr, or dies is named in one line and left out; its program
ends with ours. What it says about itself is its own word: names are made fit, schemas looked at, texts shortened.
"""

import asyncio
import contextlib
import hashlib
import importlib
import json
import logging
import os
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

from voicechat.errors import ConnectionFailed, VoicechatError
from voicechat.tools.mcp_config import McpServer
from voicechat.tools.spec import Outcome, ToolSpec, Work
from voicechat.tools.toolbox import Toolbox
from voicechat.wire.network import PROXY_HINT, tls_context
from voicechat.wire.proxy import proxy_for, proxy_of

log = logging.getLogger(__name__)

START_S = 30.0
"""Some fetch themselves from a registry when they are started."""
SILENCE_S = 300.0
"""A server may hold the stream of an answer open for so long."""
PATIENCE_S = 0.4
"""How long a program may take to end when it has nothing more to read, and again when it was told to."""
PING_S = 5.0
FLOOD_BYTES = 1 << 20
"""More on stderr than this, and something is wrong."""
FLOODS = "was left out: it floods its stderr"
LOGGED_LINES = 200
MOST_PAGES = 20
MOST_SCHEMA_CHARS = 20_000
MOST_DESCRIPTION_CHARS = 1024
INSTALL = "in voicechat's folder, pip install '.[mcp]'"


class _Gone(Exception):
    """A server is of no more use; the message says why."""


class McpServers:
    """`changed` hears of tools that came and went, `warn` of what the user should know. Nothing here is waited for."""

    def __init__(
        self, servers: tuple[McpServer, ...], toolbox: Toolbox, changed: Callable[[], None], warn: Callable[[str], None]
    ):
        self._servers = servers
        self._toolbox = toolbox
        self._changed = changed
        self._warn = warn
        self._tasks: list[asyncio.Task[None]] = []
        self._starting = len(servers)
        self._started = asyncio.Event()

    def start(self) -> None:
        if not self._servers:
            self._started.set()
        self._tasks = [asyncio.create_task(self._serve(each), name=f"mcp {each.name}") for each in self._servers]

    async def started(self) -> None:
        """Until each is there, or was given up."""
        await self._started.wait()

    async def close(self) -> None:
        """End them all, and their programs."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, server: McpServer) -> None:
        up = False

        def ready() -> None:
            nonlocal up
            up = True
            self._settle()

        try:
            await asyncio.to_thread(importlib.import_module, "mcp")  # half a second, while you may be speaking
            await _Connection(server, self._toolbox, self._changed, self._warn, ready).run()
        except ModuleNotFoundError:
            self._warn(f"The MCP server {server.name} cannot be used without the extra mcp: {INSTALL}.")
        except _Gone as gone:
            self._warn(f"The MCP server {server.name} {gone}.")
        finally:
            if not up:
                self._settle()
            if self._toolbox.remove(server.name):
                self._changed()

    def _settle(self) -> None:
        self._starting -= 1
        if self._starting == 0:
            self._started.set()


class _Connection:
    """One server, from its start to its end."""

    def __init__(
        self,
        server: McpServer,
        toolbox: Toolbox,
        changed: Callable[[], None],
        warn: Callable[[str], None],
        ready: Callable[[], None],
    ):
        self._server = server
        self._toolbox = toolbox
        self._changed = changed
        self._warn = warn
        self._ready = ready
        self._stderr = _Stderr(server.name)
        self._listed_again = asyncio.Event()

    async def run(self) -> None:
        """Until it is cancelled. Raises _Gone."""
        from mcp import MCPError

        try:
            await self._talk()
        except VoicechatError as unable:
            raise _Gone(f"cannot be reached: {unable.message} {unable.hint}".rstrip(".")) from unable
        except (MCPError, OSError, ValueError, RuntimeError, _Gone, ExceptionGroup) as failure:
            error = _first(failure)
            if isinstance(error, _Gone):
                raise error from None
            if self._stderr.flooded.is_set():
                raise _Gone(FLOODS) from failure
            if isinstance(error, TimeoutError):
                raise _Gone(f"did not start within {START_S:g} s") from failure
            raise _Gone(f"failed: {_why(error)}{self._stderr.last}") from failure

    async def _talk(self) -> None:
        from mcp import Client

        async with contextlib.AsyncExitStack() as stack:
            async with asyncio.timeout(START_S) as limit:
                self._stderr.limit = limit
                transport = await stack.enter_async_context(self._transport())
                handler = self._message
                client = await stack.enter_async_context(Client(transport, message_handler=handler))
                self._stderr.given()
                await self._list(client)
            self._stderr.limit = None
            self._ready()
            while True:
                await self._something_happens(client)

    async def _something_happens(self, client: Any) -> None:
        """Wait for other tools, or for the end. Raises _Gone."""
        news = [
            asyncio.create_task(event.wait())
            for event in (self._listed_again, self._stderr.flooded, self._stderr.ended)
        ]
        try:
            await asyncio.wait(news, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in news:
                task.cancel()
        if self._stderr.flooded.is_set():
            raise _Gone(FLOODS)
        if self._listed_again.is_set():
            self._listed_again.clear()
            await self._list(client)
        if self._stderr.ended.is_set():
            self._stderr.ended.clear()
            try:  # it may only have closed it
                async with asyncio.timeout(PING_S):
                    await client.list_tools(cache_mode="bypass")
            except Exception as error:
                raise _Gone(f"has ended{self._stderr.last}") from error

    @contextlib.asynccontextmanager
    async def _transport(self) -> AsyncIterator[Any]:
        server = self._server
        if server.url:
            from mcp.client.streamable_http import streamable_http_client

            async with _http_client(server) as http:
                yield streamable_http_client(server.url, http_client=http)
            return
        from mcp import StdioServerParameters
        from mcp.client import stdio

        stdio.PROCESS_TERMINATION_TIMEOUT = stdio.FORCE_KILL_TIMEOUT = PATIENCE_S  # two seconds each: too long for us
        parameters = StdioServerParameters(
            command=server.command, args=list(server.args), env=server.env or None, cwd=server.cwd or None
        )
        with self._stderr.open() as handle:
            yield stdio.stdio_client(parameters, errlog=handle)

    async def _message(self, message: Any) -> None:
        import mcp_types

        if isinstance(message, mcp_types.ToolListChangedNotification):
            self._listed_again.set()

    async def _list(self, client: Any) -> None:
        """Take its tools into the toolbox, in place of those it had."""
        found: list[Any] = []
        cursor = None
        for _ in range(MOST_PAGES):
            page = await client.list_tools(cursor=cursor, cache_mode="bypass")
            found += page.tools
            if (cursor := page.next_cursor) is None:
                break
        self._toolbox.remove(self._server.name)
        specs = [spec for tool in found if (spec := self._spec(client, tool)) is not None]
        for complaint in self._toolbox.add(specs):
            self._warn(complaint)
        self._changed()

    def _spec(self, client: Any, tool: Any) -> ToolSpec | None:
        schema, origin = tool.input_schema, self._server.name
        if not usable(schema):
            self._warn(f"The tool {tool.name[:64]} of the MCP server {origin} is left out: its schema cannot be used.")
            return None
        schema = {"properties": {}, **schema}

        def prepare(arguments: dict[str, Any]) -> Work:
            return Work(lambda: self._call(client, tool.name, arguments))

        hints = tool.annotations
        name, words = tool_name(origin, tool.name), tool.description or tool.title or tool.name
        read_only = hints is not None and hints.read_only_hint is True
        return ToolSpec(name, words[:MOST_DESCRIPTION_CHARS], schema, prepare, read_only, origin=origin)

    async def _call(self, client: Any, name: str, arguments: dict[str, Any]) -> Outcome:
        from mcp import MCPError

        try:
            result = await client.call_tool(name, arguments)
        except (MCPError, OSError, RuntimeError, ValueError) as error:
            return Outcome(f"The MCP server {self._server.name} failed: {_why(error)}", ok=False)
        return Outcome(content_text(result), ok=not result.is_error)


def _http_client(server: McpServer) -> Any:
    """The SDK's kind of client, with the proxies and certificates of every other connection (wire/http.py).

    Raises ConnectionFailed for a proxy that cannot be used, ConfigError for certificates that cannot.
    """
    import httpx2

    proxy = proxy_for(server.url)
    if proxy.startswith("socks"):
        raise ConnectionFailed(f"The SDK of MCP knows no SOCKS proxy, and {proxy_of(server.url)} is one.", PROXY_HINT)
    return httpx2.AsyncClient(
        headers=server.headers,
        timeout=httpx2.Timeout(START_S, read=SILENCE_S),
        verify=tls_context(server.ca_file),  # for http:// too, since the SDK follows a redirect to https:// on the host
        proxy=proxy or None,
        trust_env=False,
    )


class _Stderr:
    """What a server writes there: a pipe whose lines go to the log, as long as they are few."""

    def __init__(self, name: str):
        self.flooded = asyncio.Event()
        self.ended = asyncio.Event()
        self.limit: asyncio.Timeout | None = None
        """The time the server has to start, cut short by a flood."""
        self._name = name
        self._bytes = 0
        self._lines = 0
        self._rest = b""
        self._last = ""
        self._handle: Any = None

    @property
    def last(self) -> str:
        """Its last line, as the end of a sentence."""
        return f" ({self._last})" if self._last else ""

    @contextlib.contextmanager
    def open(self) -> Any:
        """A file to give to the program."""
        if os.name == "nt":  # its loop cannot wait for such a pipe
            with open(os.devnull, "w", encoding="utf-8") as nothing:
                yield nothing
            return
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        loop = asyncio.get_running_loop()
        loop.add_reader(reading, self._read, reading, loop)
        handle = os.fdopen(writing, "w", encoding="utf-8")
        self._handle = handle
        try:
            yield handle
        finally:
            self.given()
            loop.remove_reader(reading)
            os.close(reading)

    def given(self) -> None:
        """The program has its own end of the pipe: ours would hide that it ended."""
        if self._handle is not None:
            with contextlib.suppress(OSError):
                self._handle.close()
            self._handle = None

    def _read(self, reading: int, loop: asyncio.AbstractEventLoop) -> None:
        try:
            data = os.read(reading, 65536)
        except BlockingIOError:
            return
        if not data or self._bytes > FLOOD_BYTES:
            loop.remove_reader(reading)
            (self.ended if not data else self.flooded).set()
            if data and self.limit is not None:
                self.limit.reschedule(loop.time())
            return
        self._bytes += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[-1000:]
        for line in lines:
            text = line[:1000].decode("utf-8", "replace").strip()
            self._last = text[:200] or self._last
            if self._lines < LOGGED_LINES:
                self._lines += 1
                log.info("mcp %s: %s", self._name, text)


def usable(schema: Any) -> bool:
    """Whether services would take it: one they refuse costs all tools of the session."""
    if not isinstance(schema, dict) or schema.get("type") != "object":
        return False
    properties = schema.get("properties", {})
    fine = isinstance(properties, dict) and all(isinstance(field, dict | bool) for field in properties.values())
    return fine and isinstance(schema.get("required", []), list) and len(json.dumps(schema)) <= MOST_SCHEMA_CHARS


def tool_name(server: str, tool: str) -> str:
    """`NAME_tool`, as services take it: 64 signs at most; what is cut off is told apart by a sum of all."""
    name = re.sub(r"[^A-Za-z0-9_-]", "_", f"{server}_{tool}")
    if len(name) <= 64 and name == f"{server}_{tool}":
        return name
    mark = hashlib.sha256(f"{server}_{tool}".encode()).hexdigest()[:6]
    return f"{name[:57]}_{mark}"


def content_text(result: Any) -> str:
    """What a call returned, in words: texts as they are, everything else named."""
    words = []
    for part in result.content:
        if part.type == "text":
            words.append(part.text)
        elif part.type == "resource" and getattr(part.resource, "text", None) is not None:
            words.append(part.resource.text)
        else:
            words.append(f"[{part.type}{f' {kind}' if (kind := getattr(part, 'mime_type', None)) else ''}]")
    if not words and result.structured_content is not None:
        return json.dumps(result.structured_content, ensure_ascii=False)
    return "\n".join(words) or "Done."


def _first(error: BaseException) -> BaseException:
    """What went wrong first, of what the SDK's task groups have bound together."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _why(error: BaseException) -> str:
    """In one line."""
    words = str(_first(error)).strip().splitlines()
    return f"{words[0] if words else type(error).__name__}"[:200]
