"""Run the scripted server alone, until Ctrl-C."""

import argparse
import asyncio
import logging
import sys

from tests.realtime_server.script import Auth, Reply, Script
from tests.realtime_server.server import DIALECTS, RealtimeServer


async def run(options: argparse.Namespace) -> None:
    script = Script(replies=(Reply(options.reply, seconds=options.seconds),), heard=(options.heard,))
    server = RealtimeServer(options.dialect, script=script, auth=Auth(key=options.key), port=options.port)
    async with server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        await asyncio.get_running_loop().create_future()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.realtime_server", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--dialect", choices=list(DIALECTS), default="ga")
    parser.add_argument("--key", default="", help="the only key that is accepted (default: any)")
    parser.add_argument("--reply", default=Reply().text, help="what every answer says")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of each answer's sound")
    parser.add_argument("--heard", default="hello there", help="what every speech turn is understood as")
    logging.basicConfig(level=logging.WARNING)
    try:
        asyncio.run(run(parser.parse_args()))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
