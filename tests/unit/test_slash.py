"""The table of slash commands, what Tab makes of a line, and how a file's name is told from a question."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest
from rich.cells import cell_len

from voicechat.cli.slash import Controls, looking
from voicechat.cli.slash.command import Mode
from voicechat.cli.slash.showing import split
from voicechat.cli.slash.table import COMMANDS, there
from voicechat.config import choose_provider, load

ROOT = Path(__file__).parents[2]
MODES: tuple[Mode, ...] = get_args(Mode)


class Told(list[str]):
    """A conversation as far as a command that only talks to the user knows it."""

    def __init__(self, mode: Mode) -> None:
        self.lines = self
        self.session = SimpleNamespace(mic=SimpleNamespace(turn_taking=SimpleNamespace(hands_free=mode == "vad")))

    def warn(self, code: str, message: str) -> None:
        self.append(f"{code}: {message}")

    def submit(self, line: str, *, patient: bool, command: Any) -> None:
        command()

    def watched(self) -> Any:
        return pytest.MonkeyPatch.context()


def controls(mode: Mode = "vad", home: Path | None = None) -> tuple[Controls, Told]:
    talk: Any = Told(mode)
    origin: Any = None
    if home is not None:
        (home / "c.toml").write_text('[personas.pirate]\ninstructions = "Arr."\n[personas.parrot]\nvoice = "ash"\n')
        loaded = load(home / "c.toml", {"provider": "openai"})
        origin = SimpleNamespace(loaded=loaded, choice=choose_provider(loaded))
    return Controls(talk, origin=origin), talk


def test_tools_and_tasks_are_told_by_who_runs_them() -> None:
    here, told = controls()
    vars(told)["workshop"] = SimpleNamespace(
        tools=lambda: "clock", tasks=lambda: "2  clock()", cancel=lambda number: f"{number} was cancelled."
    )
    for line in ("/tools", "/tasks", "/cancel 2"):
        here.submit(line)
    assert told == [f"command: {words}" for words in ("clock", "2  clock()", "2 was cancelled.")]


def test_doctor_tells_what_is_known_of_the_running_talk() -> None:
    here, told = controls()
    sound = SimpleNamespace(
        microphone_dbfs=lambda: -52.0, speaker_dbfs=lambda: float("-inf"), muted=False, cancels_echo=True,
        input_name="Mic", output_name="Box", output_latency_ms=15.0, echo_delay_ms=70.2,
    )  # fmt: skip
    lost = {"microphone_gaps": 2, "underruns": 1}
    others = ("speaker_gaps", "dropped_input_frames", "dropped_uplink_ms", "broken_frames")
    talk = vars(told)
    talk |= {"sound": sound, "line": SimpleNamespace(trace="", round_trip_ms=43.4), "service_name": "m of acme"}
    talk["so_far"] = lambda: SimpleNamespace(**lost, **dict.fromkeys(others, 0))
    vars(told.session).update(ready=True, session_id="sess_1")
    here.submit("/doctor")
    rows = dict(line.split("  ", 1) for line in told.pop().removeprefix("command: ").splitlines() if line.strip())
    assert {name: words.strip() for name, words in rows.items() if name} == {
        "service": "m of acme: connected",
        "session": "sess_1",
        "round trip": "43 ms to the service and back",
        "microphone": "Mic, -52 dBFS at this moment",
        "speaker": "Box, 15 ms behind, silent",
        "echo": "cancelled, it comes after 70 ms",
        "losses": "1 underruns, 2 gaps of the microphone",
    }
    sound.echo_delay_ms, talk["line"].round_trip_ms = None, None
    here.submit("/doctor")
    assert "cancelled, none was heard yet" in told[-1]
    assert "not measured" in told[-1]


def test_names_are_told_apart() -> None:
    names = [name for command in COMMANDS for name in (command.name, *command.others)]
    assert len(set(names)) == len(names)
    assert all(name.startswith("/") and name == name.lower() for name in names)


@pytest.mark.parametrize("mode", MODES)
def test_help_is_aligned_and_fits_into_eighty_columns(mode: Mode) -> None:
    here, told = controls(mode)
    here.submit("/help")
    lines = told[0].removeprefix("help: ").split("\n")
    assert {line.split()[0] for line in lines} >= {command.name for command in there(mode)}
    starts = {len(line) - len(line[line.index("  ") :].lstrip()) for line in lines}
    assert len(starts) == 1, "in two columns"
    assert max(map(cell_len, lines)) <= 80 - 12, "beside the column of names"


def test_help_of_one_command_is_one_line() -> None:
    here, told = controls()
    here.submit("/help stop")
    here.submit("/help /ptt")
    assert told == [
        "help: /cancel [TASK]  silence the answer (also /stop)",
        "help: /ptt  talk on Enter, no longer hands free",
    ]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("/unmut", "There is no command /unmut. Did you mean /unmute?"),
        ("/Voices x", "There is no command /Voices. Did you mean /voice?"),
        ("/xyz", "There is no command /xyz. /help lists them."),
        ("/", "There is no command /. /help lists them."),
        ("/ptt maybe", "/ptt maybe: what is that? /ptt on, /ptt off, or /ptt for the other than now."),
        ("/ptt off", None),
        ("/cancel x", "/cancel x: that is no number. /tasks lists them."),
        ("/persona", "That cannot be changed here. Start `voicechat vad` for it."),
    ],
)
def test_what_cannot_be_done_is_one_line(line: str, words: str | None) -> None:
    here, told = controls()
    here.submit(line)
    assert told == [f"refused: {words}" if words else "command: It is hands free already."]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("a cat.png", "a dog.JPG", "notes.txt", ".hidden.png"):
        (tmp_path / name).touch()
    (tmp_path / "album").mkdir()
    (tmp_path / "album" / "one.webp").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("begun", "found"),
    [
        ("", []),
        ("hello", []),
        ("/st", ["/stats"]),
        ("/s", ["/save ", "/screenshot ", "/stats"]),
        ("/image ", ["/image a cat.png", "/image a dog.JPG", "/image album/"]),
        ("/image a ", ["/image a cat.png", "/image a dog.JPG"]),
        ("/image album/", ["/image album/one.webp"]),
        ("/image ~/a c", ["/image ~/a cat.png"]),
        ("/image nowhere/", []),
        ("/image ~nobody-9/", []),
        ("/image .", ["/image .hidden.png"]),
        ("/voice M", ["/voice marin"]),
        ("/voice s", ["/voice sage", "/voice shimmer"]),
        ("/persona p", ["/persona parrot", "/persona pirate"]),
        ("/save a", ["/save album/"]),
        ("/export n", ["/export notes.txt"]),
        ("/mute x", []),
        ("/nothing x", []),
    ],
)
def test_tab(begun: str, found: list[str], folder: Path) -> None:
    here, _ = controls(home=folder)
    assert here.complete(begun) == found


@pytest.mark.parametrize(
    ("argument", "place", "question"),
    [
        ("", "", ""),
        ("-", "-", ""),
        ("- what is it?", "-", "what is it?"),
        ("cat.png", "cat.png", ""),
        ("cat.png what's that?", "cat.png", "what's that?"),
        ("a cat.png", "a cat.png", ""),  # it is there
        ("a cat.png how old is it?", "a cat.png", "how old is it?"),
        ("~/a cat.png how old?", "~/a cat.png", "how old?"),
        (f"'a lion.png' {'long ' * 90}", "a lion.png", ("long " * 90).strip()),
        ("a lion.png", "a", "lion.png"),
        ("'a lion.png' how old?", "a lion.png", "how old?"),
        (r"a\ lion.png how old?", "a lion.png", "how old?"),
        ("it's.png there", "it's.png", "there"),
        ("#1.png", "#1.png", ""),
        ("天.png 这是什么？", "天.png", "这是什么？"),
    ],
)
def test_a_file_and_a_question(argument: str, place: str, question: str, folder: Path) -> None:
    assert split(argument) == (place, question)


def test_the_document_has_every_command_and_no_other() -> None:
    text = (ROOT / "docs" / "commands.md").read_text("utf-8")
    rows = {line.split("`")[1].split()[0] for line in text.splitlines() if line.startswith("| `/")}
    assert rows == {command.name for command in COMMANDS}


def test_two_columns() -> None:
    assert looking.aligned([("a", "one"), ("long ", "two")]) == "a     one\nlong  two"
