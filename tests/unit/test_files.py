"""Files and pipes in place of devices: real time on a clock that is told, formats by value, errors by their words."""

import contextlib
import os
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from voicechat.audio import encode
from voicechat.audio.encode import WavFile
from voicechat.audio.files import FileInput, FileOutput, Pace, open_input, open_output
from voicechat.audio.frames import block_bytes
from voicechat.errors import AudioError, UsageError

RATE = 16_000
BLOCK = block_bytes(RATE)


class FakeTime:
    """A clock that only `sleep` (and the test) moves."""

    def __init__(self) -> None:
        self.now = 50.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def pace(self, ahead_ms: float = 0.0) -> Pace:
        return Pace(ahead_ms, self.clock, self.sleep)


def ramp(samples: int) -> bytes:
    return np.arange(1, samples + 1, dtype="<i2").tobytes()


def sine(rate_hz: int, seconds: float = 0.5, hz: float = 440.0) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    t = np.arange(int(rate_hz * seconds)) / rate_hz
    return (np.sin(2 * np.pi * hz * t) * 8000).astype(np.int16)


def read_all(source: FileInput) -> bytes:
    out = b""
    while not source.ended:
        out += source.read()
    return out


@contextlib.contextmanager
def instead_of(descriptor: int, replacement: int) -> Iterator[None]:
    """The descriptor stands for another one, as a shell's redirection does."""
    saved = os.dup(descriptor)
    os.dup2(replacement, descriptor)
    try:
        yield
    finally:
        os.dup2(saved, descriptor)
        os.close(saved)


# -- pace ------------------------------------------------------------------------------------------------------


def test_reading_takes_real_time() -> None:
    time = FakeTime()
    source = FileInput("x", iter([ramp(800)]), RATE, RATE, pace=time.pace())
    for _ in range(5):
        source.read()
    assert time.now - 50.0 == pytest.approx(0.05)


def test_work_between_two_reads_is_not_added_to_the_pace() -> None:
    time = FakeTime()
    source = FileInput("x", iter([ramp(1600)]), RATE, RATE, pace=time.pace())
    for _ in range(10):
        time.now += 0.004
        source.read()
    assert time.now - 50.0 == pytest.approx(0.1)
    assert time.slept[1:] == pytest.approx([0.006] * 9)


def test_a_stall_is_caught_up_with_for_a_fifth_of_a_second_only() -> None:
    time = FakeTime()
    pace = time.pace()
    pace.wait()
    time.now += 5.0
    for _ in range(20):
        pace.wait()
    assert time.slept[1:] == pytest.approx([], abs=1e-9)
    pace.wait()
    assert time.slept[1:] == pytest.approx([0.01])


def test_writing_runs_ahead_by_the_buffer_of_a_sound_card() -> None:
    time = FakeTime()
    written: list[bytes] = []

    class Sink:
        write = staticmethod(written.append)

    speaker = FileOutput("x", RATE, Sink(), time.pace(20))
    for _ in range(2):
        speaker.write(bytes(BLOCK))
    assert time.slept == []
    speaker.write(bytes(BLOCK))
    assert time.slept == pytest.approx([0.01])
    assert written == [bytes(BLOCK)] * 3


# -- in --------------------------------------------------------------------------------------------------------


