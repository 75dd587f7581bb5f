"""The real program on a terminal: what the screen shows while it talks, and how it leaves the screen."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.scenes import KEYS, service, spoken
from tests.e2e.terminal import Terminal
from tests.program import Program
from tests.realtime_server import Faults, RealtimeServer, Reply, Script
from tests.soundcard import SoundCard, tone

SCRIPT = Script(
    replies=(Reply("今天晴，最高二十五度。", seconds=0.6), Reply("It will rain [bold]tomorrow[/bold].", seconds=8.0)),
    heard=("今天适合去爬山吗？", "and tomorrow"),
)


@pytest.fixture
def server() -> Iterator[RealtimeServer]:
    with RealtimeServer(script=SCRIPT) as server:
        yield server


def files(folder: Path, after_s: float = 20.0) -> list[str]:
    """A question, then a long silence, so that the talk goes on until the test ends it."""
    return ["--input", str(spoken(folder, after_s=after_s)), "--output", str(folder / "out.wav")]


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (40, 20), (140, 40)])
def test_vad_shows_header_turns_and_status(columns: int, rows: int, server: RealtimeServer, tmp_path: Path) -> None:
    with Terminal(["vad", *service(server), *files(tmp_path)], tmp_path, columns, rows) as terminal:
        terminal.see("openai · gpt-realtime · marin" if columns > 40 else "openai", "● ")
        terminal.see("今天适合去爬山吗？")
        terminal.see("今天晴，最高二十五度。", " s")
        terminal.type("and tomorrow?")
        terminal.see("and tomorrow?")
        terminal.type("\r")
        terminal.see("[bold]tomorrow[/bold]", "● speaking")
        lines = terminal.rows()
        assert lines[-1].lstrip().startswith("● "), "the status line is the last one"
        order = ["今天适合去爬山吗？", "今天晴，最高二十五度。", "and tomorrow?", "[bold]tomorrow[/bold]"]
        places = [next(i for i, line in enumerate(lines) if words.split()[-1] in line) for words in order]
        assert places == sorted(places)
        assert all(len(line) <= columns for line in lines)
        terminal.type("\x03")
        assert terminal.wait() == 130
        terminal.check_sane()
        left = "\n".join(terminal.everything())
        assert "interrupted at" in left, left
        assert "● " not in left, "the live part is gone"
        assert "2 turns in" in left


def test_manual_with_enter_and_words(soundcard: SoundCard, tmp_path: Path) -> None:
    script = Script(
        replies=(Reply("First answer.", seconds=0.4), Reply("Second answer.", seconds=0.4)), heard=("spoken",)
    )
    with (
        RealtimeServer(script=script) as server,
        Terminal(["manual", *service(server)], tmp_path, card=soundcard) as terminal,
    ):
        terminal.see("openai · gpt-realtime · marin", "Enter")
        terminal.type("\r")
        terminal.see("● hearing you", "Enter ends your turn")
        soundcard.play(tone(0.4)).wait()
        terminal.type("\r")
        terminal.see("spoken", "First answer.", "● ready")
        terminal.type("/help\r")
        terminal.see("/mute")
        terminal.type("/mute\r")
        terminal.see("● muted", "/unmute to be heard", "The microphone is muted.")
        terminal.type("/unmute\r")
        terminal.see("● ready", "The microphone is open.")
        terminal.type("typo\x7f\x7f\x7f\x7ftext\r")
        terminal.see("Second answer.")
        texts = [item["item"]["content"][0]["text"] for item in server.received_of("conversation.item.create")]
        assert texts == ["text"]
        terminal.type("/quit\r")
        assert terminal.wait() == 0
        terminal.check_sane()


def test_ctrl_c_while_it_connects(tmp_path: Path) -> None:
    server = RealtimeServer(faults=Faults(silent="connect"))
    with server, Terminal(["vad", *service(server), *files(tmp_path)], tmp_path) as terminal:
        terminal.see("● ")
        terminal.type("\x03")
        assert terminal.wait(3) == 130
        terminal.check_sane()


@pytest.mark.parametrize("moment", ["listening", "thinking", "speaking", "typing"])
def test_ctrl_c_at_any_moment_leaves_a_sane_terminal(moment: str, tmp_path: Path) -> None:
    script = Script(replies=(Reply("A long answer.", seconds=20.0),))
    faults = Faults(silent="turn") if moment == "thinking" else Faults()
    server = RealtimeServer(script=script, faults=faults)
    with server, Terminal(["vad", *service(server), *files(tmp_path)], tmp_path) as terminal:
        if moment == "typing":
            terminal.see("● ")
            terminal.type("half a sen")
            terminal.see("half a sen")
        else:
            terminal.see(f"● {'hearing you' if moment == 'listening' else moment}")
        terminal.type("\x03")
        assert terminal.wait(5) == 130
        terminal.check_sane()


def test_enter_makes_a_dead_connection_again_at_once(tmp_path: Path) -> None:
    (tmp_path / "slow.toml").write_text("[connection]\nretry_delays_s = [60, 60]\n")
    faults = Faults(connections=1, close_at="response.created", close_code=1006)
    with (
        RealtimeServer(script=SCRIPT, faults=faults) as server,
        Terminal(["vad", *service(server), *files(tmp_path), "--config", "slow.toml"], tmp_path) as terminal,
    ):
        terminal.see("● reconnecting in ", "› Enter tries again now · Ctrl-C ends")
        terminal.type("\r")
        terminal.see("connected again", "It will rain")
        assert len(server.connections) == 2
        terminal.type("\x03")
        assert terminal.wait() == 130
        left = " ".join("\n".join(terminal.everything()).split())
        assert left.count("connection lost: ") == 1
        assert "not kept (--save DIR keeps the next one)" in left


def test_ctrl_d_ends_a_terminal_without_a_live_view(server: RealtimeServer, tmp_path: Path) -> None:
    with Terminal(["vad", *service(server), *files(tmp_path)], tmp_path, 60, 20, env={"TERM": "dumb"}) as terminal:
        terminal.see("Say something: try “What time is it?” Ctrl-C ends.")
        terminal.type("\x04")
        assert terminal.wait(5) == 130


@pytest.mark.parametrize("words", ["models", "vad --provider doubao"])
def test_what_stands_outside_the_live_view_is_broken_at_words(words: str, tmp_path: Path) -> None:
    with Program(words.split(), env=dict.fromkeys(KEYS, "")) as piped:
        piped.wait()
    with Terminal(words.split(), tmp_path, 60, 20, env=dict.fromkeys(KEYS, "")) as terminal:
        terminal.wait()
        rows = terminal.everything()
    shown = set(" ".join(rows).split())
    assert rows
    whole = [word for word in (piped.stdout + piped.stderr).split() if "/" not in word and len(word) < 40]
    heads = {"provider", "model"}  # of a column: where there is no room for columns, each row has one of its own
    assert [word for word in whole if word not in shown | heads] == []


def test_an_error_is_left_on_the_screen(tmp_path: Path) -> None:
    server = RealtimeServer(faults=Faults(close_at="response.created", close_code=1000, close_reason="bye"))
    with server, Terminal(["vad", *service(server), *files(tmp_path)], tmp_path) as terminal:
        assert terminal.wait(15) == 5
        terminal.check_sane()
        assert any("closed the connection, code 1000 (bye)" in line for line in terminal.everything())


def test_raw_sound_is_not_written_to_a_terminal(tmp_path: Path) -> None:
    with Terminal(["say", "hi", "--provider", "openai", "--output", "-"], tmp_path) as terminal:
        assert terminal.wait() == 2
        assert "Raw sound does not belong on a terminal." in "\n".join(terminal.rows())


def test_a_talk_that_never_began_has_no_summary(tmp_path: Path) -> None:
    nothing = ["vad", "--provider", "openai", "--url", "ws://127.0.0.1:9", "--input", "none.wav", "--output", "out.wav"]
    with Terminal(nothing, tmp_path) as terminal:
        assert terminal.wait() == 2
        terminal.check_sane()
        left = "\n".join(terminal.everything())
        assert "There is no input file 'none.wav'." in left
        assert "turns in" not in left
