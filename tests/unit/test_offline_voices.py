"""The voices of this machine: words tied to their sound, stopped at any moment, each sentence in its own language."""

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.test_offline_recogniser import without_module
from voicechat.engine import hibari
from voicechat.engine.hibari import clauses, spread, tightened
from voicechat.engine.packed import Packed
from voicechat.engine.synthesiser import EspeakSynthesiser, Spoken, Synthesiser
from voicechat.engine.voices import DEFAULT_VOICE, LocalVoices, parts, reader_of


def test_espeak_ties_words_to_their_sound_and_stops_when_told() -> None:
    async def main() -> None:
        voice = EspeakSynthesiser()
        try:
            assert voice.knows("en-us+f3")
            assert voice.knows("EN-GB")
            assert not voice.knows("alloy")
            assert not voice.knows("en-us+nobody")
            for text in ("Twelve times seven is 84. It's fine!", "Guten Tag, wie geht es dir heute?"):
                blocks = [block async for block in voice.speak(text, "en-us+f3", 1.0)]
                assert "".join(block.text for block in blocks) == text
                with_words = [index for index, block in enumerate(blocks) if block.text]
                assert len(with_words) >= 5
                assert all(len(block.pcm) % 2 == 0 for block in blocks)
            assert await length(voice, 0.5) > 1.4 * await length(voice, 1.0)

            speech = voice.speak("one two three four five " * 200, "en-us", 1.0)
            first: Spoken = await anext(speech)
            assert first.pcm
            await speech.aclose()  # minutes of it were still to come
            assert "".join([block.text async for block in voice.speak("Next.", "en-us", 1.0)]) == "Next."
            with pytest.raises(ValueError, match="no voice"):
                [block async for block in voice.speak("x", "nonsense", 1.0)]
        finally:
            await voice.close()

    async def length(voice: EspeakSynthesiser, speed: float) -> int:
        return sum([len(block.pcm) async for block in voice.speak("How are you?", "en-us", speed)])

    asyncio.run(main())


def test_the_natural_voice_ties_words_to_their_sound_and_stops_when_told() -> None:
    async def main() -> None:
        voice = LocalVoices()
        try:
            await voice.load(DEFAULT_VOICE)
            assert voice.knows(DEFAULT_VOICE)
            assert voice.knows("en-gb")
            assert not voice.knows("alloy")
            text = "Twelve times seven is 84, and that, as far as I know, is all there is to say. "
            blocks = [block async for block in voice.speak(text, DEFAULT_VOICE, 1.0)]
            assert "".join(block.text for block in blocks) == text
            assert len(blocks) == len(text.split())
            assert 3.0 < sum(len(block.pcm) for block in blocks) / 48_000 < 8.0
            lead = np.frombuffer(blocks[0].pcm, "<i2")
            assert np.flatnonzero(np.abs(lead.astype(int)) > 300)[0] < 24 * 60  # it is waited for
            assert max(len(block.pcm) for block in blocks) / 48_000 < 1.5
            assert await length(voice, 0.5) > 1.4 * await length(voice, 1.0)

            speech = voice.speak("One, two, three, four, five, and so on. " * 50, DEFAULT_VOICE, 1.0)
            assert (await anext(speech)).pcm
            began = time.monotonic()
            await speech.aclose()  # minutes of it were still to come
            assert time.monotonic() - began < 0.05
            assert "".join([block.text async for block in voice.speak("Next.", DEFAULT_VOICE, 1.0)]) == "Next."
            assert "".join([block.text async for block in voice.speak("...", DEFAULT_VOICE, 1.0)]) == "..."
        finally:
            await voice.close()

    async def length(voice: Synthesiser, speed: float) -> int:
        return sum([len(block.pcm) async for block in voice.speak("How are you?", DEFAULT_VOICE, speed)])

    asyncio.run(main())


