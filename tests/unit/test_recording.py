"""What --save keeps, and what happens when the disk is full."""

import json
import threading
import time
import wave
from pathlib import Path

import numpy as np
import pytest

from voicechat.archive.lines import NO_RESULT, Called, read
from voicechat.audio import encode
from voicechat.audio.frames import Frame
from voicechat.conversation import recording as recording_module
from voicechat.conversation.notices import AssistantPartial, AssistantTurn, SessionNotice, ToolCallNotice, UserTurn
from voicechat.conversation.recording import Keep, Recording
from voicechat.errors import UsageError


def frame(left: int, right: int) -> Frame:
    return Frame(np.full(480, left, "<i2").tobytes(), True, -30.0, 1.0, reference=np.full(480, right, "<i2").tobytes())


def never(code: str, message: str) -> None:
    raise AssertionError(f"warned: {code} {message}")


def test_both_sides_on_one_time_line_and_the_words(tmp_path: Path) -> None:
    recording = Recording(Keep(tmp_path), 24_000, 24_000, never)
    recording.show(SessionNotice("acme", "model", "Ann"))
    for _ in range(100):
        recording.hear(frame(1000, -2000))
    written = threading.Event()
    recording._backlog.add(written.set)
    assert written.wait(5)
    with wave.open(str(recording.sound)) as file:  # valid while it is still written
        assert file.getnframes() >= 24_000
    recording.show(UserTurn(1, "hello"))
    recording.show(AssistantTurn(1, "one two three", "one two", True, 500))
    recording.close()
    with wave.open(str(recording.sound)) as file:
        both = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    assert both.shape == (48_000, 2)
    assert set(both[:, 0]) == {1000}
    assert set(both[:, 1]) == {-2000}
    text = recording.transcript.read_text(encoding="utf-8")
    assert "**you:** hello" in text
    assert "**Ann:** one two ~~three~~" in text
    lines = [json.loads(line) for line in recording.transcript.with_suffix(".jsonl").read_text().splitlines()]
    assert [line["type"] for line in lines] == ["conversation", "session", "user", "assistant"]


def test_the_words_are_inert_on_a_terminal_and_the_same_for_a_program(tmp_path: Path) -> None:
    """A lone surrogate is what an argument that is no UTF-8 becomes."""
    said, answered = "caf\udce9 \x1b[2J", "\x1b]0;title\x07\x9b31m\u202e 今天\nnext"
    recording = Recording(Keep(tmp_path), 24_000, 24_000, never)
    recording.show(SessionNotice("acme\x1bc", "model", "Ann"))
    recording.show(UserTurn(1, said))
    recording.show(AssistantTurn(1, answered, answered, False, 500))
    recording.close()
    text = recording.transcript.read_text(encoding="utf-8")
    assert "**you:** caf\\udce9 \\u001b[2J\n" in text
    assert "**Ann:** \\u001b]0;title\\u0007\\u009b31m\\u202e 今天\nnext\n" in text
    lines = recording.transcript.with_suffix(".jsonl").read_text(encoding="utf-8")
    assert not set("\x1b\x07\x9b\u202e") & set(text + lines)
    assert [json.loads(line).get("text") for line in lines.splitlines()] == [None, None, said, answered]


def test_the_words_so_far_are_kept_once_a_second_and_at_once(tmp_path: Path) -> None:
    """What is read here was written before anything was closed, as it is when the program is killed."""
    now = 100.0
    recording = Recording(Keep(tmp_path), 24_000, 24_000, never, clock=lambda: now)
    for number in range(10):
        recording.show(AssistantPartial(1, "word " * number))
        now += 0.25
    written = threading.Event()
    recording._backlog.add(written.set)
    assert written.wait(5)
    lines = [json.loads(line) for line in recording.transcript.with_suffix(".jsonl").read_text("utf-8").splitlines()]
    recording.close()
    assert [line["type"] for line in lines] == ["conversation", *["assistant.partial"] * 3]
    assert [len(line["text"].split()) for line in lines[1:]] == [0, 4, 8]
    assert [line["t"] for line in lines[1:]] == [0.0, 1.0, 2.0]


def test_a_call_that_never_ends_is_known_to_have_begun(tmp_path: Path) -> None:
    recording = Recording(Keep(tmp_path), 16_000, 24_000, never)
    recording.show(ToolCallNotice(1, 1, "feed", "{}"))
    recording.close()
    assert [said.call for said in read(tmp_path, recording.id).said] == [Called("feed", "{}", NO_RESULT)]


def test_conversations_that_begin_within_one_second_are_kept_apart(tmp_path: Path) -> None:
    recordings = [Recording(Keep(tmp_path), 24_000, 24_000, never) for _ in range(3)]
    for recording in recordings:
        recording.close()
    assert len({recording.sound for recording in recordings}) == 3
    assert len(list(tmp_path.iterdir())) == 9


def test_a_full_disk_is_told_once_and_the_conversation_goes_on(tmp_path: Path) -> None:
    warned: list[str] = []
    recording = Recording(Keep(tmp_path), 24_000, 24_000, lambda code, message: warned.append(f"{code}: {message}"))
    recording._wav.close()
    recording._wav = FullDisk()  # type: ignore[assignment]
    for _ in range(200):
        recording.hear(frame(1, 2))
    recording.show(UserTurn(1, "still talking"))
    recording.close()
    assert len(warned) == 1
    assert "No space left" in warned[0]


def test_a_disk_that_does_not_answer_stops_nobody_and_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording_module, "MOST_WAITING", 10)
    monkeypatch.setattr(recording_module, "PATIENCE_S", 0.1)
    answers = threading.Event()

    class HangingDisk(FullDisk):
        def write(self, pcm: bytes) -> None:
            answers.wait(20)

    warned: list[str] = []
    recording = Recording(Keep(tmp_path), 24_000, 24_000, lambda code, message: warned.append(message))
    recording._wav.close()
    recording._wav = HangingDisk()  # type: ignore[assignment]
    began = time.monotonic()
    for _ in range(1000):
        recording.hear(frame(1, 2))
    recording.close()
    assert time.monotonic() - began < 5
    assert len(warned) == 1
    assert "the disk does not answer" in warned[0]
    assert len(recording._left) < 100_000
    answers.set()


def test_what_one_file_cannot_hold_goes_on_in_a_second_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a day; here a file is full after a second and a bit."""
    monkeypatch.setattr(encode, "WAV_BYTES", 100_001)
    recording = Recording(Keep(tmp_path), 24_000, 24_000, never)
    sound = recording.sound.with_suffix(".2.wav")
    sound.write_bytes(b"somebody else's")
    for number in range(150):
        recording.hear(frame(number, -number))
    recording.close()
    assert sound.read_bytes() == b"somebody else's"
    whole = b""
    for ending in (".wav", ".3.wav", ".4.wav"):
        with wave.open(str(recording.sound.with_suffix(ending))) as file:
            whole += file.readframes(1_000_000)
            assert file.getnchannels() == 2
    both = np.frombuffer(whole, "<i2").reshape(-1, 2)
    assert both.shape == (150 * 480, 2)
    assert both[::480, 1].tolist() == [-number for number in range(150)]


class FullDisk:
    def write(self, pcm: bytes) -> None:
        raise OSError(28, "No space left on device")

    def close(self) -> None:
        raise OSError(28, "No space left on device")


def test_a_folder_that_cannot_be_made_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UsageError, match="cannot be written"):
        Recording(Keep(tmp_path / "file"), 24_000, 24_000, never)
