"""The demonstration, run as a newcomer runs it: with a sound card, and with no sound device at all."""

import itertools
import json
import re
import wave
from pathlib import Path
from typing import Any

import numpy as np

from tests.e2e.terminal import Terminal
from tests.program import Program
from tests.soundcard import SoundCard


def kept(folder: Path) -> tuple[np.ndarray[Any, Any], str, list[dict[str, Any]]]:
    """(samples of both channels, transcript, JSON lines) of the one conversation in this folder."""
    (sound,) = folder.glob("*.wav")
    with wave.open(str(sound)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 24_000)
        both = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    lines = sound.with_suffix(".jsonl").read_text("utf-8").splitlines()
    return both, sound.with_suffix(".md").read_text("utf-8"), [json.loads(line) for line in lines]


def loud_spans_s(channel: np.ndarray[Any, Any]) -> list[tuple[float, float]]:
    """(start, end) of what sounds, gaps of less than two seconds bridged: a busy machine tears holes into an answer."""
    blocks = np.abs(channel[: len(channel) // 240 * 240].astype(np.int32).reshape(-1, 240)).max(axis=1) > 500
    spans: list[tuple[float, float]] = []
    for index in np.flatnonzero(blocks):
        at = float(index) / 100
        if spans and at - spans[-1][1] < 2.0:
            spans[-1] = (spans[-1][0], at)
        else:
            spans.append((at, at))
    return spans


def test_without_any_sound_device_both_questions_are_understood_answered_and_kept() -> None:
    with Program(["demo", "--json"]) as program:
        assert program.wait(60) == 0, program.describe()
        assert [event["text"] for event in program.of_type("user")] == [
            "What time is it?",
            "What is twelve times seven?",
        ]
        first, second = program.of_type("assistant")
        assert re.fullmatch(r"It is \d+:\d\d [AP]M\.", first["text"])
        assert "84" in second["text"]
        assert not first["interrupted"]
        assert (first["heard"], second["heard"]) == (first["text"], second["text"])
        assert program.of_type("session")[0]["output"] == "none"
        assert program.of_type("end")[0]["underruns"] == 0

        both, transcript, lines = kept(program.home / "voicechat-recordings")
        # Left asks, right answers, and neither while the other speaks.
        asked, answered = loud_spans_s(both[:, 0]), loud_spans_s(both[:, 1])
        assert [len(asked), len(answered)] == [2, 2]
        borders = [asked[0], answered[0], asked[1], answered[1]]
        assert borders == sorted(borders)
        assert all(before[1] < after[0] for before, after in itertools.pairwise(borders))
        assert "**you:** What is twelve times seven?" in transcript
        assert second["text"] in transcript
        assert [line["text"] for line in lines if line["type"] == "assistant"] == [first["text"], second["text"]]

        latencies = [round(event["voice_to_voice_ms"]) for event in program.of_type("latency")]
        figures = [int(number) for number in re.findall(r"(\d+) ms", program.stderr.split("answer:")[1])]
        assert figures[:2] == latencies
        assert sum(latencies) / 2 - 1 <= figures[2] <= sum(latencies) / 2 + 1
        assert "voicechat-recordings" in program.stderr
        assert "On a machine with microphone and speaker, talk yourself" in program.stderr


def test_with_a_sound_card_the_answers_are_heard_and_it_tells_how_to_go_on(
    soundcard: SoundCard, tmp_path: Path
) -> None:
    with soundcard.record() as speaker, Program(["demo", "--save", "here"], card=soundcard, home=tmp_path) as program:
        assert program.wait(60) == 0, program.describe()
        you, assistant, you_too, assistant_too = program.stdout.splitlines()
        assert [you, you_too] == ["you: What time is it?", "you: What is twelve times seven?"]
        assert assistant.startswith("companion: It is ")
        assert "84" in assistant_too
        assert "Now talk yourself: " in program.stderr
        heard = loud_spans_s(speaker.samples()[::2])
        assert len(heard) == 2, heard
    both, _, _ = kept(tmp_path / "here")
    assert len(loud_spans_s(both[:, 1])) == 2


def test_ctrl_c_leaves_a_valid_recording_of_what_was_heard_so_far() -> None:
    with Program(["demo", "--json"]) as program:
        program.wait_for("assistant", timeout_s=30)
        program.interrupt()
        assert program.wait() == 130
        both, transcript, _ = kept(program.home / "voicechat-recordings")
        assert len(loud_spans_s(both[:, 1])) == 1
        assert transcript.count("**you:**") == 1
        assert "talk yourself" not in program.stderr


def test_a_folder_that_cannot_be_written_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with Program(["demo", "--save", "file"], home=tmp_path) as program:
        assert program.wait() == 2
        assert "--save takes a folder" in program.stderr


def test_on_a_terminal_it_is_the_live_view_and_the_screen_is_left_in_order(tmp_path: Path) -> None:
    with Terminal(["demo"], tmp_path, columns=100) as terminal:
        terminal.see("What time is it?", "It is ", "● speaking")
        terminal.see("What is twelve times seven?", "84", "talk yourself")
        assert terminal.wait() == 0
        terminal.check_sane()
        asked = [row for row in terminal.everything() if row.startswith(" you ")]
        assert [row.split(maxsplit=1)[1] for row in asked] == ["What time is it?", "What is twelve times seven?"]
