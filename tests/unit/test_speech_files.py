"""Sound files: formats by ending, valid whenever they are closed, and only once there is sound."""

import asyncio
import io
import resource
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile

from tests.soundcard import tone
from tests.speech_servers.sound import encoded, heard, voice
from voicechat.audio.encode import check_rate, encoding_of
from voicechat.errors import AudioError, UsageError
from voicechat.speech.mpeg import join_mp3
from voicechat.speech.sinks import FileSink

SECOND = tone(1.0, rate_hz=24_000)


def write(sink: FileSink, pieces: list[bytes], rest: bytes = b"") -> None:
    """Whole pieces, then a part of one, as an interruption leaves it."""

    async def run() -> None:
        try:
            for piece in pieces:
                for start in range(0, len(piece), 8192):
                    await sink.write(piece[start : start + 8192])
                await sink.piece_done()
            if rest:
                await sink.write(rest)
        finally:
            await sink.close()

    asyncio.run(run())


def decoded(path: Path) -> tuple[np.ndarray, int]:
    if path.suffix != ".aac":
        samples, rate = soundfile.read(path, dtype="int16")
        return samples, rate
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)]
        return (np.concatenate(frames) * 32767).astype(np.int16), container.streams.audio[0].rate


@pytest.mark.parametrize("encoding", ["wav", "mp3", "flac", "opus", "aac"])
@pytest.mark.parametrize("rate_hz", [24_000, 48_000, 16_000])
def test_a_file_holds_what_was_spoken_at_its_rate_even_when_cut_off(
    tmp_path: Path, encoding: str, rate_hz: int
) -> None:
    path = tmp_path / f"spoken.{encoding}"
    write(FileSink(str(path), encoding, rate_hz, 24_000), [SECOND, SECOND], SECOND[:24_000])
    samples, rate = decoded(path)
    if encoding == "opus":  # is always decoded at 48 kHz, or at the rate its header remembers
        assert rate in (rate_hz, 48_000)
    else:
        assert rate == rate_hz
    assert abs(len(samples) / rate - 2.5) < 0.15
    middle = samples[rate // 2 : rate].astype(float)
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert abs(np.argmax(spectrum) * rate / len(middle) - 440) < 5


def test_pcm_and_wav_are_exact(tmp_path: Path) -> None:
    for name in ("a.pcm", "a.raw"):
        write(FileSink(str(tmp_path / name), "pcm", 24_000, 24_000), [voice("Hello "), voice("there.")])
        assert heard((tmp_path / name).read_bytes()) == "Hello there."
    write(FileSink(str(tmp_path / "a.wav"), "wav", 24_000, 24_000), [voice("Hello")], voice(" the"))
    samples, rate = soundfile.read(tmp_path / "a.wav", dtype="int16")
    assert (heard(samples.tobytes()), rate) == ("Hello the", 24_000)


def test_a_piece_that_begins_anew_replaces_what_came_of_it(tmp_path: Path) -> None:
    async def run() -> None:
        sink = FileSink(str(tmp_path / "a.pcm"), "pcm", 24_000, 24_000)
        await sink.write(voice("One."))
        await sink.piece_done()
        await sink.write(voice("Tw"))
        assert sink.rewind() == 0
        await sink.write(voice("Two."))
        await sink.piece_done()
        await sink.close()

    asyncio.run(run())
    assert heard((tmp_path / "a.pcm").read_bytes()) == "One.Two."


def test_a_piece_without_an_end_does_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicechat.speech.sinks.HELD_BYTES", 1000)

    async def run() -> None:
        sink = FileSink(str(tmp_path / "a.pcm"), "pcm", 24_000, 24_000)
        await sink.write(voice("Hello"))
        assert (tmp_path / "a.pcm").stat().st_size == len(voice("Hello"))
        assert sink.rewind() == len(voice("Hello"))
        await sink.close()

    asyncio.run(run())


def test_answers_are_kept_as_they_came(tmp_path: Path) -> None:
    mp3 = encoded("Hello there.", "mp3")
    write(FileSink(str(tmp_path / "a.mp3"), "mp3", 24_000, 0), [mp3])
    assert (tmp_path / "a.mp3").read_bytes() == mp3
    opus = encoded("Hello there.", "opus")
    write(FileSink(str(tmp_path / "a.opus"), "opus", 24_000, 0), [opus])
    assert (tmp_path / "a.opus").read_bytes() == opus


def sounding(encoding: str, tags: bytes = b"") -> bytes:
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", 24_000, 1, format="MP3") as sound:
        sound.buffer_write(SECOND, "int16")
    return tags + file.getvalue()


def test_many_mp3_answers_make_one_file_of_their_whole_length(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    id3 = b"ID3\x04\0\0\0\0\0\x0a" + bytes(10)
    write(FileSink(str(path), "mp3", 24_000, 0), [sounding("mp3"), sounding("mp3", id3), sounding("mp3")])
    with av.open(str(path)) as container:
        length = sum(frame.samples for frame in container.decode(audio=0)) / 24_000
    assert abs(length - 3.0) < 0.3
    assert path.read_bytes().count(b"ID3") == 0
    assert sum(path.read_bytes().count(tag) for tag in (b"Info", b"Xing")) <= 1


def test_only_tags_and_info_frames_are_taken_from_an_mp3() -> None:
    frame = b"\xff\xf3\x84\xc4" + bytes(188)  # version 2, layer III, 64 kbit/s, 24 kHz: 192 bytes
    info = frame[:13] + b"Info" + frame[17:]
    assert join_mp3(frame * 2) == frame * 2
    assert join_mp3(info + frame) == frame
    assert join_mp3(b"ID3\x04\0\0\0\0\0\x05hello" + info + frame) == frame
    assert join_mp3(b"") == b""
    assert join_mp3(b"ID3") == b"ID3"


def test_no_file_is_made_before_there_is_sound_and_an_old_one_stays(tmp_path: Path) -> None:
    write(FileSink(str(tmp_path / "a.wav"), "wav", 24_000, 24_000), [])
    assert list(tmp_path.iterdir()) == []
    old = tmp_path / "old.mp3"
    old.write_bytes(b"precious")
    write(FileSink(str(old), "mp3", 24_000, 24_000), [])
    assert old.read_bytes() == b"precious"


@pytest.mark.parametrize("name", ["no/such/folder.wav", "", "."])
def test_a_file_that_cannot_be_written_is_said_before_anything_is_asked(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        FileSink(str(tmp_path / name), "wav", 24_000, 24_000)


@pytest.mark.parametrize("encoding", ["wav", "pcm", "flac", "mp3", "opus", "aac"])
def test_a_full_disk_is_one_error(tmp_path: Path, encoding: str) -> None:
    sink = FileSink(str(tmp_path / "a.bin"), encoding, 24_000, 24_000)
    noise = np.random.default_rng(1).normal(0, 8000, 240_000).clip(-32768, 32767).astype("<i2").tobytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(AudioError, match=r"Writing .*a\.bin failed") as caught:
            write(sink, [noise, noise])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "disk full" in caught.value.hint


@pytest.mark.parametrize(
    ("path", "asked", "encoding"),
    [
        ("a.wav", "", "wav"), ("a.MP3", "", "mp3"), ("a.ogg", "", "opus"), ("a.opus", "", "opus"), ("a.raw", "", "pcm"),
        ("a.bin", "flac", "flac"), ("a.mp3", "WAV", "wav"), ("-", "", "pcm"), ("-", "pcm", "pcm"), ("a.aac", "", "aac"),
    ],
)  # fmt: skip
def test_the_format_by_ending_or_by_name(path: str, asked: str, encoding: str) -> None:
    assert encoding_of(path, asked) == encoding


@pytest.mark.parametrize(("path", "asked"), [("a", ""), ("a.txt", ""), ("a.wav", "midi"), ("-", "mp3")])
def test_a_format_nobody_writes_is_a_usage_error(path: str, asked: str) -> None:
    with pytest.raises(UsageError):
        encoding_of(path, asked)


@pytest.mark.parametrize(("encoding", "rate_hz"), [("opus", 22_050), ("mp3", 96_000), ("aac", 7), ("wav", 1), ("", 0)])
def test_rates_that_do_not_exist(encoding: str, rate_hz: int) -> None:
    with pytest.raises(UsageError):
        check_rate(encoding, rate_hz)
    check_rate("wav", 96_000)
    check_rate("opus", 24_000)


def test_resampling_has_no_seam_between_pieces(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    cut = [SECOND[start : start + 9600] for start in range(0, len(SECOND), 9600)]
    write(FileSink(str(path), "wav", 48_000, 24_000), cut)
    samples: Any = soundfile.read(path, dtype="int16")[0].astype(int)
    assert len(samples) == 48_000
    assert np.abs(np.diff(samples)).max() < 350  # the steepest step of this tone is 309
