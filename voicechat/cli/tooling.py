"""From settings and flags to the tools of a conversation."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from voicechat.cli.options import TalkOptions
from voicechat.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from voicechat.config import Loaded
    from voicechat.conversation.workshop import ToolPlan
    from voicechat.realtime.capabilities import Capabilities
    from voicechat.tools.calls import Confirm
    from voicechat.tools.mcp_config import McpServer

HINT = "[mcp.NAME] has command, args and env, or url and headers; --mcp FILE takes the usual mcpServers."
CONFIRM: "tuple[Confirm, ...]" = ("never", "writes", "always")


def tool_plan(options: TalkOptions, loaded: "Loaded", capabilities: "Capabilities", name: str) -> "ToolPlan":
    """The tools of files, modules and packages, and how freely they are run. Raises UsageError."""
    from voicechat.conversation.workshop import ToolPlan
    from voicechat.tools.loading import load
    from voicechat.tools.toolbox import Toolbox

    settings = loaded.settings.tools
    confirm = next((word for word in CONFIRM if word == (options.confirm_tools or settings.confirm)), None)
    if confirm is None:
        raise UsageError(f"--confirm-tools {options.confirm_tools}: must be {', '.join(CONFIRM)}.")
    if not capabilities.supports_tools:
        asked = options.tool_sources or settings.files or options.mcp_sources
        return ToolPlan(complaints=(f"{name} has no tools: none can be called.",) if asked else ())
    folder = loaded.path.parent
    files = [
        str(folder / file) if file.endswith(".py") and not file.startswith("~") else file for file in settings.files
    ]
    found = load([*files, *(options.tool_sources or ())])
    toolbox = Toolbox()
    complaints = [*found.complaints, *toolbox.add(found.tools)]
    return ToolPlan(
        toolbox,
        tuple(complaints),
        confirm,
        not options.json and sys.stdin.isatty() and sys.stdout.isatty(),
        settings.timeout_s,
        settings.max_chars,
        settings.max_in_a_row,
        settings.filler_after_ms,
        mcp_servers(options.mcp_sources or (), loaded, insecure=options.insecure),
    )


def mcp_servers(sources: "Sequence[str]", loaded: "Loaded", *, insecure: bool) -> "tuple[McpServer, ...]":
    """Those of the configuration that are enabled, and the ones asked for by name or file. Raises VoicechatError."""
    from voicechat.redaction import remember
    from voicechat.tools.mcp_config import McpServer, read_file
    from voicechat.wire.urls import refuse_plain

    known = {
        name: McpServer(
            name,
            table.command,
            tuple(table.args),
            {key: value.get_secret_value() for key, value in table.env.items()},
            table.cwd,
            table.url,
            {key: value.get_secret_value() for key, value in table.headers.items()},
        )
        for name, table in loaded.settings.mcp.items()
    }
    chosen = {name: server for name, server in known.items() if loaded.settings.mcp[name].enabled}
    for source in sources:
        if source in known:
            chosen[source] = known[source]
            continue
        path = Path(source).expanduser()
        if not path.is_file():
            names = f" Known: {', '.join(known)}." if known else ""
            raise UsageError(f"There is neither an MCP server nor a file called {source}.{names}", HINT)
        chosen |= {server.name: server for server in read_file(path)}
    for server in chosen.values():
        if server.fault:
            raise ConfigError(f"[mcp.{server.name}] cannot be used: {server.fault}.", HINT)
        if server.headers and not insecure:
            refuse_plain(server.url)
        remember(*server.headers.values(), *server.env.values())
    return tuple(replace(server, ca_file=loaded.settings.ca_file) for server in chosen.values())
