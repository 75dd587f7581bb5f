"""How many real-time sessions one core relays: `voicechat serve` beside a bare relay made of `websockets`.

    python -m benchmarks.relay [--seconds 4] [--most-ms 20] [--service-port P --proxy http://127.0.0.1:4000]
    python -m benchmarks.relay --work [--rounds 8] [--service-port P --proxy http://127.0.0.1:4000 --proxy-pid N]

A session sends 20 ms of 24 kHz sound fifty times a second and is sent as much: each piece that it sends crosses to the
service, which answers it with a piece of its own, so that the way is timed there and back. The relay has a core to
itself, and both relays the gateway's event loop; load and service share the other core and speak the protocol by
prepared bytes. `direct` is the way without a relay, and *late* how late the load itself was, in 99 of 100 cases: where
it is late, the figure means nothing.

`--work` asks in turn how much of the processor each relay takes for a piece and its answer, of twenty sessions that
send the next when the answer has come: what else runs on the machine changes that little.

`--proxy` measures another gateway as well, one that was started by hand on the core 0 and leads to
`ws://127.0.0.1:P/v1/realtime` (LiteLLM's: `litellm_params` with `model: openai/any`, `api_base: http://127.0.0.1:P/v1`,
`model_info` with `mode: realtime`, served as `--proxy-model`).
"""

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.relay_ends import PATH, Service, Talker
from voicechat.serve.server import loop_factory

PIECE_S = 0.02
WORK_SESSIONS = 20


def serve_service(port: Connection, wanted: int) -> None:
    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Service, "127.0.0.1", wanted, backlog=1024)
        port.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


def serve_bare(port: Connection, upstream: int) -> None:
    from websockets.asyncio.client import connect
    from websockets.asyncio.server import ServerConnection, serve
    from websockets.exceptions import ConnectionClosed

    async def relay(client: ServerConnection) -> None:
        assert client.request is not None
        address = f"ws://127.0.0.1:{upstream}{client.request.path}"
        async with connect(address, compression=None, max_size=None, proxy=None, ping_interval=None) as service:

            async def move(source: Any, target: Any) -> None:
                with contextlib.suppress(ConnectionClosed):
                    async for message in source:
                        await target.send(message)

            await asyncio.wait(
                [asyncio.create_task(move(client, service)), asyncio.create_task(move(service, client))],
                return_when=asyncio.FIRST_COMPLETED,
            )

    async def main() -> None:
        async with serve(relay, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
            port.send(server.sockets[0].getsockname()[1])
            await server.serve_forever()

    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(main())


async def gather_talkers(port: int, sessions: int, path: str) -> list[Talker]:
    host = f"127.0.0.1:{port}"
    talkers: list[Talker] = []
    for _ in range(sessions):
        _, talker = await asyncio.get_running_loop().create_connection(lambda: Talker(host, path), "127.0.0.1", port)
        async with asyncio.timeout(20):
            await talker.ready
        talkers.append(talker)
    return talkers


async def work_us(port: int, pid: int, seconds: float, path: str = PATH) -> float:
    """The processor's time that the relay takes for a piece and its answer."""
    talkers = await gather_talkers(port, WORK_SESSIONS, path)
    for talker in talkers:
        talker.goes_on = True
        talker.speak()
    await asyncio.sleep(0.2)
    before, pieces = processor_s(pid), sum(len(talker.took_ms) for talker in talkers)
    await asyncio.sleep(seconds)
    took_s, pieces = processor_s(pid) - before, sum(len(talker.took_ms) for talker in talkers) - pieces
    for talker in talkers:
        talker.transport.abort()
    await asyncio.sleep(0.2)
    return took_s / max(1, pieces) * 1e6


async def load(port: int, sessions: int, seconds: float, path: str = PATH) -> tuple[list[float], list[float], int]:
    """Times there and back in ms, how late the load was in ms, and how many pieces never came back."""
    loop = asyncio.get_running_loop()
    talkers = await gather_talkers(port, sessions, path)
    await asyncio.sleep(0.5)
    late_ms: list[float] = []
    began = loop.time() + 0.1
    ticks = int((seconds + 1) / PIECE_S)
    for tick in range(ticks):
        for number, talker in enumerate(talkers):
            due = began + (tick + number / sessions) * PIECE_S
            if (wait := due - loop.time()) > 0.0005:
                await asyncio.sleep(wait)
            elif not number % 16:
                await asyncio.sleep(0)
            late_ms.append((loop.time() - due) * 1000)
            talker.speak()
    await asyncio.sleep(0.5)
    lost = sum(len(talker.sent) for talker in talkers)
    took = [value for talker in talkers for value in talker.took_ms[int(1 / PIECE_S) :]]
    for talker in talkers:
        talker.transport.abort()
    await asyncio.sleep(0.5)
    return took, late_ms, lost


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else float("inf")


def processor_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextlib.contextmanager
def child(target: Any, *arguments: Any, core: int) -> Iterator[tuple[int, int]]:
    """A process on one core: its port and id."""
    near, far = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=target, args=(far, *arguments), daemon=True)
    process.start()
    assert process.pid is not None
    os.sched_setaffinity(process.pid, {core})
    try:
        yield near.recv(), process.pid
    finally:
        process.terminate()
        process.join()


