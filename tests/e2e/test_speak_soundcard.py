"""`voicechat speak` on a virtual sound card: no gaps, and a space bar that pauses."""

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.scenes import check_manners
from tests.e2e.test_speak import KEYS
from tests.program import Program, isolated_environment
from tests.soundcard import SoundCard
from tests.speech_servers.rest import RestServer


@pytest.mark.realtime
def test_it_plays_without_gaps_and_stops_at_ctrl_c(soundcard: SoundCard, tmp_path: Path) -> None:
    with RestServer() as server, soundcard.record("speaker.monitor") as speaker:
        text = "The quick brown fox jumps over the lazy dog once more. " * 40
        arguments = ["speak", "--provider", "openai", "--url", server.url, text]
        with Program(arguments, card=soundcard, env=KEYS, home=tmp_path) as program:
            began = speaker.wait_for_sound(level=10)
            server.wait_for(2)
            program.interrupt()
            assert program.wait() == 130
            check_manners(program)
            assert speaker.wait_for_silence(after=began, level=10) - began < 3.0


@pytest.mark.realtime
def test_the_pieces_of_a_long_text_follow_each_other_without_a_gap(soundcard: SoundCard, tmp_path: Path) -> None:
    text = " ".join(
        f"{(word * 10).capitalize()}." for word in ("abc", "defg", "hij", "klm", "nop", "qrs", "tuv", "wxyz", "AbC") * 2
    )
    with RestServer() as server, soundcard.record("speaker.monitor") as speaker:
        speak_it = ["speak", "--provider", "openai", "--url", server.url, text]
        with Program(speak_it, card=soundcard, env=KEYS, home=tmp_path) as program:
            began = speaker.wait_for_sound(level=10)
            assert program.wait() == 0, program.describe()
            ended = speaker.wait_for_silence(after=began, level=10)
        assert len(server.requests) >= 3
    seconds = sum(map(len, server.inputs())) / 100
    assert abs(ended - began - seconds) < 0.5
    silent = [at for at, level in speaker.levels(began + 0.02, began + seconds - 0.05) if level < 10]
    assert len(silent) <= 20, silent


def keyboard(arguments: list[str], card: SoundCard, home: Path) -> tuple[subprocess.Popen[bytes], int]:
    """The program with a terminal of its own on all three; gives it and the terminal's other end."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "voicechat", *arguments],
        env=isolated_environment(home, card, KEYS), cwd=home, stdin=theirs, stdout=theirs, stderr=theirs,
        start_new_session=True, preexec_fn=lambda: _own_terminal(theirs),
    )  # fmt: skip
    os.close(theirs)
    return process, ours


def _own_terminal(descriptor: int) -> None:
    import fcntl
    import termios

    fcntl.ioctl(descriptor, termios.TIOCSCTTY, 0)


def screen_until(terminal: int, text: str, timeout_s: float = 10.0) -> str:
    seen, end = "", time.monotonic() + timeout_s
    while text not in seen:
        ready = select.select([terminal], [], [], max(0.0, end - time.monotonic()))[0]
        assert ready, f"{text!r} was not shown: {seen!r}"
        seen += os.read(terminal, 4096).decode(errors="replace")
    return seen


def test_the_space_bar_pauses_and_resumes_and_ctrl_c_stops(soundcard: SoundCard, tmp_path: Path) -> None:
    with RestServer() as server, soundcard.record("speaker.monitor") as speaker:
        text = "The quick brown fox jumps over the lazy dog once more. " * 60
        process, terminal = keyboard(["speak", "--provider", "openai", "--url", server.url, text], soundcard, tmp_path)
        try:
            began = speaker.wait_for_sound(level=10)
            shown = screen_until(terminal, "reading")
            assert "characters" in screen_until(terminal, "characters") or "characters" in shown
            server.wait_for(2)
            os.write(terminal, b" ")
            screen_until(terminal, "paused")
            pressed = time.monotonic()
            silent = speaker.wait_for_silence(after=began, level=10)
            assert time.monotonic() - pressed < 1.5  # the queue holds up to 3 s: it is not played out first
            os.write(terminal, b" ")
            speaker.wait_for_sound(after=silent + 0.1, level=10)
            os.write(terminal, b"\x03")
            while process.poll() is None:  # the terminal must be read, else its last words block
                if select.select([terminal], [], [], 0.05)[0]:
                    try:
                        os.read(terminal, 4096)
                    except OSError:
                        break
            assert process.wait(10) == 130
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            os.close(terminal)
