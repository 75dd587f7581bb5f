"""A realtime client measured from outside, on a virtual sound card: voicechat beside a client in the vendors' style.

    python -m benchmarks.duplex [--clients naive,voicechat,voicechat-no-aec] [--turns 3] [--rtt-ms 0]
                                [--room-seconds 60] [--room-gain-db -12] [--room-delay-ms 40]
                                [--reverberation-ms 0] [--json]

A private PulseAudio daemon is the sound card, the tests' scripted server the model; nothing inside the client is
touched. A turn: a question in silence, a long reply, and after three seconds of it the user talks over the reply.
Medians in milliseconds unless said:

  uplink    speech at the microphone -> the server has its first loud 20 ms
  downlink  the first reply audio reaches the client -> it is heard
  stop      the server's speech_started reaches the client -> silence (negative: it was silent before)
  barge-in  the user's voice over the reply -> silence; `first` over the session's first reply
  gaps      silence inside the reply, before it was interrupted
  truncate  what the client told the server was heard, minus what was heard
  missed    questions and interruptions that never reached the server (number)
  cough     silence that a burst of noise of 80 ms causes in a reply; `ended` when the reply did not go on
  cpu, rss  processor share in %, memory in MB;  ready: launch -> session.update;  exit: Ctrl-C -> gone
  echo      turns the server heard in `--room-seconds` of a reply although nobody spoke, the loudspeaker being
            heard by the microphone (number); `heard`: how long after that a real question took to be heard

Needs the programs of tests/soundcard.py and the recordings of benchmarks/recordings.py. Run nothing beside it.
"""

import argparse
import base64
import json
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np

from benchmarks.client import Client
from benchmarks.network import DelayLine
from benchmarks.recordings import SPEECH_LEVEL, at_level, pcm, rms, speech
from benchmarks.reverberation import reverberant
from tests.realtime_server import RealtimeServer, Reply, Script, Timed, buzz
from tests.realtime_server import vad as server_vad
from tests.soundcard import Recording, SoundCard

