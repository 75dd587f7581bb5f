"""The line drops under the real program: it comes back, and the conversation goes on."""

import wave
from pathlib import Path

import pytest

from tests.program import Program
from tests.realtime_server import Faults, RealtimeServer, Reply, Script

ENV = {"OPENAI_API_KEY": "test-key-0123456789"}


@pytest.fixture(scope="module")
def silence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute of a quiet room, so that no test ends because its microphone does."""
    path = tmp_path_factory.mktemp("room") / "silence.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(bytes(2 * 16_000 * 60))
    return path


def manual(server: RealtimeServer, microphone: Path, *more: str) -> Program:
    files = ["--input", str(microphone), "--output", "out.wav"]
    arguments = ["manual", "--provider", "openai", "--url", server.url, "--json", *files, *more]
    return Program(arguments, env=ENV, stdin="open")


@pytest.mark.parametrize("close_at", ["session.updated", "response.created", "response.output_audio.delta"])
def test_the_conversation_goes_on_after_a_drop(close_at: str, silence: Path) -> None:
    script = Script(replies=(Reply("first answer", seconds=0.5), Reply("second answer", seconds=0.5)))
    faults = Faults(connections=1, close_at=close_at, close_code=1006)
    with RealtimeServer(script=script, faults=faults) as server, manual(server, silence) as program:
        program.write("one\n")
        program.wait_for("connection")
        again = program.wait_for("session", lambda line: line["state_restored"] is not None)
        assert again["session_id"]
        program.write("two\n")
        program.wait_for("assistant", lambda line: "answer" in line["text"] and line["turn"] == 2, timeout_s=20)
        program.write("/quit\n")
        assert program.wait() == 0
        assert len(server.connections) == 2
        users = [line["text"] for line in program.events if line["type"] == "user"]
        assert users == ["one", "two"]
        if close_at == "response.created":  # the first turn was asked, told again, and answered
            told = [item["item"]["content"][0]["text"] for item in server.received_of("conversation.item.create")]
            assert told[:2] == ["one", "one"]
            assert told[-1] == "two"


def test_a_close_that_would_come_again_is_the_end(silence: Path) -> None:
    faults = Faults(close_at="response.done", close_code=4000, close_reason="invalid_request_error.nope")
    with RealtimeServer(faults=faults) as server, manual(server, silence) as program:
        program.write("one\n")
        assert program.wait() == 5
        assert len(server.connections) == 1
        assert [line["type"] for line in program.events].count("connection") == 0


def test_a_server_that_ends_every_session_is_given_up_after_five_attempts(silence: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[connection]\nretry_delays_s = [0.1, 0.2, 0.3, 0.4, 0.5]\n")
    with (
        RealtimeServer(faults=Faults(close_at="session.updated", close_code=1006)) as server,
        manual(server, silence, "--config", str(config)) as program,
    ):
        program.wait_for("end", timeout_s=40)
        assert program.wait() == 5
        assert [line["attempt"] for line in program.events if line["type"] == "connection"] == [1, 2, 3, 4, 5]
        assert len(server.connections) == 6
        errors = [line["message"] for line in program.events if line["type"] == "error"]
        assert len(errors) == 1
        assert "could not be reached again" in errors[0]


def test_a_session_is_renewed_in_a_pause_before_it_expires(silence: Path) -> None:
    script = Script(replies=(Reply("first answer", seconds=0.5), Reply("second answer", seconds=0.5)), lifetime_s=12)
    with RealtimeServer(script=script) as server, manual(server, silence) as program:
        program.write("one\n")
        program.wait_for("assistant")
        renewed = program.wait_for("session", lambda line: line["state_restored"] is True, timeout_s=20)
        assert renewed["session_id"] != program.events[0]["session_id"]
        program.write("two\n")
        program.wait_for("assistant", count=2)
        program.write("/quit\n")
        assert program.wait() == 0
        assert "connection" not in {line["type"] for line in program.events}  # nobody had to wait
        assert len(server.connections) >= 2
