"""`[providers.offline] ears`, `voice` and `language`: from the file to the engine, and what is wrong with them."""

import asyncio
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.offline_client import NOBODY, session
from tests.unit.test_models_folder import KOKORO, WHISPER, laid
from voicechat.config import choose_provider, load
from voicechat.engine.added import not_understood


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "USERPROFILE", "LOCALAPPDATA", "APPDATA", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))


def configured(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(text, "utf-8")
    return path


def say(config: Path) -> "subprocess.CompletedProcess[str]":
    options = ["--config", str(config), "--output", str(config.parent / "out.wav")]
    return subprocess.run(
        [sys.executable, "-m", "voicechat", "say", "hi", "--provider", "offline", *options],
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
        cwd=config.parent,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def test_the_services_own_language_comes_before_the_general_one(tmp_path: Path) -> None:
    text = 'provider = "offline"\nlanguage = "en"\n[providers.offline]\nears = "whisper-base"\n'
    choice = choose_provider(load(configured(tmp_path, text)))
    assert (choice.local.ears, choice.local.language) == ("whisper-base", "en")
    path = configured(tmp_path, text + 'language = "zh"\n')
    assert choose_provider(load(path)).local.language == "zh"
    assert choose_provider(load(path, {"language": "de"})).local.language == "de", "the flag is meant for this run"


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ('ears = "whisper-base"', ["The model whisper-base is not here.", "voicechat models install whisper-base"]),
        ('ears = "wisper"', ["'wisper' is neither a model's name nor a folder.", "Did you mean 'whisper-tiny'?"]),
        ('ears = "/no/where"', ["There is no model folder /no/where.", "`voicechat models list`"]),
        ('voice = "kokoro"', ["The model kokoro is not here.", "voicechat models install kokoro"]),
        ('voice = "kokoro/zm_yunxi"', ["The model kokoro is not here.", "voicechat models install kokoro"]),
        ('turns = "smart-turn"', ["The model smart-turn is not here.", "voicechat models install smart-turn"]),
        ('voice = "/no/where"', ["There is no model folder /no/where.", "FOLDER/SPEAKER"]),
    ],
)
def test_a_model_that_is_not_there_is_two_lines_and_exit_3(tmp_path: Path, setting: str, told: list[str]) -> None:
    done = say(configured(tmp_path, f"[providers.offline]\n{setting}\n"))
    assert done.returncode == 3
    lines = done.stderr.splitlines()[-2:]
    assert told[0] in lines[0]
    assert told[1] in lines[1]
    assert "Traceback" not in done.stderr


def test_a_folder_of_the_wrong_kind_or_not_whole_is_told_too(tmp_path: Path) -> None:
    laid(tmp_path / "voice", KOKORO)
    done = say(configured(tmp_path, f"[providers.offline]\nears = '{tmp_path / 'voice'}'\n"))
    assert done.returncode == 3
    assert "is a voice, not something that understands speech" in done.stderr
    laid(tmp_path / "half", WHISPER | {"model.bin.part": b"x"})
    done = say(configured(tmp_path, f"[providers.offline]\nears = '{tmp_path / 'half'}'\n"))
    assert done.returncode == 3
    assert "is only loaded in part" in done.stderr


def test_reading_aloud_with_a_voice_that_is_not_here(tmp_path: Path) -> None:
    options = ["--provider", "offline", "--voice", "kokoro", "-o", str(tmp_path / "out.wav")]
    done = subprocess.run(
        [sys.executable, "-m", "voicechat", "speak", "你好", *options],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == 3
    assert "The model kokoro is not here." in done.stderr


@pytest.mark.parametrize(
    ("ears", "language", "told"),
    [
        (
            "",
            "zh",
            "The built-in ears understand only English, not zh. `voicechat models install zipformer-zh-en` and "
            '[providers.offline] ears = "zipformer-zh-en" change that.',
        ),
        (
            "",
            "klingon",
            "The built-in ears understand only English, not klingon. `voicechat models` lists ears for others.",
        ),
        ("", "en-GB", ""),
        ("", "English", ""),
        ("", "", ""),
        ("zipformer-zh-en", "zh_CN", ""),
        (
            "zipformer-zh",
            "en",
            "zipformer-zh understands only Chinese, not en. `voicechat models install zipformer-zh-en` and "
            '[providers.offline] ears = "zipformer-zh-en" change that.',
        ),
        (
            "zipformer-zh-en",
            "de",
            "zipformer-zh-en understands only Chinese and English, not de. `voicechat models` lists ears for others.",
        ),
        ("whisper-base", "zh", ""),
        ("/a/folder/of/ones/own", "zh", ""),
    ],
)
def test_a_language_that_the_ears_do_not_know_is_told(ears: str, language: str, told: str) -> None:
    assert not_understood(ears, language) == told


def test_it_is_told_once_at_the_beginning() -> None:
    async def main() -> None:
        async with session(replace(NOBODY, language="zh")) as client:
            error = (await client.until("error"))["error"]
            assert error["message"] == not_understood("", "zh")
            await client.say("hello")
            assert len(client.of("error")) == 1

    asyncio.run(main())
