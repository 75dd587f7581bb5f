"""The live view in a real pseudo terminal, seen through a terminal emulator (pyte)."""

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import pyte
import pytest
from wcwidth import wcswidth

from voicechat.conversation import notices as note
from voicechat.ui.render import Ansi, Painter
from voicechat.ui.status import Meter, Status, bar
from voicechat.ui.turns import Finished

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 20.0
SESSION = {"type": "session", "provider": "qwen", "model": "omni-flash", "voice": "Cherry", "aec": True}


USAGE = (
    "input_tokens", "output_tokens", "cached_tokens", "input_audio_tokens", "output_audio_tokens",
    "session_input_tokens", "session_output_tokens",
)  # fmt: skip


class Joining(pyte.HistoryScreen):
    """A terminal that draws emoji that are joined, and their colours of skin, in the two cells of the first."""

    def draw(self, data: str) -> None:
        for character in data:
            before = self._before()
            if before is not None and (character == "\u200d" or "🏻" <= character <= "🏿" or before.endswith("\u200d")):
                x = self.cursor.x - 2
                cell = self.buffer[self.cursor.y][x]
                self.buffer[self.cursor.y][x] = cell._replace(data=before + character)
                self.dirty.add(self.cursor.y)
            else:
                super().draw(character)

    @property
    def display(self) -> list[str]:
        return [
            "".join(line[x].data for x in range(self.columns))
            for line in map(self.buffer.__getitem__, range(self.lines))
        ]

    def _before(self) -> str | None:
        """The wide character before the cursor."""
        x, line = self.cursor.x, self.buffer[self.cursor.y]
        return line[x - 2].data if x >= 2 and line[x - 1].data == "" else None


class Terminal:
    """A live view in a pseudo terminal of its own."""

    def __init__(
        self,
        columns: int,
        rows: int,
        *options: str,
        stdin: int | None = None,
        screen: type[pyte.HistoryScreen] = pyte.HistoryScreen,
        **env: str,
    ):
        self.screen = screen(columns, rows, history=500)
        self._stream = pyte.ByteStream(self.screen)
        self._changed = threading.Condition()
        self.raw = b""
        self.master, self.slave = pty.openpty()
        self.resize(columns, rows)
        self.before = termios.tcgetattr(self.slave)
        commands, self._commands = os.pipe()
        self._reports, reports = os.pipe()
        environ = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.ui_driver", str(commands), str(reports), *options],
            cwd=ROOT,
            stdin=self.slave if stdin is None else stdin,
            stdout=self.slave,
            stderr=subprocess.PIPE,
            pass_fds=(commands, reports),
            env=environ | {"TERM": "xterm-256color"} | env,
        )
        os.close(commands)
        os.close(reports)
        self._over = False
        self._reader = threading.Thread(target=self._read, name="pty reader")
        self._reader.start()

    def __enter__(self) -> "Terminal":
        assert self.report() == ["ready"]
        self.see("●")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over = True
        os.close(self._commands)
        if self.process.poll() is None:
            self.process.kill()
        assert self.process.stderr is not None
        complaints = self.process.stderr.read().decode()
        self.process.stderr.close()
        self.process.wait()
        self._reader.join()
        for fd in (self.master, self.slave, self._reports):
            os.close(fd)
        if error is None:
            assert complaints == ""

    def _read(self) -> None:
        while not self._over:
            if select.select([self.master], [], [], 0.05)[0]:
                data = os.read(self.master, 65536)
                with self._changed:
                    self.raw += data
                    self._stream.feed(data)
                    self._changed.notify_all()

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def send(self, *commands: dict[str, Any]) -> None:
        os.write(self._commands, "".join(json.dumps(command) + "\n" for command in commands).encode())

    def type(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def report(self) -> list[Any]:
        """The next thing the user did, as the view's controls were told."""
        line = b""
        while not line.endswith(b"\n"):
            assert select.select([self._reports], [], [], DEADLINE_S)[0], f"no report: {line!r}\n{self.text()}"
            line += os.read(self._reports, 1)
        report: list[Any] = json.loads(line)
        return report

    def rows(self) -> list[str]:
        """What is on the screen; empty rows at the end are left out. The emulator's filler of wide cells too."""
        lines = [line.rstrip() for line in self.screen.display]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def text(self) -> str:
        return "\n".join(self.rows())

    def until(self, true: Callable[[], bool]) -> None:
        end = time.monotonic() + DEADLINE_S
        with self._changed:
            while not true():
                assert self._changed.wait(end - time.monotonic()), f"not seen:\n{self.text()}"

    def see(self, text: str) -> None:
        """Wait for `text` in a whole picture: one that has been drawn down to the status line."""
        self.until(lambda: text in self.text() and "●" in self.rows()[-1])

    def row(self, text: str) -> int:
        return next(index for index, line in enumerate(self.screen.display) if text in line)

    def column(self, row: int, character: str) -> int:
        """The cell where `character` first stands in that row."""
        cells = self.screen.buffer[row]
        return next(column for column in range(self.screen.columns) if cells[column].data == character)

    def close(self) -> None:
        self.send({"close": True})
        while self.report() != ["closed"]:
            pass


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


# -- the same by value ---------------------------------------------------------------------------------------------


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
