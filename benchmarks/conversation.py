"""A conversation of many turns in one room, measured from outside: does a client take its loudspeaker for the user?

    python -m benchmarks.conversation [--clients voicechat] [--turns 6] [--reply-s 4] [--voice NAME]... [--level 0.09]
                                      [--room-gain-db -12] [--room-delay-ms 40] [--rt60-ms 0] [--noise-dbfs -78]
                                      [--background FILE] [--lenient] [--interrupt] [--json]
    python -m benchmarks.conversation [OPTIONS] -- COMMAND ARGUMENTS        ({url} is the service's address)

A turn: a recorded question, a reply of some seconds (each time another piece of a voice: `espeak-ng`, `flite`, a
recording of tests/audio, a WAV file), two seconds of silence. With --interrupt every third reply is talked into.

  echo turns   turns that the service heard although nobody spoke
  cut          replies that were not played to their end although nobody spoke
  stalls       holes of 120 ms and more in replies that the voice does not have: the client suspected its own echo
  heard        share of the replies' length that was played, %
  missed       questions that the service did not hear
  interrupted  (--interrupt) how many replies were talked into; `not heard` how many times the service did not notice
  heard after, barge-in   medians in ms: the user begins to talk into a reply -> the service hears it; -> silence
  stumbles     how often the room itself came late or its sound was torn: figures of such a run are worth little

One long reply hides what this shows (benchmarks/duplex.py has it): whatever is wrong at a reply's beginning happens
once in it. The service's ear is as touchy as real ones, with --lenient it needs loud speech. The room (tests/room.py)
adds some 30 ms to its delay. Needs the programs of tests/soundcard.py. Run nothing beside it.
"""

import argparse
import statistics
import sys
import time

import numpy as np

from benchmarks.bench import DELTA, STARTED, Bench, Figure, add_options, clients_of, opened, room_of, show, write_json
from benchmarks.voices import replies
from tests.realtime_server import OUTPUT_RATE_HZ, Reply, Script
from tests.recordings import INTERRUPTION, QUESTION, Sound, pcm, rms, speech, trimmed

HOLE_S, PIECE_S = 0.12, 0.005
AUDIBLE, DIGITAL_SILENCE, OUT_LOUD = 40.0, 2.0, 60.0  # RMS of a piece
CUT_S = 0.45
PAUSE_S = 2.0
ASKED, INTERRUPTED = (pcm(trimmed(speech(path, 16_000))) for path in (QUESTION, INTERRUPTION))
NOTHING = Reply("", pcm=bytes(4800))
"""What a turn that nobody spoke in is answered with, so that it costs no more than the reply it cuts."""

Levels = list[tuple[float, float]]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--turns", type=int, default=6)
    parser.add_argument("--reply-s", type=float, default=4.0)
    parser.add_argument("--voice", action="append", help="repeatable; by default two recordings of people in turn")
    parser.add_argument("--level", type=float, default=0.09, help="RMS of the replies, of full scale")
    parser.add_argument("--lenient", action="store_true", help="a service that hears loud speech only")
    parser.add_argument("--interrupt", action="store_true", help="talk into every third reply")
    parser.add_argument("--verbose", action="store_true", help="one line per reply on stderr")
    add_options(parser, "voicechat")
    options = parser.parse_args()
    voices = options.voice or ["ss-0870.wav", "ss-0890.wav"]
    spoken = replies(voices, options.reply_s, options.level, options.turns)
    results: dict[str, dict[str, Figure]] = {}
    for name in clients_of(options):
        with opened(name, options, heard_as(NOTHING, options), room_of(options)) as bench:
            results[name] = Conversation(bench, options, spoken).hold()
    if options.json:
        write_json(results)
    else:
        show(results)
    return 0


def heard_as(reply: Reply, options: argparse.Namespace) -> Script:
    return Script(replies=(reply,), touchy=not options.lenient, onset_blocks=5)


