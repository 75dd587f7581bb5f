"""What Tab offers, for values of all kinds, and how much of the processor it takes."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from voicechat.audio.encode import ENCODINGS
from voicechat.cli import complete
from voicechat.cli.app import app
from voicechat.config import default_path
from voicechat.models.catalogue import catalogue as added
from voicechat.providers.catalogue import providers, speech_providers

ROOT = Path(__file__).parents[2]
Tab = Callable[..., list[str]]


@pytest.fixture(autouse=True)
def _an_empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in {variable for info in providers().values() for variable in info.environment.values()}:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("VOICECHAT_PROVIDER", raising=False)
    for name in ("HOME", "XDG_CONFIG_HOME", "APPDATA", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path))


@pytest.fixture
def tab(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tab:
    def press(*words: str) -> list[str]:
        """What bash is offered when Tab is pressed at the end of the last of these words."""
        monkeypatch.setenv("_VOICECHAT_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", " ".join(("voicechat", *words)))
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        with pytest.raises(SystemExit):
            app(prog_name="voicechat")
        monkeypatch.delenv("_VOICECHAT_COMPLETE")
        return capsys.readouterr().out.split()

    return press


def write_settings(text: str) -> None:
    path = default_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def test_providers(tab: Tab) -> None:
    assert tab("vad", "--provider", "") == ["auto", *providers()]
    assert tab("say", "hello", "--provider", "q") == ["qwen"]
    assert tab("speak", "hello", "--provider", "") == ["auto", *speech_providers()]
    assert tab("login", "") == list(providers())


def test_voices_are_those_of_the_chosen_provider_and_model(tab: Tab) -> None:
    openai = [voice.name for voice in providers()["openai"].voices()]
    assert tab("vad", "--provider", "openai", "--voice", "") == openai
    assert tab("manual", "--provider=qwen", "--model", "qwen-omni-turbo-realtime", "--voice", "Ch") == [
        "Cherry",
        "Chelsie",
    ]
    assert "longxiaochun_v2" in tab("speak", "x", "--provider", "cosyvoice", "--voice", "")


def test_the_provider_may_come_from_the_file_the_persona_or_a_key(tab: Tab, monkeypatch: pytest.MonkeyPatch) -> None:
    write_settings('provider = "openai"\n[personas.mandarin]\nprovider = "qwen"\n')
    assert tab("vad", "--voice", "ma") == ["marin"]
    assert tab("vad", "--persona", "mandarin", "--voice", "Che") == ["Cherry", "Chelsie"]
    write_settings("")
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-some-key-0001")
    assert all(name.startswith("qwen") for name in tab("vad", "--model", ""))


def test_personas_models_formats_and_kinds(tab: Tab, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text('[personas.teacher]\ninstructions = "Teach."\n[personas.cook]\n', "utf-8")
    assert tab("vad", "--config", str(other), "--persona", "") == ["teacher", "cook"]
    assert tab("vad", "--provider", "qwen", "--model", "qwen3.8") == ["qwen3.8-omni-flash-realtime"]
    assert tab("speak", "x", "--format", "") == list(ENCODINGS)
    assert tab("vad", "--turn", "") == ["server", "semantic", "local"]
    assert tab("models", "install", "") == list(added())
    assert "zh-sichuan" in tab("voices", "--language", "zh-")


@pytest.mark.parametrize("command", [["say", "hi"], ["vad"], ["manual"], ["speak", "hi"]])
def test_endings_are_offered_after_the_dot_and_files_before_it(tab: Tab, command: list[str]) -> None:
    assert tab(*command, "-o", "notes/hello.m") == ["notes/hello.mp3"]
    assert tab(*command, "-o", "notes/hel") == []
    assert tab(*command, "-o", "../") == []


def test_a_retired_model_is_not_offered(tab: Tab) -> None:
    retired = [model.id for info in providers().values() for model in info.models if model.retires is not None]
    assert retired
    assert "qwen-omni-turbo-realtime" in retired
    assert "qwen-omni-turbo-realtime" not in tab("vad", "--provider", "qwen", "--model", "")


def test_devices_are_offered_by_a_word_that_tells_them_apart() -> None:
    names = ["USB Audio CODEC: - (hw:1,0)", "USB Audio Device", "MacBook Pro Microphone", "麦克风 (Realtek)"]
    assert complete.telling_words(names) == [
        ("CODEC", names[0]),
        ("Device", names[1]),
        ("MacBook", names[2]),
        ("Pro", names[2]),
        ("Microphone", names[2]),
        ("麦克风", names[3]),
        ("Realtek", names[3]),
    ]
    assert complete.telling_words(["pulse", "pulse 2"]) == [("pulse", "pulse"), ("pulse 2", "pulse 2")]


def test_settings_that_cannot_be_read_offer_nothing_and_say_nothing(tab: Tab) -> None:
    write_settings("personas = [broken")
    assert tab("vad", "--persona", "") == []
    assert tab("vad", "--provider", "op") == ["openai"]


def test_the_settings_are_looked_for_where_the_program_has_them() -> None:
    assert complete.usual_file() == default_path()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_a_value_is_offered_without_what_is_slow_to_load(shell: str) -> None:
    line = "voicechat vad --provider qwen --voice Cher"
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "_VOICECHAT_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": line,
        "COMP_CWORD": "5",
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_WORD_TO_COMPLETE": "Cher",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    command = [sys.executable, "-c", "import sys; sys.argv = ['voicechat']; from voicechat.cli import main; main()"]
    slow = subprocess.run(
        [command[0], "-X", "importtime", *command[1:]],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in slow.stderr.splitlines()}
    assert not imported & {"rich", "pydantic", "numpy", "asyncio", "httpx"}
    done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", check=True)
    assert "Cherry" in done.stdout
    assert not done.stderr
