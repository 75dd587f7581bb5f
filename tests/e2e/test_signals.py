"""Signals, a terminal that goes away and output that nobody reads: the program ends or resumes in order."""

import json
import os
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.scenes import KEYS, check_manners, read_wav, service, spoken
from tests.e2e.terminal import BRACKETED_PASTE_OFF, BRACKETED_PASTE_ON, HIDE_CURSOR, SHOW_CURSOR, Terminal
from tests.program import Program, isolated_environment
from tests.realtime_server import RealtimeServer, Reply, Script

LONG = Script(replies=(Reply("A long answer.", seconds=20.0),))
ENDINGS = [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]


@pytest.fixture
def server() -> Iterator[RealtimeServer]:
    with RealtimeServer(script=LONG) as server:
        yield server


def talk(server: RealtimeServer, folder: Path) -> list[str]:
    files = ["--input", str(spoken(folder, after_s=30)), "--output", str(folder / "out.wav")]
    return ["vad", *service(server), *files, "--save", str(folder / "saved")]


def check_files(folder: Path, *, heard: bool = True) -> None:
    """What was `heard`, and what was kept of it, are whole files."""
    pcm, _, _ = read_wav(folder / "out.wav")
    assert any(pcm) or not heard
    names = sorted(path.suffix for path in (folder / "saved").iterdir())
    assert names == [".jsonl", ".md", ".wav"]
    kept, _, channels = read_wav(next((folder / "saved").glob("*.wav")))
    assert channels == 2
    assert any(kept) or not heard


def state(pid: int) -> str:
    """Of a process: R, S, T (stopped), …"""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def wait_until_stopped(pid: int) -> None:
    end = time.monotonic() + 10
    while state(pid) != "T":
        assert time.monotonic() < end, "it does not stop"
        time.sleep(0.02)  # nothing tells of a process that stops but its state


def wait_until_heard(folder: Path) -> None:
    """Until a tenth of a second of the answer is in its file: "speaking" is said when it is about to be."""
    end = time.monotonic() + 10
    while not (folder / "out.wav").exists() or (folder / "out.wav").stat().st_size < 5000:
        assert time.monotonic() < end, "nothing was heard"
        time.sleep(0.02)


@pytest.mark.parametrize(("number", "code"), ENDINGS)
def test_a_signal_ends_a_talk_on_a_terminal(number: int, code: int, server: RealtimeServer, tmp_path: Path) -> None:
    with Terminal(talk(server, tmp_path), tmp_path) as terminal:
        terminal.see("● speaking")
        wait_until_heard(tmp_path)
        terminal.process.send_signal(number)
        assert terminal.wait(5) == code
        terminal.check_sane()
        assert "interrupted at" in "\n".join(terminal.everything())
        check_files(tmp_path)


ELSEWHERE = """
import asyncio, sys
def cannot(*_):
    raise NotImplementedError
asyncio.SelectorEventLoop.add_signal_handler = cannot
from voicechat.cli import main
main()
"""
"""The program on a loop that takes no signal handlers, as Windows' loops."""


