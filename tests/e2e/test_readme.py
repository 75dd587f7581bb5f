"""What the README promises: its lines are pasted into an empty shell and do what it says."""

import asyncio
import functools
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import soundfile

from tests.e2e.terminal import Terminal
from tests.pasted import README, blocks, install_environment, paste, shell_environment
from tests.program import ROOT
from tests.realtime_server import Auth, RealtimeServer, Reply, Script
from tests.unit.chat_server import chat_server

KEY = "sk-canary-of-the-readme-0123"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    path = tmp_path / "home"
    path.mkdir()
    return path


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What a user gets: the files that belong to the repository, as they stand."""
    path = tmp_path / "voicechat"
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "voicechat", "*.md", "*.toml", "LICENSE"],
        cwd=ROOT, capture_output=True, encoding="utf-8", check=True,
    ).stdout.splitlines()  # fmt: skip
    for name in listed:
        if (ROOT / name).is_file():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, path / name)
    return path


def test_the_first_three_lines(home: Path, checkout: Path) -> None:
    """That `demo` holds its conversation is shown by tests/e2e/test_demo.py: here, that all of it is installed."""
    install, demo, vad = blocks(README)[0]
    assert demo.startswith("voicechat demo ")
    environment = install_environment(home)
    done = paste(install, environment, checkout)
    assert done.returncode == 0, done.stderr
    (package,) = (home / ".local/share/uv/tools/voicechat").glob("lib/*/site-packages/voicechat")
    assert files_of(package) == files_of(checkout / "voicechat")
    done = paste(f"command -v voicechat; {vad}", environment, home)  # no sound device is here, and it says so
    assert done.stdout.splitlines()[0] == str(home / ".local/bin/voicechat")
    assert done.returncode == 4, done.stderr
    assert "There is no microphone on this machine." in done.stderr


def files_of(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_talking_with_qwen(home: Path, tmp_path: Path) -> None:
    (setup, _, say), (shown,) = (
        blocks(README, under="Talking with Qwen")[0],
        blocks(README, "text", "Talking with Qwen"),
    )
    reply = Reply("What do you call a bear without teeth? A gummy bear.", seconds=0.3)
    with RealtimeServer("qwen", script=Script(replies=(reply, reply)), auth=Auth(key=KEY)) as server:
        settings = home / "config" / "voicechat" / "config.toml"
        settings.parent.mkdir(parents=True)
        settings.write_text(f'[providers.qwen]\nurl = "{server.url}"\n')
        env = {
            "DASHSCOPE_API_KEY": "",
            "PYTHON_KEYRING_BACKEND": "tests.file_keyring.FileKeyring",
            "TEST_KEYRING_FILE": str(tmp_path / "keyring.json"),
        }
        with Terminal(setup.split()[1:], home, columns=120, rows=40, env=env) as terminal:
            terminal.see("Region of the key")
            terminal.type("\n")
            terminal.see("Key (not shown):")
            terminal.type(f"{KEY}\n")
            terminal.see(*shown)
            assert terminal.wait(20) == 0
        environment = shell_environment(home, env)
        done = paste(say, environment, home)
        assert done.returncode == 0, done.stderr
        assert "A gummy bear." in done.stdout
        assert soundfile.info(home / "joke.mp3").format == "MP3"


def test_talking_with_openai(home: Path) -> None:
    (export, providers, _), (shown,) = (
        blocks(README, under="Talking with OpenAI")[0],
        blocks(README, "text", "Talking with OpenAI"),
    )
    done = paste(f"{export}\n{providers}", shell_environment(home), home)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [line.split() for line in shown] == lines[: len(shown)]


def test_talking_with_an_ollama(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from voicechat.cli.models import list_models
    from voicechat.engine import chat

    ((shown,),) = blocks(README, "text", "Talking with an Ollama")
    pull, models, _ = blocks(README, under="Talking with an Ollama")[0]
    assert models == "voicechat models"

    async def ask() -> None:
        async with chat_server(models=(pull.split()[-1],)) as server:
            elsewhere = functools.partial(chat.ollama_models, server.url)  # port 11434 may be somebody's
            monkeypatch.setattr(chat, "ollama_models", elsewhere)
            await asyncio.to_thread(list_models)

    asyncio.run(ask())
    assert capsys.readouterr().err.splitlines()[-1] == shown


def test_files_and_pipes(home: Path) -> None:
    """The others are as in tests/e2e/test_talk_files.py, or need a microphone."""
    (lines,) = blocks(README, under="Files and pipes")
    environment = shell_environment(home)
    pasted = [line for line in lines if "| voicechat say" in line or " speak " in line]
    with ThreadPoolExecutor(len(pasted)) as pool:
        for line, done in zip(pasted, pool.map(lambda line: paste(line, environment, home), pasted), strict=True):
            assert done.returncode == 0, f"{line}\n{done.stderr}"
            if "What time" in line:
                assert re.search(r": It is \d+:\d\d [AP]M\.", done.stdout)
    formats = {name: soundfile.info(home / name).format for name in ("time.wav", "night.opus")}
    assert formats == {"time.wav": "WAV", "night.opus": "OGG"}
