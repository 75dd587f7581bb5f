"""The voice of a model that the user adds: what is said in which pieces and sounds, and what happens without it."""

import asyncio
import json
import subprocess
import sys
from contextlib import aclosing
from pathlib import Path

import pytest

from tests.unit.test_models_folder import KOKORO, laid
from voicechat.engine import kokoro
from voicechat.engine.kokoro import KokoroFailed, KokoroSynthesiser, clauses, named, phonemes, require, speakers
from voicechat.engine.voices import LocalVoices, reader_of
from voicechat.errors import ConfigError
from voicechat.models.catalogue import catalogue
from voicechat.models.folder import inspect
from voicechat.models.store import home_of

LEXICON = {
    "今": "ʨi→n",
    "天": "tʰi→ɛ→n",
    "今天": "ʨi→ntʰiɛn",
    "好": "xau↓",
    "二": "ɚ↘",
    "十": "ʂɨ↗",
    "五": "u↓",
    "度": "tu↘",
}
VOICES = 4 * 510 * 256


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "USERPROFILE", "LOCALAPPDATA", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("今天天气很好，我们走吧。你好！", ["今天天气很好，", "我们走吧。", "你好！"]),
        ("他说：“好。”然后走了。", ["他说：", "“好。”", "然后走了。"]),
        ("3.5度，8:30到，1,000人。", ["3.5度，", "8:30到，", "1,000人。"]),
        ("Hello there, how are you? Fine.", ["Hello there, ", "how are you? ", "Fine."]),
        ("……", ["……"]),
        ("好", ["好"]),
        ("", [""]),
        ("。。。好", ["。。。好"]),
    ],
)
def test_a_sentence_is_made_clause_by_clause_and_nothing_is_lost(text: str, pieces: list[str]) -> None:
    assert clauses(text) == pieces
    assert "".join(clauses(text)) == text


def test_the_longest_word_of_the_lexicon_comes_first_and_numbers_are_words() -> None:
    def english(text: str) -> str:
        return f"<{text}>"

    assert phonemes("今天好。", LEXICON, english) == "ʨi→ntʰiɛn xau↓."
    assert phonemes("天今", LEXICON, english) == "tʰi→ɛ→n ʨi→n"
    assert phonemes("25度？", LEXICON, english) == "ɚ↘ ʂɨ↗ u↓ tu↘?"
    assert phonemes("今天hello world好", LEXICON, english) == "ʨi→ntʰiɛn <hello world> xau↓"
    assert phonemes("Hello, 25 miles.", LEXICON, english) == "<Hello, 25 miles.>"
    assert phonemes("龘好", LEXICON, english) == "xau↓", "what has no sound here is left out"


def test_english_comes_from_the_dictionaries_that_are_here() -> None:
    assert kokoro._english("Hello world.") == "həlˈO wˈɜɹld."


def test_a_voice_names_a_model_and_perhaps_a_speaker(tmp_path: Path) -> None:
    folder = str(laid(tmp_path / "k", KOKORO))
    assert named("kokoro") == ("kokoro", "")
    assert named("kokoro/zm_yunxi") == ("kokoro", "zm_yunxi")
    assert named(folder) == (folder, "")
    assert named(f"{folder}/3") == (folder, "3")
    for other in ("heart", "en-us+f3", "cmn", "whisper-base", "", "/nowhere/at/all"):
        assert named(other) is None


def test_speakers_have_names_where_these_are_known(tmp_path: Path) -> None:
    whole = inspect(laid(tmp_path / "a", KOKORO | {"voices.bin": bytes(54 * VOICES)}))
    assert speakers(whole)[47] == "zf_xiaoxiao"
    other = inspect(laid(tmp_path / "b", KOKORO | {"voices.bin": bytes(3 * VOICES)}))
    assert speakers(other) == ["0", "1", "2"]
    require(f"{whole.path}/zf_xiaoxiao")
    require(f"{whole.path}/53")
    with pytest.raises(ConfigError, match="has no speaker 'nobody'"):
        require(f"{whole.path}/nobody")


def test_a_voice_that_is_not_here_is_told_before_a_conversation() -> None:
    with pytest.raises(ConfigError, match="The model kokoro is not here") as failure:
        require("kokoro/zf_xiaoxiao")
    assert failure.value.hint == "Fetch it with: voicechat models install kokoro"
    with pytest.raises(ConfigError, match="There is no model folder /nowhere"):
        require("/nowhere")
    require("heart")
    require("en-us+f3")


def test_it_reads_chinese_and_latin_letters_and_leaves_the_rest_to_espeak() -> None:
    assert reader_of("今天天气很好。", "kokoro") == "kokoro"
    assert reader_of("Hello.", "kokoro/zm_yunxi") == "kokoro/zm_yunxi"
    assert reader_of("Добрый день.", "kokoro") == "ru+f3"


def test_a_model_that_does_not_load_leaves_its_sentences_to_other_voices(tmp_path: Path) -> None:
    broken = str(laid(tmp_path / "k", KOKORO))
    told: list[str] = []

    async def run() -> tuple[str, int]:
        voices = LocalVoices(told.append)
        try:
            text, size = "", 0
            for sentence in ("你好。", "Hello."):
                async with aclosing(voices.speak(sentence, broken, 1.0)) as blocks:
                    async for block in blocks:
                        text += block.text
                        size += len(block.pcm)
            return text, size
        finally:
            await voices.close()

    text, size = asyncio.run(run())
    assert text == "你好。Hello."
    assert size > 24_000
    [line] = told
    assert line.startswith(f"Another voice speaks in place of {broken}: ")
    assert "does not load" in line


def test_the_synthesiser_says_why_it_cannot(tmp_path: Path) -> None:
    async def run() -> None:
        synthesiser = KokoroSynthesiser()
        try:
            assert not synthesiser.knows("kokoro")
            with pytest.raises(KokoroFailed, match="does not load"):
                await synthesiser.load(str(laid(tmp_path / "k", KOKORO)))
        finally:
            await synthesiser.close()

    asyncio.run(run())


def test_the_voices_of_a_model_that_is_here_are_listed() -> None:
    assert kokoro.installed_voices() == []
    for file in catalogue()["kokoro"].files:
        path = home_of("kokoro") / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as content:
            content.truncate(file.bytes)
    done = subprocess.run(
        [sys.executable, "-m", "voicechat", "voices", "--provider", "offline", "--language", "zh", "--json"],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=True,
    )
    chinese = json.loads(done.stdout)
    assert [(voice["name"], voice["gender"]) for voice in chinese if "/" in voice["name"]][2:6] == [
        ("kokoro/zf_xiaoxiao", "female"),
        ("kokoro/zf_xiaoyi", "female"),
        ("kokoro/zm_yunjian", "male"),
        ("kokoro/zm_yunxi", "male"),
    ]
    (home_of("kokoro") / "tokens.txt").unlink()
    assert kokoro.installed_voices() == [], "a damaged one is not offered"
