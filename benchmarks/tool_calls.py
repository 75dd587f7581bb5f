"""What a call of a tool costs beside the tool and the model: the real program against a scripted service on loopback.

    python -m benchmarks.tool_calls [--turns 40] [--json]

Taken at the service: from its last word of the response that calls (`response.done` is sent) to the request for the
answer about the result (`response.create` has come). The tool itself returns at once: in a thread, awaited, or as four
calls of one response side by side. The way through the loopback socket and the service's own loop is part of it.
"""

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

from tests.program import Program
from tests.realtime_server import RealtimeServer, Reply, Script, ToolUse

TOOLS = """
from voicechat.tools import tool

@tool(read_only=True)
def threaded(n: int) -> int:
    '''Give it back.'''
    return n

@tool(read_only=True)
async def awaited(n: int) -> int:
    '''Give it back.'''
    return n
"""
ONE = '{"n": 1}'
KINDS = {
    "in a thread": (ToolUse("threaded", ONE),),
    "awaited": (ToolUse("awaited", ONE),),
    "four side by side": (ToolUse("threaded", ONE),) * 4,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--turns", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = {kind: measured(calls, options.turns) for kind, calls in KINDS.items()}
    if options.json:
        sys.stdout.write(json.dumps(figures) + "\n")
        return 0
    for kind, (median, worst) in figures.items():
        sys.stdout.write(f"{kind:<20} median {median:5.2f} ms, 95 of 100 within {worst:5.2f} ms\n")
    return 0


def measured(calls: tuple[ToolUse, ...], turns: int) -> tuple[float, float]:
    """Milliseconds: the median, and what 95 of 100 stay within."""
    replies = (Reply(tools=calls), Reply("Done.", seconds=0.1)) * turns
    with tempfile.TemporaryDirectory() as folder, RealtimeServer(script=Script(replies)) as server:
        file = Path(folder) / "tools.py"
        file.write_text(TOOLS)
        quiet = Path(folder) / "quiet.raw"
        quiet.write_bytes(bytes(32_000 * 300))
        words = ["manual", "--provider", "openai", "--url", server.url, "--json", "--tools", str(file)]
        sound = ["--input", str(quiet), "--output", str(Path(folder) / "out.wav")]
        lines = "go\n" * turns
        with Program([*words, *sound], env={"OPENAI_API_KEY": "x" * 20}, stdin=lines.encode()) as program:
            program.wait_for("assistant", count=turns, timeout_s=30 + 2 * turns)
        done = [sent.at for sent in server.sent if sent.type == "response.done"][0::2]
        asked = [received.at for received in server.received if received.type == "response.create"][1::2]
    took = sorted((to - at) * 1000 for at, to in zip(done, asked, strict=False))
    return round(statistics.median(took), 2), round(took[int(len(took) * 0.95) - 1], 2)


if __name__ == "__main__":
    sys.exit(main())
