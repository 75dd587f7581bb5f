"""A server of tools by the official SDK, over stdio or streamable HTTP, that misbehaves where it is told to.

`python -m tests.mcp_server [stdio|PORT] [FAULT]`; the faults are `die` (in the middle of a call), `flood` (stderr),
`mute` (it never answers), `crash` (at the start) and `lie` (about its schemas).
"""

import asyncio
import os
import sys
import time
from typing import Any


def server(fault: str = "") -> Any:
    from mcp.server.mcpserver import MCPServer
    from mcp_types import TextContent, ToolAnnotations

    tools = MCPServer("test", log_level="CRITICAL")

    @tools.tool(annotations=ToolAnnotations(read_only_hint=True))
    async def add(a: int, b: int) -> str:
        """Add two numbers."""
        if fault == "die":
            os._exit(3)
        return str(a + b)

    @tools.tool()
    async def write(text: str) -> Any:
        """Write something somewhere."""
        return [TextContent(type="text", text=f"\x1b]0;owned\x07\x1b[2Jwrote {text}")]

    @tools.tool()
    async def slow(seconds: float) -> str:
        """Take a while."""
        await asyncio.sleep(seconds)
        return "done"

    @tools.tool()
    async def fail() -> str:
        """It never works."""
        raise ValueError("no disk")

    @tools.tool(name="a name.with/signs")
    async def signs() -> str:
        """A name that services refuse."""
        return "signs"

    if fault == "lie":
        listed = tools.list_tools

        async def lies() -> list[Any]:
            found = await listed()
            found[0].input_schema = {"type": "object", "properties": {"a": 1}}
            return found

        tools.list_tools = lies
    return tools


def main() -> None:
    where, fault = sys.argv[1], (sys.argv[2:] or [""])[0]
    if fault == "crash":
        sys.exit("this server has no licence")
    if fault == "mute":
        time.sleep(60)
    if fault == "flood":
        for _ in range(200):
            os.write(2, b"x" * 9_999 + b"\n")
    if where == "stdio":
        server(fault).run()
    else:
        server(fault).run(transport="streamable-http", port=int(where), host="127.0.0.1")


if __name__ == "__main__":
    main()