LOUD, BLOCK = 400.0, 480  # 20 ms at the wire's 24 kHz: the rule by which the server hears a turn
QUESTION = pcm(speech("ss-0880.wav", 16_000, sharp=True))
INTERRUPTION = pcm(speech("ss-0870.wav", 16_000, sharp=True)[: 16_000 * 5 // 2])
COUGH = pcm(np.random.default_rng(7).normal(0, 3000, 16_000 * 80 // 1000))
LONG, SHORT = Reply(pcm=buzz(20.0)), Reply(pcm=buzz(1.0))
COUGHS = 3

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
    figures: Figures
    half_s: float

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


def command(client: str, url: str) -> list[str]:
    if client == "naive":
        return [sys.executable, "-m", "benchmarks.naive_client", f"{url}?model=bench"]
    words = [sys.executable, "-m", "voicechat", "vad", "--provider", "openai", "--url", url, "--json"]
    return [*words, "--no-aec"] if client == "voicechat-no-aec" else words


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clients", default="naive,voicechat,voicechat-no-aec")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--rtt-ms", type=float, default=0.0)
    parser.add_argument("--room-seconds", type=float, default=60.0, help="0: no room")
    parser.add_argument("--room-gain-db", type=float, default=-12.0)
    parser.add_argument("--room-delay-ms", type=int, default=40)
    parser.add_argument("--reverberation-ms", type=int, default=0, help="the room's RT60; 0: a bare echo")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    server_vad.ONSET_BLOCKS = 6  # 120 ms: services hear no turn in a noise of 80 ms, which touches up to five blocks
    results: dict[str, Figures] = {}
    for name in options.clients.split(","):
        figures = results[name] = Figures()
        measure(name, options, figures, None, conversation)
        if options.room_seconds:
            measure(name, options, figures, options.room_gain_db, in_a_room)
    if options.json:
        report = {name: {"medians": each.medians(), "each": each.each} for name, each in results.items()}
        sys.stdout.write(json.dumps(report) + "\n")
        return 0
    medians = {name: each.medians() for name, each in results.items()}
    rows = dict.fromkeys(row for each in medians.values() for row in each)
    sys.stdout.write(f"| figure | {' | '.join(medians)} |\n|{'---|' * (len(medians) + 1)}\n")
    for row in rows:
        cells = ["–" if each.get(row) is None else str(each[row]) for each in medians.values()]
        sys.stdout.write(f"| {row} | {' | '.join(cells)} |\n")
    return 0


def measure(
    name: str, options: argparse.Namespace, figures: Figures, gain_db: float | None,
    run: Callable[[Bench, argparse.Namespace], None],
) -> None:  # fmt: skip
    """Start everything, wait for the client, `run`, end the client."""
    replies = (LONG, SHORT) * options.turns + (LONG,)
    if gain_db is not None:
        talk = at_level(np.tile(speech("ss-0870.wav", 24_000), round(options.room_seconds / 7 + 6)), SPEECH_LEVEL)
        replies = (Reply(pcm=pcm(talk)), SHORT)
    dialect = "beta" if name == "naive" else "ga"
    with ExitStack() as stack:
        reverberates = gain_db is not None and options.reverberation_ms > 0
        card = SoundCard(room_gain_db=None if reverberates else gain_db, room_delay_ms=options.room_delay_ms)
        stack.enter_context(card)
        if gain_db is not None and reverberates:
            stack.enter_context(reverberant(card, gain_db, options.room_delay_ms, options.reverberation_ms))
        server = stack.enter_context(RealtimeServer(dialect, script=Script(replies=replies)))
        url = server.url
        if options.rtt_ms:
            line = stack.enter_context(DelayLine(server.port, options.rtt_ms))
            url = url.replace(f":{server.port}/", f":{line.port}/")
        speaker, microphone = stack.enter_context(card.record()), stack.enter_context(card.record("mic"))
        client = stack.enter_context(Client(command(name, url), card))
        bench = Bench(card, server, client, speaker, microphone, figures, options.rtt_ms / 2000)
        configured = bench.await_event("session.update", 0.0, 15)
        if configured is None:
            raise SystemExit(f"{name} configured no session:\n{client.log()}")
        if gain_db is None:
            figures.add("ready", (configured.at - client.started) * 1000)
        time.sleep(1.5)
        run(bench, options)
        if gain_db is None:
            figures.add("rss", client.rss_mb())
            figures.add("exit", client.exit_ms())


def conversation(bench: Bench, options: argparse.Namespace) -> None:
    cpu, began = bench.client.cpu_s(), time.monotonic()
    bench.figures.add("missed", sum(not turn(bench) for _ in range(options.turns)))
    bench.figures.add("cpu", (bench.client.cpu_s() - cpu) / (time.monotonic() - began) * 100)
    coughs(bench)


def ask(bench: Bench) -> tuple[float, float] | None:
    """(when the reply was sent, when it was heard), None when there was none."""
    begin = time.monotonic()
    bench.card.play(QUESTION).wait()
    sent = bench.await_event("response.audio.delta", begin, 6)
    if sent is None:
        return None
    heard = bench.speaker.wait_for_sound(5, after=sent.at)
    arrived = bench.first_loud_frame(begin)
    spoke = bench.microphone.wait_for_sound(1, after=begin)
    bench.figures.add("uplink", None if arrived is None else (arrived - spoke - bench.half_s) * 1000)
    bench.figures.add("downlink", (heard - sent.at - bench.half_s) * 1000)
    return sent.at, heard


def turn(bench: Bench) -> bool:
    """A question, its reply and an interruption; False when the server did not hear one of the two."""
    asked = ask(bench)
    if asked is None:
        return False
    _, heard = asked
    time.sleep(max(0.0, heard + 3 - time.monotonic()))
    quiet = [at for at, level in bench.speaker.levels(heard, time.monotonic() - 0.1) if level < SPEECH_LEVEL / 4]
    bench.figures.add("gaps", 5 * len(quiet))
    begin = time.monotonic()
    playing = bench.card.play(INTERRUPTION)
    spoke = bench.microphone.wait_for_sound(2, after=begin)
    started = bench.await_event("input_audio_buffer.speech_started", begin, 5)
    playing.wait()
    if started is None:
        bench.speaker.wait_for_silence(30, after=begin, hold_s=1.0)
        return False
    silent = bench.speaker.wait_for_silence(5, after=spoke)
    bench.figures.add("stop", (silent - started.at - bench.half_s) * 1000)
    bench.figures.add("barge-in", (silent - spoke) * 1000)
    told = next(iter(bench.events("conversation.item.truncate", begin)), None)
    bench.figures.add("truncate", None if told is None else told.event["audio_end_ms"] - (silent - heard) * 1000)
    bench.await_event("response.done", started.at, 10)
    answer = bench.await_event("response.audio.delta", started.at + 0.5, 5)
    bench.speaker.wait_for_silence(10, after=answer.at if answer else begin, hold_s=1.5)
    return True


def coughs(bench: Bench) -> None:
    """Short noises in one long reply: how long each silences it."""
    asked = ask(bench)
    if asked is None:
        return
    _, heard = asked
    for number in range(COUGHS):
        time.sleep(max(0.0, heard + 2 + number * 3 - time.monotonic()))
        begin = time.monotonic()
        bench.card.play(COUGH).wait()
        time.sleep(max(0.0, begin + 2 - time.monotonic()))
        levels = bench.speaker.levels(begin, begin + 2)
        quiet = [level < SPEECH_LEVEL / 4 for _, level in levels]
        ended = all(quiet[-40:])
        bench.figures.add("cough", "ended" if ended else 5 * sum(quiet))
        if ended:
            return


def in_a_room(bench: Bench, options: argparse.Namespace) -> None:
    begin = time.monotonic()
    bench.card.play(QUESTION).wait()
    sent = bench.await_event("response.audio.delta", begin, 6)
    if sent is None:
        bench.figures.add("echo", "no reply")
        return
    time.sleep(options.room_seconds)
    turns = len(bench.events("input_audio_buffer.speech_started", sent.at))
    bench.figures.add("echo", turns)
    begin = time.monotonic()
    playing = bench.card.play(QUESTION)
    over = bench.await_event("input_audio_buffer.speech_started", begin, 6)
    playing.close()
    bench.figures.add("heard", None if turns or over is None else (over.at - begin) * 1000)


if __name__ == "__main__":
    sys.exit(main())
