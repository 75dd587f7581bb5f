"""The plain view, and lines of a stdin that is no keyboard, through real pipes."""

import asyncio
import dataclasses
import fcntl
import io
import os
import struct
import termios
from typing import TextIO

import pytest

from voicechat.conversation import notices as note
from voicechat.ui import wording
from voicechat.ui.base import Controls
from voicechat.ui.jsonl import JsonView
from voicechat.ui.lines import LINE_CHARS, WAITING_LINES, LineReader, deliver_lines, split_lines
from voicechat.ui.plain import PlainView

SESSION = note.SessionNotice("qwen", "omni", "Cherry")


class Heard(Controls):
    """What the user did, in order."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def submit(self, line: str) -> None:
        self.calls.append(line)

    def interrupt(self) -> None:
        self.calls.append("<interrupt>")

    def quit(self) -> None:
        self.calls.append("<quit>")

    def end_of_input(self) -> None:
        self.calls.append("<end>")


def plain(*notices: note.Notice) -> tuple[list[str], list[str]]:
    """The lines of stdout and of stderr."""
    out, err = io.StringIO(), io.StringIO()

    async def main() -> None:
        view = PlainView(out, err)
        for notice in notices:
            view.show(notice)
        view.close()

    asyncio.run(main())
    return out.getvalue().splitlines(), err.getvalue().splitlines()


def test_plain_lines_in_the_order_of_a_conversation() -> None:
    out, err = plain(
        SESSION,
        note.StateNotice("listening"),
        note.UserPartial(1, "今天"),
        note.AssistantTurn(1, "很适合。\n带水。", "很适合。\n带水。", False, 900),
        note.UserTurn(1, "今天适合去爬山吗？"),
        note.UserTurn(2, ""),
        note.AssistantTurn(2, "With a chance of rain.", "With a chance", True, 1800, "cancelled"),
        note.UserTurn(3, "x"),
        note.AssistantTurn(3, "half", "half", False, 100, "incomplete"),
    )
    assert out == [
        "you: 今天适合去爬山吗？",
        "Cherry: 很适合。 带水。",
        "you: (not understood)",
        "Cherry: With a chance [interrupted at 1.8 s; not heard: of rain.]",
        "you: x",
        "Cherry: half [incomplete]",
    ]
    assert err == ["voicechat: qwen · omni · Cherry"]


def test_everything_else_is_on_stderr_and_harmless() -> None:
    out, err = plain(
        SESSION,
        note.ToolNotice(1, "clock", '{"zone": "\x1b[2J"}', "noon"),
        note.WarningNotice("net", "The connection was lost."),
        note.WarningNotice("help", "one\ntwo"),
        dataclasses.replace(SESSION, state_restored=True),
        note.ErrorNotice("key", "The key was refused.", "Check \x9b it."),
        note.EndNotice("error", 6, 1, 61.5, underruns=2, microphone_gaps=1, saved="talks/today.md"),
    )
    assert out == []
    assert err == [
        "voicechat: qwen · omni · Cherry",
        "warning: The connection was lost.",
        "one",
        "two",
        "connected again; the conversation was restored",
        "error: The key was refused.",
        "  Check \\x9b it.",
        'tool: clock({"zone": "\\x1b[2J"}) → noon',
        "1 turn in 1:01 · 2 stutters · 1 gap in your voice · kept in talks/today.md",
    ]


@pytest.mark.parametrize(
    ("saved", "told"),
    [
        ("talks/today.md", "2 turns in 0:09 · kept in talks/today.md · the same with --continue goes on"),
        ("", "2 turns in 0:09 · not kept (--save DIR keeps the next one)"),
    ],
)
def test_who_ends_a_conversation_is_told_how_to_go_on_or_to_keep_the_next(saved: str, told: str) -> None:
    end = note.EndNotice("quit", 130, 2, 9.0, saved=saved)
    assert wording.summary(end, guides=True) == told
    assert "--" not in wording.summary(end)


def test_an_answer_without_a_question_is_shown_although_nothing_else_happens() -> None:
    class Watched(io.StringIO):
        written = asyncio.Event()

        def write(self, text: str) -> int:
            self.written.set()
            return super().write(text)

    async def main() -> str:
        times = iter([0.0])
        out = Watched()
        view = PlainView(out, io.StringIO(), now=lambda: next(times, 1_000.0))
        view._turns.add(note.AssistantTurn(1, "Welcome.", "Welcome.", False, 5), -1.99)
        view.show(note.StateNotice("speaking"))
        assert out.getvalue() == ""
        async with asyncio.timeout(5):
            await out.written.wait()
        view.close()
        return out.getvalue()

    assert asyncio.run(main()) == "assistant: Welcome.\n"


def test_lines_of_any_chunks() -> None:
    chunks = iter([b"eins\r\nzw", "ei\n\n世".encode()[:-1], "世".encode()[-1:] + b"\n\xff", b""])
    assert list(split_lines(lambda: next(chunks))) == ["eins", "zwei", "", "世", "\ufffd"]
    endless = iter([b"x" * (LINE_CHARS + 5), b""])
    assert [len(line) for line in split_lines(lambda: next(endless))] == [LINE_CHARS, 5]


def test_lines_of_a_pipe_reach_the_controls_and_then_its_end() -> None:
    read, write = os.pipe()
    os.write(write, b"hello\n\n/quit\nlast")
    os.close(write)
    heard = Heard()
    asyncio.run(deliver_lines(heard, read))
    os.close(read)
    assert heard.calls == ["hello", "", "/quit", "last", "<end>"]


def test_ctrl_d_on_a_keyboard_ends_the_conversation_as_in_the_live_view() -> None:
    master, slave = os.openpty()
    os.write(master, b"hello\n\x04")
    heard = Heard()
    asyncio.run(deliver_lines(heard, slave))
    os.close(master)
    os.close(slave)
    assert heard.calls == ["hello", "<quit>"]


def test_a_terminal_gets_lines_broken_at_words_and_a_newcomer_a_hint() -> None:
    words = "The quick brown fox jumps over the lazy dog, and 明天可能有雨也可能没有雨。"
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 40, 0, 0))

    async def main(out: TextIO) -> None:
        view = PlainView(out, out, Heard(), stdin_fd=slave)
        view.show(dataclasses.replace(SESSION, assistant="teacher"))
        view.show(note.WarningNotice("help", "  /mute    silences the microphone until /unmute"))
        view.show(note.UserTurn(1, words))
        view.show(note.AssistantTurn(1, "Ja.", "Ja.", False, 5))
        view.close()

    with open(slave, "w", closefd=False) as out:
        asyncio.run(main(out))
    written = b""
    while b"Ja." not in written:
        written += os.read(master, 65536)
    lines = written.decode().splitlines()
    os.close(master)
    os.close(slave)
    assert lines == [
        "voicechat: qwen · omni · Cherry",
        "Say something: try “What time is it?”",
        "  Ctrl-C ends.",
        "  /mute    silences the microphone until",
        "           /unmute",
        "you: The quick brown fox jumps over the",
        "  lazy dog, and 明天可能有雨也可能没有",
        "  雨。",
        "teacher: Ja.",
    ]


def test_a_view_delivers_lines_while_it_runs() -> None:
    read, write = os.pipe()
    heard = Heard()

    async def main() -> None:
        ended = asyncio.Event()
        heard.end_of_input = ended.set  # type: ignore[method-assign]  # the test waits for this call
        view = JsonView(io.StringIO(), heard, stdin_fd=read)
        running = asyncio.create_task(view.run())
        os.write(write, b"typed\n")
        os.close(write)
        await asyncio.wait_for(ended.wait(), 5)
        view.close()
        await running

    asyncio.run(main())
    os.close(read)
    assert heard.calls == ["typed"]


def test_a_flood_of_lines_waits_outside() -> None:
    read, write = os.pipe()
    os.write(write, b"x\n" * 1000)

    async def main() -> int:
        with LineReader(read) as lines:
            await asyncio.to_thread(lines._thread.join, 0.5)
            assert lines._thread.is_alive()
            return lines._lines.qsize()

    assert asyncio.run(main()) == WAITING_LINES
    os.close(write)
    os.close(read)
