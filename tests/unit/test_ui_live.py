"""The live view in a real pseudo terminal: keys, a pipe in place of them, and what it says of each state."""

import os
import termios
from pathlib import Path

import pytest

from tests.unit.live_terminal import DEADLINE_S, ROOT, SESSION, Terminal
from voicechat.conversation import notices as note
from voicechat.ui.render import Ansi, Painter
from voicechat.ui.turns import Finished

USAGE = (
    "input_tokens", "output_tokens", "cached_tokens", "input_audio_tokens", "output_audio_tokens",
    "session_input_tokens", "session_output_tokens",
)  # fmt: skip


def test_a_conversation_at_80_columns() -> None:
    with Terminal(80, 24) as terminal:
        terminal.send(
            SESSION,
            {"type": "state", "state": "listening"},
            {"type": "assistant", "turn": 1, "text": "今天晴。", "heard": "", "interrupted": False, "heard_ms": 9},
            {"type": "user", "turn": 1, "text": "今天适合去爬山吗？"},
            {"type": "latency", "turn": 1, "voice_to_voice_ms": 620.0},
            {"type": "user", "turn": 2, "text": "And tomorrow?"},
            {
                "type": "assistant",
                "turn": 2,
                "text": "Tomorrow will be rainy",
                "heard": "Tomorrow will ",
                "interrupted": True,
                "heard_ms": 1800,
            },
            {"type": "user.partial", "turn": 3, "text": "just the"},
        )
        terminal.see("just the▌")
        terminal.until(lambda: "0:0" in terminal.rows()[-1])
        rows = terminal.rows()
        assert rows[0] == " voicechat  qwen · omni-flash · Cherry" + " " * 36 + "/help"
        assert rows[1] == ""
        assert rows[2] == " you       今天适合去爬山吗？"
        assert rows[3].startswith(" Cherry    今天晴。")
        assert rows[3].endswith("after 0.62 s")
        assert rows[4] == " you       And tomorrow?"
        assert rows[5] == " Cherry    Tomorrow will be rainy" + " " * 26 + "interrupted at 1.8 s"
        assert rows[6] == " you       just the▌"
        assert rows[7] == " " + "─" * 78
        assert rows[8] == " › it answers when you pause · Ctrl-C ends"
        assert rows[9].startswith(" ● hearing you   mic ▁▁▁▁   speaker ▁▁▁▁   0:0")
        assert len(rows) == 10
        # Wide characters take two cells: the second column and the right edge are the same in every row.
        assert terminal.column(2, "今") == terminal.column(4, "A") == terminal.column(3, "今") == 11
        assert terminal.column(3, "0") == 73
        struck = "".join(cell.data for cell in terminal.screen.buffer[5].values() if cell.strikethrough)
        assert struck == "be rainy"
        assert terminal.screen.buffer[2][1].fg == "cyan"
        assert terminal.screen.buffer[9][1].fg == "green"
        terminal.close()
        terminal.until(lambda: "●" not in terminal.text())
        assert terminal.rows()[2] == " you       今天适合去爬山吗？"


def test_typing_editing_pasting_and_history() -> None:
    with Terminal(80, 24) as terminal:
        terminal.type("hallo 世x")
        terminal.see(" › hallo 世x")
        terminal.type("\x7f界\x1b[D\x1b[D.\r")
        assert terminal.report() == ["submit", "hallo .世界"]
        terminal.type("\r")
        assert terminal.report() == ["submit", ""]
        terminal.type("\x1b[200~one\ntwo\x1b[201~")
        terminal.see(" › one\n   two\n")
        terminal.type("\r")
        assert terminal.report() == ["submit", "one\ntwo"]
        terminal.type("/help")
        terminal.see(" › /help")
        terminal.type("\r")
        assert terminal.report() == ["submit", "/help"]
        terminal.until(
            lambda: " › Ctrl-C ends" in terminal.rows()
        )  # drawn anew: only then is the history there to go back in
        terminal.type("\x1b[A\x1b[A\x1b[A\x1b[A\r")
        assert terminal.report() == ["submit", "hallo .世界"]
        terminal.type("\x1b")
        assert terminal.report() == ["interrupt"]
        terminal.type("ab\x1b[D\x04\r")
        assert terminal.report() == ["submit", "a"]
        terminal.type("\x04")
        assert terminal.report() == ["quit"]
        terminal.close()


