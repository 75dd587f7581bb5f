"""Ten thousand clients that come and go: what is left of them in `voicechat serve`.

    python -m benchmarks.connects [--clients 10000] [--at-once 50]

Each dials a model whose service answers; a third leaves at once, a third when it has been greeted, a third in the
middle of its first words. Afterwards: descriptors, memory after each quarter, sessions that the server still counts.
"""

import argparse
import asyncio
import os
import time
import urllib.request

from benchmarks.relay import Talker, child, gateway, memory_mb, serve_service


async def visit(port: int, number: int) -> None:
    loop = asyncio.get_running_loop()
    _, talker = await loop.create_connection(lambda: Talker(f"127.0.0.1:{port}"), "127.0.0.1", port)
    if number % 3:
        async with asyncio.timeout(20):
            await talker.ready
    if number % 3 == 2:
        talker.speak()
    talker.transport.abort()


async def visits(port: int, numbers: range, at_once: int) -> None:
    for start in range(numbers.start, numbers.stop, at_once):
        await asyncio.gather(*(visit(port, number) for number in range(start, min(start + at_once, numbers.stop))))


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def open_sessions(port: int) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("voicechat_sessions{"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=10_000)
    parser.add_argument("--at-once", type=int, default=50)
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    with child(serve_service, 0, core=cores - 1) as (service, _), gateway(service, core=0) as (port, pid):
        asyncio.run(visits(port, range(options.at_once), options.at_once))
        time.sleep(2)
        print(f"at first: {descriptors(pid)} descriptors, {memory_mb(pid):.0f} MB", flush=True)
        quarter, began = options.clients // 4, time.monotonic()
        for number in range(4):
            asyncio.run(visits(port, range(number * quarter, (number + 1) * quarter), options.at_once))
            print(
                f"{(number + 1) * quarter} clients in {time.monotonic() - began:.0f} s: {memory_mb(pid):.0f} MB",
                flush=True,
            )
        time.sleep(3)
        left = f"{descriptors(pid)} descriptors, {memory_mb(pid):.0f} MB, {open_sessions(port):.0f} sessions open"
        print(f"in the end: {left}, {len(os.listdir(f'/proc/{pid}/task'))} threads")


if __name__ == "__main__":
    main()
