"""Devices that begin late, in zeros, at their own rate or channels: by value, without a device."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.soundcard import tone
from voicechat.audio import defaults
from voicechat.audio import devices as devices_module
from voicechat.audio.devices import Backend, Device, DeviceInput, DeviceOutput
from voicechat.errors import AudioError

RATE = 48_000


class Stream:
    """PyAudio's, as far as it is used: gives `sound` and then nothing, keeps what is written to it.

    `late` looks find nothing there. It fails when it is `lost`.
    """

    def __init__(self, sound: bytes = b"", *, channels: int = 1, late: int = 0, lost: bool = False):
        self.looks = 0
        self.closed = False
        self.written = b""
        self._sound, self._frame, self._late, self._lost = sound, 2 * channels, late, lost

    def get_input_latency(self) -> float:
        return 0.01

    get_output_latency = get_input_latency

    def get_read_available(self) -> int:
        self.looks += 1
        if self._lost and self.looks > self._late:
            raise OSError(-9999, "Unanticipated host error")
        return len(self._sound) // self._frame if self.looks > self._late else 0

    def read(self, count: int, exception_on_overflow: bool) -> bytes:
        size = count * self._frame
        block, self._sound = self._sound[:size], self._sound[size:]
        assert len(block) == size, "a read that waits for ever"
        return block

    def write(self, pcm: bytes, exception_on_underflow: bool) -> None:
        self.written += pcm

    def close(self) -> None:
        self.closed = True


def microphone(stream: Stream, native_hz: int = RATE, channels: int = 1, rate_hz: int = RATE) -> DeviceInput:
    return DeviceInput("headset", stream, native_hz, channels, rate_hz)


@pytest.fixture
def time_flies(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(devices_module, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=sleep))


def pitch(pcm: bytes, rate_hz: int) -> float:
    samples: NDArray[np.int16] = np.frombuffer(pcm, "<i2")
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate_hz / len(samples))


@pytest.mark.usefixtures("time_flies")
def test_a_microphone_that_begins_late_and_in_zeros_is_settled_with_its_first_sound_which_is_kept() -> None:
    said = tone(0.05, rate_hz=RATE)
    stream = Stream(bytes(RATE // 5 * 2) + said, late=100)
    one = microphone(stream)
    one.settle(lambda: True, lambda: True)
    assert stream.looks > 100
    assert b"".join(one.read() for _ in range(5)) == said


def test_zeros_alone_are_waited_out_for_a_second_and_a_half() -> None:
    """A microphone behind a noise gate, or a muted one."""
    stream = Stream(bytes(RATE * 4))
    microphone(stream).settle(lambda: True, lambda: True)
    assert len(stream._sound) == RATE * 4 - round(1.5 * RATE) * 2


def test_zeros_of_a_microphone_that_is_no_headset_are_its_sound_and_kept() -> None:
    one = microphone(Stream(bytes(RATE // 50 * 2) + tone(0.01, rate_hz=RATE)))
    one.settle(lambda: True, lambda: False)
    assert [any(one.read()) for _ in range(3)] == [False, False, True]


def server_says(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    pactl = folder / "pactl"
    pactl.write_text(f"#!/bin/sh\n[ $1 = info ] || exit 1\n{script}\n")
    pactl.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    monkeypatch.setattr(sys, "platform", "linux")


SERVER = """[ $LC_ALL = C ] && echo "Server Name: PulseAudio
Default Sample Specification: s16le 2ch 48000Hz
Default Sink: alsa_output.pci-0000
Default Source: {source}
Cookie: 1234:5678" """


@pytest.mark.parametrize(
    ("source", "may_be"),
    [("bluez_input.AC_80_0A.0", True), ("bluez_source.AC_80_0A.handsfree", True), ("alsa_input.pci-0000", False)],
)
def test_a_headset_is_known_by_the_name_of_the_default_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, may_be: bool
) -> None:
    server_says(tmp_path, monkeypatch, SERVER.format(source=source))
    assert defaults.default_devices() == (source, "alsa_output.pci-0000")
    assert defaults.may_be_headset() == may_be


@pytest.mark.parametrize("script", ["exit 1", "echo 'Server Name: none'"])
def test_where_the_sound_server_does_not_tell_it_may_be_a_headset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    server_says(tmp_path, monkeypatch, script)
    assert defaults.default_devices() is None
    assert defaults.may_be_headset()


@pytest.mark.usefixtures("time_flies")
def test_a_microphone_without_any_sound_is_told_and_whoever_does_not_want_it_waits_no_longer() -> None:
    stream = Stream(late=10**9)
    with pytest.raises(AudioError, match="'headset' is open and gives no sound"):
        microphone(stream).settle(lambda: True, lambda: False)
    waited = stream.looks
    with pytest.raises(AudioError):
        microphone(stream).settle(lambda: False, lambda: False)
    assert stream.looks == waited + 1


@pytest.mark.usefixtures("time_flies")
def test_a_microphone_that_is_lost_before_its_first_sound_is_told() -> None:
    with pytest.raises(AudioError, match="was lost"):
        microphone(Stream(late=3, lost=True)).settle(lambda: True, lambda: False)


NATIVE = [(8_000, 1), (16_000, 1), (22_050, 2), (44_100, 2), (48_000, 4)]


@pytest.mark.parametrize(("native_hz", "channels"), NATIVE)
def test_whatever_rate_and_channels_a_microphone_has_the_pitch_is_kept(native_hz: int, channels: int) -> None:
    said = np.repeat(np.frombuffer(tone(1.2, 700, native_hz), "<i2"), channels).tobytes()
    one = microphone(Stream(said, channels=channels), native_hz, channels)
    heard = [one.read() for _ in range(100)]
    assert {len(block) for block in heard} == {RATE // 100 * 2}
    assert pitch(b"".join(heard), RATE) == pytest.approx(700, abs=2)


@pytest.mark.parametrize(("native_hz", "channels"), NATIVE)
def test_whatever_rate_and_channels_a_speaker_has_the_pitch_is_kept(native_hz: int, channels: int) -> None:
    stream = Stream()
    speaker, said = DeviceOutput("headset", stream, native_hz, channels, 24_000), tone(1.0, 700, 24_000)
    for at in range(0, len(said), 480):
        speaker.write(said[at : at + 480])
    played = np.frombuffer(stream.written, "<i2").reshape(-1, channels)
    assert (played == played[:, :1]).all()
    assert len(played) / native_hz == pytest.approx(1.0, abs=0.03)
    assert pitch(played[:, 0].tobytes(), native_hz) == pytest.approx(700, abs=2)


class Picky:
    """PyAudio with one device that opens in one way only."""

    def __init__(self, native_hz: int, channels: int):
        self._only = native_hz, channels

    def open(self, *, rate: int, channels: int, **options: Any) -> Stream:
        if (rate, channels) != self._only:
            raise OSError(-9997, "Invalid sample rate")
        return Stream(channels=channels)


@pytest.mark.parametrize("output", [False, True])
@pytest.mark.parametrize(("native_hz", "channels"), [(24_000, 1), *NATIVE])
def test_a_device_that_opens_only_at_its_own_rate_or_with_its_own_channels_is_opened_so(
    native_hz: int, channels: int, output: bool
) -> None:
    backend = Backend.__new__(Backend)
    backend._pyaudio = SimpleNamespace(paInt16=8)
    backend._pa = Picky(native_hz, channels)
    device = Device(0, "headset", "test", channels, channels, native_hz)
    assert backend._open(device, 24_000, output=output)[1:] == (native_hz, channels)
