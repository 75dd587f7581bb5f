"""The bench: a client on a virtual sound card against a scripted service, and how its figures are shown.

A client is one of ours by name (`voicechat`, `voicechat-no-aec`, `naive`) or any command after `--`, in which `{url}`
stands for the service's address; it must use the default devices.
"""

import argparse
import base64
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import numpy as np

from benchmarks.client import Client
from benchmarks.network import DelayLine
from tests.realtime_server import RealtimeServer, Script, Timed
from tests.recordings import rms
from tests.room import Room
from tests.soundcard import Recording, SoundCard

LOUD, BLOCK = 400.0, 480  # 20 ms at the wire's 24 kHz: the rule by which the server hears a turn
SETTLE_S = 1.5
STARTED, DELTA = "input_audio_buffer.speech_started", "response.audio.delta"

Figure = float | int | str | None


@dataclass
class Figures:
    """One list of values per figure, one value per turn."""

    each: dict[str, list[Figure]] = field(default_factory=dict)

    def add(self, name: str, value: Figure) -> None:
        self.each.setdefault(name, []).append(round(value, 1) if isinstance(value, float) else value)

    def medians(self) -> dict[str, Figure]:
        shown: dict[str, Figure] = {}
        for name, values in self.each.items():
            numbers = [value for value in values if isinstance(value, (int, float))]
            words = [value for value in values if isinstance(value, str)]
            shown[name] = words[0] if words else round(statistics.median(numbers), 1) if numbers else None
        if self.each.get("barge-in"):
            shown["first"] = self.each["barge-in"][0]
        return shown


@dataclass
class Bench:
    """One client on one card against one server. `half_s` is the way from the server to the client."""

    card: SoundCard
    server: RealtimeServer
    client: Client
    speaker: Recording
    microphone: Recording
    half_s: float
    ready_ms: float

    def events(self, kind: str, after: float) -> list[Timed]:
        log = self.server.sent if kind.startswith(("response.", "input_audio_buffer.speech")) else self.server.received
        return [timed for timed in list(log) if timed.at >= after and timed.type.replace("output_", "") == kind]

    def await_event(self, kind: str, after: float, timeout_s: float) -> Timed | None:
        return until(lambda: next(iter(self.events(kind, after)), None), timeout_s)

    def first_loud_frame(self, after: float) -> float | None:
        """When the server had the first loud 20 ms of what it was sent after that moment."""
        rest = np.zeros(0, np.int16)
        for timed in self.events("input_audio_buffer.append", after):
            rest = np.concatenate([rest, np.frombuffer(base64.b64decode(timed.event["audio"]), "<i2")])
            while len(rest) >= BLOCK:
                block, rest = rest[:BLOCK], rest[BLOCK:]
                if rms(block.astype(np.float64)) > LOUD:
                    return timed.at
        return None


def until(find: Callable[[], Timed | None], timeout_s: float) -> Timed | None:
    end = time.monotonic() + timeout_s
    while (found := find()) is None and time.monotonic() < end:
        time.sleep(0.01)
    return found


def add_options(parser: argparse.ArgumentParser, clients: str) -> None:
    """What every benchmark of a client has."""
    parser.add_argument("--clients", default=clients)
    parser.add_argument("--rtt-ms", type=float, default=0.0)
    parser.add_argument("--room-gain-db", type=float, default=-12.0, help="loudspeaker to microphone")
    parser.add_argument("--room-delay-ms", type=int, default=40)
    parser.add_argument("--rt60-ms", type=int, default=0, help="the room's reverberation; 0: a bare echo")
    parser.add_argument("--noise-dbfs", type=float, default=-78.0, help="the room's noise")
    parser.add_argument("--background", default="", metavar="FILE", help="a recording that is heard in the room")
    parser.add_argument("--dialect", default="ga", help="what a client after -- speaks: ga, beta or qwen")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("client", nargs=argparse.REMAINDER, help="-- COMMAND ARGUMENTS, in place of --clients")


def clients_of(options: argparse.Namespace) -> list[str]:
    """The names of the clients to measure; `client` is the command after `--`."""
    return ["client"] if options.client else options.clients.split(",")


def room_of(options: argparse.Namespace) -> Room:
    return Room(
        options.room_gain_db, options.room_delay_ms, options.rt60_ms, options.noise_dbfs, options.background
    )  # fmt: skip


def command(name: str, url: str, words: list[str]) -> list[str]:
    if name == "client":
        return [word.replace("{url}", url) for word in words if word != "--"]
    if name == "naive":
        return [sys.executable, "-m", "benchmarks.naive_client", f"{url}?model=bench"]
    ours = [sys.executable, "-m", "voicechat", "vad", "--provider", "openai", "--url", url, "--json"]
    return [*ours, "--no-aec"] if name == "voicechat-no-aec" else ours


@contextmanager
def opened(name: str, options: argparse.Namespace, script: Script, room: Room | None) -> Iterator[Bench]:
    """Everything started, the client configured and settled. Leaves the program when it configures no session."""
    dialect = {"client": options.dialect, "naive": "beta"}.get(name, "ga")
    with ExitStack() as stack:
        card = stack.enter_context(SoundCard(room=room))
        server = stack.enter_context(RealtimeServer(dialect, script=script))
        url = server.url
        if options.rtt_ms:
            line = stack.enter_context(DelayLine(server.port, options.rtt_ms))
            url = url.replace(f":{server.port}/", f":{line.port}/")
        speaker, microphone = stack.enter_context(card.record()), stack.enter_context(card.record("mic"))
        client = stack.enter_context(Client(command(name, url, options.client), card))
        bench = Bench(card, server, client, speaker, microphone, options.rtt_ms / 2000, 0.0)
        configured = bench.await_event("session.update", 0.0, 30)
        if configured is None:
            raise SystemExit(f"{name} configured no session:\n{client.log()}")
        bench.ready_ms = (configured.at - client.started) * 1000
        time.sleep(SETTLE_S)
        yield bench


def show(results: dict[str, dict[str, Figure]]) -> None:
    """A Markdown table: a row per figure, a column per client."""
    rows = dict.fromkeys(row for each in results.values() for row in each)
    sys.stdout.write(f"| figure | {' | '.join(results)} |\n|{'---|' * (len(results) + 1)}\n")
    for row in rows:
        cells = ["–" if each.get(row) is None else str(each[row]) for each in results.values()]
        sys.stdout.write(f"| {row} | {' | '.join(cells)} |\n")


def write_json(report: object) -> None:
    sys.stdout.write(json.dumps(report) + "\n")
