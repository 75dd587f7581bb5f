"""Figures of `voicechat speak`: time to the first sound, and memory for 100 KB of text.

    python -m benchmarks.speak

`rest`: from the service's first byte to the first sample on stdout, the real program against the scripted service.
`offline`: inside one process, from the text to the first samples, after the engine has spoken once (its launch).
`memory`: the most the program held while it read 100 KB into a file, less what it held for one sentence. Medians.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import aclosing
from pathlib import Path

from tests.program import isolated_environment
from tests.speech_servers.rest import KEY, RestServer
from voicechat.speech.base import SpeechSettings
from voicechat.speech.local import LocalSpeech

SENTENCE = "The quick brown fox jumps over the lazy dog, and it does so once more. "


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "voicechat", "speak", *arguments]


def rest_first_sound_ms(home: Path) -> float:
    """Measured at the pipe: the first sample out less the first byte sent."""
    with RestServer(pace_s=0.05) as server:
        arguments = ["--provider", "openai", "--url", server.url, "-o", "-", "--", SENTENCE]
        environment = isolated_environment(home, None, {"OPENAI_API_KEY": KEY})
        with subprocess.Popen(
            command(*arguments), env=environment, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as program:
            assert program.stdout is not None
            os.read(program.stdout.fileno(), 2)
            at = time.monotonic()
            program.terminate()
        return (at - server.first_byte_at) * 1000


async def offline_first_sound_ms() -> float:
    service = LocalSpeech(SpeechSettings("espeak-ng"))
    for _ in range(2):
        began = time.perf_counter()
        async with aclosing(service.speak(SENTENCE)) as stream:
            await anext(stream)
        elapsed_ms = (time.perf_counter() - began) * 1000
    await service.close()
    return elapsed_ms


def peak_mb(home: Path, text: str, provider: str, url: str) -> float:
    """The program's own peak, asked of the system by a parent that has had no other child."""
    (home / "text.txt").write_text(text)
    arguments = command(
        "--provider", provider, "-o", "spoken.wav", "--file", "text.txt", *(["--url", url] if url else [])
    )
    parent = (
        "import resource, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], check=True, stderr=subprocess.DEVNULL)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", parent, *arguments],
        env=isolated_environment(home, None, {"OPENAI_API_KEY": KEY}),
        cwd=home,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout) / (1024 if sys.platform.startswith("linux") else 1024 * 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=5)
    turns = parser.parse_args().turns
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        rest = statistics.median(rest_first_sound_ms(home) for _ in range(turns))
        local = statistics.median(asyncio.run(offline_first_sound_ms()) for _ in range(turns))
        book = SENTENCE * (100_000 // len(SENTENCE))
        grown = {}
        with RestServer() as server:
            for provider, url in (("offline", ""), ("openai", server.url)):
                grown[provider] = peak_mb(home, book, provider, url) - peak_mb(home, SENTENCE, provider, url)
    sys.stdout.write(f"first sound, rest, over the service's first byte   {rest:6.1f} ms   (at most 60)\n")
    sys.stdout.write(f"first sound, offline, ready to speak               {local:6.1f} ms   (at most 150)\n")
    for provider, more in grown.items():
        sys.stdout.write(f"memory, 100 KB over one sentence, {provider:8}         {more:6.1f} MB   (at most 30)\n")


if __name__ == "__main__":
    main()
