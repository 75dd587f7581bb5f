"""The keeper's patience with devices: lost, at another rate, changed or slow to open. By value, without a device."""

import asyncio
import gc
import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.soundcard import tone
from tests.unit import stage as session_stage
from tests.unit.test_devices import RATE, Stream, microphone
from voicechat.audio import defaults
from voicechat.audio import devices as devices_module
from voicechat.audio import keeper as keeper_module
from voicechat.audio import recorder as recorder_module
from voicechat.audio.devices import DeviceInput
from voicechat.audio.engine import AudioPlan
from voicechat.audio.files import FileOutput, Pace
from voicechat.audio.keeper import Sound
from voicechat.audio.playback import PlaybackQueue
from voicechat.audio.recorder import Recorder
from voicechat.audio.streams import OutputStream
from voicechat.conversation.summary import so_far
from voicechat.errors import AudioError


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
