"""A spoken conversation with the offline companion on a virtual sound card: how long it takes, and what it costs.

    python -m benchmarks.offline_conversation [--rounds 5] [--no-aec] [--loop]
    python -m benchmarks.offline_conversation --room SESSIONS

Sentences in hibari's voice go into the microphone, and the answers are listened to at the speaker; the canceller is on.
`answer`: from the last sound of the sentence to the first of its answer, by what the sentence ends in (whole: a
sentence; unknown: two words; open: a number). `partial`: from the first sound of the sentence to the first words
shown. Then memory of the program and its recogniser, and the processor they take while nobody speaks. With `--loop`
also how late the event loop was, which is looked at each 5 ms and so takes processor itself.

With `--room` the speaker is heard by the microphone (tests/room.py): in each session four questions, and what became of
them. As it should be: four turns, four answers, none interrupted.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from tests.program import ROOT, Program
from tests.room import Room
from tests.soundcard import SoundCard

WHOLE = ("What time is it?", "What can you do?", "Tell me about yourself.", "Who are you?")
UNKNOWN = ("Good morning.", "Good night.")
OPEN = ("My number is five, five, one.",)
COUNTED = ("Seven.", "Eight.", "Nine.")
PAUSE_S = 0.9
IDLE_S = 10.0
RATE_HZ = 24_000
OWN_INTERPRETER = {"PYTHONUTF8": "1"}
"""As a user's start has it: the tests' programs are forked from one, the first of them after that has loaded."""
WATCH = Path(__file__).resolve().parent / "loop_watch"
LATE_MS = 20.0
console = Console(highlight=False)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-aec", action="store_true")
    parser.add_argument("--loop", action="store_true")
    parser.add_argument("--room", type=int, default=0, metavar="SESSIONS")
    options = parser.parse_args()
    if options.room:
        good = [hold_session(number + 1) for number in range(options.room)]
        console.print(f"{sum(good)} of {len(good)} sessions as they should be")
        return 0
    arguments = ["vad", "--provider", "offline", "--json", *(["--no-aec"] if options.no_aec else [])]
    answers: dict[str, list[float]] = {"whole": [], "unknown": [], "open": []}
    partials: list[float] = []
    scratch = tempfile.TemporaryDirectory()
    told = Path(scratch.name) / "late.json"
    env = dict(OWN_INTERPRETER)
    if options.loop:
        env |= {"PYTHONPATH": os.pathsep.join([str(WATCH), str(ROOT)]), "LOOP_WATCH": str(told)}
    with SoundCard() as card, Program(arguments, card=card, env=env) as program, card.record() as speaker:
        program.wait_for("session", timeout_s=30)
        ready_s = program.times[0] - program.started
        time.sleep(5)  # the models have loaded
        with card.record("mic_feed.monitor") as mouth:
            for _ in range(options.rounds):
                for kind, sentences in (("whole", WHOLE), ("unknown", UNKNOWN), ("open", OPEN)):
                    for sentence in sentences:
                        answer_ms, partial_ms = ask(card, program, mouth, speaker, spoken(sentence))
                        answers[kind].append(answer_ms)
                        partials += partial_ms
            turns = len(program.of_type("user"))
            pause = np.zeros(int(PAUSE_S * RATE_HZ), "<i2")
            counted = np.concatenate([part for word in COUNTED for part in (spoken(word), pause)])
            ask(card, program, mouth, speaker, counted)
            counts = [event["text"] for event in program.of_type("user")[turns:]]
        processes = [program.pid, *children(program.pid)]
        before = sum(cpu_s(pid) for pid in processes)
        time.sleep(IDLE_S)
        idle = (sum(cpu_s(pid) for pid in processes) - before) / IDLE_S
        memory = [resident_mb(pid) for pid in processes]
        program.interrupt()
        program.wait()
    console.print(f"session ready {ready_s * 1000:.0f} ms after launch")
    for kind, values in answers.items():
        console.print(f"answer, {kind:<8} {summary(values)}")
    console.print(f"partial          {summary(partials)}")
    console.print(f"with pauses of {PAUSE_S} s: {counts}")
    console.print(f"memory {' + '.join(f'{value:.0f}' for value in memory)} = {sum(memory):.0f} MB, idle {idle:.1%}")
    if options.loop:
        print_lateness(json.loads(told.read_text()), ready_s)
    return 0


def print_lateness(told: dict[str, Any], ready_s: float) -> None:
    """How late the loop was from when one could speak, by its looks."""
    late = sorted(ms for at, ms in told["late"] if at > ready_s)
    looks = max(told["looks"], 1)
    share = sum(ms > LATE_MS for ms in late)
    before = max((ms for at, ms in told["late"] if at <= ready_s), default=0.0)
    ninety_nine = late[-looks // 100] if len(late) > looks // 100 else 1.0
    console.print(
        f"loop late        99 of 100 below {ninety_nine:.0f} ms, most {late[-1] if late else 1:.0f}, "
        f"over {LATE_MS:.0f} ms {share} times of {looks}; before the session most {before:.0f}"
    )
    worst = [f"{ms:.0f} ms after {at - ready_s:.1f} s" for at, ms in told["late"] if at > ready_s and ms > LATE_MS]
    console.print(f"                 {', '.join(worst)}")


def hold_session(number: int) -> bool:
    """Four questions in a room; whether they became four turns and four whole answers."""
    with (
        SoundCard(room=Room()) as card,
        Program(["vad", "--provider", "offline", "--json"], card=card) as program,
    ):
        program.wait_for("session", timeout_s=30)
        time.sleep(3)
        for sentence in WHOLE:
            answers = len(program.of_type("assistant"))
            card.play(spoken(sentence), RATE_HZ).wait()
            with suppress(AssertionError):  # the count shows it
                program.wait_for("assistant", count=answers + 1, timeout_s=20)
            time.sleep(1)
        time.sleep(1)
        turns, given = program.of_type("user"), program.of_type("assistant")
    cut = [answer for answer in given if answer["interrupted"]]
    good = (len(turns), len(given), len(cut)) == (len(WHOLE), len(WHOLE), 0)
    console.print(f"session {number}: {len(turns)} turns, {len(given)} answers, {len(cut)} interrupted")
    for event in [] if good else program.events:
        if event["type"] in ("user", "assistant", "warning", "error"):
            console.print(f"    {event}", markup=False)
    return good


def ask(
    card: SoundCard, program: Program, mouth: Any, speaker: Any, sound: NDArray[np.int16]
) -> tuple[float, list[float]]:
    """Play it, and wait for the whole answer: (answer, partials) in ms."""
    seen = len(program.events)
    done = len(program.of_type("assistant"))
    began = time.monotonic()
    card.play(sound, RATE_HZ).wait()
    first = mouth.wait_for_sound(after=began)
    ended = mouth.wait_for_silence(after=first, hold_s=1.2 if len(sound) > RATE_HZ * 3 else 0.3)
    answered = speaker.wait_for_sound(after=ended, timeout_s=15)
    program.wait_for("assistant", lambda _: len(program.of_type("assistant")) > done, timeout_s=30)
    time.sleep(0.8)
    shown = [
        program.times[at]
        for at in range(seen, len(program.events))
        if program.events[at]["type"] in ("user.partial", "user")
    ]
    return (answered - ended) * 1000, [(at - first) * 1000 for at in shown[:1]]


def spoken(sentence: str) -> NDArray[np.int16]:
    from voicechat.engine.hibari import load_voice

    sound = load_voice()(sentence, seed=1)
    loud = np.flatnonzero(np.abs(sound) > 0.01)
    trimmed: NDArray[np.int16] = (sound[loud[0] : loud[-1]] / np.abs(sound).max() * 16_000).astype("<i2")
    return trimmed


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def resident_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 1e6


def summary(values: list[float]) -> str:
    if not values:
        return "none"
    return f"median {statistics.median(values):.0f} ms, {min(values):.0f} to {max(values):.0f}, of {len(values)}"


if __name__ == "__main__":
    sys.exit(main())
