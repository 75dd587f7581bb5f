"""What kept conversations cost: looking something up among 100 000 turns, and keeping one while it happens.

`python -m benchmarks.history [--turns N] [--minutes M]`. Search: turns of English and Chinese words chosen by chance,
twenty to a conversation; each query alone, in an index that is up to date, medians of nine. Keeping: what a
conversation hands over in M minutes, a frame each 20 ms and a turn each ten seconds, written as fast as it can be; the
share is its processor time, that of the writing thread included, over those minutes.
"""

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from voicechat.archive.index import opened
from voicechat.audio.frames import Frame
from voicechat.conversation import notices as note
from voicechat.conversation.recording import Keep, Recording

RATE_HZ = 24_000
TURNS_EACH = 20
RARE = {
    "a word, once": "zeppelin",
    "a passage, once": '"the zeppelin lands"',
    "two signs, once": "鲸鱼",
    "four signs, once": "蓝色鲸鱼",
}
COMMON = {"a word, in every third": "weather", "two signs, in every third": "天气"}
ABSENT = {"nothing": "nowhere at all", "two letters, nowhere": "zw", "two signs, nowhere": "䶮䶮"}
SYLLABLES = [consonant + vowel for consonant in "bdklmnrst" for vowel in "aeo"]


def words(chance: random.Random) -> list[str]:
    return ["".join(chance.choices(SYLLABLES, k=chance.randint(1, 4))) for _ in range(5000)]


def write(folder: Path, turns: int) -> None:
    """Conversations of twenty turns, half of them Chinese."""
    chance = random.Random(1)
    english, signs = words(chance), [chr(0x4E00 + number) for number in range(3500)]
    began = datetime(2020, 1, 1)
    for number in range(turns // TURNS_EACH):
        name = (began + timedelta(hours=number)).strftime("%Y%m%d-%H%M%S")
        lines = [{"t": 0, "type": "conversation", "id": name, "began": f"{began + timedelta(hours=number)}"}]
        lines.append({"t": 0, "type": "session", "provider": "acme", "model": "m", "voice": "v"})
        for turn in range(1, TURNS_EACH // 2 + 1):
            for who in ("user", "assistant"):
                said = " ".join(chance.choices(english, k=12)) if number % 2 else "".join(chance.choices(signs, k=25))
                if turn % 3 == 0:
                    said += " weather" if number % 2 else "天气"
                if (number, turn, who) == (turns // TURNS_EACH // 2, 5, "user"):
                    said += " the zeppelin lands 蓝色鲸鱼"
                lines.append({"t": turn, "type": who, "turn": turn, "text": said, "heard": said, "heard_ms": 500})
        lines.append({"t": turn, "type": "end", "reason": "done", "exit_code": 0, "seconds": turn})
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")


def search(turns: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write(folder, turns)
        began = time.perf_counter()
        with opened(folder) as index:
            sys.stdout.write(f"index of {turns} turns made from the lines: {time.perf_counter() - began:.1f} s, ")
            sys.stdout.write(f"{(folder / 'index.sqlite3').stat().st_size / 1e6:.0f} MB\n")
        for name, query in {**RARE, **COMMON, **ABSENT}.items():
            times, whole = [], []
            for _ in range(9):
                asked = time.perf_counter()
                with opened(folder) as index:
                    began = time.perf_counter()
                    hits = index.search(query)
                    times.append((time.perf_counter() - began) * 1000)
                    whole.append((time.perf_counter() - asked) * 1000)
            sys.stdout.write(f"search, {name}: {statistics.median(times):.1f} ms, {len(hits)} hits; ")
            sys.stdout.write(f"with opening and bringing up to date: {statistics.median(whole):.1f} ms\n")
        with opened(folder) as index:
            began = time.perf_counter()
            index.conversations(20)
            sys.stdout.write(f"list of the newest 20: {(time.perf_counter() - began) * 1000:.1f} ms\n")


def keeping(minutes: float) -> None:
    chance = np.random.default_rng(1)
    heard, played = (chance.integers(-8000, 8000, rate // 50, dtype=np.int16).tobytes() for rate in (16_000, RATE_HZ))
    frame = Frame(heard, True, -30.0, 1.0, reference=played)
    with tempfile.TemporaryDirectory() as scratch:
        recording = Recording(Keep(scratch), 16_000, RATE_HZ, lambda code, message: sys.exit(message))
        began = time.process_time()
        for number in range(int(minutes * 60 * 50)):
            recording.hear(frame)
            if number % 500 == 0:
                turn = number // 500
                recording.show(note.StateNotice("listening"))
                recording.show(note.UserTurn(turn, "And what is the weather going to be like tomorrow?"))
                recording.show(note.UsageNotice(turn, 900, 200, 700, 100, 150, 900, 200))
                recording.show(note.LatencyNotice(turn, 400.0, 300.0, 350.0))
                recording.show(note.AssistantTurn(turn, "Cloudy, with rain.", "Cloudy, with rain.", False, 1800))
            while len(recording._backlog) > 100:
                time.sleep(0.001)
        recording.close()
        used = time.process_time() - began
    sys.stdout.write(f"keeping {minutes:g} minutes: {used:.2f} s of processor, {used / minutes / 60:.2%} of a core\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=100_000)
    parser.add_argument("--minutes", type=float, default=10.0)
    options = parser.parse_args()
    keeping(options.minutes)
    search(options.turns)


if __name__ == "__main__":
    main()
