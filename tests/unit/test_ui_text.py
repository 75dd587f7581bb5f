"""Foreign text on a terminal: nothing in it is a command, and Chinese breaks where Chinese may break."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wcwidth import iter_graphemes

from voicechat.ui.text import cells, clean, escape_json, fold, plainer, shorten, wrap


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


FAMILY = "👩\u200d👩\u200d👧"
CLUSTERS = ["a", "b", " ", "今", "，", "（", "\n", "👍", "👍🏽", FAMILY, "❤️", "🇩🇪", "e\u0301", "שָׁ", "م", "क्षि", "1️⃣"]


@given(st.lists(st.sampled_from(CLUSTERS), max_size=60), st.integers(8, 20))
def test_no_line_is_too_wide_and_nothing_but_space_is_lost(clusters: list[str], width: int) -> None:
    text = "".join(clusters)
    assert all(cells(line) <= width for line in lines(text, width))
    assert "".join("".join(lines(text, width)).split()) == "".join(text.split())
    begins, at = {0, len(text)}, 0
    for cluster in iter_graphemes(text):
        at += len(cluster)
        begins.add(at)
    assert all(start in begins for start, _ in wrap(text, width)), "a letter keeps its accents, an emoji its parts"


def test_cells_are_those_of_the_terminal_that_needs_most() -> None:
    assert [cells(text) for text in ("abc", "今天", FAMILY, "👍🏽", "❤️", "🇩🇪", "e\u0301", "שָׁלוֹם", "مرحبا")] == [
        3, 4, 6, 4, 2, 4, 1, 4, 5,
    ]  # fmt: skip


def test_what_terminals_disagree_about_is_reduced_to_its_first_part() -> None:
    assert plainer(f"so {FAMILY}, 👍🏽 ❤️ e\u0301 שָׁלוֹם क्षि 今天") == "so 👩, 👍 ❤ e\u0301 שָׁלוֹם क्षि 今天"


def test_a_name_is_cut_between_clusters() -> None:
    assert shorten("Xiaoya", 6) == "Xiaoya"
    assert shorten("Xiaoyan", 6) == "Xiaoy…"
    assert shorten("小雅老师", 6) == "小雅…"
    assert shorten(f"ab{FAMILY}", 6) == "ab…"


def test_what_goes_on_hangs_below_what_began_it() -> None:
    assert fold("The key was not found anywhere.", 16) == ["The key was not", "  found", "  anywhere."]
    assert fold("  a hint that is long", 12) == ["  a hint", "    that is", "    long"]
    table = "/mute    silences the microphone\n/stop    silences it"
    assert fold(table, 24) == ["/mute    silences the", "         microphone", "/stop    silences it"]
    assert fold("", 24) == [""]
