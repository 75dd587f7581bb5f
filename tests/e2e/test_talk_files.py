"""Files and pipes in place of a sound card: how scripts, and machines without one, use the whole program."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.e2e.scenes import KEYS, PROVIDERS, QUESTION, check_manners, read_wav, service, spoken
from tests.program import Program, isolated_environment
from tests.realtime_server import OUTPUT_RATE_HZ, RealtimeServer, Reply, Script, buzz
from tests.recordings import GO_FORWARD
from tests.soundcard import tone

VOICECHAT = [sys.executable, "-m", "voicechat"]
REPLY = Reply("The first answer.", seconds=0.6)
LONG = Script(replies=(Reply("A very long answer indeed.", seconds=20.0),))


@pytest.fixture
def server() -> Iterator[RealtimeServer]:
    with RealtimeServer(script=Script(replies=(REPLY,))) as server:
        yield server


def loud_ms(pcm: bytes, rate_hz: int) -> float:
    """How much of it is sound."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float64)
    blocks = samples[: len(samples) // 240 * 240].reshape(-1, 240)
    return float((np.sqrt((blocks**2).mean(axis=1)) > 300).sum() * 240_000 / rate_hz)


@pytest.mark.parametrize("dialect", PROVIDERS)
def test_a_question_from_a_file_is_answered_into_a_file(dialect: str, tmp_path: Path) -> None:
    output = tmp_path / "answer.wav"
    files = ["--input", str(spoken(tmp_path)), "--output", str(output)]
    with RealtimeServer(dialect, script=Script(replies=(REPLY,))) as server:
        with Program(["vad", *service(server), *files, "--json"], env=KEYS) as program:
            assert program.wait() == 0, program.describe()
            check_manners(program)
            assert program.stderr == ""
            kinds = [line["type"] for line in program.events]
            assert (kinds[0], kinds[-1]) == ("session", "end")
            assert program.of_type("session")[0]["input"] == str(tmp_path / "spoken.wav")
            assert [line["state"] for line in program.of_type("state")] == ["listening", "thinking", "speaking", "idle"]
            assert [line["text"] for line in program.of_type("user")] == ["hello there"]
            answer = program.of_type("assistant")[0]
            assert (answer["text"], answer["heard"]) == ("The first answer.", "The first answer.")
            assert (answer["interrupted"], answer["heard_ms"], answer["status"]) == (False, 600, "completed")
            assert program.of_type("latency")[0]["voice_to_voice_ms"] > 0
            assert program.of_type("usage")[0]["session_output_tokens"] > 0
            end = program.of_type("end")[0]
            assert (end["reason"], end["turns"], end["exit_code"]) == ("done", 1, 0)
            assert (end["underruns"], end["dropped_input_frames"]) == (0, 0)
        connection = server.connections[0]
    pcm, rate_hz, _ = read_wav(output)
    assert rate_hz == OUTPUT_RATE_HZ
    assert pcm == buzz(0.6)
    if dialect == "qwen":
        assert connection.close_code == 1000, "the session was not finished politely"


def test_every_sound_format_is_read_and_written(tmp_path: Path) -> None:
    samples = np.frombuffer(bytes(6400) + tone(0.5) + bytes(9600), "<i2")
    runs = []
    for suffix in ("flac", "ogg", "mp3"):
        source = tmp_path / f"in.{suffix}"
        stereo = np.stack([samples, samples], axis=1)
        soundfile.write(source, np.repeat(stereo, 3, axis=0), 48_000)  # its rate and channels are not ours
        server = RealtimeServer(script=Script(replies=(REPLY,)))
        server.start_in_thread()
        files = ["--input", str(source), "--output", str(tmp_path / f"out.{suffix}")]
        runs.append((server, Program(["vad", *service(server), *files, "--json"], env=KEYS)))
    try:
        for _, program in runs:
            assert program.wait() == 0, program.describe()
            assert program.of_type("assistant")[0]["heard_ms"] == 600, program.describe()
    finally:
        for server, program in runs:
            program.close()
            server.stop_thread()
    for suffix in ("flac", "ogg", "mp3"):
        heard, rate_hz = soundfile.read(tmp_path / f"out.{suffix}", dtype="int16")
        assert loud_ms(heard.tobytes(), rate_hz) == pytest.approx(600, abs=70)


def test_raw_sound_through_pipes_both_ways(server: RealtimeServer, tmp_path: Path) -> None:
    """`producer | voicechat vad --input - --output - | player`: stdout is sound, all words go to stderr."""
    raw = bytes(6400) + tone(0.5) + bytes(9600) + b"\0"
    done = subprocess.run(
        [*VOICECHAT, "vad", *service(server), "--input", "-", "--output", "-"],
        input=raw,
        capture_output=True,
        env=isolated_environment(tmp_path, None, KEYS),
        timeout=20,
        check=True,
    )
    assert done.stdout == buzz(0.6)
    words = done.stderr.decode()
    assert "you: hello there\nmarin: The first answer.\n" in words


def test_silence_ends_without_a_turn(server: RealtimeServer, tmp_path: Path) -> None:
    source = tmp_path / "silence.raw"
    source.write_bytes(bytes(32_000))
    files = ["--input", str(source), "--output", str(tmp_path / "out.wav")]
    with Program(["vad", *service(server), *files, "--json"], env=KEYS) as program:
        assert program.wait() == 0, program.describe()
        assert program.of_type("end")[0]["turns"] == 0
    assert read_wav(tmp_path / "out.wav")[0] == b""
    sent = sum(len(event["audio"]) for event in server.received_of("input_audio_buffer.append")) * 3 / 4
    assert sent / 2 / 24_000 > 1.0, "the whole file goes out, and silence after it"


def test_plain_lines_are_what_a_pipe_gets(server: RealtimeServer, tmp_path: Path) -> None:
    files = ["--input", str(spoken(tmp_path)), "--output", str(tmp_path / "out.wav")]
    with Program(["vad", *service(server), *files], env=KEYS) as program:
        assert program.wait() == 0, program.describe()
        assert program.stdout == "you: hello there\nmarin: The first answer.\n"
        assert re.fullmatch(r"voicechat: openai · gpt-realtime · marin\n1 turn in 0:\d\d\n", program.stderr)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_in_mid_answer_the_file_holds_what_was_heard(number: int, code: int, tmp_path: Path) -> None:
    output, saved = tmp_path / "out.wav", tmp_path / "saved"
    more = ["--output", str(output), "--save", str(saved), "--json"]
    with RealtimeServer(script=LONG) as server, Program(["say", "hi", *service(server), *more], env=KEYS) as program:
        program.wait_for("latency")
        program.wait_for("assistant.partial")
        while len(output.read_bytes()) < 48_000:
            time.sleep(0.02)
        sent = time.monotonic()
        program.process.send_signal(number)
        assert program.wait(5) == code, program.describe()
        assert time.monotonic() - sent < 2.0
        check_manners(program)
        answer, end = program.of_type("assistant")[0], program.of_type("end")[0]
        assert answer["interrupted"]
        assert "A very long answer indeed.".startswith(answer["heard"])
        assert answer["heard"] != answer["text"]
        assert (end["reason"], end["exit_code"]) == ("quit", code)
    pcm, rate_hz, _ = read_wav(output)
    assert len(pcm) * 500 / rate_hz == pytest.approx(answer["heard_ms"], abs=60)
    assert pcm[:24_000] == buzz(20.0)[:24_000]
    read_wav(next(saved.glob("*.wav")))


def test_killed_without_warning_the_file_is_valid_all_the_same(tmp_path: Path) -> None:
    output = tmp_path / "out.wav"
    more = ["--output", str(output), "--json"]
    with RealtimeServer(script=LONG) as server, Program(["say", "hi", *service(server), *more], env=KEYS) as program:
        program.wait_for("latency")
        while len(output.read_bytes()) < 24_000:
            time.sleep(0.02)
        program.process.kill()
        program.wait()
    pcm, _, _ = read_wav(output)
    assert len(pcm) >= 23_000
    assert pcm == buzz(20.0)[: len(pcm)]


def test_save_keeps_both_sides_and_the_transcript(server: RealtimeServer, tmp_path: Path) -> None:
    saved = tmp_path / "kept" / "here"
    files = ["--input", str(spoken(tmp_path)), "--output", str(tmp_path / "out.wav"), "--save", str(saved)]
    with Program(["vad", *service(server), *files], env=KEYS) as program:
        assert program.wait() == 0, program.describe()
    pcm, rate_hz, channels = read_wav(next(saved.glob("*.wav")))
    assert (rate_hz, channels) == (OUTPUT_RATE_HZ, 2)
    both = np.frombuffer(pcm, "<i2").reshape(-1, 2)
    assert loud_ms(both[:, 0].tobytes(), rate_hz) == pytest.approx(500, abs=60)
    assert loud_ms(both[:, 1].tobytes(), rate_hz) == pytest.approx(600, abs=60)
    text = next(saved.glob("*.md")).read_text()
    assert "**you:** hello there" in text
    assert "**marin:** The first answer." in text
    lines = [json.loads(line) for line in next(saved.glob("*.jsonl")).read_text().splitlines()]
    assert [line["type"] for line in lines if line["type"] in ("user", "assistant")] == ["user", "assistant"]


def test_say_reads_its_text_from_a_pipe_and_ends_when_it_was_answered(server: RealtimeServer, tmp_path: Path) -> None:
    output = ["--output", str(tmp_path / "out.wav")]
    with Program(["say", "-", *service(server), *output], env=KEYS, stdin="说一个笑话。\n".encode()) as program:
        assert program.wait() == 0, program.describe()
        assert program.stdout == "you: 说一个笑话。\nmarin: The first answer.\n"
    item = server.received_of("conversation.item.create")[0]["item"]
    assert item["content"] == [{"type": "input_text", "text": "说一个笑话。"}]
    assert not server.received_of("input_audio_buffer.append"), "a typed turn needs no microphone"


def test_typed_lines_from_a_pipe_are_turns_one_after_the_other(tmp_path: Path) -> None:
    script = Script(replies=(REPLY, Reply("The second answer.", seconds=0.3)))
    files = ["--input", str(spoken(tmp_path)), "--output", str(tmp_path / "out.wav")]
    server = RealtimeServer(script=script)
    with server, Program(["manual", *service(server), *files], env=KEYS, stdin=b"one\ntwo\n") as program:
        assert program.wait() == 0, program.describe()
        assert program.stdout.splitlines() == [
            "you: one",
            "marin: The first answer.",
            "you: two",
            "marin: The second answer.",
        ]


def test_a_reader_that_closes_the_pipe_ends_the_program_quietly(tmp_path: Path) -> None:
    """`voicechat … --json | head -1`."""
    output = tmp_path / "out.wav"
    with (
        RealtimeServer(script=LONG) as server,
        subprocess.Popen(
            [*VOICECHAT, "say", "hi", *service(server), "--output", str(output), "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=isolated_environment(tmp_path, None, KEYS),
        ) as program,
    ):
        assert program.stdout is not None
        assert program.stderr is not None
        assert json.loads(program.stdout.readline())["type"] in ("session", "warning")
        program.stdout.close()
        assert program.wait(10) == 0
        assert program.stderr.read() == b""
    read_wav(output)


def test_the_offline_engine_hears_a_recording_and_answers(tmp_path: Path) -> None:
    """No key, no network: recognition, companion and speech of the program itself, through the same path."""
    runs = []
    for source in (QUESTION, GO_FORWARD):
        files = ["--input", str(source), "--output", str(tmp_path / f"{source.stem}.wav")]
        home = tmp_path / source.stem
        home.mkdir()
        runs.append(Program(["vad", "--provider", "offline", *files, "--json"], home=home))
    try:
        for program in runs:
            assert program.wait(60) == 0, program.describe()
            check_manners(program)
        question, recording = runs
        assert [line["text"] for line in question.of_type("user")] == ["What is twelve times seven?"]
        assert "eighty-four" in question.of_type("assistant")[0]["heard"].replace("84", "eighty-four")
        assert [line["text"] for line in recording.of_type("user")] == ["Go forward ten meters."]
    finally:
        for program in runs:
            program.close()
    pcm, rate_hz, _ = read_wav(tmp_path / f"{QUESTION.stem}.wav")
    assert loud_ms(pcm, rate_hz) > 500
