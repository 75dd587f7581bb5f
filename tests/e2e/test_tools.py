"""Tools in the real program, against a scripted service: functions are called, and their results spoken of."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.scenes import KEYS, QUESTION, check_manners, service, spoken
from tests.e2e.terminal import Terminal
from tests.program import ROOT, Program
from tests.realtime_server import Faults, RealtimeServer, Reply, Script, ToolUse
from tests.soundcard import SoundCard

TOOLS = '''
import pathlib, time
from voicechat.tools import tool

@tool(read_only=True)
def forecast(city: str, days: int = 1) -> dict[str, object]:
    """The weather to come.

    Args:
        city: Where.
    """
    print("looking")
    return {"city": city, "degrees": 12 * days}

@tool(read_only=True)
def slow(seconds: float) -> str:
    """Takes its time."""
    with open("ran", "a") as file:
        file.write("once ")
    time.sleep(seconds)
    return "found"

def send(to: str) -> str:
    """Sends a message."""
    pathlib.Path("sent").write_text(to)
    return "sent"

def untyped(what): ...
'''


@pytest.fixture
def tools(tmp_path: Path) -> list[str]:
    (tmp_path / "weather.py").write_text(TOOLS)
    return ["--tools", str(tmp_path / "weather.py")]


def outputs(server: RealtimeServer) -> list[Any]:
    items = [event["item"] for event in server.received_of("conversation.item.create")]
    return [item["output"] for item in items if item["type"] == "function_call_output"]


def test_a_function_of_a_file_is_called_and_spoken_about(tools: list[str]) -> None:
    calls = (ToolUse("forecast", ' {"city":"Oslo"}'), ToolUse("send", '{"to":"Ann"}'), ToolUse("forecast", "{}"))
    script = Script((Reply(tools=calls), Reply("Twelve degrees.", seconds=0.4)))
    with RealtimeServer(script=script) as server:
        words = ["say", "Will it be warm?", *service(server), "--json", "--output", "out.wav", *tools]
        with Program(words, env=KEYS) as program:
            assert program.wait() == 0, program.describe()
            check_manners(program)
            (warning,) = program.of_type("warning")
            assert warning["message"].startswith("A tool of weather is left out: the parameter 'what' of untyped")
            assert not (program.home / "sent").exists(), "nobody could be asked"
    (configured,) = server.received_of("session.update")
    assert [each["name"] for each in configured["session"]["tools"]] == ["current_time", "forecast", "slow", "send"]
    told = sorted(outputs(server))
    assert told[0].startswith("Invalid arguments. city: Field required")
    assert told[1].startswith("Not run: send needs the user's consent")
    assert json.loads(told[2]) == {"city": "Oslo", "degrees": 12}
    assert len(server.received_of("response.create")) == 2
    assert sorted((line["name"], line["ok"], line["call"]) for line in program.of_type("tool")) == [
        ("forecast", False, 3),
        ("forecast", True, 1),
        ("send", False, 2),
    ]
    assert [line["text"] for line in program.of_type("assistant")] == ["Twelve degrees."], program.describe()
    assert "looking" not in program.stdout


@pytest.mark.realtime
def test_the_user_talks_while_a_slow_tool_runs_and_hears_its_result_after(
    tools: list[str], soundcard: SoundCard
) -> None:
    replies = (
        Reply(tools=(ToolUse("slow", '{"seconds": 4}'),)),
        Reply("Of course, while we wait.", seconds=0.6),
        Reply("It was found.", seconds=0.6),
    )
    script = Script(replies, heard=("look for it", "can you hear me"))
    with (
        RealtimeServer(script=script) as server,
        soundcard.record() as speaker,
        Program(["vad", *service(server), "--json", *tools], card=soundcard, env=KEYS) as program,
    ):
        program.wait_for("session")
        soundcard.play(QUESTION)
        program.wait_for("tool.call")
        talked = time.monotonic()
        soundcard.play(QUESTION)
        program.wait_for("user", lambda line: line["text"] == "can you hear me")
        meanwhile = program.wait_for("assistant")
        assert (meanwhile["text"], meanwhile["interrupted"]) == ("Of course, while we wait.", False)
        assert not program.of_type("tool"), "it is still at it"
        heard = speaker.wait_for_sound(after=talked)
        ended = program.wait_for("tool")
        assert (ended["output"], ended["ok"]) == ("found", True)
        assert 4000 <= ended["elapsed_ms"] < 5000
        assert speaker.wait_for_sound(after=max(heard, time.monotonic() - 0.1)) > heard
        assert program.wait_for("assistant", count=2)["text"] == "It was found."
        program.interrupt()
        assert program.wait(5) == 130, program.describe()
        check_manners(program)
    assert outputs(server) == ["found"]
    assert len(server.received_of("response.create")) == 1
    assert not server.sent_of("error")


def test_a_call_over_a_drop_runs_once_and_what_runs_at_the_end_is_cancelled(tools: list[str], tmp_path: Path) -> None:
    replies = (
        Reply(tools=(ToolUse("slow", '{"seconds": 1.5}'),)),
        Reply("It was found.", seconds=0.4),
        Reply(tools=(ToolUse("slow", '{"seconds": 60}'),)),
    )
    faults = Faults(connections=1, close_at="rate_limits.updated", close_code=1006)
    quiet = ["--input", str(spoken(tmp_path, after_s=60)), "--output", "out.wav"]
    with (
        RealtimeServer(script=Script(replies), faults=faults) as server,
        Program(["manual", *service(server), "--json", *quiet, *tools], env=KEYS, stdin="open") as program,
    ):
        program.write("look for it\n")
        program.wait_for("session", count=2)
        assert program.wait_for("assistant", lambda line: line["text"] != "")["text"] == "It was found."
        created = [event["item"]["type"] for event in server.received_of("conversation.item.create")]
        assert created == ["message", "message", "function_call", "function_call_output"]
        program.write("and for this\n")
        program.wait_for("tool.call", count=2)
        began = time.monotonic()
        program.interrupt()
        assert program.wait() == 130, program.describe()
        assert time.monotonic() - began < 2
        check_manners(program)
        assert (program.home / "ran").read_text() == "once once "
        last = program.of_type("tool")[-1]
        assert (last["ok"], last["output"]) == (False, "Cancelled: the conversation has ended.")
    assert outputs(server) == ["found", "Cancelled: the conversation has ended."]


def test_on_a_terminal_the_user_is_asked_and_answers_with_a_key_or_a_word(tools: list[str], tmp_path: Path) -> None:
    send = Reply(tools=(ToolUse("send", '{"to":"Ann"}'),))
    ask = Reply("May I send it?", seconds=0.2)
    replies = (send, ask, Reply("I did not.", seconds=0.2), send, ask, Reply("It was sent.", seconds=0.2))
    quiet = ["--input", str(spoken(tmp_path, after_s=60)), "--output", "out.wav"]
    with (
        RealtimeServer(script=Script(replies, onset_blocks=10_000)) as server,
        Terminal(["vad", *service(server), *quiet, *tools], tmp_path) as terminal,
    ):
        terminal.see("● listening")
        terminal.type("send it\r")
        terminal.see('Run send(to="Ann")?', "May I send it?")
        terminal.type("\x1b")
        terminal.see("I did not.")
        assert not (tmp_path / "sent").exists()
        terminal.type("send it now\r")
        server.wait("response.done", 5)
        terminal.see("May I send it?", "● listening")
        terminal.type("yes\r")
        terminal.see("It was sent.")
        assert (tmp_path / "sent").read_text() == "Ann"
        terminal.type("\x03")
        assert terminal.wait() == 130
        terminal.check_sane()
    assert outputs(server) == ["The user does not want this to be run.", "sent"]


def test_a_server_of_tools_comes_up_beside_the_talk_and_ends_with_it(tmp_path: Path) -> None:
    servers = {"test": {"command": sys.executable, "args": ["-m", "tests.mcp_server", "stdio"], "cwd": str(ROOT)}}
    (tmp_path / "mcp.json").write_text(json.dumps({"mcpServers": servers}))
    script = Script((Reply(tools=(ToolUse("test_add", '{"a":2,"b":3}'),)), Reply("Five.", seconds=0.3)))
    words = ["--json", "--mcp", str(tmp_path / "mcp.json"), "--output", "out.wav"]
    with (
        RealtimeServer("qwen", script=script) as server,
        Program(["say", "Add.", *service(server), *words], env=KEYS) as program,
    ):
        assert program.wait() == 0, program.describe()
        check_manners(program)
        assert program.of_type("assistant")[-1]["text"] == "Five."
    first, second = server.received_of("session.update")
    assert [len(each["session"]["tools"]) for each in (first, second)] == [1, 6]
    assert set(second["session"]) == {"tools"}, "nothing else is touched"
    assert outputs(server) == ["5"]
