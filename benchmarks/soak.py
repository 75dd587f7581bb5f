"""A long conversation on a virtual sound card: does anything grow, leak or drift?

    python -m benchmarks.soak --minutes 10
    python -m benchmarks.soak --minutes 30 --drop-every 20

A scripted server and the real program hold turn after turn; every third answer is talked over. Every ten seconds
the program's memory, threads and descriptors are read from /proc, and from its log how far the speaker leads the
microphone at the end of an answer (the canceller's reference must not drift against the capture). With `--drop-every`
the connection is cut every so many seconds, whatever is going on, nothing is talked over, and every turn must still
have its answer.
"""

import argparse
import re
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.faulty_proxy import FaultyProxy
from tests.program import Program
from tests.realtime_server import RealtimeServer, Reply, Script
from tests.recordings import INTERRUPTION, QUESTION
from tests.room import Room
from tests.soundcard import SoundCard

WARM_S = 60.0


def census(pid: int) -> tuple[float, int, int]:
    """Resident memory in MB, threads, open descriptors."""
    status = Path(f"/proc/{pid}/status").read_text()
    resident_kb = int(re.search(r"VmRSS:\s+(\d+)", status)[1])  # type: ignore[index]
    threads = int(re.search(r"Threads:\s+(\d+)", status)[1])  # type: ignore[index]
    return resident_kb / 1024, threads, len(list(Path(f"/proc/{pid}/fd").iterdir()))


@contextmanager
def drops(proxy: FaultyProxy, every_s: float) -> Iterator[None]:
    """Cut the connection every so many seconds; never for 0."""
    over = threading.Event()

    def run() -> None:
        while not over.wait(every_s):
            proxy.drop()

    thread = threading.Thread(target=run)
    if every_s:
        thread.start()
    try:
        yield
    finally:
        over.set()
        if every_s:
            thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--drop-every", type=float, default=0.0, metavar="SECONDS")
    arguments = parser.parse_args()
    minutes, drop_every_s = arguments.minutes, arguments.drop_every
    samples: list[tuple[float, float, int, int]] = []
    with tempfile.TemporaryDirectory() as folder, SoundCard(room=Room(gain_db=-20.0)) as card:
        log, config = Path(folder) / "log", Path(folder) / "config.toml"
        config.write_text("")
        script = Script(replies=(Reply(seconds=4.0),))
        with (
            RealtimeServer(script=script) as server,
            FaultyProxy(server.url) as proxy,
            Program(
                [
                    "vad",
                    "--json",
                    "--provider",
                    "openai",
                    "--url",
                    proxy.url,
                    "--log-file",
                    str(log),
                    "--config",
                    str(config),
                ],
                card=card,
                env={"OPENAI_API_KEY": "test-key-0123456789"},
            ) as program,
            ExitStack() as stack,
        ):
            program.wait_for("session")
            stack.enter_context(drops(proxy, drop_every_s))
            began, due, turns = time.monotonic(), 0.0, 0
            while (now := time.monotonic() - began) < minutes * 60:
                turns += 1
                card.play(QUESTION).wait()
                if not drop_every_s:
                    program.wait_for("latency", lambda line: line["voice_to_voice_ms"] is not None, count=turns)
                if turns % 3 == 0 and not drop_every_s:
                    turns += 1
                    card.play(INTERRUPTION).wait()
                    program.wait_for("latency", lambda line: line["voice_to_voice_ms"] is not None, count=turns)
                program.wait_for("assistant", lambda line: bool(line["heard"]), count=turns, timeout_s=30)
                if now >= due:
                    due = now + 10
                    samples.append((now, *census(program.pid)))
            drop_count = len(program.of_type("connection"))
            program.interrupt()
            program.wait()
            end = program.wait_for("end")
        leads = [float(found) for found in re.findall(r"leads the microphone by (\d+) ms", log.read_text())]
    warm = [sample for sample in samples if sample[0] >= min(WARM_S, minutes * 30)]
    rss = [sample[1] for sample in warm]
    print(
        f"turns {turns}, answered {turns}, underruns {end['underruns']}, dropped frames {end['dropped_input_frames']}"
    )
    print(f"drops {drop_count}")
    print(f"memory after warm-up: {rss[0]:.1f} MB, at the end {rss[-1]:.1f} MB, most {max(rss):.1f} MB")
    print(f"threads {min(s[2] for s in warm)}..{max(s[2] for s in warm)}")
    print(f"descriptors {min(s[3] for s in warm)}..{max(s[3] for s in warm)}")
    print(f"speaker leads microphone: median {statistics.median(leads):.0f} ms, {min(leads):.0f}..{max(leads):.0f} ms")


if __name__ == "__main__":
    main()
