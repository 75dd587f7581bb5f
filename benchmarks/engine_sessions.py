"""How many people one machine's recognisers understand at once, and what each takes of its memory.

    python -m benchmarks.engine_sessions [--most 6]

So many ears, forked from one that has loaded, are told the same sentence of 7 s in real time, all at once, which is
worse than any conversation: there people take turns. *text* is from the last sound to its final text, *memory* the
share of each child (PSS) and of the server that it was forked from.
"""

import argparse
import asyncio
import os
import time
from pathlib import Path

from tests.recordings import STORY, read_pcm
from voicechat.engine.ear import ProcessEar
from voicechat.engine.forks import ForkServer

PIECE_S = 0.02


def pss_mb(pid: int) -> float:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(next(line for line in text.splitlines() if line.startswith("Pss:")).split()[1]) / 1024


async def tell(ear: ProcessEar, pcm: bytes) -> float:
    utterance = ear.listen(lambda _: None)
    step, began = int(32_000 * PIECE_S), time.perf_counter()
    for number, at in enumerate(range(0, len(pcm), step)):
        await asyncio.sleep(max(0.0, began + number * PIECE_S - time.perf_counter()))
        utterance.feed(pcm[at : at + step], 0)
    utterance.finish()
    ended = time.perf_counter()
    assert await utterance.text()
    return (time.perf_counter() - ended) * 1000


async def main(most: int) -> None:
    forks, pcm = ForkServer(), read_pcm(STORY)[0]
    ears: list[ProcessEar] = []
    print(f"{os.cpu_count()} processors")
    for count in range(1, most + 1):
        began = time.perf_counter()
        ears.append(ProcessEar(print, forks=forks))
        await tell(ears[-1], pcm[: 2 * 32_000])
        ready_s = time.perf_counter() - began
        took = sorted(await asyncio.gather(*(tell(ear, pcm) for ear in ears)))
        memory = [pss_mb(ear.pid or 0) for ear in ears]
        print(
            f"{count} at once: text {took[len(took) // 2]:5.0f} ms, worst {took[-1]:5.0f}; a first word after "
            f"{ready_s:.1f} s; memory {max(memory):.0f} MB each, server {pss_mb(forks.pid or 0):.0f} MB",
            flush=True,
        )
    await asyncio.gather(*(ear.close() for ear in ears))
    await forks.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, default=6)
    asyncio.run(main(parser.parse_args().most))
