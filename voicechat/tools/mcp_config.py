"""Which MCP servers there are: `[mcp.NAME]`, and files with the usual `mcpServers`."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from voicechat.errors import UsageError
from voicechat.tools.toolbox import good_name


@dataclass(frozen=True, slots=True)
class McpServer:
    """A program that is started (`command`), or one that is reached (`url`). Neither env nor headers are ever shown."""

    name: str
    command: str = ""
    args: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict, repr=False)
    cwd: str = ""
    url: str = ""
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    ca_file: str = ""
    """Authorities to trust (PEM file); "" are the system's."""

    @property
    def fault(self) -> str:
        """Why this cannot be a server; "" when it can."""
        if not good_name(self.name):
            return "a name has 1 to 64 letters, digits, _ and -"
        if bool(self.command) == bool(self.url):
            return "it needs either a command or a url"
        if self.url and not self.url.startswith(("http://", "https://")):
            return "its url begins with http:// or https://"
        return ""


def read_file(path: Path) -> list[McpServer]:
    """The servers of a file as other programs keep them (`mcpServers`, or VS Code's `servers`). Raises UsageError."""
    hint = 'It holds JSON: {"mcpServers": {"files": {"command": "npx", "args": ["…"]}}}.'
    try:
        table = json.loads(path.read_text("utf-8"))
        listed = table.get("mcpServers") or table.get("servers") or {}
        entries = [(name, entry) for name, entry in listed.items() if not entry.get("disabled")]
        servers = [_server(name, entry) for name, entry in entries]
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}.", "--mcp takes a server's name, or a file."
        ) from error
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise UsageError(f"{path} is no list of MCP servers.", hint) from error
    if not servers:
        raise UsageError(f"{path} names no MCP server.", hint)
    for server in servers:
        if server.fault:
            raise UsageError(f"{path}: the MCP server {server.name!r} cannot be used: {server.fault}.", hint)
    return servers


def _server(name: str, entry: dict[str, Any]) -> McpServer:
    return McpServer(
        name,
        str(entry.get("command") or ""),
        tuple(str(part) for part in entry.get("args") or ()),
        {str(key): str(value) for key, value in (entry.get("env") or {}).items()},
        str(entry.get("cwd") or ""),
        str(entry.get("url") or ""),
        {str(key): str(value) for key, value in (entry.get("headers") or {}).items()},
    )
