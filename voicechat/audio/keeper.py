"""The audio engine in real life: opened beside the connection, reopened when a device goes, watched meanwhile."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace

from voicechat.audio import defaults
from voicechat.audio.background import in_background
from voicechat.audio.engine import OPEN_S, AudioPlan, Engine
from voicechat.audio.frames import BLOCK_MS, Frame, block_bytes
from voicechat.audio.permission import how_to_unmute, zeros
from voicechat.audio.playback import PlaybackQueue
from voicechat.audio.player import PlaybackDrained, PlaybackStarted, PlayerEvent
from voicechat.audio.recorder import Recorder
from voicechat.errors import AudioError, UsageError

log = logging.getLogger(__name__)

RETRY_S = 1.0
SLOW_S = 2.0
"""Who waits longer for the devices at the beginning is told so."""
SETTLING_S = 6.0
"""After the microphone was opened once, it is opened again for so long: a headset changes its profile by that."""
PAUSE_S, PAUSE_WAIT_S = 0.3, 5.0
"""The system's new devices are taken where the user has not spoken for the one time, or after the other."""
FIRST_LOOK_S = 2.0
"""To open a headset's microphone may make it the system's default."""
HANG_S = 5.0
PACE_OFF, PACE_STEADY = 0.15, 0.05
"""A microphone has another rate when a second has so much more or less of it, twice, the second time to this share."""
ZEROS_MS = 10_000
"""Exact zeros for this long, and nothing else before: the microphone is muted, or the system gives us none on purpose.

A shorter time, or zeros after sound, are the silence of a Bluetooth headset, a noise gate or a virtual device.
"""

SILENCE_BLOCKS = 2
"""Of the frames that stand in for a microphone that is away: as long as a quiet microphone's."""