@pytest.mark.parametrize(
    ("text", "voice", "reader"),
    [
        ("Hello.", "heart", "heart"),
        ("84", "heart", "heart"),
        ("Ça va très bien.", "heart", "fr+f3"),
        ("A naïve café in Los Angeles.", "heart", "heart"),
        ("Guten Tag, wie geht es Ihnen heute?", "heart", "de+f3"),
        ("Guten Tag, wie geht es Ihnen heute?", "en-us+m1", "de+m1"),
        ("Guten Tag, wie geht es Ihnen heute?", "fr", "fr"),
        ("我用 Python 和 machine learning framework TensorFlow 写代码。", "heart", "cmn+f3"),
        ("推荐使用 OpenAI compatible endpoint。", "heart", "cmn+f3"),
        ("你好，我是你的朋友。", "heart", "cmn+f3"),
        ("你好。", "en-us+m1", "cmn+m1"),
        ("你好。", "cmn", "cmn"),
        ("こんにちは。", "heart", "ja+f3"),
        ("Привет!", "heart", "ru+f3"),
        ("Привіт!", "uk", "uk"),
        ("Hello.", "de", "de"),
    ],
)
def test_who_reads_a_sentence(text: str, voice: str, reader: str) -> None:
    assert reader_of(text, voice) == reader
    assert reader == "heart" or EspeakSynthesiser().knows(reader)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("The word for hello is 你好.", [("The word for hello is ", "heart"), ("你好.", "cmn+f3")]),
        (
            "“食べる” is a Japanese verb, and means to eat.",
            [("“食べる” ", "ja+f3"), ("is a Japanese verb, and means to eat.", "heart")],
        ),
        ("The angle α is 30°.", [("The angle ", "heart"), ("α ", "el+f3"), ("is 30°.", "heart")]),
        ("我用 Python 写程序。", [("我用 Python 写程序。", "cmn+f3")]),
        ("No other letters.", [("No other letters.", "heart")]),
        ("84", [("84", "heart")]),
        ("", [("", "heart")]),
    ],
)
def test_a_word_in_other_letters_has_its_own_reader(text: str, read: list[tuple[str, str]]) -> None:
    assert parts(text, "heart") == read


def test_of_a_sentence_in_two_languages_every_word_is_heard_with_its_sound() -> None:
    async def main() -> None:
        voice = LocalVoices()
        try:
            text = "The Chinese word for hello is 你好, and for thanks it is 谢谢."
            blocks = [block async for block in voice.speak(text, DEFAULT_VOICE, 1.0)]
            assert "".join(block.text for block in blocks) == text
            english = "The Chinese word for hello is , and for thanks it is ."
            without = [block async for block in voice.speak(english, DEFAULT_VOICE, 1.0)]
            more = sum(len(block.pcm) for block in blocks) - sum(len(block.pcm) for block in without)
            assert more > 48 * 700  # ms, of four signs
            speech = voice.speak(f"{text} " * 20, DEFAULT_VOICE, 1.0)
            while "你" not in (await anext(speech)).text:
                pass
            began = time.monotonic()
            await speech.aclose()
            assert time.monotonic() - began < 0.05
            assert "".join([block.text async for block in voice.speak("Next.", DEFAULT_VOICE, 1.0)]) == "Next."
        finally:
            await voice.close()

    asyncio.run(main())


def test_every_language_that_is_told_by_its_letters_is_read() -> None:
    async def main() -> None:
        voice = LocalVoices()
        try:
            for text in ("你好。", "こんにちは。", "안녕하세요.", "Привет!", "Καλημέρα.", "שלום.", "สวัสดี", "नमस्ते"):
                blocks = [block async for block in voice.speak(text, DEFAULT_VOICE, 1.0)]
                assert "".join(block.text for block in blocks) == text
                assert sum(len(block.pcm) for block in blocks) > 48 * 100, text
        finally:
            await voice.close()

    asyncio.run(main())


def test_where_the_natural_voice_does_not_load_the_plain_one_speaks_and_one_line_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hibari, "_voice", None)
    without_module(monkeypatch, "hibari", OSError("libstdc++.so.6: no such\nfile"))

    async def main() -> None:
        told: list[str] = []
        voice = LocalVoices(told.append)
        try:
            await voice.load(DEFAULT_VOICE)
            for _ in range(2):
                blocks = [block async for block in voice.speak("Hello there.", DEFAULT_VOICE, 1.0)]
                assert sum(len(block.pcm) for block in blocks) > 48 * 300
            assert len(told) == 1
            assert "espeak-ng" in told[0]
            assert "libstdc++.so.6: no such file" in told[0]
        finally:
            await voice.close()

    asyncio.run(main())


def test_a_long_sentence_begins_with_its_first_clause() -> None:
    long = "I am sorry, I did not understand that, because it was loud: could you say it once more? "
    assert clauses(long) == [long[:39], long[39:]]
    assert clauses("Yes, it is.") == ["Yes, it is."]
    assert "".join(clauses("no comma at all in this sentence that goes on and on and on and on")).startswith("no comma")


