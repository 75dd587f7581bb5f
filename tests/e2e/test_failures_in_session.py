"""A service that goes away or sends nonsense in a conversation: survived and counted, or ended in order."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.e2e.scenes import KEYS, check_manners, read_wav, service, spoken
from tests.e2e.test_failures import SHORT, fails
from tests.program import Program
from tests.realtime_server import Faults, RealtimeServer, Reply, Script
from tests.soundcard import tone

# -- a service that goes away ----------------------------------------------------------------------------------


def event_types(dialect: str, folder: Path) -> list[str]:
    """What the server sends in a turn that goes well."""
    with RealtimeServer(dialect, script=SHORT) as server:
        with Program(["say", "hi", *service(server), "--output", str(folder / "whole.wav")], env=KEYS) as program:
            assert program.wait() == 0, program.describe()
        return [timed.type for timed in server.sent]


def goes_away(folder: Path, at: int) -> None:
    """The server ends the session after its `at`-th event, and means it: an error, at once, and a valid file."""
    output = folder / f"{at}.wav"
    server = RealtimeServer(script=SHORT, faults=Faults(close_at=at, close_code=1000))
    with server, Program(["say", "hi", *service(server), "--output", str(output), "--json"], env=KEYS) as program:
        exit_code = program.wait(15)
        check_manners(program)
        assert (exit_code, program.of_type("end")[-1]["exit_code"]) == (5, 5), program.describe()
        errors = program.of_type("error")
        assert [error["code"] for error in errors] == ["ConnectionFailed"], program.describe()
        assert errors[0]["hint"]
    read_wav(output)


def comes_back(folder: Path, at: int, code: int) -> None:
    """The server breaks off after its `at`-th event and takes a second connection: the talk goes on to its end."""
    output = folder / f"{at}.wav"
    server = RealtimeServer(script=SHORT, faults=Faults(connections=1, close_at=at, close_code=code))
    with server, Program(["say", "hi", *service(server), "--output", str(output), "--json"], env=KEYS) as program:
        exit_code = program.wait(15)
        check_manners(program)
        answer = program.of_type("assistant")[-1]  # whole, or what had come of it when the connection broke
        assert exit_code == (0 if answer["status"] == "completed" else 5), program.describe()
        assert answer["heard"], program.describe()
        assert "One two three.".startswith(answer["heard"].strip()), program.describe()
        assert not answer["interrupted"]
    read_wav(output)


def test_a_server_that_ends_the_session_after_any_event_of_a_turn(tmp_path: Path) -> None:
    number = len(event_types("ga", tmp_path))
    assert number > 15
    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(goes_away, tmp_path, at) for at in range(1, number)]
        for run in runs:
            run.result()


def test_a_connection_that_breaks_after_any_event_of_a_turn(tmp_path: Path) -> None:
    types = event_types("ga", tmp_path)
    with ThreadPoolExecutor(6) as pool:
        ready = types.index("session.updated") + 1
        runs = [pool.submit(comes_back, tmp_path, at, (1006, 1011)[at % 2]) for at in range(ready, len(types))]
        for run in runs:
            run.result()


SPEECH_POINTS = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.input_audio_transcription.completed",
]


def test_a_server_that_ends_the_session_while_the_user_speaks(tmp_path: Path) -> None:
    sound = str(spoken(tmp_path))

    def run(point: str) -> None:
        with RealtimeServer("qwen", faults=Faults(close_at=point, close_code=1000)) as server:
            output = tmp_path / f"{point}.wav"
            fails(["vad", *service(server), "--input", sound, "--output", str(output)], 5, "closed the connection")
            read_wav(output)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, SPEECH_POINTS))


# -- nonsense on the wire --------------------------------------------------------------------------------------

HUGE = json.dumps({"type": "weather.changed", "delta": "A" * 10_000_000})
GARBAGE: list[str | bytes] = [
    "",
    "no json",
    "[]",
    "null",
    '"text"',
    '{"type": 7}',
    '{"no": "type"}',
    '{"type": "response.done", "response": 1}',
    '{"type": "response.output_audio.delta", "delta": 5}',
    '{"type": "conversation.item.added", "item": []}',
    '{"type": "error"}',
    '{"type": "session.created", "session": 1}',
    "[" * 100_000,
    b"\x00\xff\x00",
    b"",
]

GARBAGE_BROKEN = len(GARBAGE) - 1
"""All but the error without a text."""


@dataclass(frozen=True)
class Nonsense:
    faults: Faults = field(default_factory=Faults)
    reply: Reply = SHORT.replies[0]
    broken_frames: int = 0
    ignored_events: int = 0
    heard_ms: int = 300


NONSENSE = {
    "garbage before the session": Nonsense(Faults(inject={"session.created": GARBAGE}), broken_frames=GARBAGE_BROKEN),
    "garbage in the answer": Nonsense(Faults(inject={"response.created": GARBAGE}), broken_frames=GARBAGE_BROKEN),
    "unknown events": Nonsense(
        Faults(inject={"response.created": ['{"type": "weather.changed"}'] * 3}), ignored_events=3
    ),
    "an error in mid-answer": Nonsense(
        Faults(inject={"response.created": ['{"type": "error", "error": {"message": "Something.", "code": "odd"}}']})
    ),
    "bad base64": Nonsense(Faults(bad_base64=True), broken_frames=1, heard_ms=200),
    "odd byte counts": Nonsense(reply=replace(SHORT.replies[0], delta_bytes=333)),
    "a huge frame": Nonsense(
        Faults(inject={"response.created": [HUGE, "x" * 10_000_000]}), broken_frames=1, ignored_events=1
    ),
}


@pytest.mark.parametrize("case", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_survived_and_counted(case: Nonsense, tmp_path: Path) -> None:
    output = tmp_path / "out.wav"
    server = RealtimeServer(script=Script(replies=(case.reply,)), faults=case.faults)
    with server, Program(["say", "hi", *service(server), "--output", str(output), "--json"], env=KEYS) as program:
        assert program.wait(20) == 0, program.describe()
        check_manners(program)
        answer, end = program.of_type("assistant")[-1], program.of_type("end")[-1]
        assert (answer["text"], answer["heard_ms"]) == ("One two three.", case.heard_ms), program.describe()
        assert (end["broken_frames"], end["ignored_events"]) == (case.broken_frames, case.ignored_events)
    read_wav(output)


def test_an_answer_of_minutes_in_one_delta_is_played_until_it_is_interrupted(tmp_path: Path) -> None:
    output = tmp_path / "out.wav"
    reply = Reply(pcm=tone(170.0, rate_hz=24_000), pace=1000.0, delta_ms=170_000)
    server = RealtimeServer(script=Script(replies=(reply,)))
    with server, Program(["say", "hi", *service(server), "--output", str(output), "--json"], env=KEYS) as program:
        program.wait_for("state", lambda line: line["state"] == "speaking")
        program.interrupt()
        assert program.wait(5) == 130, program.describe()
        check_manners(program)
        answer = program.of_type("assistant")[0]
        assert answer["interrupted"]
        assert answer["heard_ms"] < 10_000
    pcm, rate_hz, _ = read_wav(output)
    assert len(pcm) / 2 / rate_hz < 10
