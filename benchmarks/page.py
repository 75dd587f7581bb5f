"""The page of `voicechat serve` beside the terminal, on one virtual sound card: speech end -> sound.

    python -m benchmarks.page [--turns 8]

Both talk to one gateway and its offline engine: the terminal by `voicechat vad` with that gateway as its service,
the page in headless Chromium. The same recorded question goes into the microphone; measured is from its last sound
there to the first of the answer at the speaker. Also what the page's first load takes. Needs the programs of
tests/soundcard.py and a Chromium; run nothing beside it.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.browser import browser
from tests.gateway import Served, served
from tests.program import Program
from tests.soundcard import SoundCard

QUESTION = Path(__file__).parents[1] / "voicechat" / "engine" / "questions" / "what-is-twelve-times-seven.wav"
AUDIBLE = 100.0
STATE = "document.querySelector('#state').dataset.state"


async def ask(card: SoundCard, turns: int, rest: Callable[[], Awaitable[None]]) -> list[float]:
    """For each turn the ms from the end of the question to the beginning of its answer."""
    found = []
    with card.record("mic_feed.monitor") as mouth, card.record() as speaker:
        for _ in range(turns):
            asking = card.play(QUESTION)
            await asyncio.to_thread(asking.wait)
            began = await asyncio.to_thread(mouth.wait_for_sound, after=asking.started, level=AUDIBLE)
            answered = await asyncio.to_thread(speaker.wait_for_sound, after=began, level=AUDIBLE)
            ended = max(at for at, level in mouth.levels(began, answered) if level > AUDIBLE) + 0.005
            found.append((answered - ended) * 1000)
            await asyncio.to_thread(speaker.wait_for_silence, 30, after=answered, hold_s=1.5)
            await rest()
    return found


async def terminal(card: SoundCard, server: Served, turns: int) -> list[float]:
    url = f"ws:{server.here}/v1/realtime"
    arguments = ["vad", "--provider", "newapi", "--url", url, "--model", "offline", "--json"]
    with Program(arguments, card=card) as program:
        await asyncio.to_thread(program.wait_for, "session", timeout_s=30)
        await asyncio.sleep(5)
        return await ask(card, turns, lambda: asyncio.sleep(0.5))


async def page(card: SoundCard, server: Served, turns: int) -> tuple[list[float], int]:
    env = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ} | card.variables
    async with browser(f"http:{server.here}/", None, env, devices=True) as tab:
        await tab.until("document.querySelector('#model option')")
        loaded = tab.loaded_bytes
        await tab.run("document.querySelector('#model').value = 'offline'")
        await tab.press("Start talking")
        await tab.until(f"{STATE} === 'listening'", 30)
        await asyncio.sleep(5)

        async def rest() -> None:
            await tab.until(f"{STATE} === 'listening'", 20)
            await asyncio.sleep(0.5)

        return await ask(card, turns, rest), loaded


async def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--turns", type=int, default=8)
    turns = parser.parse_args().turns
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, SoundCard() as card:
        async with served(Path(folder)) as server:
            told = {"terminal": await terminal(card, server, turns)}
            told["page"], loaded = await page(card, server, turns)
    for name, values in told.items():
        spread = f"{min(values):.0f} to {max(values):.0f}"
        sys.stdout.write(f"{name:<9} median {statistics.median(values):.0f} ms, {spread}\n")
    sys.stdout.write(f"first load {loaded / 1000:.0f} kB; {time.monotonic() - began:.0f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
