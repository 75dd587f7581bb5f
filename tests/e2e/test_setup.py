"""`voicechat setup` on a terminal: a service is chosen, a key pasted, tested and kept, and an answer is heard."""

import stat
import tomllib
from pathlib import Path

import pytest

from tests.e2e.terminal import Terminal
from tests.program import Program
from tests.realtime_server import Auth, RealtimeServer, Reply, Script
from tests.soundcard import SoundCard

KEY = "sk-canary-pasted-0123456789"
NO_KEYRING = {"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring", "OPENAI_API_KEY": ""}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    path = tmp_path / "home"
    path.mkdir()
    return path


def test_from_nothing_to_a_first_answer(home: Path, soundcard: SoundCard) -> None:
    script = Script(replies=(Reply("Hello, what can I do for you?", seconds=0.6),))
    with RealtimeServer(script=script, auth=Auth(key=KEY)) as server:
        env = NO_KEYRING | {"OPENAI_BASE_URL": server.url}
        with (
            soundcard.record("speaker.monitor") as speaker,
            Terminal(["setup"], home, card=soundcard, env=env, rows=40) as terminal,
        ):
            terminal.see("Which service shall answer?", "qwen", "has a key", "Number or name [1]:")
            terminal.type("opnai\n")
            terminal.see("Did you mean 'openai'?")
            terminal.type("2\n")
            terminal.see("A key for OpenAI Realtime: https://", "Key (not shown):")
            terminal.type("sk-canary-of-somebody-else\n")
            terminal.see("✗ Incorrect API key", "Try another key? [Y/n]")
            terminal.type("\n")
            terminal.until(lambda: "\n".join(terminal.rows()).count("Key (not shown):") == 2)
            terminal.type(f"{KEY}\n")
            terminal.see("✓ openai accepted", "only you can read", "openai answers from now on")
            terminal.see("Hello, what can I do for you?", "Now talk: voicechat vad")
            assert terminal.wait() == 0
            terminal.check_sane()
            speaker.wait_for_sound()
    settings = home / "config" / "voicechat" / "config.toml"
    assert stat.S_IMODE(settings.stat().st_mode) == 0o600
    assert tomllib.loads(settings.read_text()) == {"provider": "openai", "providers": {"openai": {"api_key": KEY}}}


def test_a_service_that_is_not_there_is_tried_again_with_the_same_key(home: Path) -> None:
    env = NO_KEYRING | {"OPENAI_BASE_URL": "ws://127.0.0.1:9/v1", "OPENAI_API_KEY": KEY}
    with Terminal(["setup", "openai"], home, env=env) as terminal:
        terminal.see("is there already (environment OPENAI_API_KEY)", "✗ Nothing listens", "Try again? [Y/n]")
        terminal.type("\n")
        terminal.until(lambda: "\n".join(terminal.rows()).count("Try again?") == 2)
        terminal.type("n\n")
        terminal.see("Nothing has been changed.")
        assert terminal.wait() == 130
        assert "Key (not shown)" not in "\n".join(terminal.rows())


def test_giving_up_changes_nothing(home: Path) -> None:
    with Terminal(["setup", "openai"], home, env=NO_KEYRING) as terminal:
        terminal.see("Key (not shown):")
        terminal.until_it_waits()
        terminal.type("\x03")
        terminal.see("Nothing has been changed.")
        assert terminal.wait() == 130
        terminal.check_sane()
    assert not list((home / "config").rglob("*.toml"))


def test_without_a_terminal_it_says_what_else_to_do(home: Path) -> None:
    with Program(["setup"], home=home) as program:
        assert program.wait() == 2
        assert "voicechat login PROVIDER" in program.stderr


def test_the_bare_program_says_four_things_on_a_terminal_and_its_help_elsewhere(home: Path) -> None:
    with Terminal([], home) as terminal:
        assert terminal.wait() == 0
        assert [row.split("  ")[0] for row in terminal.rows()] == [
            "voicechat demo",
            "voicechat vad",
            "voicechat setup",
            "voicechat doctor",
        ]
    with Program([], home=home) as program:
        assert program.wait() == 2
        assert "Usage: " in program.stdout
