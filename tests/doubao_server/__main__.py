"""Run the scripted server alone, until Ctrl-C."""

import argparse
import asyncio
import logging
import sys

from tests.doubao_server.script import Auth, Reply, Script
from tests.doubao_server.server import DoubaoServer


async def run(options: argparse.Namespace) -> None:
    script = Script(
        replies=(Reply(options.reply, seconds=options.seconds),), heard=(options.heard,), compress=options.gzip
    )
    server = DoubaoServer(script, auth=Auth(access_key=options.access_key), port=options.port)
    await server.start()
    sys.stdout.write(f"{server.url}\n")
    sys.stdout.flush()
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        await server.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.doubao_server", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--access-key", default="", help="the only one that is accepted (default: any)")
    parser.add_argument("--reply", default=Reply().text, help="what every answer says")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of each answer's sound")
    parser.add_argument("--heard", default=Script().heard[0], help="what every speech turn is understood as")
    parser.add_argument("--gzip", action="store_true", help="compress everything that is sent")
    logging.basicConfig(level=logging.WARNING)
    try:
        asyncio.run(run(parser.parse_args()))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
