"""Text cut into sentences and pieces, by value."""

import asyncio
import os
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicechat.speech.source import StreamedText, WholeText, pieces
from voicechat.text.sentences import SentenceSplitter, speakable


def split(text: str, most: int = 400) -> list[str]:
    splitter = SentenceSplitter(most)
    return [piece.strip() for piece in [*splitter.feed(text), *splitter.flush()]]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Hello there. How are you?", ["Hello there.", "How are you?"]),
        ("今天天气很好。我们去爬山吧！好吗？", ["今天天气很好。", "我们去爬山吧！", "好吗？"]),
        ("他说：“好的。”然后走了。", ["他说：“好的。”", "然后走了。"]),
        ('"Stop!" he cried. Then silence.', ['"Stop!"', "he cried.", "Then silence."]),
        ("Pi is 3.14 and e is 2.71. Dr. Smith agrees.", ["Pi is 3.14 and e is 2.71.", "Dr. Smith agrees."]),
        ("See example.com/?q=1 or ask. e.g. tomorrow.", ["See example.com/?q=1 or ask. e.g. tomorrow."]),
        ("J. R. R. Tolkien wrote it.", ["J. R. R. Tolkien wrote it."]),
        ("1. Wash. 2. Dry.", ["1. Wash.", "2. Dry."]),
        ("Really?! Yes... Maybe… No.", ["Really?!", "Yes...", "Maybe…", "No."]),
        ("A line\nthat goes on. Next.", ["A line that goes on.", "Next."]),
        ("他们\n都来了。", ["他们都来了。"]),
        ("A heading\n\nA text\r\n\r\nAnother", ["A heading", "A text", "Another"]),
        ("你好吗?我很好", ["你好吗?", "我很好"]),
        ("no end at all", ["no end at all"]),
        ("a\x00b\u200b c\x1b[0m.", ["ab c[0m."]),
        ("", []),
        (" \n\n \t", []),
    ],
)
def test_sentences(text: str, sentences: list[str]) -> None:
    assert split(text) == sentences


def test_a_long_sentence_is_cut_after_a_clause_then_after_a_word_then_anywhere() -> None:
    assert split("one two three, four five six seven eight", 20) == ["one two three,", "four five six seven", "eight"]
    assert split("我们今天去爬山，明天去游泳，后天休息", 10) == ["我们今天去爬山，", "明天去游泳，后天休息"]
    assert split("x" * 25, 10) == ["x" * 10, "x" * 10, "x" * 5]
    assert split("ab\u0301" * 4, 5) == ["ab\u0301a", "b\u0301ab\u0301", "ab\u0301"]


@given(
    st.text(alphabet='ab. ,!?。，！\n"”1A', max_size=300),
    st.integers(5, 60),
    st.lists(st.integers(1, 40), max_size=20),
)
def test_nothing_is_lost_added_or_too_long_however_it_arrives(text: str, most: int, cuts: Sequence[int]) -> None:
    splitter, found, at = SentenceSplitter(most), list[str](), 0
    for size in cuts:
        found += splitter.feed(text[at : at + size])
        at += size
    found += [*splitter.feed(text[at:]), *splitter.flush()]
    assert "".join("".join(found).split()) == "".join(text.split())
    assert all(0 < len(piece.strip()) <= most for piece in found)


def test_ten_megabytes_without_an_end_are_cut_at_once() -> None:
    splitter, size = SentenceSplitter(1000), 0
    for _ in range(2500):
        size += sum(map(len, splitter.feed("word" * 1024)))
    assert size + sum(len(piece.strip()) for piece in splitter.flush()) == 2500 * 4096


@pytest.mark.parametrize(
    ("text", "expected"), [("...", False), ("— * —", False), ("🙂", False), ("1", True), ("ñ", True)]
)
def test_what_can_be_said(text: str, expected: bool) -> None:
    assert speakable(text) is expected


def collect(text: str, first: int, most: int) -> list[str]:
    async def run() -> list[str]:
        return [piece async for piece in pieces(WholeText(text), first, most)]

    return asyncio.run(run())


def test_the_first_piece_is_short_and_the_others_are_full() -> None:
    text = "One is here. Two is here. Three is here. Four is here. *** "
    assert collect(text, 1, 30) == ["One is here.", "Two is here. Three is here.", "Four is here. ***"]
    assert collect(text, 20, 100) == ["One is here. Two is here.", "Three is here. Four is here. ***"]
    assert collect("*** \n\n ---", 1, 100) == []


def test_a_stream_is_spoken_sentence_by_sentence_while_it_is_still_open() -> None:
    async def run() -> None:
        reading, writing = os.pipe()
        found = pieces(StreamedText(reading), 1, 400, pause_s=0.01)
        os.write(writing, b"Hello there. How ar")
        assert await anext(found) == "Hello there."
        os.write(writing, "e you? 你".encode()[:-1])
        assert await anext(found) == "How are you?"
        os.write(writing, "你".encode()[-1:] + "好。".encode())
        assert await anext(found) == "你好。"  # it rests: nothing need follow a full stop
        os.write(writing, b"A line\n")
        assert await anext(found) == "A line"
        os.write(writing, b"the rest, \xff")
        os.close(writing)
        assert [piece async for piece in found] == ["the rest, \ufffd"]
        os.close(reading)

    asyncio.run(run())


def test_a_stream_is_read_no_further_than_it_is_spoken(tmp_path) -> None:  # type: ignore[no-untyped-def]
    book = tmp_path / "book.txt"
    book.write_text("A sentence of the book. " * 40_000)

    async def run() -> int:
        with book.open("rb") as file:
            found = pieces(StreamedText(file.fileno()), 1, 400)
            for _ in range(5):
                await anext(found)
            await asyncio.sleep(0.1)
            at = os.lseek(file.fileno(), 0, os.SEEK_CUR)
            rest = [len(piece) async for piece in found]
            assert sum(rest) > 900_000
            return at

    assert asyncio.run(run()) < 50_000
