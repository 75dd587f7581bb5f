"""Devices that begin late, in zeros, at their own rate, in the middle of a change: by value, without a device."""

import asyncio
import gc
import os
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.soundcard import tone
from tests.unit import stage as session_stage
from voicechat.audio import defaults
from voicechat.audio import devices as devices_module
from voicechat.audio import keeper as keeper_module
from voicechat.audio import recorder as recorder_module
from voicechat.audio.devices import Backend, Device, DeviceInput, DeviceOutput
from voicechat.audio.engine import AudioPlan
from voicechat.audio.files import FileOutput, Pace
from voicechat.audio.keeper import Sound
from voicechat.audio.playback import PlaybackQueue
from voicechat.audio.recorder import Recorder
from voicechat.audio.streams import OutputStream
from voicechat.conversation.summary import so_far
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


@pytest.mark.parametrize(
    ("says", "may_be"),
    [("bluez_input.AC_80_0A.0", True), ("bluez_source.AC_80_0A.handsfree", True), ("alsa_input.pci-0000", False)],
)
def test_a_headset_is_known_by_the_name_of_the_default_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, may_be: bool
) -> None:
    pactl = tmp_path / "pactl"
    pactl.write_text(f"#!/bin/sh\n[ $1 = get-default-source ] && echo {says}\n")
    pactl.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(sys, "platform", "linux")
    assert defaults.may_be_headset() == may_be
    pactl.write_text("#!/bin/sh\nexit 1\n")
    assert defaults.may_be_headset(), "nobody knows"


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


# -- the keeper's patience with them ---------------------------------------------------------------------------


class Headset:
    """A Backend with one microphone for each attempt, and a speaker that nobody hears."""

    def __init__(self, *attempts: Stream | AudioError, speaker: OutputStream | None = None):
        self.attempts = list(attempts)
        self.speaker = speaker

    def open_input(self, name: str, rate_hz: int) -> DeviceInput:
        one = self.attempts.pop(0)
        if isinstance(one, AudioError):
            raise one
        return microphone(one, rate_hz=rate_hz)

    def open_output(self, name: str, rate_hz: int) -> OutputStream:
        return self.speaker or FileOutput("headset", rate_hz, Path(os.devnull).open("wb"), pace=Pace())

    def close(self) -> None: ...


class Endless(Stream):
    """A microphone that works."""

    def get_read_available(self) -> int:
        return RATE

    def read(self, count: int, exception_on_overflow: bool) -> bytes:
        time.sleep(count / RATE)
        return b"\x10\0" * count


def kept(headset: Headset, monkeypatch: pytest.MonkeyPatch) -> tuple[Sound, list[str]]:
    monkeypatch.setattr(devices_module, "Backend", lambda: headset)
    monkeypatch.setattr(keeper_module, "RETRY_S", 0.02)
    told: list[str] = []
    plan = AudioPlan(cancel_echo=False)
    sound = Sound(
        plan, RATE, PlaybackQueue(RATE), lambda frame: None, lambda event: None, lambda _, line: told.append(line)
    )
    return sound, told


