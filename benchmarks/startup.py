"""How long the program takes to say what it can do, beside a bare Typer program, and to offer a value to Tab.

    python -m benchmarks.startup [--runs 10] [--json]

Whole processes, started in turn, medians; `serve, listens`: until `voicechat serve` says where; `imports` is what
`python -X importtime` counts for the command line.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BARE = """
import typer
app = typer.Typer()

@app.command()
def hello(name: str = "you") -> None:
    '''Say hello.'''
    typer.echo(f"Hello {name}")

app()
"""


TAB = {
    "Tab, --provider": "voicechat vad --provider q",
    "Tab, --voice": "voicechat vad --provider qwen --voice Cher",
    "Tab, --input-device": "voicechat vad --input-device p",
}
"""What is on the line when Tab is pressed in a fish."""
NAMED = "import sys; sys.argv = ['voicechat']; from voicechat.cli import main; main()"
"""Called by its own name, as it must be to be asked."""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "none.toml").touch()
        bare = Path(folder) / "bare.py"
        bare.write_text(BARE)
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "bare Typer --help": [sys.executable, str(bare), "--help"],
            "voicechat --help": [sys.executable, "-m", "voicechat", "--help"],
            "voicechat --version": [sys.executable, "-m", "voicechat", "--version"],
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(options.runs + 1):
            for name, command in commands.items():
                times[name].append(took_ms(command))
            for name, line in TAB.items():
                times.setdefault(name, []).append(took_ms([sys.executable, "-c", NAMED], tab(line)))
            times.setdefault("serve, listens", []).append(listens_ms(folder))
    # The first round filled the file cache.
    figures: dict[str, float] = {name: round(statistics.median(each[1:]), 1) for name, each in times.items()}
    figures["ratio"] = round(figures["voicechat --help"] / figures["bare Typer --help"], 2)
    figures["imports"] = import_ms()
    if options.json:
        sys.stdout.write(json.dumps(figures) + "\n")
        return 0
    for name, value in figures.items():
        sys.stdout.write(f"{name:<22}{value:>8}{'' if name == 'ratio' else ' ms'}\n")
    return 0


def tab(line: str) -> dict[str, str]:
    """The environment in which the program offers what may follow."""
    asked = {"_VOICECHAT_COMPLETE": "complete_fish", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    return {**os.environ, **asked, "_TYPER_COMPLETE_ARGS": line}


def took_ms(command: list[str], environment: dict[str, str] | None = None) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    return (time.perf_counter() - began) * 1000


def listens_ms(home: str) -> float:
    began = time.perf_counter()
    command = [sys.executable, "-m", "voicechat", "serve", "--port", "0", "--config", f"{home}/none.toml"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        assert server.stdout is not None
        server.stdout.readline()
        took = (time.perf_counter() - began) * 1000
        server.kill()
    return took


def import_ms() -> float:
    command = [sys.executable, "-X", "importtime", "-c", "import voicechat.cli"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stderr.splitlines()
    # import time:      self [us] | cumulative | imported package
    (microseconds,) = [line.split("|")[1] for line in lines if line.split("|")[-1].strip() == "voicechat.cli"]
    return round(int(microseconds) / 1000, 1)


if __name__ == "__main__":
    sys.exit(main())
