"""What the live view puts where: narrow and wide windows, scrolling, a resize, scripts of every width."""

import os
import signal

import pyte
import pytest
from wcwidth import wcswidth

from tests.unit.live_terminal import SESSION, Joining, Terminal
from voicechat.conversation import notices as note
from voicechat.ui.render import Painter
from voicechat.ui.status import Meter, Status, bar
from voicechat.ui.turns import Finished


@pytest.mark.parametrize("columns", [40, 200])
def test_narrow_and_wide(columns: int) -> None:
    words = "It will be cloudy with a chance of rain and 明天可能有雨，也可能没有。"
    with Terminal(columns, 20 if columns == 40 else 50) as terminal:
        terminal.send(
            SESSION | {"model": "a-model-with-a-very-long-name"},
            {"type": "user", "turn": 1, "text": words},
            {"type": "assistant", "turn": 1, "text": words, "heard": words, "interrupted": False, "heard_ms": 9},
            {"type": "latency", "turn": 1, "voice_to_voice_ms": 620.0},
            {"type": "state", "state": "speaking"},
        )
        terminal.until(lambda: "0.62 s" in terminal.text() and "speaking" in terminal.rows()[-1])
        rows = terminal.rows()
        assert rows[0].endswith("/help")
        if columns == 40:
            assert rows[2:6] == [
                " you     It will be cloudy with a",
                "         chance of rain and 明天可能有",
                "         雨，也可能没有。",
                " Cherry  It will be cloudy with a",
            ]
            assert rows[7] == "         雨，也可能没有。  after 0.62 s"
            assert rows[-1] == " ● speaking     mic ▁▁▁▁  speaker ▁▁▁▁"
        else:
            assert [row.rstrip() for row in rows[2:4]] == [
                f" you       {words}",
                f" Cherry    {words}" + " " * (120 - 1 - 12 - 11 - 44 - 26) + "after 0.62 s",
            ]
            assert rows[4] == " " + "─" * 118
        terminal.close()


def test_a_long_conversation_scrolls_away_once() -> None:
    with Terminal(80, 12) as terminal:
        terminal.send(SESSION)
        for turn in range(1, 31):
            terminal.send({"type": "user", "turn": turn, "text": f"turn {turn}."})
            if turn % 5 == 0:
                terminal.see(f"turn {turn}.")
        past = ["".join(cells[x].data for x in range(80)).strip() for cells in terminal.screen.history.top]
        whole = [*past, *(row.strip() for row in terminal.rows())]
        assert [row for row in whole if row.startswith("you")] == [f"you       turn {turn}." for turn in range(1, 31)]
        assert sum("voicechat" in row for row in whole) == 1
        assert sum("●" in row for row in whole) == 1
        terminal.close()


def test_a_long_partial_shows_its_end() -> None:
    with Terminal(40, 10) as terminal:
        terminal.send(SESSION, {"type": "assistant.partial", "turn": 1, "text": "word " * 200 + "end"})
        terminal.see("end▌")
        assert terminal.rows()[-1].startswith(" ● listening")
        terminal.send({"type": "assistant.partial", "turn": 1, "text": "short"})
        terminal.see("short▌")
        terminal.until(lambda: terminal.text().count("▌") == 1)
        terminal.close()


def test_a_resize_lays_the_conversation_out_again() -> None:
    with Terminal(80, 24) as terminal:
        terminal.send(
            SESSION,
            {"type": "user", "turn": 1, "text": "What will the weather be like tomorrow, and the day after?"},
            {"type": "user.partial", "turn": 2, "text": "hm"},
        )
        terminal.see("hm▌")
        with terminal._changed:
            terminal.screen.resize(24, 44)
            terminal.resize(44, 24)
        os.kill(terminal.process.pid, signal.SIGWINCH)
        terminal.see(" " + "─" * 42)
        terminal.until(lambda: "─" * 43 not in terminal.text() and terminal.text().count("hm▌") == 1)
        terminal.see("hm▌")
        assert terminal.rows()[:6] == [
            " voicechat  qwen · omni-flash · Che…  /help",
            "",
            " you     What will the weather be like",
            "         tomorrow, and the day after?",
            " you     hm▌",
            " " + "─" * 42,
        ]
        terminal.close()


def test_an_answer_taller_than_the_window_says_who_speaks() -> None:
    with Terminal(60, 20) as terminal:
        terminal.send(
            SESSION | {"assistant": "小雅"},
            {"type": "user.partial", "turn": 1, "text": "tell me"},
            {"type": "assistant.partial", "turn": 1, "text": "word " * 300 + "end"},
        )
        terminal.see("end▌")
        answer = [row for row in terminal.rows() if "word" in row]
        assert len(answer) == 13, "two thirds of the window"
        assert answer[0].startswith(" 小雅      word word")
        assert answer[1].startswith("           word")
        terminal.close()


# -- every script, at every size -----------------------------------------------------------------------------------

