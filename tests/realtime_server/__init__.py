"""A scripted realtime service, written from the protocol references: it shares no code with the program it tests.

    async with RealtimeServer("ga", script=Script(replies=(Reply("Hello."),))) as server:
        ...  # connect to server.url
        await server.wait_for("response.done")

Dialects `ga`, `beta` and `qwen`. `python -m tests.realtime_server --dialect qwen --port 9000` runs it alone.
`wire`, `rules`, `dialects`, `beta` and `qwen` say what a client may send, `session` and `response` what comes back.
"""

from tests.realtime_server.script import OUTPUT_RATE_HZ, Auth, Faults, Reply, Script, ToolUse, buzz
from tests.realtime_server.server import Connection, RealtimeServer, Timed

__all__ = [
    "OUTPUT_RATE_HZ",
    "Auth",
    "Connection",
    "Faults",
    "RealtimeServer",
    "Reply",
    "Script",
    "Timed",
    "ToolUse",
    "buzz",
]
