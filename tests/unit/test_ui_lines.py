"""The plain and the JSON view, and lines of a stdin that is no keyboard, through real pipes."""

import asyncio
import dataclasses
import fcntl
import io
import json
import os
import re
import struct
import subprocess
import sys
import termios
import threading
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TextIO, Union, get_args, get_origin, get_type_hints

import pytest

from voicechat.conversation import notices as note
from voicechat.errors import UsageError
from voicechat.ui import output, wording
from voicechat.ui.base import Controls, OutputClosed
from voicechat.ui.jsonl import JsonView
from voicechat.ui.lines import LINE_CHARS, WAITING_LINES, LineReader, deliver_lines, split_lines
from voicechat.ui.plain import PlainView

ROOT = Path(__file__).resolve().parents[2]
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


def test_json_lines_hold_every_field() -> None:
    out = io.StringIO()
    times = iter([10.0, 10.5, 12.34567])
    view = JsonView(out, now=lambda: next(times))
    view.show(note.UserTurn(1, "今天\n\x9b\u202e\ud800", "text"))
    view.show(note.LatencyNotice(1, first_token_ms=12.5))
    first, second = out.getvalue().split("\n")[:-1]
    assert first == ('{"t": 0.5, "type": "user", "turn": 1, "text": "今天\\n\\u009b\\u202e\\ud800", "source": "text"}')
    assert json.loads(second) == {
        "t": 2.346,
        "type": "latency",
        "turn": 1,
        "voice_to_voice_ms": None,
        "first_token_ms": 12.5,
        "first_audio_ms": None,
        "interruption_ms": None,
    }


@pytest.mark.parametrize("kind", ["json", "plain"])
def test_a_reader_that_leaves_ends_the_view_quietly(kind: str) -> None:
    """A program with the view, in front of a pipe nobody reads: exit by OutputClosed, nothing on stderr."""
    script = (
        "import asyncio, sys\n"
        "from voicechat.conversation.notices import UserTurn\n"
        "from voicechat.ui.base import OutputClosed\n"
        "from voicechat.ui.factory import make_view\n"
        "async def main():\n"
        f"    view = make_view('{kind}', None, None, interactive=False)\n"
        "    for turn in range(3): view.show(UserTurn(turn, 'x' * 100))\n"
        "    try: await view.run()\n"
        "    except OutputClosed as error: return error.exit_code\n"
        "    finally: view.close()\n"
        "sys.exit(40 + asyncio.run(main()))\n"
    )
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=ROOT, stdout=write, stderr=subprocess.PIPE, timeout=30, check=False
        )
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (40, b"")


def test_an_output_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    async def main(out: TextIO) -> None:
        view = JsonView(out)
        view.show(note.UserTurn(1, "x"))
        try:
            await view.run()
        finally:
            view.close()

    (tmp_path / "lines").touch()
    read_only = os.open(tmp_path / "lines", os.O_RDONLY)
    with open(read_only, "w") as out, pytest.raises(UsageError, match=r"cannot be written: Bad file descriptor\."):
        asyncio.run(main(out))


class Reader:
    """A pipe that nobody reads until `read` is called."""

    def __init__(self) -> None:
        self._out, inner = os.pipe()
        self.stream = open(inner, "w")  # noqa: SIM115 - closed in read()

    def read(self, close: Callable[[], None]) -> list[str]:
        """Everything, while the view is closed."""
        closing = threading.Thread(target=lambda: (close(), self.stream.close()))
        closing.start()
        with open(self._out, encoding="utf-8", newline="") as pipe:
            lines = pipe.read().splitlines()
        closing.join()
        return lines


@pytest.mark.parametrize("kind", ["json", "plain"])
def test_a_reader_that_stops_reading_stops_nobody_and_loses_nothing(kind: str) -> None:
    pipe, err = Reader(), io.StringIO()

    async def main() -> list[str]:
        view = JsonView(pipe.stream) if kind == "json" else PlainView(pipe.stream, err)
        began = time.monotonic()
        for turn in range(2000):
            view.show(note.UserTurn(turn, f"{turn} {'x' * 200}"))
            view.show(note.AssistantTurn(turn, "yes", "yes", False, 5))
            view.show(note.LatencyNotice(turn, voice_to_voice_ms=1.0))
        assert time.monotonic() - began < 5
        return await asyncio.to_thread(pipe.read, view.close)

    lines = asyncio.run(main())
    words = [json.loads(line)["text"] for line in lines if '"user"' in line] if kind == "json" else lines[::2]
    assert [int(text.removeprefix("you: ").split()[0]) for text in words] == list(range(2000))


