"""The program with services that name nothing, number afresh, say things twice, late, or not at all.

Some of the conversations that tests/unit/test_careless_services.py has with all of them, over a socket, in real time.
"""

import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.scenes import KEYS, QUESTION, check_manners, service
from tests.program import Program
from tests.realtime_server import RealtimeServer, Reply, Script
from tests.realtime_server.careless import CARELESS

HEARD = ("I would like to", "go to Paris", "by train")


def speech(path: Path, *pauses_s: float) -> Path:
    """The question after each of these pauses, and quiet to the end."""
    with wave.open(str(QUESTION)) as file:
        rate_hz, words = file.getframerate(), file.readframes(file.getnframes())
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate_hz, 0, "NONE", ""))
        for pause_s in pauses_s:
            file.writeframes(bytes(int(pause_s * rate_hz) * 2) + words)
        file.writeframes(bytes(60 * rate_hz * 2))
    return path


def talk(kind: str, server: RealtimeServer, microphone: Path) -> Program:
    files = ["--input", str(microphone), "--output", "out.wav"]
    return Program([*kind.split(), *service(server), "--json", *files], env=KEYS, stdin="open")


def says(turn: int, words: str) -> Callable[[dict[str, Any]], bool]:
    return lambda line: line["turn"] == turn and words in line["text"]


@pytest.mark.parametrize(
    "careless",
    [
        "numbers afresh",
        "no ids, never begins",
        "words first",
        "no acknowledgements",
        "everything twice",
        "never ends",
        "refuses names",
    ],
)
def test_two_turns_at_once_a_drop_and_a_typed_line(careless: str, tmp_path: Path) -> None:
    replies = (Reply("never wanted", seconds=9.0), Reply("second answer", seconds=0.4), Reply("third", seconds=0.4))
    script = Script(replies, heard=HEARD, **CARELESS[careless])
    with (
        RealtimeServer(script=script) as server,
        talk("manual", server, speech(tmp_path / "voice.wav", *[0.0] * 9)) as program,
    ):
        program.wait_for("session")
        for number in (1, 2):  # Enter, Enter, Enter: the second turn begins before a word about the first has come
            program.write("\n")
            server.wait("input_audio_buffer.append", 25 * number + 25 * (number - 1))
            program.write("\n")
            if number == 1:
                continue
            server.wait("input_audio_buffer.commit", 2)
        program.wait_for("assistant.partial", says(2, "second"))
        server.wait("response.output_audio.done", 2)
        if script.transcription != "late":
            program.wait_for("user", count=2)
        server.run(server.drop())
        program.wait_for("session", lambda line: line["state_restored"] is not None)
        program.write("typed\n")
        program.wait_for("assistant.partial", says(3, "third"))
        if script.ends == "missing":  # a line would wait for the end, as long as the program does
            program.interrupt()
        else:
            program.write("/quit\n")
        assert program.wait() == (130 if script.ends == "missing" else 0), program.describe()
        users = [(line["turn"], line["text"]) for line in program.of_type("user")]
        assert sorted(users) == [(1, HEARD[0]), (2, HEARD[1]), (3, "typed")], program.describe()
        answers = [(line["turn"], line["text"].split()[0]) for line in program.of_type("assistant") if line["text"]]
        assert [answer for answer in answers if answer[0] > 1] == [(2, "second"), (3, "third")], program.describe()
        assert program.events[-1]["broken_frames"] == 0
        assert not program.of_type("error"), program.describe()
        check_manners(program)


@pytest.mark.parametrize(
    ("turns", "careless"),
    [
        ("server", "no ids, never begins"),
        ("server", "everything twice"),
        ("local", "late acknowledgements"),
        ("local", "never ends"),
    ],
)
def test_a_word_over_the_answer_interrupts_it_and_is_answered(turns: str, careless: str, tmp_path: Path) -> None:
    replies = (Reply("a very long answer", seconds=12.0), Reply("second answer", seconds=0.4))
    script = Script(replies, heard=HEARD, **CARELESS[careless])
    arguments = "vad --no-aec" + (" --turn local" if turns == "local" else "")
    with (
        RealtimeServer(script=script) as server,
        talk(arguments, server, speech(tmp_path / "voice.wav", 0.3, 2.0)) as program,
    ):
        program.wait_for("state", lambda line: line["state"] == "speaking")
        first = program.wait_for("assistant", timeout_s=15)
        assert (first["turn"], first["interrupted"]) == (1, True), program.describe()
        program.wait_for("assistant.partial", says(2, "second"), timeout_s=15)
        server.wait("response.output_audio.done", 2)
        if script.ends != "missing":
            second = program.wait_for("assistant", count=2)
            assert (second["turn"], second["text"].split()[0]) == (2, "second")
        program.wait_for("user", says(2, HEARD[1]))
        program.interrupt()
        assert program.wait() == 130, program.describe()
        users = [(line["turn"], line["text"]) for line in program.of_type("user") if line["text"]]
        assert users == [(1, HEARD[0]), (2, HEARD[1])], program.describe()
        check_manners(program)