class Torn(Endless):
    """A microphone of which 50 ms are lost after two seconds; by its own clock, which does not wait."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.blocks, self.later = 0.0, 0, threading.Event()

    def read(self, count: int, exception_on_overflow: bool) -> bytes:
        self.blocks += 1
        self.now += 0.01 if self.blocks != 200 else 0.06
        if self.blocks > 600:
            self.later.set()
            time.sleep(0.01)
        return b"\x10\0" * count


class Stalling:
    """A speaker that takes whatever it is given, and holds up the player for 60 ms after the third block."""

    name, rate_hz, latency_ms, room_samples = "headset", RATE, 0.0, RATE

    def __init__(self) -> None:
        self.blocks, self.enough = 0, threading.Event()

    def write(self, block: bytes) -> None:
        self.blocks += 1
        if self.blocks == 3:
            time.sleep(0.06)
        if self.blocks == 8:
            self.enough.set()

    def close(self) -> None: ...


def test_sound_that_was_lost_on_either_side_is_counted_without_a_canceller_too_and_told_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    microphone, speaker = Torn(), Stalling()
    monkeypatch.setattr(recorder_module, "time", SimpleNamespace(monotonic=lambda: microphone.now))
    monkeypatch.setattr(defaults, "default_devices", lambda: ("mic", "speaker"))

    async def main() -> None:
        sound, _ = kept(Headset(microphone, Endless(), speaker=speaker), monkeypatch)
        await sound.open()
        sound._queue.put(0, "an answer", 0, tone(0.08, rate_hz=RATE))
        sound._queue.finish_all(0)
        for event in (speaker.enough, microphone.later):
            assert await asyncio.to_thread(event.wait, 5)
        end = so_far(session_stage.Stage().session, sound, None, 0, 0.0, 1.0)
        assert (end.speaker_gaps, end.microphone_gaps) == (1, 1)
        await sound._reopen()
        assert sound.microphone_gaps == 1, "what was counted before is kept"
        await sound.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("paces", "told"),
    [
        ([1.0, 0.98, 1.03, 0.4, 1.6, 1.0], 0),
        ([1.0, 0.33, 0.34, 0.33, 0.33], 1),
        ([2.0, 2.0, 1.0, 2.0, 2.0], 2),
        ([0.0, 0.0, 0.0], 0),
        ([0.6, 0.3, 0.7, 0.2], 0),
    ],
    ids=["as it should", "a third", "twice, and again later", "hanging", "a machine that is late"],
)
def test_a_microphone_whose_samples_come_at_another_rate_is_opened_again_once(
    monkeypatch: pytest.MonkeyPatch, paces: list[float], told: int
) -> None:
    monkeypatch.setattr(defaults, "default_devices", lambda: ("mic", "speaker"))

    async def main() -> None:
        sound, _ = kept(Headset(Endless()), monkeypatch)
        await sound.open()
        recorder = sound._engine.recorder if sound._engine else None
        assert recorder is not None
        assert recorder.stop()  # from here on the test says what it captured
        now = 100.0
        monkeypatch.setattr(keeper_module, "time", SimpleNamespace(monotonic=lambda: now))
        sound._look_for_another_rate()
        for pace in paces:
            now += 1.0
            recorder.losses.blocks += round(100 * pace)
            sound._look_for_another_rate()
        assert sound._lost.qsize() == told
        await sound.close()

    asyncio.run(main())


def lost() -> Stream:
    return Stream(late=1, lost=True)


def test_a_headset_that_changes_its_profile_when_it_is_opened_is_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    headset = Headset(lost(), AudioError("The microphone 'headset' cannot be opened."), Endless())
    monkeypatch.setattr(defaults, "default_devices", lambda: ("mic", "speaker"))

    async def main() -> None:
        sound, told = kept(headset, monkeypatch)
        await sound.open()
        assert sound.input_name == "headset"
        await sound.close()
        assert (headset.attempts, told) == ([], [])

    asyncio.run(main())


def test_a_microphone_that_cannot_be_opened_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    headset = Headset(AudioError("The microphone 'headset' cannot be opened."), Endless())

    async def main() -> None:
        sound, _ = kept(headset, monkeypatch)
        with pytest.raises(AudioError, match="cannot be opened"):
            await sound.open()
        await sound.close()

    asyncio.run(main())
    assert len(headset.attempts) == 1


def test_devices_that_were_opened_in_the_middle_of_a_change_are_opened_again_before_it_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = [("mic", "speaker"), ("headset", "speaker"), *[("headset", "headset")] * 9]
    headset = Headset(lost(), Endless(), Endless(), Endless())
    monkeypatch.setattr(defaults, "default_devices", lambda: answers.pop(0))

    async def main() -> None:
        sound, told = kept(headset, monkeypatch)
        await sound._reopen()
        await sound.close()
        assert told == ["Going on with headset and headset."]

    asyncio.run(main())
    assert len(headset.attempts) == 1


def test_whoever_ends_the_program_does_not_wait_for_a_headset(monkeypatch: pytest.MonkeyPatch) -> None:
    silent = Stream(late=10**9)
    monkeypatch.setattr(defaults, "default_devices", lambda: ("mic", "speaker"))
    monkeypatch.setattr(keeper_module, "SLOW_S", 0.02)

    async def main() -> None:
        loose: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: loose.append(context))
        sound, _ = kept(Headset(silent), monkeypatch)
        slow = asyncio.Event()
        sound._warn = lambda *_: slow.set()
        opening = asyncio.create_task(sound.open())
        await asyncio.wait_for(slow.wait(), 5)
        opening.cancel()
        await asyncio.wait([opening])
        await sound.close()
        looks = silent.looks
        await asyncio.sleep(0.05)
        assert silent.looks == looks, "somebody still waits for it"
        assert silent.closed
        del opening, sound
        gc.collect()
        assert loose == [], "an error that nobody took is written to the terminal"

    asyncio.run(main())


@pytest.mark.parametrize("at_once", [False, True])
def test_new_devices_are_taken_in_a_pause_of_the_user_unless_the_old_ones_have_gone(
    monkeypatch: pytest.MonkeyPatch, at_once: bool
) -> None:
    answers = [("mic", "speaker"), *[("headset", "headset")] * 9]
    monkeypatch.setattr(defaults, "default_devices", lambda: answers.pop(0))
    monkeypatch.setattr(keeper_module, "PAUSE_S", 0.02)

    async def main() -> None:
        sound, told = kept(Headset(Endless(), Endless()), monkeypatch)
        await sound.open()
        recorder = sound._engine.recorder if sound._engine else None
        assert recorder is not None
        speaking = [True] * 5
        monkeypatch.setattr(Recorder, "quiet_s", property(lambda _: 0.0 if speaking and speaking.pop() else 1.0))
        await sound._follow_defaults(at_once=at_once)
        await sound.close()
        assert len(speaking) == (5 if at_once else 0)
        assert told == [
            "The system's default devices have changed: moving there.",
            "Going on with headset and headset.",
        ]

    asyncio.run(main())