@pytest.mark.parametrize("end", ["close", "cancel"])
def test_ctrl_c_leaves_a_sane_terminal(end: str) -> None:
    with Terminal(80, 24) as terminal:
        assert not termios.tcgetattr(terminal.slave)[3] & termios.ECHO
        terminal.type("half a li\x03")
        assert terminal.report() == ["quit"]
        if end == "cancel":
            terminal.send({"cancel": True})
        terminal.send(
            {"type": "error", "code": "x", "message": "The service went away.", "hint": "Try again."},
            {"type": "end", "reason": "quit", "exit_code": 130, "turns": 2, "seconds": 75.0, "underruns": 1},
        )
        terminal.close()
        assert terminal.process.wait(DEADLINE_S) == 0
        assert termios.tcgetattr(terminal.slave) == terminal.before
        terminal.until(
            lambda: "2 turns in 1:15 · 1 stutter · not kept (--save DIR keeps the next one)" in terminal.text()
        )
        assert terminal.rows() == [
            " error     The service went away.",
            "           Try again.",
            "",
            " 2 turns in 1:15 · 1 stutter · not kept (--save DIR keeps the next one)",
        ]
        assert terminal.raw.rfind(b"\x1b[?2004l") > terminal.raw.rfind(b"\x1b[?2004h") > -1
        assert not terminal.screen.cursor.hidden


def test_hostile_text_stays_text() -> None:
    with Terminal(80, 24) as terminal:
        terminal.send(
            SESSION | {"assistant": "\x1b[2Jeve"},
            {"type": "user", "turn": 1, "text": "\x1b]0;owned\x07[red]a[/red]\x9b2J\u202eb"},
            {"type": "assistant.partial", "turn": 1, "text": "\x1b[5m[/]"},
        )
        terminal.see("\\x1b[5m[/]▌")
        assert terminal.rows()[2] == " you        \\x1b]0;owned\\x07[red]a[/red]\\x9b2J\\u202eb"
        assert terminal.screen.title == ""
        terminal.close()


def test_nothing_is_written_while_nothing_changes() -> None:
    with Terminal(80, 24) as terminal:
        terminal.see("connecting")
        before = len(terminal.raw)
        with terminal._changed:
            assert not terminal._changed.wait(0.7)
        assert len(terminal.raw) == before
        terminal.send({"microphone": -3.0, "speaker": -30.0})
        terminal.see("mic ████   speaker ▅▅▅▅")
        terminal.close()


def test_lines_of_a_pipe_without_an_input_line() -> None:
    read, write = os.pipe()
    with Terminal(80, 24, stdin=read) as terminal:
        terminal.send(SESSION)
        terminal.see("Ctrl-C ends")
        assert "›" not in terminal.text()
        assert "/help" not in terminal.text()
        os.write(write, b"typed\n")
        assert terminal.report() == ["submit", "typed"]
        os.close(write)
        assert terminal.report() == ["end_of_input"]
        terminal.close()
    os.close(read)


def test_keys_without_an_input_line() -> None:
    with Terminal(80, 24, "quiet") as terminal:
        terminal.send(SESSION)
        terminal.see("Ctrl-C ends")
        terminal.send({"type": "state", "state": "speaking"})
        terminal.see("Esc silences it · Ctrl-C ends")
        terminal.type("x\r\x1b")
        assert terminal.report() == ["interrupt"]
        terminal.type("\x03")
        assert terminal.report() == ["quit"]
        assert "›" not in terminal.text()
        terminal.close()


def test_no_color() -> None:
    with Terminal(80, 24, NO_COLOR="1") as terminal:
        terminal.send(SESSION, {"type": "user", "turn": 1, "text": "hello"}, {"type": "state", "state": "speaking"})
        terminal.see("speaking")
        terminal.see("hello")
        colours = {cell.fg for row in terminal.screen.buffer.values() for cell in row.values()}
        assert colours == {"default"}
        terminal.close()


