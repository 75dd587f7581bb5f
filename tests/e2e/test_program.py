"""The helper that runs the real program."""

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