@pytest.mark.parametrize(("text", "pause_ms"), [("Yes, ", 150), ("Yes. ", 300), ("Yes.) ", 300), ("the word ", 150)])
def test_of_the_silence_around_the_words_little_is_left(text: str, pause_ms: int) -> None:
    sound = np.concatenate([np.zeros(24 * 330), np.full(2400, 0.5), np.zeros(24 * 500)]).astype(np.float32)
    assert len(tightened(sound, text)) // 24 == 40 + 100 + pause_ms - 1
    assert len(tightened(np.zeros(100, np.float32), text)) == 100


def test_sound_is_shared_out_by_letters_without_the_silence_around_it() -> None:
    sound = np.concatenate([np.zeros(2400), np.full(9600, 0.5), np.zeros(4800)]).astype(np.float32)
    blocks: list[Any] = list(spread("ab abcdef ", sound))
    assert [block.text for block in blocks] == ["ab ", "abcdef "]
    assert [len(block.pcm) // 2 for block in blocks] == [2400 + 2880, 6720 + 4800]
    assert [block.text for block in spread("", np.zeros(0, np.float32))] == [""]


def test_a_packed_dictionary_answers_as_json_does() -> None:
    value = {"a": {"b": 1.5, "c": None}, "": "", "é": "g, }", 'q"': ["x", "]"], "n": -3, "t": True, "ü": {}}
    for text in (json.dumps(value), json.dumps(value, indent=2), json.dumps(value, ensure_ascii=False), "{}", " { } "):
        packed, plain = Packed(text.encode()), json.loads(text)
        assert len(packed) == len(plain)
        assert [packed.get(key) for key in (*value, "b", "A")] == [plain.get(key) for key in (*value, "b", "A")]
    assert packed.get("none", 7) == 7
    for broken in ('{"a": {"b": {"c": 1}}}', '{"a": 1', '{"a": 1} x', "[]", "", '{"a" 1}'):
        with pytest.raises(ValueError, match="flat"):
            Packed(broken.encode())


def test_the_light_dictionaries_read_as_the_packages_own() -> None:
    from hibari import Hibari

    heavy, light = Hibari(), hibari.load_voice()
    for text in (
        "On the 3rd of March 2024, 1,250 people paid $9.99 each to hear it read at 7:30 pm.",
        "I read the book that you will read; they live near the live wire, don't they?",
        "Siobhan's naïve café-owner, Mr. McGregor, re-recorded the record.",
    ):
        assert light.phonemize(text) == heavy.phonemize(text)


def test_closing_does_not_wait_for_what_still_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hibari, "_voice", None)
    told: list[str] = []

    async def main() -> None:
        voice = LocalVoices(told.append)
        loading = asyncio.create_task(voice.load(DEFAULT_VOICE))
        await asyncio.sleep(0.02)
        await voice.close()
        assert hibari._voice is None
        await loading

    asyncio.run(main())
    assert told == []


TELLS = "CI", "GITHUB_ACTIONS", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS"
"""What onnxruntime looks at before it tells anybody of its start."""


def test_a_voice_that_loads_tells_nobody(tmp_path: Path) -> None:
    """onnxruntime writes what it is going to send, and the machine's number, below HOME."""
    environment = {name: value for name, value in os.environ.items() if name not in TELLS} | {"HOME": str(tmp_path)}
    script = "from voicechat.engine.hibari import load_voice; load_voice(); import onnxruntime"
    subprocess.run([sys.executable, "-c", script], env=environment, timeout=60, check=True)
    assert not list(tmp_path.rglob("*"))


LOADS = """
import asyncio, threading, time
from voicechat.engine import hibari
from voicechat.engine.engine import OfflineSettings, connect

async def main():
    transport = connect(OfflineSettings(ollama_url=""))
    await transport.connect()
    print(type(await transport.receive()).__name__)
    (loading,) = (thread for thread in threading.enumerate() if thread.name.startswith("offline-speech"))
    clock = time.pthread_getcpuclockid(loading.ident)
    stretches, before = [], time.clock_gettime(clock)
    while hibari._voice is None:
        await asyncio.sleep(0.001)
        stretches.append((now := time.clock_gettime(clock)) - before)
        before = now
    print(sum(stretches), max(stretches))
    await transport.close()

asyncio.run(main())
"""


@pytest.mark.realtime
def test_a_voice_that_loads_lets_the_conversation_go_on() -> None:
    """How much the loading thread computes in one stretch in which the loop does not get the interpreter's lock."""
    done = subprocess.run([sys.executable, "-c", LOADS], capture_output=True, text=True, timeout=60, check=True)
    kind, figures = done.stdout.splitlines()
    total_s, longest_s = map(float, figures.split())
    assert kind == "SessionCreated"
    assert total_s > 0.1
    assert longest_s < 0.04  # 0.005 on an ordinary machine
