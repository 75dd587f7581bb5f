"""Readers of the plain and the JSON view that leave, stop or are slow: the conversation goes on, nothing is lost."""

import asyncio
import io
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import pytest

from tests.program import ROOT
from voicechat.conversation import notices as note
from voicechat.errors import UsageError
from voicechat.ui import output
from voicechat.ui.base import OutputClosed
from voicechat.ui.jsonl import JsonView
from voicechat.ui.plain import PlainView


@pytest.mark.parametrize("kind", ["json", "plain"])
def test_a_reader_that_leaves_ends_the_view_quietly(kind: str) -> None:
    """A program with the view, in front of a pipe nobody reads: exit by OutputClosed, nothing on stderr."""
    script = (
        "import asyncio, sys\n"
        "from voicechat.conversation.notices import UserTurn\n"
        "from voicechat.ui.base import OutputClosed\n"
        "from voicechat.ui.factory import make_view\n"
        "async def main():\n"
        f"    view = make_view('{kind}', None, None, interactive=False)\n"
        "    for turn in range(3): view.show(UserTurn(turn, 'x' * 100))\n"
        "    try: await view.run()\n"
        "    except OutputClosed as error: return error.exit_code\n"
        "    finally: view.close()\n"
        "sys.exit(40 + asyncio.run(main()))\n"
    )
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=ROOT, stdout=write, stderr=subprocess.PIPE, timeout=30, check=False
        )
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (40, b"")


def test_an_output_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    async def main(out: TextIO) -> None:
        view = JsonView(out)
        view.show(note.UserTurn(1, "x"))
        try:
            await view.run()
        finally:
            view.close()

    (tmp_path / "lines").touch()
    read_only = os.open(tmp_path / "lines", os.O_RDONLY)
    with open(read_only, "w") as out, pytest.raises(UsageError, match=r"cannot be written: Bad file descriptor\."):
        asyncio.run(main(out))


class Reader:
    """A pipe that nobody reads until `read` is called."""

    def __init__(self) -> None:
        self._out, inner = os.pipe()
        self.stream = open(inner, "w")  # noqa: SIM115 - closed in read()

    def read(self, close: Callable[[], None]) -> list[str]:
        """Everything, while the view is closed."""
        closing = threading.Thread(target=lambda: (close(), self.stream.close()))
        closing.start()
        with open(self._out, encoding="utf-8", newline="") as pipe:
            lines = pipe.read().splitlines()
        closing.join()
        return lines


@pytest.mark.parametrize("kind", ["json", "plain"])
def test_a_reader_that_stops_reading_stops_nobody_and_loses_nothing(kind: str) -> None:
    pipe, err = Reader(), io.StringIO()

    async def main() -> list[str]:
        view = JsonView(pipe.stream) if kind == "json" else PlainView(pipe.stream, err)
        began = time.monotonic()
        for turn in range(2000):
            view.show(note.UserTurn(turn, f"{turn} {'x' * 200}"))
            view.show(note.AssistantTurn(turn, "yes", "yes", False, 5))
            view.show(note.LatencyNotice(turn, voice_to_voice_ms=1.0))
        assert time.monotonic() - began < 5
        return await asyncio.to_thread(pipe.read, view.close)

    lines = asyncio.run(main())
    words = [json.loads(line)["text"] for line in lines if '"user"' in line] if kind == "json" else lines[::2]
    assert [int(text.removeprefix("you: ").split()[0]) for text in words] == list(range(2000))


@pytest.mark.parametrize("kind", ["json", "plain"])
def test_what_is_left_out_in_the_end_is_said_in_its_place(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "MOST_LINES", 100)
    pipe = Reader()

    async def main() -> list[str]:
        view = JsonView(pipe.stream) if kind == "json" else PlainView(pipe.stream, io.StringIO())
        for turn in range(1000):
            view.show(note.UserTurn(turn, f"{turn} {'x' * 500}"))
        return await asyncio.to_thread(pipe.read, view.close)

    lines = asyncio.run(main())
    gaps = [line for line in lines if "missing here" in line]
    missing = sum(int(found[1]) for line in gaps if (found := re.search(r"(\d+) lines", line)))
    assert missing > 0
    assert len(lines) - len(gaps) + missing == 1000
    assert "999" in lines[-1]
    assert all("missing" not in line for line in lines[-100:])
    if kind == "json":
        assert {json.loads(line)["type"] for line in gaps} == {"warning"}


def test_a_reader_that_never_reads_on_does_not_keep_the_program_from_ending() -> None:
    """Nor does the thread that is stuck in the pipe bring the interpreter down."""
    script = (
        "import sys, voicechat.ui.output as output\n"
        "from voicechat.conversation.notices import UserTurn\n"
        "from voicechat.ui.factory import make_view\n"
        "output.PATIENCE_S = 0.2\n"
        "view = make_view('json', None, None, interactive=False)\n"
        "for turn in range(2000): view.show(UserTurn(turn, 'x' * 100))\n"
        "view.close()\n"
    )
    read, write = os.pipe()
    try:
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=ROOT, stdout=write, stderr=subprocess.PIPE, timeout=30, text=True
        )
    finally:
        os.close(read)
        os.close(write)
    assert done.returncode == 0
    assert re.fullmatch(r"nobody reads the output: \d+ lines are left out at its end\n", done.stderr)


def test_both_outputs_of_one_place_keep_their_order() -> None:
    pipe = Reader()

    async def main() -> list[str]:
        view = PlainView(pipe.stream, pipe.stream)
        for turn in range(200):
            view.show(note.WarningNotice("help", f"before {turn}"))
            view.show(note.UserTurn(turn, "one"))
            view.show(note.WarningNotice("help", f"after {turn}"))
        return await asyncio.to_thread(pipe.read, view.close)

    lines = asyncio.run(main())
    assert lines == [line for turn in range(200) for line in (f"before {turn}", "you: one", f"after {turn}")]


def test_output_closed_is_not_an_error_of_the_program() -> None:
    assert OutputClosed().exit_code == 0
