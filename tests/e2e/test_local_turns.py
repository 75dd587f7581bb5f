"""`--turn local`: the program finds the turns itself, for services without voice detection."""

from tests.program import Program
from tests.realtime_server import RealtimeServer, Script
from tests.recordings import QUESTION


def test_a_spoken_turn_is_committed_and_answered_without_the_services_detection() -> None:
    files = ["--input", str(QUESTION), "--output", "out.wav"]
    with (
        RealtimeServer(script=Script(heard=("had he married",))) as server,
        Program(
            ["vad", "--turn", "local", "--provider", "openai", "--url", server.url, "--json", *files],
            env={"OPENAI_API_KEY": "test-key-0123456789"},
        ) as program,
    ):
        assert program.wait(timeout_s=30) == 0
        (update,) = server.received_of("session.update")
        assert update["session"]["audio"]["input"]["turn_detection"] is None
        order = [timed.type for timed in server.received if timed.type != "input_audio_buffer.append"]
        assert order[:3] == ["session.update", "input_audio_buffer.commit", "response.create"]
        user = next(line for line in program.events if line["type"] == "user")
        answer = next(line for line in program.events if line["type"] == "assistant")
        assert user["text"] == "had he married"
        assert not answer["interrupted"]
        assert answer["heard_ms"] == 1000
        appended = sum(len(event["audio"]) for event in server.received_of("input_audio_buffer.append")) * 3 / 4 / 48
        assert 1500 < appended < 4500  # the turn with its first syllable and its silence, not the whole file and after
