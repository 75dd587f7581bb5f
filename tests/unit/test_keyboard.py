"""What a terminal with kitty's keyboard protocol sends, put back into what every terminal sends."""

import pytest

from voicechat.ui.keyboard import KeyReports

SPACE_UP = "\x1b[24;2~"


def fed(*pieces: str) -> tuple[str, int]:
    """What is left of the keys, and how often the terminal was found to know the protocol."""
    answers: list[bool] = []
    reports = KeyReports(lambda: answers.append(True))
    return "".join(reports.feed(piece) for piece in pieces), len(answers)


@pytest.mark.parametrize(
    ("sent", "keys"),
    [
        (" ", " "),
        ("\x1b[32;1:3u", SPACE_UP),
        ("\x1b[32;5:3u", SPACE_UP),  # with a modifier, and with the lock keys
        ("\x1b[32;129:3u", SPACE_UP),
        (" \x1b[32;1:3u \x1b[32;1:3u", f" {SPACE_UP} {SPACE_UP}"),
        ("a\x1b[97;1:3u", "a"),
        ("\x1b\x1b[27;1:3u", "\x1b"),
        ("\x1b[A\x1b[1;1:3A", "\x1b[A"),
        ("\x1b[1;1:2A\x1b[1;1:3A", "\x1b[A"),
        ("\x1b[1;5:2A", "\x1b[1;5A"),
        ("\x1b[3;1:1~\x1b[3;1:3~", "\x1b[3~"),
        ("\x03\x1b[99;5:3u", "\x03"),
        # of terminals that send more in the new form than they were asked for:
        ("\x1b[99;5u", "\x03"),
        ("\x1b[27u", "\x1b"),
        ("\x1b[13u", "\r"),
        ("\x1b[97;2:1u", "a"),
        ("\x1b[97;3u", ""),
        ("\x1b[57441;1:3u", ""),  # a shift key was let go
        # what has another meaning stays:
        ("\x1b[200~pasted\x1b[201~", "\x1b[200~pasted\x1b[201~"),
        ("\x1b[1;5A", "\x1b[1;5A"),
        ("\x1bOP", "\x1bOP"),
        ("天", "天"),
    ],
)
def test_keys(sent: str, keys: str) -> None:
    assert fed(sent) == (keys, 0)
    for cut in range(1, len(sent)):
        if sent[cut - 1] != "\x1b":  # that alone is the key Esc
            assert fed(sent[:cut], sent[cut:]) == (keys, 0), "in pieces"


def test_the_answer_to_the_question_is_no_key() -> None:
    assert fed("a\x1b[?0ub\x1b[?2u") == ("ab", 1)