def test_ansi_has_styles_but_no_colour_where_none_is_wanted() -> None:
    line = Painter(40, speaker="V").lines(Finished(note.UserTurn(1, "a"), 0.0))
    assert Ansi(no_color=False)(line) == " \x1b[1;36myou\x1b[0m     a"
    assert Ansi(no_color=True)(line) == " \x1b[1myou\x1b[0m     a"


def test_the_picture_shows_what_the_view_shows(tmp_path: Path) -> None:
    from tests.screenshot import export

    export(tmp_path / "terminal.svg")
    svg = (tmp_path / "terminal.svg").read_text(encoding="utf-8")
    assert svg == (ROOT / "docs/terminal.svg").read_text(encoding="utf-8"), "run python -m tests.screenshot"
    assert "line-through" in svg


# -- what one may say and do at each moment ------------------------------------------------------------------------


def test_each_state_says_what_goes_on_and_what_can_be_done() -> None:
    with Terminal(60, 20) as terminal:
        terminal.see("› Ctrl-C ends")
        terminal.see("● connecting")
        terminal.send(SESSION)
        terminal.see(" Say something: try “What time is it?”")
        terminal.see("● listening")
        terminal.see("› speak, or type · Ctrl-C ends")
        terminal.send({"muted": True})
        terminal.see("● muted")
        terminal.see("› /unmute to be heard, or type · Ctrl-C ends")
        terminal.send({"muted": False}, {"type": "state", "state": "listening"})
        terminal.see("● hearing you")
        terminal.see("› it answers when you pause · Ctrl-C ends")
        terminal.send({"type": "user", "turn": 1, "text": "hello"}, {"type": "state", "state": "thinking"})
        terminal.see("● thinking")
        terminal.see("› Enter stops it, or type · Ctrl-C ends")
        assert "Say something" not in terminal.text(), "one who has spoken knows how"
        terminal.send({"type": "state", "state": "speaking"})
        terminal.see("● speaking")
        terminal.see("› Enter silences it, or type · Ctrl-C ends")
        terminal.send({"paused": True})
        terminal.see("● paused")
        terminal.see("› it goes on unless you speak · Ctrl-C ends")
        terminal.close()


def test_who_has_written_before_it_is_connected_is_not_told_to_say_something() -> None:
    with Terminal(60, 20) as terminal:
        terminal.send({"type": "user", "turn": 1, "text": "hello", "source": "text"}, SESSION)
        terminal.see("● listening")
        assert "Say something" not in terminal.text()
        terminal.close()


def test_a_dead_line_is_one_line_that_counts_down() -> None:
    with Terminal(80, 24) as terminal:
        terminal.send(SESSION)
        for attempt in range(1, 5):
            terminal.send({"type": "connection", "attempt": attempt, "in_s": 9.0, "message": "Nobody answers."})
        terminal.see("● reconnecting in 9 s (attempt 4)")
        terminal.see("› Enter tries again now · Ctrl-C ends")
        assert terminal.text().count("connection lost: Nobody answers.") == 1
        terminal.send(SESSION | {"state_restored": True})
        terminal.see("● listening")
        terminal.see(" connected again; the conversation was restored")
        terminal.close()


def test_a_silent_microphone_is_told_until_it_is_heard() -> None:
    with Terminal(80, 24) as terminal:
        terminal.send(SESSION, {"type": "warning", "code": "silent_microphone", "message": "Nothing but zeros."})
        terminal.see(" warning   Nothing but zeros.")
        terminal.send({"type": "warning", "code": "microphone_heard", "message": "It gives sound."})
        terminal.until(lambda: "zeros" not in terminal.text())
        assert "It gives sound." not in terminal.text(), "nothing is wrong: nothing is said"
        terminal.close()


def test_what_only_engineers_read_is_for_verbose() -> None:
    notices = (
        SESSION,
        {"type": "usage", "turn": 1} | dict.fromkeys(USAGE, 700),
        {"type": "latency", "turn": 1, "voice_to_voice_ms": 620.0},
    )
    with Terminal(80, 24) as terminal:
        terminal.send(*notices)
        terminal.see("0:0")
        assert not {"aec", "tokens", "0.62"} & set(terminal.rows()[-1].split())
        terminal.close()
    with Terminal(100, 24, VERBOSE="1") as terminal:
        terminal.send(*notices)
        terminal.see("reply 0.62 s   aec on   1.4k tokens")
        terminal.close()