def test_ctrl_c_ends_a_talk_in_order_on_a_loop_that_takes_no_signals(server: RealtimeServer, tmp_path: Path) -> None:
    environment = isolated_environment(tmp_path, None, KEYS)
    words = [*talk(server, tmp_path), "--json"]
    with subprocess.Popen(
        [sys.executable, "-c", ELSEWHERE, *words], env=environment, cwd=tmp_path, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            if '"speaking"' in line:
                break
        wait_until_heard(tmp_path)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        rest, told = process.communicate(timeout=20)
        assert time.monotonic() - began < 5
    assert process.returncode == 130, told
    assert json.loads(rest.splitlines()[-1])["type"] == "end", told
    assert "Traceback" not in told
    check_files(tmp_path)


@pytest.mark.parametrize(("number", "code"), ENDINGS)
def test_a_signal_ends_a_talk_for_a_program(number: int, code: int, server: RealtimeServer, tmp_path: Path) -> None:
    with Program([*talk(server, tmp_path), "--json"], env=KEYS) as program:
        program.wait_for("state", lambda line: line["state"] == "speaking")
        wait_until_heard(tmp_path)
        program.process.send_signal(number)
        assert program.wait(5) == code
        check_manners(program)
        assert program.events[-1]["type"] == "end"
        assert program.events[-1]["exit_code"] == code
        assert program.of_type("assistant")[0]["interrupted"]
        check_files(tmp_path)


@pytest.mark.parametrize("more", [[], ["--plain"]], ids=["live", "plain"])
def test_a_window_that_is_closed_ends_the_talk(more: list[str], server: RealtimeServer, tmp_path: Path) -> None:
    with Terminal([*talk(server, tmp_path), *more], tmp_path) as terminal:
        if not more:  # plain lines do not show that it speaks
            terminal.see("● speaking")
        wait_until_heard(tmp_path)
        terminal.hang_up()
        assert terminal.process.wait(5) == 129
        check_files(tmp_path)


def test_what_fails_since_the_window_was_closed_is_no_fault() -> None:
    """It may come before the signal."""
    master, slave = os.openpty()
    code = "import sys; from voicechat.cli import app; app.app = lambda: (print(), sys.stdin.read(), 1 / 0); app._run()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=slave, stdout=slave, stderr=slave) as process:
        os.close(slave)
        os.read(master, 2)
        os.close(master)
        assert process.wait(10) == 129


KEYS_OFF, KEYS_ON = b"\x1b[<u", b"\x1b[>2u"
GIVEN_BACK = ((SHOW_CURSOR, HIDE_CURSOR), (BRACKETED_PASTE_OFF, BRACKETED_PASTE_ON), (KEYS_OFF, KEYS_ON))


def last_is(terminal: Terminal, one: bytes, other: bytes) -> bool:
    """Of two sequences the program writes, `one` was the later."""
    return terminal.raw.rfind(one) >= terminal.raw.rfind(other)


@pytest.mark.parametrize("how", ["typed", "sent"])
def test_a_talk_is_stopped_and_goes_on(how: str, server: RealtimeServer, tmp_path: Path) -> None:
    with Terminal(talk(server, tmp_path), tmp_path) as terminal:
        terminal.see("● speaking")
        wait_until_heard(tmp_path)
        terminal.type("\x1b[?0u")  # it knows kitty's keyboard protocol
        terminal.until(lambda: KEYS_ON in terminal.raw, "releases are asked for")
        for _ in range(2):
            terminal.type("\x1a") if how == "typed" else terminal.process.send_signal(signal.SIGTSTP)
            wait_until_stopped(terminal.process.pid)
            terminal.until(lambda: "● speaking" not in "\n".join(terminal.rows()), "the live part goes")
            local_modes = termios.tcgetattr(terminal.slave)[3]
            for mode in (termios.ECHO, termios.ICANON, termios.ISIG):
                assert local_modes & mode, "the shell gets an ordinary terminal"
            for off, on in GIVEN_BACK:
                given_back = partial(last_is, terminal, off, on)
                terminal.until(given_back, f"{off!r} after {on!r}")
            terminal.process.send_signal(signal.SIGCONT)
            terminal.see("● speaking")
        terminal.type("half a sen")
        terminal.see("half a sen")
        terminal.type("\x03")
        assert terminal.wait(5) == 130
        terminal.check_sane()
        assert "".join(terminal.everything()).count("hello there") == 1
        check_files(tmp_path)


def test_a_talk_of_a_program_is_stopped_and_goes_on(tmp_path: Path) -> None:
    script = Script(replies=(Reply("One two three.", seconds=1.0),))
    with RealtimeServer(script=script) as server:
        files = ["--input", str(spoken(tmp_path)), "--output", str(tmp_path / "out.wav")]
        with Program(["vad", *service(server), *files, "--json"], env=KEYS) as program:
            program.wait_for("state", lambda line: line["state"] == "speaking")
            program.process.send_signal(signal.SIGSTOP)
            wait_until_stopped(program.pid)
            program.process.send_signal(signal.SIGCONT)
            assert program.wait() == 0, program.describe()
            assert program.of_type("assistant")[0]["heard"] == "One two three."
            assert program.of_type("connection") == []


@pytest.mark.parametrize("form", ["--json", "--plain"])
def test_nobody_reads_the_words_any_more(form: str, server: RealtimeServer, tmp_path: Path) -> None:
    lines = 3 if form == "--json" else 1
    with Unread([*talk(server, tmp_path), form], tmp_path, lines=lines) as (process, stderr):
        if form == "--plain":  # its next line comes with the end of the answer: make it end
            process.send_signal(signal.SIGINT)
        assert process.wait(10) in ((0,) if form == "--json" else (0, 130))
        said = stderr.read_text()
        assert "Traceback" not in said
        assert "Broken" not in said
        check_files(tmp_path, heard=False)  # it may well end before there was any sound


def test_nobody_reads_the_sound_any_more(server: RealtimeServer, tmp_path: Path) -> None:
    words = ["say", "hi", *service(server), "--output", "-"]
    with Unread(words, tmp_path, lines=0, bytes_=20_000) as (process, stderr):
        assert process.wait(10) == 4, stderr.read_text()
        assert "error: Writing stdout failed: Broken pipe." in stderr.read_text()
        assert "Traceback" not in stderr.read_text()


@pytest.mark.parametrize(
    "words", [["voices", "--provider", "qwen"], ["config", "show"], ["providers", "--json"], ["--help"]]
)
def test_nobody_reads_a_table(words: list[str], tmp_path: Path) -> None:
    with Unread(words, tmp_path, lines=0) as (process, stderr):
        assert process.wait(10) in (0, 1)
        assert "Traceback" not in stderr.read_text()
        assert "unexpected" not in stderr.read_text()


class Unread:
    """A program whose stdout is closed after so many lines, or bytes."""

    def __init__(self, words: list[str], folder: Path, *, lines: int, bytes_: int = 0):
        self._words, self._folder, self._lines, self._bytes = words, folder, lines, bytes_

    def __enter__(self) -> tuple[subprocess.Popen[bytes], Path]:
        stderr = self._folder / "stderr"
        with stderr.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "voicechat", *self._words],
                cwd=self._folder,
                env=isolated_environment(self._folder, None, KEYS),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        out = self._process.stdout
        assert out is not None
        for _ in range(self._lines):
            assert out.readline()
        if self._bytes:
            assert len(os.read(out.fileno(), self._bytes)) > 0
        out.close()
        return self._process, stderr

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
