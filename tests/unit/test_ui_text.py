"""Foreign text on a terminal: nothing in it is a command, and Chinese breaks where Chinese may break."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicechat.ui.text import clean, escape_json, wrap


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("plain 今天 é 👩‍👩‍👧", "plain 今天 é 👩‍👩‍👧"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x9b31m \x7f \x00", "\\x9b31m \\x7f \\x00"),
        ("abc\u202edef\u2066", "abc\\u202edef\\u2066"),
        ("a\r\nb\nc\td\u2028e", "a b c d e"),
        ("\ud800", "\\ud800"),
        ("[bold]x[/bold]", "[bold]x[/bold]"),
    ],
)
def test_control_characters_are_written_out(text: str, safe: str) -> None:
    assert clean(text) == safe


def test_line_breaks_stay_where_lines_are_wanted() -> None:
    assert clean("one\r\ntwo\n\x1bthree", multiline=True) == "one\ntwo\n\\x1bthree"


@given(st.text(st.characters(exclude_categories=()), max_size=60))
def test_what_is_left_is_printable(text: str) -> None:
    safe = clean(text)
    assert not [c for c in safe if ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or 0x202A <= ord(c) <= 0x202E]
    safe.encode()
    assert clean(safe) == safe


@given(st.text(st.characters(exclude_categories=()), max_size=40))
def test_json_keeps_its_value_and_its_line(text: str) -> None:
    line = escape_json(json.dumps(text, ensure_ascii=False))
    assert json.loads(line) == text
    assert len(line.splitlines()) == 1
    line.encode()


def lines(text: str, width: int) -> list[str]:
    return [text[start:end] for start, end in wrap(text, width)]


def test_words_are_kept_whole_and_long_ones_cut() -> None:
    assert lines("to be or not to be", 7) == ["to be", "or not", "to be"]
    assert lines("abcdefghij kl", 4) == ["abcd", "efgh", "ij", "kl"]
    assert lines("exact fit", 9) == ["exact fit"]
    assert lines("", 9) == [""]
    assert lines("one\n\n  two", 9) == ["one", "", "  two"]


def test_chinese_breaks_between_characters_but_not_before_punctuation() -> None:
    assert lines("今天适合去爬山吗", 8) == ["今天适合", "去爬山吗"]
    assert lines("今天晴天，很好", 8) == ["今天晴", "天，很好"]
    assert lines("他说（好的）", 6) == ["他说", "（好", "的）"]
    assert lines(" 。。。", 5) == ["", "。。", "。"]  # what is carried over may be too wide again
    assert lines("早上8点 from the gate", 10) == ["早上8点", "from the", "gate"]


@given(st.text(alphabet="ab 今天，。（ \n👍", max_size=60), st.integers(4, 20))
def test_no_line_is_too_wide_and_nothing_but_space_is_lost(text: str, width: int) -> None:
    from rich.cells import cell_len

    assert all(cell_len(line) <= width for line in lines(text, width))
    assert "".join("".join(lines(text, width)).split()) == "".join(text.split())