class Conversation:
    """`hold` it and get its figures."""

    def __init__(self, bench: Bench, options: argparse.Namespace, spoken: list[bytes]):
        self.bench, self.options, self.spoken = bench, options, spoken
        self.counts = dict.fromkeys(("echo turns", "cut", "stalls", "missed", "interrupted", "not heard"), 0)
        self.played_s, self.sent_s = 0.0, 0.0
        self.heard_after: list[float] = []
        self.barge_in: list[float] = []

    def hold(self) -> dict[str, Figure]:
        for number in range(self.options.turns):
            asked = self.ask(number)
            if asked is None:
                self.counts["missed"] += 1
            elif self.options.interrupt and number % 3 == 2:
                self.talk_into(asked)
            else:
                self.listen(number, asked)
        figures: dict[str, Figure] = {"turns": self.options.turns, **self.counts}
        figures["heard"] = round(100 * self.played_s / max(self.sent_s, 0.1))
        if self.options.interrupt:
            figures["heard after"] = round(statistics.median(self.heard_after)) if self.heard_after else None
            figures["barge-in"] = round(statistics.median(self.barge_in)) if self.barge_in else None
        assert self.bench.card.room is not None
        return figures | {"stumbles": self.bench.card.room.stumbles}

    def ask(self, number: int) -> float | None:
        """A question; returns when the service heard it, once its reply is on the way. None when it did not."""
        begin, server = time.monotonic(), self.bench.server
        asking = self.bench.card.play(ASKED)
        started = self.bench.await_event(STARTED, begin, 6)
        if started is None:
            return None
        server.script = heard_as(Reply(pcm=self.spoken[number]), self.options)
        asking.wait()
        sent = self.bench.await_event(DELTA, started.at, 8)
        server.script = heard_as(NOTHING, self.options)
        return None if sent is None else started.at

    def listen(self, number: int, asked: float) -> None:
        """A reply into which nobody talks."""
        began, want_s = time.monotonic(), self.options.reply_s
        time.sleep(want_s + PAUSE_S)
        extra = len(self.bench.events(STARTED, asked)) - 1
        levels = self.bench.speaker.levels(began, time.monotonic())
        loud = [at for at, level in levels if level > OUT_LOUD]
        span_s = loud[-1] - loud[0] if loud else 0.0
        self.counts["echo turns"] += extra
        self.counts["cut"] += span_s < want_s - CUT_S
        self.counts["stalls"] += max(0, holes(levels) - holes(levels_of(self.spoken[number])))
        self.played_s, self.sent_s = self.played_s + min(span_s, want_s), self.sent_s + want_s
        if self.options.verbose:
            sys.stderr.write(f"reply {number}: {extra} echo turns, {span_s:.2f} s of {want_s} s\n")

    def talk_into(self, asked: float) -> None:
        """A reply that the user interrupts after a second and a half."""
        time.sleep(1.5)
        self.counts["echo turns"] += len(self.bench.events(STARTED, asked)) - 1
        self.counts["interrupted"] += 1
        talking = self.bench.card.play(INTERRUPTED)
        onset = talking.started
        heard = self.bench.await_event(STARTED, onset, 4)
        if heard is None:
            self.counts["not heard"] += 1
        else:
            self.heard_after.append((heard.at - onset) * 1000)
        try:
            silent = self.bench.speaker.wait_for_silence(2, after=onset)
            self.barge_in.append((silent - onset) * 1000)
        except TimeoutError:
            self.barge_in.append(9999.0)
        talking.wait()
        time.sleep(PAUSE_S)


def holes(levels: Levels) -> int:
    """Stretches of digital silence, HOLE_S long or longer, between the first and the last sound."""
    audible = [number for number, (_, level) in enumerate(levels) if level > AUDIBLE]
    if not audible:
        return 0
    found, since = 0, None
    for at, level in levels[audible[0] : audible[-1] + 1]:
        if level < DIGITAL_SILENCE:
            since = at if since is None else since
        elif since is not None:
            found, since = found + (at - since >= HOLE_S), None
    return found


def levels_of(reply: bytes) -> Levels:
    """A reply in pieces of 5 ms, as a recording of the speaker has it."""
    sound: Sound = np.frombuffer(reply, "<i2").astype(np.float64)
    size = round(OUTPUT_RATE_HZ * PIECE_S)
    return [(number * PIECE_S, rms(sound[number * size :][:size])) for number in range(len(sound) // size)]


if __name__ == "__main__":
    sys.exit(main())
