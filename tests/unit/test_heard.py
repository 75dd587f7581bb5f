"""Which words were heard, from when each piece of the transcript came."""

import pytest

from voicechat.text.heard import SpokenText


def spoken(*pieces: str | float) -> SpokenText:
    """Strings are transcript deltas, numbers are audio in milliseconds, in the order they came."""
    answer = SpokenText()
    for piece in pieces:
        if isinstance(piece, str):
            answer.add_text(piece)
        else:
            answer.add_audio(piece)
    return answer


@pytest.mark.parametrize(
    ("answer", "heard_ms", "words"),
    [
        (spoken("one two ", 1000, "three four ", 1000), 0, ""),
        (spoken("one two ", 1000, "three four ", 1000), 1000, "one two"),
        (spoken("one two ", 1000, "three four ", 1000), 1400, "one two"),
        (spoken("one two ", 1000, "three four ", 1000), 1600, "one two three"),
        (spoken("one two ", 1000, "three four ", 1000), 2000, "one two three four "),
        # all the text first: it is spread over the whole sound
        (spoken("aaaa bbbb ", "cccc dddd", 2000), 900, "aaaa"),
        (spoken("aaaa bbbb ", "cccc dddd", 2000), 1100, "aaaa bbbb"),
        # sound first: what came late cannot have been spoken before it
        (spoken(500, "late ", 500), 400, ""),
        # Chinese has no spaces: single signs
        (spoken("明天多云，可能下雨。", 1000), 500, "明天多云，"),
        (spoken("silent"), 0, "silent"),
    ],
)
def test_heard_words(answer: SpokenText, heard_ms: float, words: str) -> None:
    assert answer.heard(heard_ms) == words


def test_the_final_wording_replaces_the_part_it_belongs_to() -> None:
    answer = spoken("helo ", 100, "wrld", 100)
    answer.replace_from(0, "Hello, world.")
    assert answer.text == "Hello, world."
    assert answer.heard(200) == "Hello, world."
    assert answer.heard(100) == ""  # "Hello," is not over yet at the mark of the second piece


def test_text_that_came_only_at_the_end_is_spread_over_everything() -> None:
    answer = spoken(1000)
    answer.replace_from(0, "aaaa bbbb cccc dddd")
    assert answer.heard(600) == "aaaa bbbb"
