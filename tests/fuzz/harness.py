"""Runs a check coverage-guided (needs `pip install atheris`), and replays a corpus without it."""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"


def replay(name: str, check: Callable[[bytes], None]) -> int:
    """Check every file of the corpus; how many there were."""
    files = sorted((CORPUS / name).iterdir())
    for file in files:
        check(file.read_bytes())
    return len(files)


def main(name: str, check: Callable[[bytes], None]) -> None:
    """Fuzz for so many seconds. An input that fails is left in the working directory: it belongs into the corpus."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=600)
    seconds = parser.parse_args().seconds
    import atheris  # type: ignore[import-not-found,unused-ignore]

    atheris.instrument_all()
    with tempfile.TemporaryDirectory() as found:  # what is new stays out of the committed corpus
        options = [f"-max_total_time={seconds}", "-max_len=4096", "-print_final_stats=1"]
        atheris.Setup([sys.argv[0], *options, found, str(CORPUS / name)], check)
        atheris.Fuzz()
