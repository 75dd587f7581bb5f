"""What a script learns from `say`: an exit code that says whether there was an answer."""

import pytest

from tests.program import Program
from tests.realtime_server import RealtimeServer, Reply, Script

ENV = {"OPENAI_API_KEY": "test-key-0123456789"}


@pytest.mark.parametrize(
    ("reply", "code"),
    [(Reply(seconds=0.3), 0), (Reply(failure="server_error"), 6), (Reply(incomplete="content_filter", seconds=0.3), 6)],
    ids=["answered", "failed", "cut short"],
)
def test_say_tells_whether_it_was_answered(reply: Reply, code: int) -> None:
    with (
        RealtimeServer(script=Script(replies=(reply,))) as server,
        Program(["say", "hi", "--provider", "openai", "--url", server.url, "--output", "out.wav"], env=ENV) as program,
    ):
        assert program.wait(timeout_s=20) == code


def test_a_password_in_an_address_is_not_printed_and_verbose_tells_more() -> None:
    url = "ws://user:hunter2@127.0.0.1:9/v1"
    with Program(["say", "hi", "-v", "--provider", "openai", "--url", url, "--output", "out.wav"], env=ENV) as program:
        assert program.wait(timeout_s=20) == 5
        assert "hunter2" not in program.stdout + program.stderr
        assert "Nothing listens at ws://127.0.0.1:9/v1/realtime" in program.stderr
        assert "connecting to ws://127.0.0.1:9/v1/realtime" in program.stderr
