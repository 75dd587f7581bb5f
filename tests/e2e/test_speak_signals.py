"""`voicechat speak` is interrupted, stopped or loses its terminal: the file is valid, the terminal the shell's."""

import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from tests.e2e.scenes import check_manners
from tests.e2e.terminal import HIDE_CURSOR, SHOW_CURSOR, Terminal
from tests.e2e.test_signals import wait_until_stopped
from tests.e2e.test_speak import KEYS, spoken
from tests.program import Program, isolated_environment
from tests.soundcard import SoundCard
from tests.speech_servers.rest import KEY, RestServer


def test_ctrl_c_leaves_a_valid_file_of_what_came(tmp_path: Path) -> None:
    text = " ".join(f"Sentence number {n} takes its time." for n in range(200))
    with RestServer(pace_s=0.02) as server:
        arguments = ["speak", "--provider", "openai", "--url", server.url, "-o", "a.wav", text]
        with Program(arguments, env=KEYS, home=tmp_path) as program:
            server.wait_for(4)
            began = time.monotonic()
            program.interrupt()
            assert program.wait() == 130
            assert time.monotonic() - began < 1.0
            check_manners(program)
    part = spoken(tmp_path / "a.wav").rstrip("\ufffd")
    assert len(part) > 1000
    assert text.replace(" ", "").startswith(part.replace(" ", ""))


LONG_TEXT = " ".join(f"Sentence number {n} takes its time." for n in range(200))


def check_part(path: Path) -> None:
    """A whole file of the beginning of LONG_TEXT."""
    part = spoken(path).rstrip("\ufffd").replace(" ", "")
    assert len(part) > 500
    assert LONG_TEXT.replace(" ", "").startswith(part)


def aloud(server: RestServer, home: Path, *more: str) -> list[str]:
    """The words for a terminal, whose environment has other keys."""
    key = home / "key"
    key.write_text(KEY)
    key.chmod(0o600)
    return ["speak", "--provider", "openai", "--url", server.url, "--api-key-file", str(key), *more, LONG_TEXT]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_a_valid_file_of_what_came(number: int, tmp_path: Path) -> None:
    server = RestServer(pace_s=0.02)
    with server, Program(aloud(server, tmp_path, "-o", "a.wav"), home=tmp_path) as program:
        server.wait_for(4)
        program.process.send_signal(number)
        assert program.wait(5) == 128 + number, program.describe()
        check_manners(program)
    check_part(tmp_path / "a.wav")


def test_under_nohup_it_reads_to_the_end(tmp_path: Path) -> None:
    with RestServer(pace_s=0.01) as server:
        environment = isolated_environment(tmp_path, None, KEYS)
        arguments = ["speak", "--provider", "openai", "--url", server.url, "-o", "a.wav", LONG_TEXT[:2000]]
        command = ["nohup", sys.executable, "-m", "voicechat", *arguments]
        process = subprocess.Popen(command, env=environment, cwd=tmp_path, stdin=subprocess.DEVNULL)
        server.wait_for(2)
        process.send_signal(signal.SIGHUP)
        assert process.wait(30) == 0
    assert spoken(tmp_path / "a.wav").replace(" ", "") == LONG_TEXT[:2000].replace(" ", "")


@pytest.mark.parametrize("buffered", [False, True])
def test_a_window_that_is_closed_leaves_a_valid_file(buffered: bool, tmp_path: Path) -> None:
    env = {"PYTHONUNBUFFERED": ""} if buffered else {}
    server = RestServer(pace_s=0.02)
    with server, Terminal(aloud(server, tmp_path, "-o", "a.wav", "-v"), tmp_path, env=env) as terminal:
        terminal.see("reading")
        server.wait_for(4)
        terminal.hang_up()
        assert terminal.process.wait(5) == 129
    check_part(tmp_path / "a.wav")


def test_a_window_that_is_closed_ends_what_is_heard(soundcard: SoundCard, tmp_path: Path) -> None:
    server, env = RestServer(), {"PYTHONUNBUFFERED": ""}
    with (
        server,
        soundcard.record("speaker.monitor") as speaker,
        Terminal(aloud(server, tmp_path), tmp_path, card=soundcard, env=env) as terminal,
    ):
        began = speaker.wait_for_sound(level=10)
        terminal.hang_up()
        assert terminal.process.wait(5) == 129
        assert speaker.wait_for_silence(after=began, level=10) - began < 3.0


def check_ordinary(terminal: Terminal) -> None:
    """What the shell gets: lines with an echo, a cursor, and nothing of the bar."""
    terminal.until(lambda: "reading" not in "\n".join(terminal.rows()), "the bar goes")
    modes = termios.tcgetattr(terminal.slave)
    assert modes[:4] == terminal.before[:4]
    assert modes[6] == terminal.before[6]
    assert terminal.raw.rfind(SHOW_CURSOR) >= terminal.raw.rfind(HIDE_CURSOR)


@pytest.mark.parametrize("how", ["typed", "sent"])
def test_ctrl_z_stops_the_sound_and_the_terminal_is_the_shells(how: str, soundcard: SoundCard, tmp_path: Path) -> None:
    server = RestServer()
    with (
        server,
        soundcard.record("speaker.monitor") as speaker,
        Terminal(aloud(server, tmp_path), tmp_path, card=soundcard) as terminal,
    ):
        heard_at = speaker.wait_for_sound(level=10)
        terminal.see("reading")
        for _ in range(2):
            terminal.type("\x1a") if how == "typed" else terminal.process.send_signal(signal.SIGTSTP)
            wait_until_stopped(terminal.process.pid)
            check_ordinary(terminal)
            silent = speaker.wait_for_silence(after=heard_at, level=10)
            terminal.process.send_signal(signal.SIGCONT)
            terminal.see("reading")
            heard_at = speaker.wait_for_sound(after=silent + 0.1, level=10)
        terminal.type(" ")
        terminal.see("paused")
        terminal.type("\x03")
        assert terminal.wait(5) == 130
        terminal.check_sane()


def test_a_file_is_written_on_after_ctrl_z(tmp_path: Path) -> None:
    with RestServer(pace_s=0.005) as server, Terminal(aloud(server, tmp_path, "-o", "a.wav"), tmp_path) as terminal:
        terminal.see("reading")
        terminal.type("\x1a")
        wait_until_stopped(terminal.process.pid)
        check_ordinary(terminal)
        terminal.process.send_signal(signal.SIGCONT)
        terminal.see("reading")
        assert terminal.wait(30) == 0
        terminal.check_sane()
    assert spoken(tmp_path / "a.wav").replace(" ", "") == LONG_TEXT.replace(" ", "")
