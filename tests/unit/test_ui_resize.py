"""The live view in tmux, a terminal that breaks its lines anew when its window changes: nothing is there twice."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from voicechat.ui.reflow import breaks_anew, rows_of

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 20.0
SESSION = {"type": "session", "provider": "qwen", "model": "omni-flash", "voice": "Cherry"}


class Window:
    """A live view in a window of tmux, which can be drawn wider and narrower."""

    def __init__(self, folder: Path, columns: int, rows: int):
        self._socket = Path(tempfile.mkdtemp(prefix="tmux-"))  # a socket's path must be short
        self._tmux = ["tmux", "-S", str(self._socket / "s"), "-f", "/dev/null"]
        commands, reports = folder / "commands", folder / "reports"
        os.mkfifo(commands)
        view = f"exec {shlex.quote(sys.executable)} -m tests.ui_driver 3 4 3<{commands} 4>{reports}"
        shell = f"cd {shlex.quote(str(ROOT))}; seq -f 'before %g' 30; {view}"
        self._run("new-session", "-d", "-x", str(columns), "-y", str(rows), "sh", "-c", shell)
        self._run("set", "-g", "window-size", "manual")
        self._commands = commands.open("w")

    def close(self) -> None:
        self._commands.close()
        self._run("kill-server")
        shutil.rmtree(self._socket)

    def _run(self, *words: str) -> str:
        return subprocess.run([*self._tmux, *words], capture_output=True, text=True, check=True, timeout=10).stdout

    def send(self, *commands: dict[str, object]) -> None:
        for command in commands:
            self._commands.write(json.dumps(command) + "\n")
        self._commands.flush()

    def resize(self, columns: int, rows: int) -> None:
        self._run("resize-window", "-x", str(columns), "-y", str(rows))

    def type(self, keys: str) -> None:
        self._run("send-keys", keys)

    def lines(self) -> list[str]:
        """All, from the first that has scrolled away to the last on the screen."""
        return [line.rstrip() for line in self._run("capture-pane", "-p", "-S", "-").splitlines()]

    def until(self, true: Callable[[list[str]], bool]) -> list[str]:
        end = time.monotonic() + PATIENCE_S
        while not true(lines := self.lines()):
            assert time.monotonic() < end, "not seen:\n" + "\n".join(lines)
            time.sleep(0.05)
        return lines


@pytest.fixture
def window(tmp_path: Path) -> Iterator[Window]:
    window = Window(tmp_path, 100, 24)
    try:
        yield window
    finally:
        window.close()


def settled(columns: int) -> Callable[[list[str]], bool]:
    """The lower part has been laid out for that width, once."""
    return lambda lines: " " + "─" * (columns - 2) in lines and any("●" in line for line in lines)


def test_drawn_narrower_and_wider_while_it_talks_it_leaves_no_copies(window: Window) -> None:
    window.until(lambda lines: any("● connecting" in line for line in lines))
    window.send(SESSION)
    for turn in range(1, 9):
        asked = f"question {turn}: what will the weather be like tomorrow, and the day after, where I am going?"
        window.send({"type": "user", "turn": turn, "text": asked})
    window.send({"type": "assistant.partial", "turn": 8, "text": "It may rain, they say. " * 12 + "the end"})
    window.send({"type": "state", "state": "speaking"})
    window.until(
        lambda lines: any("the end▌" in line for line in lines) and any("● speaking" in line for line in lines)
    )
    window.type("half a sen")
    window.until(lambda lines: any("› half a sen" in line for line in lines))
    for columns, rows in ((90, 24), (82, 24), (71, 24), (60, 20), (75, 22), (110, 30), (60, 20)):
        window.resize(columns, rows)
        if columns in (71, 60, 110):  # else it is still being drawn when the next one comes
            lines = window.until(settled(columns))
            assert sum("●" in line for line in lines) == 1, lines
            assert sum("▌" in line for line in lines) == 1, lines
            assert sum("─" * 20 in line for line in lines) == 1, lines
            assert sum("› half a sen" in line for line in lines) == 1, lines
            for turn in range(1, 9):
                assert sum(f"question {turn}:" in line for line in lines) == 1, f"{columns}\n" + "\n".join(lines)
            if columns == 71:  # the last turn stands whole in the window: it is laid out for its width
                at = next(index for index, line in enumerate(lines) if "question 8" in line)
                assert lines[at].endswith("tomorrow, and the")
                assert lines[at + 1] == "           day after, where I am going?"
            assert [line for line in lines if line.startswith("before ")] == [f"before {n}" for n in range(1, 31)]
    words = "\n".join(lines)
    assert "".join(words.split()).count("Itmayrain") == 12, words


def test_rows_of_a_line() -> None:
    assert [rows_of(line, 10) for line in ("", "x" * 10, "x" * 11, "x" * 25, "日" * 5, "日" * 6, "x" + "日" * 5)] == [
        1, 1, 2, 3, 1, 2, 2,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("environment", "breaks"),
    [
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "xterm-256color", "XTERM_VERSION": "XTerm(390)"}, False),
        ({"TERM": "linux"}, False),
        ({"TERM": "screen.xterm-256color"}, False),
        ({"TERM": "screen-256color", "TMUX": "/tmp/tmux"}, True),
    ],
)
def test_terminals_that_cut_lines_off_are_known(
    environment: dict[str, str], breaks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TERM", "TMUX", "XTERM_VERSION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert breaks_anew() is breaks
