"""Tab in real shells, switched on as the README says: `voicechat --install-completion` and a new shell."""

import os
import pty
import select
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pyte
import pytest

from tests.program import isolated_environment

PATIENCE_S = 20.0


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An empty home, with `voicechat` on the path."""
    programs = tmp_path / "bin"
    programs.mkdir()
    program = programs / "voicechat"
    code = "import sys; sys.argv[0] = 'voicechat'; from voicechat.cli import main; main()"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -c {shlex.quote(code)} "$@"\n')
    program.chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    environment = isolated_environment(home, None, {})
    environment["PATH"] = f"{programs}{os.pathsep}{environment['PATH']}"
    environment["XDG_CONFIG_HOME"] = str(home / ".config")  # where fish looks, and where the line is written
    return environment


def run(environment: dict[str, str], *command: str) -> str:
    done = subprocess.run(
        command, env=environment, capture_output=True, encoding="utf-8", timeout=60, check=False, start_new_session=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_bash(environment: dict[str, str]) -> None:
    run(environment, "bash", "-c", "voicechat --install-completion; true")
    for words in ("voicechat vad --provider q", "voicechat vad --provider = q"):  # it cuts --provider=q like that
        at = len(words.split()) - 1
        asked = f"COMP_WORDS=({words}); COMP_CWORD={at}; _voicechat_completion voicechat"
        out = run(environment, "bash", "-c", f'. ~/.bashrc; {asked}; printf "%s\\n" "${{COMPREPLY[@]}}"')
        assert out.split() == ["qwen"]


def test_fish(environment: dict[str, str]) -> None:
    run(environment, "fish", "-c", "voicechat --install-completion; true")
    out = run(environment, "fish", "-c", "complete -C 'voicechat say hi --provider qwen --voice Cherr'")
    assert out.startswith("Cherry\t")


def test_zsh(environment: dict[str, str]) -> None:
    run(environment, "zsh", "-c", "voicechat --install-completion; true")
    master, slave = pty.openpty()
    shell = subprocess.Popen(
        ["zsh", "-i"], env=environment, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
    )
    screen = Screen(master)
    try:
        os.write(master, b"PS1=READY; echo $((6 * 7))\n")
        screen.wait_for("42")
        os.write(master, b"voicechat vad --provider qwen --voice Cherr")
        screen.wait_for("--voice Cherr")
        os.write(master, b"\t")  # the first in this shell, which loads the script too
        screen.wait_for("--voice Cherry")
    finally:
        shell.kill()
        shell.wait()
        os.close(slave)
        os.close(master)


class Screen:
    """What a terminal shows."""

    def __init__(self, master: int):
        self._master = master
        self._screen = pyte.Screen(120, 24)
        self._stream = pyte.ByteStream(self._screen)

    def wait_for(self, text: str) -> None:
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            if select.select([self._master], [], [], 0.2)[0]:
                self._stream.feed(os.read(self._master, 4096))
            if any(text in line for line in self._screen.display):
                return
        raise AssertionError(f"{text!r} was not shown within {PATIENCE_S} s:\n" + "\n".join(self._screen.display))