class Sound:
    """Owns the engine of a conversation. Callbacks run on the loop; `watch` raises AudioError when a file fails."""

    def __init__(
        self,
        plan: AudioPlan,
        input_rate_hz: int,
        queue: PlaybackQueue,
        hear: Callable[[Frame], None],
        played: Callable[[PlaybackStarted | PlaybackDrained], None],
        warn: Callable[[str, str], None],
    ):
        self.muted = False
        self._plan = plan
        self._begun = False
        self._input_rate_hz = input_rate_hz
        self._queue = queue
        self._hear = hear
        self._played = played
        self._warn = warn
        self._engine: Engine | None = None
        self._lost: asyncio.Queue[AudioError] = asyncio.Queue(maxsize=4)
        self._dropped_before = self._speaker_gaps_before = self._microphone_gaps_before = 0
        self._zeros_told = False
        self._pace: tuple[Recorder, float, int, float] | None = None  # when last looked at, blocks until then, the pace
        self._pace_told = False
        self._aec_told = False
        self._opened_at = float("-inf")
        self._has_microphone = plan.microphone and not plan.input_ends
        self._follows = not (plan.input_ends or plan.output_file)  # a file would begin again
        self._defaults: asyncio.Future[tuple[str, ...] | None]

    async def open(self) -> None:
        """Open what the plan asks for, until sound flows. Raises AudioError or UsageError."""
        loop = asyncio.get_running_loop()
        until, settling = loop.time() + SETTLING_S, False
        waiting = "Waiting for the microphone and the speaker. A headset may take some seconds."
        slow = loop.call_later(SLOW_S, self._warn, "slow_device", waiting)
        try:
            while True:
                if self._follows:
                    self._ask_defaults()
                try:
                    return await self._open(self._plan, OPEN_S)
                except (AudioError, UsageError) as error:
                    settling = settling or (self._engine is not None and self._engine.began_to_hear)
                    if not settling or loop.time() + RETRY_S > until:
                        raise
                    log.debug("opening again: %s", error.message)
                await self.close()
                await asyncio.sleep(RETRY_S)
        finally:
            slow.cancel()

    def _ask_defaults(self) -> "asyncio.Future[tuple[str, ...] | None]":
        """What the defaults are now, before devices are opened: whatever changes afterwards is noticed."""
        self._defaults = in_background(defaults.default_devices, "default devices")
        return self._defaults

    async def _open(self, plan: AudioPlan, patience_s: float | None = None) -> None:
        loop = asyncio.get_running_loop()
        engine = Engine(plan, self._input_rate_hz, self._queue, muted=self.muted)

        def played(event: PlayerEvent) -> None:
            if not isinstance(event, AudioError):
                self._played(event)
            elif engine is self._engine and not self._lost.full():
                self._lost.put_nowait(event)

        while not self._lost.empty():  # complaints of the devices that are replaced; from here on, of the new ones
            self._lost.get_nowait()
        self._engine = engine
        await engine.start(self._hear, played, patience_s)
        if self._begun:
            engine.begin()
        self._opened_at = loop.time()
        for note in engine.notes if not self._aec_told else ():
            self._aec_told = True
            self._warn("aec", note)
        self.mute(self.muted)  # it may have changed meanwhile

    def begin(self) -> None:
        """There is somebody to hear the file or the pipe, which is read from now on. A microphone was, all the time."""
        self._begun = True
        if self._engine is not None:
            self._engine.begin()

    async def close(self) -> None:
        if self._engine is not None:
            await self._engine.end()

    async def watch(self) -> None:
        """Until cancelled: reopen lost devices, follow the system's defaults, notice a microphone of zeros."""
        due = asyncio.get_running_loop().time() + min(FIRST_LOOK_S, defaults.interval_s())
        while True:
            try:
                error = await asyncio.wait_for(self._lost.get(), RETRY_S)
            except TimeoutError:
                self._look_for_zeros()
                self._look_for_hangs()
                self._look_for_another_rate()
                empty = self._engine is not None and self._engine.found_empty()
                if self._follows and (empty or asyncio.get_running_loop().time() >= due):
                    await self._follow_defaults(at_once=empty)
                    due = asyncio.get_running_loop().time() + defaults.interval_s()
            else:
                if self._plan.input_ends or self._plan.output_file:
                    raise error
                self._warn("device", f"{error.message} Waiting for it, or for another.")
                await self._reopen()

    async def _reopen(self) -> None:
        """Try until something opens. Meanwhile silence is heard, in time."""
        await self._close_old()
        silence = asyncio.create_task(self._hear_silence(), name="silence for the microphone")
        try:
            await self._open_any()
        finally:
            silence.cancel()
            await asyncio.wait([silence])

    async def _hear_silence(self) -> None:
        """What a microphone that is away would give: services whose clock is the sound end a session without any."""
        if not self._plan.microphone:
            return
        loop = asyncio.get_running_loop()
        silence = bytes(SILENCE_BLOCKS * block_bytes(self._input_rate_hz))
        reference = bytes(SILENCE_BLOCKS * block_bytes(self._queue.rate_hz)) if self._plan.keep_reference else b""
        due = loop.time()
        while True:
            if self._engine is None or self._engine.recorder is None:
                self._hear(Frame(silence, False, float("-inf"), time.monotonic(), reference))
            due = max(due + SILENCE_BLOCKS * BLOCK_MS / 1000, loop.time() - RETRY_S)
            await asyncio.sleep(due - loop.time())

    async def _open_any(self) -> None:
        """The devices that were asked for, else the system's defaults, again and again."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._opened_at + RETRY_S - loop.time())  # one that dies at once is not opened at once
        plans = [self._plan]
        if self._plan.input_device or self._plan.output_device:
            plans.append(replace(self._plan, input_device="", output_device=""))
        while True:
            if self._follows:
                self._ask_defaults()
            for plan in plans:
                try:
                    await self._open(plan)
                except (AudioError, UsageError) as error:
                    log.debug("reopening: %s", error.message)
                    continue
                if self._follows and await self._defaults_changed():  # it was in the middle of the change
                    await self._close_old()
                    break
                self._warn("device", f"Going on with {self.input_name or 'no microphone'} and {self.output_name}.")
                return
            else:
                await asyncio.sleep(RETRY_S)

    async def _close_old(self) -> None:
        if self._engine is not None:
            self._dropped_before += self._engine.dropped_frames
            self._speaker_gaps_before += self._engine.speaker_gaps
            self._microphone_gaps_before += self._engine.microphone_gaps
            await self._engine.end()
            self._engine = None
        self._queue.reopen()

    async def _follow_defaults(self, *, at_once: bool) -> None:
        """Devices that were not asked for by name follow the system when it changes its mind.

        In a pause of the user, unless `at_once`: during the change nothing is heard, and the old ones may still work.
        """
        if not await self._defaults_changed():
            return
        for _ in range(round(PAUSE_WAIT_S / PAUSE_S)):
            recorder = self._engine.recorder if self._engine else None
            if at_once or not self._lost.empty() or recorder is None or recorder.quiet_s >= PAUSE_S:
                break
            await asyncio.sleep(PAUSE_S)
        self._warn("device", "The system's default devices have changed: moving there.")
        await self._reopen()

    async def _defaults_changed(self) -> bool:
        """Whether other devices than those that were opened are the system's defaults, where none was asked for."""
        before, now = await self._defaults, await self._ask_defaults()
        if before is None or now is None:
            return False
        named = self._plan.input_device, self._plan.output_device
        return any(not name and old != new for name, old, new in zip(named, before, now, strict=True))

    def _look_for_zeros(self) -> None:
        recorder = self._engine.recorder if self._engine else None
        if not self._has_microphone or recorder is None:
            return
        if recorder.sounded:
            if self._zeros_told:
                self._warn("microphone_heard", f"{recorder.name} gives sound now.")
            self._zeros_told = False
        elif recorder.zero_ms >= ZEROS_MS and not self._zeros_told and not self.muted:
            self._zeros_told = True
            self._warn("silent_microphone", f"{zeros(recorder.name)} {how_to_unmute()}")

    def _look_for_hangs(self) -> None:
        """A sound server that does not answer blocks our threads without an error: after a while it counts as lost."""
        engine, now = self._engine, time.monotonic()
        if engine is None or self._lost.full():
            return
        recorder, player = engine.recorder, engine.player
        if recorder is not None and self._has_microphone and now - recorder.captured_at > HANG_S:
            self._lost.put_nowait(AudioError(f"The microphone {recorder.name!r} has stopped."))
        # A pipe is no device: its reader may take its time.
        elif not self._plan.output_file and player and player.wrote_at is not None and now - player.wrote_at > HANG_S:
            self._lost.put_nowait(AudioError(f"The speaker {player.name!r} has stopped."))

    def _look_for_another_rate(self) -> None:
        """A device that changes its rate under an open stream says nothing, where the system does not convert: the
        samples come at another pace, and the voice at another pitch. A stream that is opened then is right.
        """
        recorder, now = self._engine.recorder if self._engine else None, time.monotonic()
        if recorder is None or not self._has_microphone:
            return
        blocks, last, pace = recorder.losses.blocks, self._pace, 0.0
        if last is not None and last[0] is recorder and now > last[1]:
            pace = (blocks - last[2]) * BLOCK_MS / 1000 / (now - last[1])
            steady = abs(pace - last[3]) < PACE_STEADY * pace  # a machine that is late comes to no pace twice
            if abs(pace - 1) < PACE_OFF:
                self._pace_told = False
            elif steady and not self._pace_told and not self._lost.full():
                self._pace_told = True
                self._lost.put_nowait(AudioError(f"The microphone {recorder.name!r} has changed its rate."))
        self._pace = recorder, now, blocks, pace

    # -- what others ask -----------------------------------------------------------------------------------------

    def mute(self, muted: bool) -> None:
        self.muted = muted
        if self._engine is not None and self._engine.recorder is not None:
            self._engine.recorder.muted = muted

    def keep_reference(self) -> None:
        """From now on what the speaker was given comes with the captured frames."""
        self._plan = replace(self._plan, keep_reference=True)
        if self._engine is not None and self._engine.recorder is not None:
            self._engine.recorder.keep_reference = True

    @property
    def paused(self) -> bool:
        """The answer is held: what was heard may be the user."""
        return self._queue.paused

    @property
    def ended(self) -> bool:
        """The input file or pipe has no more sound."""
        recorder = self._engine.recorder if self._engine else None
        return self._plan.input_ends and recorder is not None and recorder.ended

    @property
    def input_name(self) -> str:
        return self._engine.recorder.name if self._engine and self._engine.recorder else ""

    @property
    def output_name(self) -> str:
        return self._engine.player.name if self._engine and self._engine.player else ""

    @property
    def cancels_echo(self) -> bool:
        return self._engine is not None and self._engine.canceller is not None

    @property
    def echo_delay_ms(self) -> float | None:
        """From the speaker to the microphone, as it was heard; None without a canceller, or an echo."""
        watch = self._engine.watch if self._engine else None
        return watch.delay_ms if watch is not None else None

    @property
    def output_latency_ms(self) -> float:
        return self._engine.output_latency_ms if self._engine else 0.0

    @property
    def dropped_frames(self) -> int:
        return self._dropped_before + (self._engine.dropped_frames if self._engine else 0)

    @property
    def speaker_gaps(self) -> int:
        return self._speaker_gaps_before + (self._engine.speaker_gaps if self._engine else 0)

    @property
    def microphone_gaps(self) -> int:
        return self._microphone_gaps_before + (self._engine.microphone_gaps if self._engine else 0)

    def microphone_dbfs(self) -> float:
        return self._engine.microphone_dbfs() if self._engine else float("-inf")

    def speaker_dbfs(self) -> float:
        return self._engine.speaker_dbfs() if self._engine else float("-inf")
