"""Many conversations in many rooms, by sample counts and not in real time: how often it hears itself, or not the user.

    python -m benchmarks.rooms [--rooms NAME]... [--voices NAME,NAME]... [--replies 6] [--reply-s 4] [--level 0.09]...
                               [--seed 1] [--folder DIR] [--jobs 2] [--verbose]

The program's own parts from recorder to session, a simulated sound card and a scripted service that hears as touchily
as real ones (tests/unit/conversation_room.py), or loud speech only, where a television is on. In each room and for each
pair of voices: questions, each answered by a reply of some seconds, every third of them talked into at a moment that
`--seed` decides. A loaded machine changes nothing of it. A simulated card knows no stalls: benchmarks/conversation.py
measures from outside, in real time.

  echo turns      turns that the service heard although nobody spoke
  cut             replies that were not played to their end although nobody spoke
  held ms         for so long replies were held since the user was suspected who did not speak
  heard, silent   medians, and the longest, in ms: the user begins to talk into a reply -> the service hears it, and the
                  loudspeaker is silent; `missed`: never within 4 s
  block ms        processor time of the recorder's thread for canceller and EchoWatch, while an answer sounds: the mean,
                  and what 99 of 100 blocks stay below; a block is 10 ms

Voices: as in benchmarks/conversation.py, `hibari`, and an espeak-ng voice as `espeak-ng:de`. With --folder, each WAV
file in it is a voice, and answers in turn with the next.
"""

import argparse
import itertools
import multiprocessing
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.voices import replies
from tests.recordings import GO_FORWARD, INTERRUPTION, QUESTION, STORY, Sound, speech, trimmed
from tests.unit.conversation_room import Conversation, Walls, wandering
from tests.unit.lockstep_room import CAPTURE, RENDER

ROOMS = {
    "plain": Walls(),
    "near": Walls(delay_ms=40),
    "loud": Walls(gain_db=-6, delay_ms=150),
    "soft": Walls(gain_db=-20),
    "noisy": Walls(noise_dbfs=-55),
    "tail 150": Walls(rt60_ms=150),
    "tail 300": Walls(rt60_ms=300),
    "tail 500": Walls(rt60_ms=500),
    "loud, tail 300": Walls(gain_db=-6, rt60_ms=300),
    "far": Walls(delay_ms=280),
    "wireless": Walls(delay_ms=1000),
    "wireless, tail 300": Walls(delay_ms=2000, rt60_ms=300),
    "turns wireless": Walls(slips=((9.0, 900),)),
    "television": Walls(rt60_ms=300, television="ss-0890.wav"),
    "slips": Walls(slips=((6.0, 30), (14.2, 60), (22.5, 15), (30.0, 110))),
    "jitters": Walls(slips=((5.0, 60), *((6.0 + 0.9 * n, 10 if n % 2 else -10) for n in range(60)))),
    "comes earlier": Walls(slips=((6.3, -10), (14.6, -5), (23.1, -8.8), (30.4, 8.8), (38.9, -10))),
    "wanders": Walls(slips=wandering(3)),
    "wanders, tail 300": Walls(rt60_ms=300, slips=wandering(4)),
    "slips, tail 300": Walls(rt60_ms=300, slips=((6.0, 20), (14.2, 45), (22.5, 15), (30.0, 110))),
}
VOICES = ("ss-0870.wav,ss-0890.wav", "espeak-ng,hibari", "espeak-ng:de,ss-0880.wav")
LEVELS = (0.09, 0.2, 0.03)
PAUSE_S = 2.0
MOST_S = 4.0
CUT_MS = 100


@dataclass
class Found:
    """Of one conversation."""

    replies: int = 0
    echo_turns: int = 0
    cut: int = 0
    held_ms: int = 0
    missed: int = 0
    heard_ms: list[float] = field(default_factory=list)
    silent_ms: list[float] = field(default_factory=list)
    took_ms: list[float] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def add(self, other: "Found") -> None:
        for name in self.__dataclass_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def row(self) -> list[str]:
        times = [
            f"{statistics.median(ms):.0f} ({max(ms):.0f})" if ms else "–" for ms in (self.heard_ms, self.silent_ms)
        ]
        counts = (self.replies, self.echo_turns, self.cut, self.held_ms, len(self.heard_ms), self.missed)
        took = f"{statistics.mean(self.took_ms):.2f} ({np.percentile(self.took_ms, 99):.1f})" if self.took_ms else "–"
        return [*map(str, counts), *times, took]


@dataclass(frozen=True)
class Case:
    room: str
    voices: tuple[str, ...]
    level: float
    replies: int
    reply_s: float
    seed: int


