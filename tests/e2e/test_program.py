"""The helper that runs the real program."""

import os
import signal
from pathlib import Path

import pytest

from tests.program import Program


def test_it_runs_the_program_and_gives_its_exit_code_and_output() -> None:
    with Program(["--version"]) as program:
        assert program.wait() == 0
        assert program.stdout.startswith("voicechat ")
        assert program.stderr == ""


def test_a_usage_error_is_on_stderr() -> None:
    with Program(["no-such-command"]) as program:
        assert program.wait() == 2
        assert "no-such-command" in program.stderr


def test_waiting_for_a_line_that_never_comes_fails_with_what_was_written() -> None:
    with Program(["--version"]) as program, pytest.raises(AssertionError, match=r"0 of 1 lines 'session'(.|\n)*exit 0"):
        program.wait_for("session", timeout_s=10)


def test_the_developers_keys_are_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.program import isolated_environment

    monkeypatch.setenv("OPENAI_API_KEY", "sk-private")
    with Program(["--version"]) as program:
        assert "OPENAI_API_KEY" not in isolated_environment(program.home, None, {})
        program.wait()


def test_input_is_fed_json_lines_are_found_and_ctrl_c_ends_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "voicechat"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(
        "import sys, signal\n"
        "signal.signal(signal.SIGINT, lambda *_: sys.exit(130))\n"
        "for line in sys.stdin:\n"
        '    print(\'{"t": 0.1, "type": "user", "text": "\' + line.strip() + \'"}\', flush=True)\n'
        "signal.pause()\n"
    )
    with Program([], stdin=b"one\ntwo\n", env={"PYTHONPATH": str(tmp_path)}) as program:
        assert program.wait_for("user", lambda event: event["text"] == "two")["t"] == 0.1
        assert program.wait_for("user", count=1)["text"] == "one"
        program.interrupt()
        assert program.wait() == 130
    with Program([], stdin="open", env={"PYTHONPATH": str(tmp_path)}) as program:
        program.write("three\n")
        assert program.wait_for("user")["text"] == "three"
    assert program.process.returncode == -9


@pytest.mark.parametrize("env", [{}, {"PYTHONDEVMODE": "1"}], ids=["forked", "afresh"])
def test_it_has_its_own_process_session_folder_streams_and_end(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "relative.toml").write_text("voice = Cherry")
    with Program(["vad", "--config", "relative.toml"], home=tmp_path, env=env) as program:
        assert program.wait() == 3
        assert program.stderr.startswith("voicechat: ")
        assert program.stdout == ""
    with Program(["login", "openai"], stdin="open", env=env) as program:
        assert os.getsid(program.pid) == os.getpgid(program.pid) == program.pid != os.getsid(0)
        program.process.send_signal(signal.SIGKILL)
        assert program.wait() == program.process.returncode == -signal.SIGKILL
        program.interrupt()


def test_what_is_read_once_is_read_by_a_fresh_interpreter(tmp_path: Path) -> None:
    for env, width in (({}, 80), ({"TERMINAL_WIDTH": "60"}, 60)):
        with Program(["--help"], env=env) as program:
            assert program.wait() == 0
            assert max(len(line) for line in program.stdout.splitlines()) == width
    (tmp_path / "typer.py").write_text("raise SystemExit(77)")
    with Program(["--help"], home=tmp_path) as program:
        assert program.wait() == 77