@contextlib.contextmanager
def gateway(upstream: int, core: int) -> Iterator[tuple[int, int]]:
    with tempfile.TemporaryDirectory() as home:
        config = Path(home) / "config.toml"
        config.write_text(
            f'[providers.newapi]\nurl = "ws://127.0.0.1:{upstream}/v1/realtime"\ndialect = "ga"\n'
            "[serve]\nmax_sessions = 5000\n"
        )
        command = [sys.executable, "-m", "voicechat", "serve", "--port", "0", "--json", "--config", str(config)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        os.sched_setaffinity(process.pid, {core})
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["port"], process.pid
        finally:
            process.send_signal(signal.SIGINT)
            process.send_signal(signal.SIGINT)
            process.wait(20)


def tell(name: str, sessions: int, took: list[float], late: list[float], more: str = "") -> None:
    p50, p99, late_ms = percentile(took, 0.5), percentile(took, 0.99), percentile(late, 0.99)
    print(
        f"{name:10} {sessions:4} sessions: there and back p50 {p50:6.2f} p99 {p99:7.2f}, late {late_ms:5.2f} ms {more}",
        flush=True,
    )


def most_sessions(name: str, port: int, pid: int, seconds: float, most_ms: float, start: int, path: str = PATH) -> int:
    """The largest number tried whose p99 stays below, to within a sixteenth."""
    best, worst, sessions = 0, 0, start
    while sessions > 0 and not (best and worst and worst - best <= max(1, best / 16)):
        before = memory_mb(pid)
        took, late, lost = asyncio.run(load(port, sessions, seconds, path))
        tell(name, sessions, took, late, f"lost {lost}, memory {before:.0f} → {memory_mb(pid):.0f} MB")
        if percentile(took, 0.99) <= most_ms and not lost:
            best = sessions
        else:
            worst = sessions
        sessions = (best + worst) // 2 if worst else int(best * 1.25)
    return best


def compare_work(options: argparse.Namespace) -> None:
    with (
        child(serve_service, options.service_port, core=1) as (service, _),
        child(serve_bare, service, core=0) as (bare, bare_pid),
        gateway(service, core=0) as (port, pid),
    ):
        relays = {"bare": (bare, bare_pid, PATH), "voicechat": (port, pid, PATH)}
        if options.proxy:
            path = f"/v1/realtime?model={options.proxy_model}"
            relays["proxy"] = urlsplit(options.proxy).port or 80, options.proxy_pid, path
        took: dict[str, list[float]] = {name: [] for name in relays}
        for _ in range(options.rounds):
            for name, (at, process, path) in relays.items():
                took[name].append(asyncio.run(work_us(at, process, options.seconds / 4, path)))
    bare_us = statistics.median(took["bare"])
    for name, each in took.items():
        median, least, most = statistics.median(each), min(each), max(each)
        print(f"{name:10} {median:4.0f} µs a piece ({least:.0f} to {most:.0f}), {bare_us / median:.0%} of bare")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--most-ms", type=float, default=20.0)
    parser.add_argument("--start", type=int, default=80)
    parser.add_argument("--work", action="store_true", help="only what a piece costs the processor")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--service-port", type=int, default=0)
    parser.add_argument("--proxy", default="", help="the address of another gateway")
    parser.add_argument("--proxy-pid", type=int, default=os.getpid())
    parser.add_argument("--proxy-model", default="any")
    options = parser.parse_args()
    os.sched_setaffinity(0, {1})
    if options.work:
        compare_work(options)
        return
    found = {}
    with child(serve_service, options.service_port, core=1) as (service, _):
        for sessions in (1, options.start):
            took, late, _ = asyncio.run(load(service, sessions, 2.0))
            tell("direct", sessions, took, late)
        for name, opened, start in (
            ("bare", child(serve_bare, service, core=0), options.start),
            ("voicechat", gateway(service, core=0), options.start * 2 // 3),
        ):
            with opened as (port, pid):
                took, late, _ = asyncio.run(load(port, 1, 2.0))
                tell(name, 1, took, late)
                found[name] = most_sessions(name, port, pid, options.seconds, options.most_ms, start)
        if options.proxy:
            other, path = urlsplit(options.proxy), f"/v1/realtime?model={options.proxy_model}"
            took, late, _ = asyncio.run(load(other.port or 80, 1, 2.0, path))
            tell("proxy", 1, took, late)
            found["proxy"] = most_sessions(
                "proxy", other.port or 80, options.proxy_pid, options.seconds, options.most_ms, 10, path
            )
    share = found["voicechat"] / max(1, found["bare"])
    print(", ".join(f"{name} {sessions}" for name, sessions in found.items()), f"sessions a core: {share:.0%}")


if __name__ == "__main__":
    main()