@pytest.mark.parametrize("kind", ["json", "plain"])
def test_what_is_left_out_in_the_end_is_said_in_its_place(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "MOST_LINES", 100)
    pipe = Reader()

    async def main() -> list[str]:
        view = JsonView(pipe.stream) if kind == "json" else PlainView(pipe.stream, io.StringIO())
        for turn in range(1000):
            view.show(note.UserTurn(turn, f"{turn} {'x' * 500}"))
        return await asyncio.to_thread(pipe.read, view.close)

    lines = asyncio.run(main())
    gaps = [line for line in lines if "missing here" in line]
    missing = sum(int(found[1]) for line in gaps if (found := re.search(r"(\d+) lines", line)))
    assert missing > 0
    assert len(lines) - len(gaps) + missing == 1000
    assert "999" in lines[-1]
    assert all("missing" not in line for line in lines[-100:])
    if kind == "json":
        assert {json.loads(line)["type"] for line in gaps} == {"warning"}


def test_a_reader_that_never_reads_on_does_not_keep_the_program_from_ending() -> None:
    """Nor does the thread that is stuck in the pipe bring the interpreter down."""
    script = (
        "import sys, voicechat.ui.output as output\n"
        "from voicechat.conversation.notices import UserTurn\n"
        "from voicechat.ui.factory import make_view\n"
        "output.PATIENCE_S = 0.2\n"
        "view = make_view('json', None, None, interactive=False)\n"
        "for turn in range(2000): view.show(UserTurn(turn, 'x' * 100))\n"
        "view.close()\n"
    )
    read, write = os.pipe()
    try:
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=ROOT, stdout=write, stderr=subprocess.PIPE, timeout=30, text=True
        )
    finally:
        os.close(read)
        os.close(write)
    assert done.returncode == 0
    assert re.fullmatch(r"nobody reads the output: \d+ lines are left out at its end\n", done.stderr)


def test_both_outputs_of_one_place_keep_their_order() -> None:
    pipe = Reader()

    async def main() -> list[str]:
        view = PlainView(pipe.stream, pipe.stream)
        for turn in range(200):
            view.show(note.WarningNotice("help", f"before {turn}"))
            view.show(note.UserTurn(turn, "one"))
            view.show(note.WarningNotice("help", f"after {turn}"))
        return await asyncio.to_thread(pipe.read, view.close)

    lines = asyncio.run(main())
    assert lines == [line for turn in range(200) for line in (f"before {turn}", "you: one", f"after {turn}")]


def test_output_closed_is_not_an_error_of_the_program() -> None:
    assert OutputClosed().exit_code == 0


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


# -- the documentation of the JSON lines ---------------------------------------------------------------------------

NAMES = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}


def documented() -> dict[str, dict[str, tuple[str, str]]]:
    """Type of line → field → (type, meaning), from docs/json.md."""
    kinds: dict[str, dict[str, tuple[str, str]]] = {}
    fields: dict[str, tuple[str, str]] = {}
    for line in (ROOT / "docs/json.md").read_text(encoding="utf-8").splitlines():
        if heading := re.fullmatch(r"## `([a-z.]+)`", line):
            fields = kinds[heading[1]] = {}
        elif row := re.fullmatch(r"\| `(\w+)` \| ([a-z ]+) \| (.+) \|", line):
            fields[row[1]] = (row[2], row[3])
    return kinds


def json_type(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return "string"
    if get_origin(annotation) in (Union, types.UnionType):
        return " or ".join(NAMES[part] for part in get_args(annotation))
    return NAMES[annotation]


def test_the_documentation_has_every_type_and_field_and_no_other() -> None:
    code = {
        kind.kind: {field.name: json_type(get_type_hints(kind)[field.name]) for field in dataclasses.fields(kind)}
        for kind in get_args(note.Notice)
    }
    assert {kind: {name: type_ for name, (type_, _) in rows.items()} for kind, rows in documented().items()} == code
    assert [list(rows) for rows in documented().values()] == [list(fields) for fields in code.values()]


def test_the_documentation_names_every_value_of_a_choice() -> None:
    rows = documented()
    for kind in get_args(note.Notice):
        for name, annotation in get_type_hints(kind).items():
            if get_origin(annotation) is Literal:
                for value in get_args(annotation):
                    assert f"`{value}`" in rows[kind.kind][name][1], (kind.kind, name, value)


def test_the_examples_of_the_documentation_are_lines_of_the_view() -> None:
    text = (ROOT / "docs/json.md").read_text(encoding="utf-8")
    kinds = {kind.kind: kind for kind in get_args(note.Notice)}
    examples = [json.loads(line) for line in text.split("```json\n")[1].split("```")[0].splitlines()]
    assert examples
    for example in examples:
        assert example.pop("t") > 0
        kinds[example.pop("type")](**example)