def test_blocks_are_whole_and_after_the_end_there_is_silence() -> None:
    source = FileInput("x", iter([ramp(100), ramp(100)]), RATE, RATE, pace=FakeTime().pace())
    first, second = source.read(), source.read()
    assert first + second == (ramp(100) + ramp(100)).ljust(2 * BLOCK, b"\0")
    assert not source.ended
    assert source.read() == bytes(BLOCK)
    assert source.ended


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3"])
def test_every_format_is_read_at_the_rate_that_is_wanted(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"sound.{ending}"
    soundfile.write(path, sine(24_000), 24_000)
    source = open_input(str(path), RATE)
    source._pace = FakeTime().pace()
    samples = np.frombuffer(read_all(source), "<i2")
    source.close()
    assert len(samples) / RATE == pytest.approx(0.5, abs=0.15)  # encoders pad
    spectrum = np.abs(np.fft.rfft(samples.astype(float)))
    assert np.argmax(spectrum) * RATE / len(samples) == pytest.approx(440, abs=5)
    assert float(np.sqrt(np.mean(samples[2000:6000].astype(float) ** 2))) == pytest.approx(8000 / 2**0.5, rel=0.05)


def test_stereo_is_mixed(tmp_path: Path) -> None:
    path = tmp_path / "two.wav"
    soundfile.write(path, np.tile(np.array([[1000, 3000]], np.int16), (RATE // 10, 1)), RATE)
    source = open_input(str(path), RATE)
    assert source.read() == np.full(RATE // 100, 2000, "<i2").tobytes()
    source.close()


def test_raw_is_taken_as_16_khz_and_an_odd_byte_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "x.raw"
    path.write_bytes(ramp(160) + b"\1")
    source = open_input(str(path), RATE)
    assert [source.read(), source.read()] == [ramp(160), bytes(BLOCK)]
    source.close()


def test_stdin_joins_pieces_that_are_cut_within_a_sample() -> None:
    reader, writer = os.pipe()
    with instead_of(0, reader):
        source = open_input("-", RATE)
        os.write(writer, ramp(160)[:101])
        os.write(writer, ramp(160)[101:])
        os.close(writer)
        assert source.name == "stdin"
        assert source.read() == ramp(160)
        source.read()
        assert source.ended
        source.close()
    os.close(reader)


def test_input_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("this is no sound at all, whatever its name says")
    soundfile.write(tmp_path / "nothing.wav", np.zeros(0, np.int16), RATE)
    for name, words in (
        ("missing.wav", "There is no input file"),
        ("empty.wav", "is empty"),
        ("text.wav", "cannot be read as sound"),
        ("nothing.wav", "holds no sound"),
        ("", "is a folder"),
    ):
        with pytest.raises(UsageError, match=words):
            open_input(str(tmp_path / name), RATE)


def test_a_damaged_file_is_an_audio_error() -> None:
    def broken() -> Iterator[bytes]:
        yield ramp(160)
        raise OSError("bad sector")

    source = FileInput("disk.wav", broken(), RATE, RATE, pace=FakeTime().pace())
    assert source.read() == ramp(160)
    with pytest.raises(AudioError, match=r"Reading disk\.wav failed: bad sector"):
        source.read()


# -- out -------------------------------------------------------------------------------------------------------


def test_a_wav_file_is_valid_after_every_block(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    speaker = open_output(str(path), RATE)
    for blocks in range(3):
        with wave.open(str(path)) as file:
            assert (file.getnframes(), file.getframerate(), file.getnchannels()) == (blocks * RATE // 100, RATE, 1)
        speaker.write(ramp(160))
    speaker.close()
    with wave.open(str(path)) as file:
        assert file.readframes(10_000) == ramp(160) * 3


def test_a_stereo_wav_keeps_both_channels(tmp_path: Path) -> None:
    file = WavFile(tmp_path / "two.wav", RATE, channels=2)
    file.write(ramp(4))
    file.close()
    samples, _ = soundfile.read(tmp_path / "two.wav", dtype="int16")
    assert samples.tolist() == [[1, 2], [3, 4]]


def test_an_output_that_outgrows_a_wav_goes_on_in_a_second_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode, "WAV_BYTES", 1000)
    speaker = open_output(str(tmp_path / "x.wav"), RATE)
    speaker._pace = FakeTime().pace()
    for _ in range(5):
        speaker.write(ramp(160))
    speaker.close()
    whole = b""
    for name in ("x.wav", "x.2.wav"):
        with wave.open(str(tmp_path / name)) as file:
            whole += file.readframes(10_000)
    assert whole == ramp(160) * 5


@pytest.mark.parametrize("ending", ["flac", "ogg", "mp3"])
def test_the_encoded_formats_are_written(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"x.{ending}"
    speaker = open_output(str(path), 24_000)
    speaker._pace = FakeTime().pace()
    pcm = sine(24_000).tobytes()
    for start in range(0, len(pcm), block_bytes(24_000)):
        speaker.write(pcm[start : start + block_bytes(24_000)])
    speaker.close()
    samples, rate_hz = soundfile.read(path, dtype="int16")
    assert rate_hz == 24_000
    spectrum = np.abs(np.fft.rfft(samples.astype(float)))
    assert np.argmax(spectrum) * rate_hz / len(samples) == pytest.approx(440, abs=5)


def test_raw_goes_to_files_and_to_stdout_as_it_is(tmp_path: Path) -> None:
    speaker = open_output(str(tmp_path / "x.pcm"), RATE)
    speaker.write(ramp(160))
    speaker.close()
    assert (tmp_path / "x.pcm").read_bytes() == ramp(160)
    reader, writer = os.pipe()
    with instead_of(1, writer):
        speaker = open_output("-", RATE)
        speaker.write(ramp(160))
        speaker.close()
    os.close(writer)
    assert os.read(reader, 10_000) == ramp(160)
    os.close(reader)


def test_output_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    for name, words in (
        ("no/folder.wav", "cannot be written: No such file"),
        ("x.doc", "has no ending of a sound format"),
    ):
        with pytest.raises(UsageError, match=words):
            open_output(str(tmp_path / name), RATE)
    with pytest.raises(UsageError, match="cannot be written"):
        open_output(str(tmp_path / "no" / "folder.ogg"), RATE)


def test_a_reader_that_went_away_is_an_audio_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with instead_of(1, writer):
        speaker = open_output("-", RATE)
        with pytest.raises(AudioError, match=r"Writing stdout failed: Broken pipe\."):
            speaker.write(ramp(160))
    os.close(writer)