FAMILY = "👩\u200d👩\u200d👧"
ASK = "明天会下雨吗？ Will it rain tomorrow, or shall I hang the washing out?"
ANSWER = f"Nein {FAMILY} 👍🏽, אמר המטאורולוג שלא ירד גשם מחר, والجو سيكون صحوا طوال اليوم، 明天晴。"
SCREENS = {
    60: [
        " you       明天会下雨吗？ Will it rain tomorrow, or shall I",
        "           hang the washing out?",
        " Xiaoya    Nein 👩 👍, אמר המטאורולוג שלא ירד גשם מחר,",
        "           والجو سيكون صحوا طوال اليوم، 明天晴。▌",
    ],
    80: [
        " you       明天会下雨吗？ Will it rain tomorrow, or shall I hang the washing",
        "           out?",
        " Xiaoya    Nein 👩 👍, אמר המטאורולוג שלא ירד גשם מחר, والجو سيكون صحوا طوال",
        "           اليوم، 明天晴。▌",
    ],
    140: [
        " you       明天会下雨吗？ Will it rain tomorrow, or shall I hang the washing out?",
        " Xiaoya    Nein 👩 👍, אמר המטאורולוג שלא ירד גשם מחר, والجو سيكون صحوا طوال اليوم، 明天晴。▌",
    ],
}


@pytest.mark.parametrize(
    ("columns", "rows", "joins"), [(60, 20, True), (80, 24, False), (80, 24, True), (140, 40, True)]
)
def test_chinese_emoji_and_right_to_left_text(columns: int, rows: int, joins: bool) -> None:
    """In a terminal that gives each part of an emoji its cells, and in one that knows what belongs together."""
    kind = Joining if joins else pyte.HistoryScreen
    with Terminal(columns, rows, screen=kind) as terminal:
        terminal.send(SESSION | {"assistant": "Xiaoya"}, {"type": "user", "turn": 1, "text": ASK})
        for end in range(len(ANSWER) - 6, len(ANSWER) + 1):  # word by word, so that lines are changed in the middle
            terminal.send({"type": "assistant.partial", "turn": 1, "text": ANSWER[:end]})
            terminal.see("▌")
        terminal.see("明天晴。▌")
        shown = terminal.rows()
        assert shown[2:-3] == SCREENS[columns]
        assert shown[-3] == " " + "─" * (min(columns, 120) - 2)
        finished = {"turn": 1, "text": ANSWER, "heard": ANSWER, "interrupted": False, "heard_ms": 9}
        terminal.send({"type": "latency", "turn": 1, "voice_to_voice_ms": 620.0}, {"type": "assistant"} | finished)
        terminal.see("after 0.62 s")
        assert f"Nein {FAMILY} 👍🏽, ".encode() in terminal.raw, "what is written for good is whole"
        assert sum("─" in row for row in terminal.rows()) == terminal.text().count("› ") == 1
        assert all(wcswidth(row) <= columns for row in terminal.rows())
        terminal.close()


def test_joined_emoji_can_be_typed_and_the_cursor_knows_where_it_is() -> None:
    with Terminal(80, 24, screen=Joining) as terminal:
        terminal.type(f"\x1b[200~so {FAMILY} 👍🏽 here\x1b[201~")
        terminal.see(" › so 👩 👍 here")
        assert terminal.screen.cursor.x == len(" › so ") + 2 + 1 + 2 + len(" here")
        terminal.type("\x1b[D\x1b[D!\r")
        assert terminal.report() == ["submit", f"so {FAMILY} 👍🏽 he!re"]
        terminal.close()


# -- by value ------------------------------------------------------------------------------------------------------


def test_meters() -> None:
    assert [bar(level) for level in (float("-inf"), -90.0, -60.0, -50.0, -30.0, -0.1, 0.0, 3.0)] == list("▁▁▁▂▅███")
    assert bar(float("nan")) == "▁"
    meter = Meter()
    for level in (-1.0, -60.0, -1.0, -30.0, -10.0):
        meter.push(level)
    assert str(meter) == "▁█▅▇"


def test_the_status_line_drops_parts_from_the_right() -> None:
    status = Status("speaking", latency_ms=12_340.0, elapsed_s=3723.0, tokens=12_345, verbose=True)
    most = " ● speaking      mic ▁▁▁▁   speaker ▁▁▁▁   1:02:03   reply 12.3 s   aec off   12.3k tokens"
    assert status.line(120).plain == most
    assert status.line(70).plain.endswith("1:02:03   reply 12.3 s")
    assert status.line(30).plain == " ● speaking     mic ▁▁▁▁"
    assert status.line(5).plain == " ● sp"
    status.cost = "$0.04"
    assert status.line(120).plain == most.replace("1:02:03", "1:02:03   $0.04")


def test_notices_that_end_in_the_right_column() -> None:
    painter = Painter(60, speaker="Cherry")

    def rows(turn: note.AssistantTurn) -> list[str]:
        return [line.plain.rstrip() for line in painter.lines(Finished(turn, 0.0, 500.0))]

    exact = "x" * 34
    assert rows(note.AssistantTurn(1, exact, exact, False, 0)) == [f" Cherry    {exact}  after 0.50 s"]
    longer = exact + "y"
    assert rows(note.AssistantTurn(1, longer, longer, False, 0)) == [f" Cherry    {longer}", " " * 47 + "after 0.50 s"]
    assert rows(note.AssistantTurn(1, "", "", True, 0)) == [" Cherry    (stopped before it spoke)"]
    assert rows(note.AssistantTurn(1, "", "", False, 0, "failed")) == [" Cherry    (no words)" + " " * 32 + "failed"]


def test_a_long_voice_name_is_cut() -> None:
    answer = Finished(note.AssistantTurn(1, "a", "a", False, 0), 0.0)
    assert Painter(80, speaker="myvoice-20260101-clone-abcdef").lines(answer)[0].plain == " myvoice-20260… a"
    assert Painter(40, speaker="myvoice-20260101-clone-abcdef").lines(answer)[0].plain == " myvoice-… a"