def hold(case: Case) -> Found:
    found, random = Found(), np.random.default_rng(case.seed)
    spoken = [np.frombuffer(reply, "<i2").astype(float) for reply in said(case)]
    walls = ROOMS[case.room]
    talk = Conversation(walls, touchy=not walls.television)
    question = trimmed(speech(QUESTION, CAPTURE))
    people = [
        speech(INTERRUPTION, CAPTURE, sharp=True),
        trimmed(speech(STORY, CAPTURE)),  # begins softly
        speech(GO_FORWARD, CAPTURE, sharp=True) / 2,
    ]

    def script() -> Iterator[None]:
        yield from talk.wait(1.0)
        for number, reply in enumerate(spoken):
            before = len(talk.heard_at)
            yield from talk.ask(question, reply)
            talk.reply = np.zeros(RENDER // 10)  # what a turn that nobody spoke in is answered with
            if number % 3 == 2:
                yield from interrupt(number, people[number // 3 % len(people)])
            else:
                yield from listen(number, before + 1)

    def listen(number: int, turns: int) -> Iterator[None]:
        held, played = talk.held_ms, len(talk.card.played)
        yield from talk.wait(case.reply_s + PAUSE_S)
        yield from talk.until(lambda: not talk.stage.speaker.busy, 20)
        extra = len(talk.heard_at) - turns
        span_ms, whole_ms = sounding_ms(np.concatenate(talk.card.played[played:])), sounding_ms(spoken[number])
        cut = span_ms < whole_ms - CUT_MS
        found.replies += 1
        found.echo_turns += extra
        found.cut += cut
        found.held_ms += talk.held_ms - held
        if extra or cut or talk.held_ms > held:
            found.remarks.append(
                f"reply {number}: {extra} echo turns, {span_ms} of {whole_ms} ms played, held {talk.held_ms - held} ms"
            )

    def interrupt(number: int, voice: Sound) -> Iterator[None]:
        yield from talk.wait(random.uniform(0.6, case.reply_s - 1.5))
        onset, turns = talk.card.now, len(talk.heard_at)
        talk.card.say(voice)
        silent: float | None = None
        heard: float | None = None
        while talk.card.now < onset + MOST_S and talk.card.speaking and (heard is None or silent is None):
            yield
            quiet = talk.stage.speaker.paused or not talk.stage.speaker.busy
            silent = (talk.card.now if silent is None else silent) if quiet else None
            if heard is None and len(talk.heard_at) > turns:
                heard = talk.heard_at[turns]
        if heard is None:
            found.missed += 1
            found.remarks.append(f"reply {number}: the interruption was not heard")
        else:
            found.heard_ms.append((heard - onset) * 1000)
        if silent is not None:
            found.silent_ms.append((silent - onset) * 1000)
        yield from talk.until(lambda: not talk.card.speaking, 20)
        yield from talk.wait(PAUSE_S)

    try:
        talk.hold(script())
    except AssertionError as error:
        found.missed += 1
        found.remarks.append(f"given up: {error}")
    found.took_ms += talk.took_ms
    return found


def sounding_ms(wave: Sound) -> int:
    """From the first sound to the last."""
    loud = np.flatnonzero(np.abs(wave) > 60)
    return int(loud[-1] - loud[0]) * 1000 // RENDER if len(loud) else 0


def said(case: Case) -> list[bytes]:
    return replies(list(case.voices), case.reply_s, case.level, case.replies)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rooms", action="append", choices=ROOMS, metavar="NAME", help=", ".join(ROOMS))
    parser.add_argument("--voices", action="append", help="two that answer in turn, with a comma between")
    parser.add_argument("--level", action="append", type=float, help="RMS of the replies, of full scale")
    parser.add_argument("--replies", type=int, default=6)
    parser.add_argument("--reply-s", type=float, default=4.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="WAV files to be the voices")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--verbose", action="store_true", help="what went wrong, on stderr")
    options = parser.parse_args()
    pairs = [tuple(pair.split(",")) for pair in options.voices or VOICES]
    if options.folder:
        names = sorted(map(str, options.folder.resolve().glob("*.wav")))
        pairs = [(name, names[(at + 1) % len(names)]) for at, name in enumerate(names)]
    cases = [
        Case(room, pair, level, options.replies, options.reply_s, options.seed + number)
        for number, (room, pair, level) in enumerate(
            itertools.product(options.rooms or ROOMS, pairs, options.level or LEVELS)
        )
    ]
    by_room: dict[str, Found] = {case.room: Found() for case in cases} | {"all": Found()}
    with multiprocessing.get_context("spawn").Pool(options.jobs, maxtasksperchild=8) as pool:
        for case, found in zip(cases, pool.imap(hold, cases), strict=True):
            by_room[case.room].add(found)
            by_room["all"].add(found)
            if options.verbose:
                for remark in found.remarks:
                    sys.stderr.write(f"{case.room}, {' and '.join(case.voices)} at {case.level}: {remark}\n")
                sys.stderr.flush()
    heads = ["room", "replies", "echo turns", "cut", "held ms", "talked into", "missed", "heard", "silent", "block ms"]
    print("| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|")
    for name, found in by_room.items():
        print("| " + " | ".join([name, *found.row()]) + " |")


if __name__ == "__main__":
    main()
