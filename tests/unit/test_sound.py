"""The engine's keeper, with sources of the test's in place of a microphone, and a file in place of a speaker."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from voicechat.audio import engine as engine_module
from voicechat.audio import keeper as sound_module
from voicechat.audio.engine import AudioPlan
from voicechat.audio.frames import Frame, block_bytes
from voicechat.audio.keeper import HANG_S, ZEROS_MS, Sound
from voicechat.audio.playback import PlaybackQueue
from voicechat.audio.streams import InputStream
from voicechat.errors import AudioError

RATE = 24_000
LOUD = np.full(RATE // 100, 5000, "<i2").tobytes()


class Source:
    """Gives as many loud blocks at once as it was told, then `fails` or waits until it is closed."""

    name = "source"
    rate_hz = RATE
    latency_ms = 0.0
    ended = False

    def __init__(self, blocks: int = 0, *, fails: bool = False):
        self._blocks = blocks
        self._fails = fails
        self._closed = threading.Event()

    def read(self) -> bytes:
        self._blocks -= 1
        if self._blocks >= 0:
            return LOUD
        if self._fails:
            raise AudioError("The microphone 'source' was lost.")
        self._closed.wait(0.01)
        return bytes(block_bytes(RATE))

    def close(self) -> None:
        self._closed.set()


class Stage:
    def __init__(self, folder: Path, make_input: Callable[[int], InputStream] | None, **plan: bool):
        self.frames: list[Frame] = []
        self.warnings: list[str] = []
        self.heard = asyncio.Event()
        self.expected = 1
        audio = AudioPlan(make_input=make_input, output_file=str(folder / "out.raw"), **plan)  # type: ignore[arg-type]
        self.sound = Sound(
            audio, RATE, PlaybackQueue(RATE), self._hear, lambda event: None, lambda code, words: self._warn(code)
        )
        self.sound.begin()

    def _hear(self, frame: Frame) -> None:
        self.frames.append(frame)
        if len(self.frames) >= self.expected:
            self.heard.set()

    def _warn(self, code: str) -> None:
        self.warnings.append(code)

    async def hear(self, count: int) -> None:
        """Until so many frames were heard."""
        self.expected = count
        if len(self.frames) < count:
            self.heard.clear()
        await asyncio.wait_for(self.heard.wait(), 5)


def test_a_device_that_comes_while_muted_is_muted_from_its_first_block_on(tmp_path: Path) -> None:
    async def main() -> None:
        stage = Stage(tmp_path, lambda rate: Source(20))
        stage.sound.mute(True)
        await stage.sound._reopen()
        await stage.hear(20)
        await stage.sound.close()
        assert not any(any(frame.pcm) for frame in stage.frames)

    asyncio.run(main())


def test_a_new_device_that_fails_at_once_is_told_and_not_opened_again_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sound_module, "RETRY_S", 0.3)
    opened: list[float] = []

    def make(rate: int) -> InputStream:
        opened.append(time.monotonic())
        return Source(fails=True)

    async def main() -> None:
        stage = Stage(tmp_path, make)
        await stage.sound._reopen()
        assert "was lost" in (await asyncio.wait_for(stage.sound._lost.get(), 5)).message
        await stage.sound._reopen()
        await stage.sound.close()

    asyncio.run(main())
    assert opened[1] - opened[0] >= 0.29


def test_while_a_microphone_is_away_silence_is_heard_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sound_module, "RETRY_S", 0.05)

    async def main() -> None:
        back = threading.Event()

        def make(rate: int) -> InputStream:
            if not back.is_set():
                raise AudioError("There is no microphone on this machine.")
            return Source(5)

        stage = Stage(tmp_path, make, keep_reference=True)
        began = time.monotonic()
        reopening = asyncio.create_task(stage.sound._reopen())
        await stage.hear(26)
        assert 0.45 < time.monotonic() - began < 1.5  # half a second
        frame = stage.frames[0]
        assert (frame.pcm, frame.voiced, frame.dbfs) == (bytes(RATE // 50 * 2), False, float("-inf"))
        assert frame.reference == bytes(RATE // 50 * 2)
        back.set()
        await reopening
        assert [task for task in asyncio.all_tasks() if "silence" in task.get_name()] == []
        await stage.hear(len(stage.frames) + 5)
        assert any(any(frame.pcm) for frame in stage.frames[26:])
        await stage.sound.close()

    asyncio.run(main())


def test_zeros_are_told_after_ten_seconds_not_after_sound_nor_while_muted_and_taken_back(tmp_path: Path) -> None:
    async def main() -> None:
        stage = Stage(tmp_path, lambda rate: Source(0))
        await stage.sound.open()
        assert stage.sound._engine is not None
        recorder = stage.sound._engine.recorder
        assert recorder is not None
        assert recorder.stop()  # from here on the test says what it captured
        stage.sound._has_microphone = True  # not one that ends

        def told(zero_ms: int, sounded: bool) -> list[str]:
            recorder.zero_ms, recorder.sounded = zero_ms, sounded
            stage.warnings.clear()
            stage.sound._look_for_zeros()
            return stage.warnings

        assert told(9_990, False) == []
        stage.sound.mute(True)
        assert told(10_000, False) == []
        stage.sound.mute(False)
        assert told(10_000, False) == ["silent_microphone"]
        assert told(20_000, False) == []
        assert told(0, True) == ["microphone_heard"]
        assert told(0, True) == []
        assert told(60_000, True) == [], "the silence of a headset or a noise gate"
        await stage.sound.close()

    asyncio.run(main())


def test_without_a_microphone_its_silence_is_no_fault_and_a_slow_reader_of_the_output_neither(tmp_path: Path) -> None:
    async def main() -> None:
        stage = Stage(tmp_path, None, microphone=False, keep_reference=True)
        await stage.sound.open()
        engine = stage.sound._engine
        assert engine is not None
        assert engine.recorder is not None
        assert engine.player is not None
        engine.recorder.zero_ms = 2 * ZEROS_MS
        engine.player.wrote_at = time.monotonic() - 2 * HANG_S
        stage.sound._look_for_zeros()
        stage.sound._look_for_hangs()
        await stage.sound.close()
        assert stage.warnings == []
        assert stage.sound._lost.empty()

    asyncio.run(main())


def test_closing_through_a_sound_server_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "CLOSE_S", 0.1)
    answers = threading.Event()

    class Hanging(Source):
        def close(self) -> None:
            answers.wait(20)

    async def main() -> None:
        stage = Stage(tmp_path, lambda rate: Hanging(20))
        await stage.sound.open()
        await stage.hear(5)
        async with asyncio.timeout(5):
            await stage.sound.close()

    began = time.monotonic()
    asyncio.run(main())  # which joins the threads of `asyncio.to_thread`
    took_s = time.monotonic() - began
    answers.set()
    assert took_s < 5


def run(script: str, **env: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, **env}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_what_the_first_block_needs_is_there_before_it(tmp_path: Path) -> None:
    script = f"""
import asyncio, sys
from voicechat.audio.engine import AudioPlan, Engine
from voicechat.audio.playback import PlaybackQueue
async def main():
    engine = Engine(AudioPlan(output_file={str(tmp_path / "out.raw")!r}, microphone=False), 24000, PlaybackQueue(24000))
    before = "numpy" in sys.modules
    engine.open(asyncio.get_running_loop(), print, print)
    print(before, "numpy" in sys.modules)
    engine.close()
asyncio.run(main())
"""
    assert run(script) == "False True"


def test_a_canceller_whose_library_does_not_load_is_one_that_is_missing() -> None:
    script = """
from voicechat.audio.echo import EchoCanceller
from voicechat.errors import AudioError
try:
    EchoCanceller(48000, 24000)
except AudioError as error:
    print(error.message)
"""
    assert "no echo canceller" in run(script, LIVEKIT_LIB_PATH="/nowhere/liblivekit.so")
