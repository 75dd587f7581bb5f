"""Markdown turned into something to say, and thoughts that are not said; by value, and in pieces of any length."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicechat.text.spoken import SpokenText, to_speech
from voicechat.text.thoughts import Thoughts

LIST = "Three things:\n\n1. **Apples** are red\n2. Pears, which are green.\n3. `plums`\n\nThat is all."
CODE = "# Title\n\nText one\nline two.\n\n```python\nprint(1)\n\n# 2.\n```\n\nAfter the code. 😀 It is 25 °C!"
TABLE = "| name | age |\n|---|---|\n| Anna | 3 |\n| Bob | 4 |\n"
CHINESE = "你好！这是列表：\n\n- 苹果\n- 梨\n\n```\nx\n```\n完了。"


@pytest.mark.parametrize(
    ("markdown", "spoken"),
    [
        ("Hello there. How are you? Good night", "Hello there. How are you? Good night"),
        ("**Bold**, *soft* and ~~gone~~ text.", "Bold, soft and gone text."),
        ("See [the page](https://example.org/a/b?c=d).", "See the page."),
        ("It is at https://www.example.com/foo/bar.", "It is at example.com."),
        ("![a cat](cat.png) and `code`", "a cat and code"),
        (LIST, "Three things: 1: Apples are red. 2: Pears, which are green. 3: plums. That is all."),
        ("- a\n- b\n  - c\n", "a. b. c"),
        (CODE, "Title. Text one line two. Here is a piece of code. After the code. It is 25 °C!"),
        (TABLE, "name, age. Anna, 3. Bob, 4"),
        (CHINESE, "你好！这是列表：苹果。梨。这里有一段代码。完了。"),
        ("snake_case, a * b and a < b & c", "snake_case, a * b and a < b & c"),
        ("> quoted\n\n---\n\nrest", "quoted. rest"),
        ("```\nnever closed", "Here is a piece of code."),
        ("", ""),
        ("见https://example.com/a，然后点击注册。", "见example.com，然后点击注册。"),
        ("- 苹果是红的.\n- 梨是绿的!\n- 桃", "苹果是红的.梨是绿的!桃"),
        ("见https://example.com。好", "见example.com。好"),
        ("It is https://en.wikipedia.org/wiki/Foo_(bar), (or www.x.org/a?b).", "It is en.wikipedia.org, (or x.org)."),
        ("At https://example.com/a’s “https://b.org/c” or https://例子.中国", "At example.com’s “b.org” or 例子.中国"),
        ("3*4 is 12, and 5 * (6*2) is 60.", "3 times 4 is 12, and 5 times (6 times 2) is 60."),
        ("**5*3*2** is 30.\n* 4", "5 times 3 times 2 is 30. 4"),
        ("a*b*c, 5*x*2 and 2**3", "a times b times c, 5 times x times 2 and 2 to the power of 3"),
        ("Room 5 *b* and *a* or x *y*", "Room 5 b and a or x y"),
        ("5*3*2等于30。", "5乘3乘2等于30。"),
        ("It is 2^10 or x^(n-1). ^", "It is 2 to the power of 10 or x to the power of n-1."),
        ("2^10等于1024，x^2也是。", "2的10次方等于1024，x的2次方也是。"),
        ("25℃, 77℉, 10㎡, №5", "25°C, 77°F, 10 square metres, number 5"),
        ("今天25℃，面积10㎡。", "今天25摄氏度，面积10平方米。"),
        ("- [ ] milk\n- [x] tea", "milk. tea"),
        ("one<br>two <b>three</b> `<b>` a<c>d", "one two three <b> a<c>d"),
        ("    Hello. How are you?", "Hello. How are you?"),
        ("1986. A great year.", "1986. A great year."),
    ],
)
def test_what_is_said(markdown: str, spoken: str) -> None:
    assert to_speech(markdown) == spoken
    for size in (1, 3, 7, 100):
        assert in_pieces(markdown, size).rstrip() == spoken


def in_pieces(markdown: str, size: int) -> str:
    text = SpokenText()
    return "".join(text.feed(markdown[at : at + size]) for at in range(0, len(markdown), size)) + text.flush()


def test_a_sentence_is_given_as_soon_as_it_has_ended() -> None:
    text = SpokenText()
    given = [
        text.feed(piece) for piece in ("Hel", "lo", ".", " How", " are you", "?\n", "\n1.", " **One", "**.\n", "2")
    ]
    assert given == ["", "", "", "Hello. ", "", "How are you? ", "", "1: ", "One. ", ""]


@pytest.mark.parametrize(
    "sentence",
    ["Hi there :) ", "a) tea or b) milk. ", "my_name it is. ", "5 * 3 is 15. ", "2*2 is 4. ", "A|B it is. ", "x < y. "],
)
def test_an_odd_sign_holds_nothing_back(sentence: str) -> None:
    text = SpokenText()
    text.feed(sentence)
    assert text.feed("I am happy. And") == f"{' ' if ':' in sentence else ''}I am happy. "


def test_what_may_become_bold_or_a_link_is_waited_for_but_not_for_long() -> None:
    text = SpokenText()
    assert text.feed("We are **bold. And ") == ""
    assert text.feed("so** [on. ") == ""
    assert text.feed("And](x.org). ") == "We are bold. And so on. And. "
    assert text.feed("It [sic. ") == ""
    given = [text.feed("It goes on and on. ") for _ in range(9)]
    assert given[0] == ""
    assert given[-1] == "It goes on and on. "
    assert "".join(given) == "It [sic. " + "It goes on and on. " * 9


@given(st.text(alphabet="ab .*_`#-1\n|[]()<>~。你，!", max_size=60), st.integers(1, 9))
def test_nothing_is_said_twice_or_lost(markdown: str, size: int) -> None:
    whole, pieces = to_speech(markdown), in_pieces(markdown, size)
    assert letters(pieces) == letters(whole)


@pytest.mark.parametrize("size", [1, 5, 50])
def test_a_long_answer_reads_the_same_as_in_one_piece(size: int) -> None:
    markdown = f"{LIST}\n\n{CODE}\n\n" * 12
    assert in_pieces(markdown, size).split() == to_speech(markdown).split()


@pytest.mark.parametrize(
    "sentence", ["It is **very** late, 1. so to say. - Go to `bed`. ", "已经 **很晚** 了。去睡吧！"]
)
def test_a_long_paragraph_reads_the_same_as_in_one_piece(sentence: str) -> None:
    assert in_pieces(sentence * 30, 7).strip() == to_speech(sentence * 30)
    assert in_pieces(f"{LIST}\n\n{sentence * 30}", 7).split() == to_speech(f"{LIST}\n\n{sentence * 30}").split()


def letters(text: str) -> str:
    return "".join(letter for letter in text if letter.isalnum())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<think>Hm. Let me see.</think>It is late.", "It is late."),
        ("<Thinking>x</Thinking><think>y</think>two", "two"),
        ("[THINK]x[/THINK]two", "two"),
        (
            "In HTML the <think> tag does not exist. But <b> does.",
            "In HTML the <think> tag does not exist. But <b> does.",
        ),
        ("One <think> and </think> are tags.", "One <think> and </think> are tags."),
        (
            "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Hi <|x.<|return|>",
            "Hi <|x.",
        ),
        ("<|start|>assistant<|channel|>final<|message|>Hello.<|end|>", "Hello."),
        ("<|channel|>final<|message|>Hello.", "Hello."),
        ("a < b and <thin air>", "a < b and <thin air>"),
        ("Ends in <thi", "Ends in <thi"),
        ("<think>never closed", ""),
    ],
)
def test_thoughts_are_not_said(text: str, said: str) -> None:
    for size in (1, 4, 100):
        thoughts = Thoughts()
        pieces = [thoughts.feed(text[at : at + size]) for at in range(0, len(text), size)]
        assert "".join(pieces) + thoughts.flush() == said


def test_a_closing_tag_alone_takes_back_what_was_not_given_yet() -> None:
    assert Thoughts().feed("I should greet.</think>Hello.") == "Hello."
    assert Thoughts(begins_inside=True).feed("To <think> is hard.</think>Hello.") == "Hello."
