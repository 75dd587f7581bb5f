"""Opens microphone and speaker (devices, files or neither), and starts and stops their threads together."""

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from voicechat.audio import defaults
from voicechat.audio.background import in_background
from voicechat.audio.echo import CleanMicrophone, EchoCanceller
from voicechat.audio.files import FileInput, FileOutput, Pace, open_input, open_output
from voicechat.audio.frames import Frame, block_bytes
from voicechat.audio.lockstep import Lockstep
from voicechat.audio.playback import PlaybackQueue
from voicechat.audio.player import Player, PlayerEvent
from voicechat.audio.recorder import HandOver, Recorder
from voicechat.audio.reference import Reference
from voicechat.audio.resample import Decimator
from voicechat.audio.streams import InputStream, OutputStream, PacedStream
from voicechat.audio.vad import VoiceDetector
from voicechat.errors import AudioError

if TYPE_CHECKING:
    from voicechat.audio.devices import Backend, DeviceInput
    from voicechat.audio.echo_watch import EchoWatch

CANCELLER_HZ = 48_000
"""The rate of most sound cards, and the one at which WebRTC's processing delays sound least: 19 ms, 25 at 24 kHz."""

log = logging.getLogger(__name__)

OPEN_S = 10.0
"""A sound card opens within some tenths of a second, a Bluetooth headset within some seconds."""
CLOSE_S = 3.0
"""Closing takes some tenths of a second; a second one for a thread that has to be waited for."""
GIVE_UP_S = 2.0
"""How long the end of the program waits for a device that is just being opened."""


@dataclass(frozen=True, slots=True)
class AudioPlan:
    """Which ends to open. A file wins over a device; "" is the default device."""

    input_file: str = ""
    output_file: str = ""
    input_device: str = ""
    output_device: str = ""
    microphone: bool = True
    vad_aggressiveness: int = 2
    vad_floor_dbfs: float | None = None
    cancel_echo: bool = True
    gain_control: bool = False
    keep_reference: bool = False
    """Frames carry what the speaker played meanwhile, for a recording of both sides."""
    make_input: Callable[[int], InputStream] | None = None
    """Called with the capture rate, gives a source that stands in for the microphone and comes to an end."""
    speaker_optional: bool = False
    """Where no speaker can be opened, answers are played to nobody, in real time all the same."""

    @property
    def input_ends(self) -> bool:
        """What is heard comes from a file, a pipe or a script, not from a microphone."""
        return bool(self.input_file or self.make_input)


class Engine:
    """Everything audio of one conversation. `open` and `close` block for some tens of milliseconds."""

    def __init__(self, plan: AudioPlan, input_rate_hz: int, queue: PlaybackQueue, *, muted: bool = False):
        """`muted`: the microphone begins in silence, for not even its first block may be sent."""
        self._plan = plan
        self._input_rate_hz = input_rate_hz
        self._muted = muted
        self._queue = queue
        self._backend: contextlib.ExitStack = contextlib.ExitStack()
        self._hand_over: HandOver | None = None
        self._opening: asyncio.Future[None] | None = None
        self.recorder: Recorder | None = None
        self.player: Player | Lockstep | None = None
        self.canceller: EchoCanceller | None = None
        self.watch: EchoWatch | None = None
        self.notes: list[str] = []
        self.began_to_hear = False
        """There is a microphone, and it was opened: what fails now may be a headset that changes its profile."""
        self._wanted = True
        self._cancels = plan.cancel_echo and plan.microphone and not (plan.input_ends or plan.output_file)
        self._capture_hz = CANCELLER_HZ if self._cancels else input_rate_hz

    def open(
        self,
        loop: asyncio.AbstractEventLoop,
        hear: Callable[[Frame], None],
        played: Callable[[PlayerEvent], None],
    ) -> None:
        """Open both ends and start their threads; the callbacks run on `loop`. What comes to an end waits for `begin`.

        Raises AudioError or UsageError.
        """
        import numpy  # noqa: F401 - it takes 50 ms, which the first block that is played or captured has not

        self.canceller = self._make_canceller()  # before it is said that one can speak
        try:
            source, speaker = self._open_streams()
        except BaseException:
            self.close()
            raise

        def notify(event: PlayerEvent) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the program is ending
                loop.call_soon_threadsafe(played, event)

        if self.canceller is not None and source is not None:
            self.canceller.hint_delay(min(source.latency_ms + speaker.latency_ms, 400.0))
        reference: Reference | Lockstep | None = None
        if self.canceller is not None and isinstance(speaker, PacedStream) and speaker.room_samples > 0:
            reference = self.player = Lockstep(self._queue, speaker, notify)
        else:
            reference = Reference(self._queue.rate_hz) if source is not None else None
            self.player = Player(self._queue, speaker, notify, reference)
        if self.canceller is not None:
            from voicechat.audio.echo_watch import EchoWatch

            microphone = CleanMicrophone(self.canceller, always=self._plan.gain_control)
            lockstep = self.player if isinstance(self.player, Lockstep) else None
            put_later = (lambda: lockstep.put_later) if lockstep is not None else (lambda: 0)
            self.watch = EchoWatch(microphone, self._capture_hz, self._queue.rate_hz, put_later)
        if source is not None:
            self._hand_over = HandOver(loop, hear)
            self.recorder = Recorder(
                source,
                self._hand_over.put,
                notify,
                reference=reference,
                cancel=self.watch.process if self.watch is not None else None,
                detector=VoiceDetector(self._capture_hz, self._plan.vad_aggressiveness, self._plan.vad_floor_dbfs),
                convert=Decimator(self._capture_hz // self._input_rate_hz).feed,
                keep_reference=self._plan.keep_reference,
            )
            self.recorder.muted = self._muted
            if not self._plan.input_ends:
                self.recorder.start()
        self.player.start()

    def begin(self) -> None:
        """Read the file or the pipe from now on: no word of it is for a session that is not there yet."""
        if self._plan.input_ends and self.recorder is not None:
            self.recorder.start()

    async def start(
        self,
        hear: Callable[[Frame], None],
        played: Callable[[PlayerEvent], None],
        patience_s: float | None = OPEN_S,
    ) -> None:
        """`open` without blocking, until sound flows; also raises AudioError when that takes longer than `patience_s`.

        A sound server that does not answer cannot be made to: its thread is left alone then, and `close` does nothing.
        """
        loop = asyncio.get_running_loop()
        opening = self._opening = in_background(lambda: self.open(loop, hear, played), "open sound")
        opening.add_done_callback(lambda one: one.cancelled() or one.exception())  # nobody may wait for it any more
        try:
            await asyncio.wait([opening], timeout=patience_s)
        except asyncio.CancelledError:
            self._wanted = False
            await asyncio.wait([opening], timeout=GIVE_UP_S)  # a device cannot be closed before it is open
            raise
        if not opening.done():
            from voicechat.audio.devices import end_quiet

            end_quiet()
            raise AudioError(
                f"The sound system has not answered for {patience_s:.0f} s.",
                "Its server hangs? `systemctl --user restart pipewire` or `pulseaudio -k` starts it anew.",
            )
        opening.result()

    def _make_canceller(self) -> EchoCanceller | None:
        """A warm canceller, where sound can get from the speaker to the microphone at all."""
        if not self._cancels:
            return None
        try:
            canceller = EchoCanceller(self._capture_hz, self._queue.rate_hz, gain_control=self._plan.gain_control)
        except AudioError as error:
            self.notes.append(f"{error.message} {error.hint}")
            return None
        canceller.warm_up()
        return canceller

    def _open_streams(self) -> tuple[InputStream | None, OutputStream]:
        plan, devices = self._plan, None
        if not plan.output_file or (plan.microphone and not plan.input_ends):
            devices = self._open_devices()
        source: InputStream | None = None
        microphone: DeviceInput | None = None
        if plan.microphone and plan.make_input is not None:
            source = plan.make_input(self._capture_hz)
        elif plan.microphone and plan.input_file:
            source = open_input(plan.input_file, self._capture_hz)
        elif plan.microphone and devices is not None:
            source = microphone = devices.open_input(plan.input_device, self._capture_hz)
        elif plan.keep_reference:
            source = silent_input(self._capture_hz)
        try:
            if microphone is not None:  # before the speaker: a headset's changes with it
                self.began_to_hear = True
                microphone.settle(lambda: self._wanted, lambda: bool(plan.input_device) or defaults.may_be_headset())
            if plan.output_file:
                return source, open_output(plan.output_file, self._queue.rate_hz)
            return source, self._open_speaker(devices)
        except BaseException:
            if source is not None:
                source.close()
            raise

    def _open_devices(self) -> "Backend | None":
        from voicechat.audio.devices import Backend

        try:
            devices = Backend()
        except AudioError:
            if self._plan.speaker_optional and self._plan.input_ends:
                return None
            raise
        self._backend.callback(devices.close)
        return devices

    def _open_speaker(self, devices: "Backend | None") -> OutputStream:
        try:
            if devices is None:
                raise AudioError("No speaker was opened.")
            return devices.open_output(self._plan.output_device, self._queue.rate_hz)
        except AudioError:
            if not self._plan.speaker_optional:
                raise
            return FileOutput("none", self._queue.rate_hz, Path(os.devnull).open("wb"))

    def close(self) -> None:
        """Stop both threads and close the devices. Idempotent."""
        if self._opening is not None and not self._opening.done():
            return
        ended = [part.stop() for part in (self.recorder, self.player) if part is not None]
        if all(ended):
            self._backend.close()
        # else a thread hangs inside PortAudio (a sound server that does not answer): ending it there would crash

    async def end(self) -> None:
        """`close` without blocking. A sound server that does not answer is left alone after a while, as by `start`."""
        await asyncio.wait([closing := in_background(self.close, "close sound")], timeout=CLOSE_S)
        if closing.done():
            closing.result()
        else:
            log.warning("the sound system has not closed its devices within %.0f s: left alone", CLOSE_S)

    @property
    def dropped_frames(self) -> int:
        return sum(one.dropped for one in (self._hand_over, self.recorder) if one is not None)

    def found_empty(self) -> bool:
        """Whether the speaker was without sound since it was last asked, as one is that was opened elsewhere."""
        if not isinstance(self.player, Lockstep) or not self.player.found_empty:
            return False
        self.player.found_empty = False
        return True

    @property
    def speaker_gaps(self) -> int:
        """How often the speaker ran dry in the middle of a sound, or while it is kept running, without need."""
        return self.player.holes if self.player else 0

    @property
    def microphone_gaps(self) -> int:
        """How often sound of a microphone was lost before it was read."""
        if isinstance(self.player, Lockstep):
            return self.player.losses
        return self.recorder.losses.count if self.recorder and self.began_to_hear else 0

    @property
    def output_latency_ms(self) -> float:
        return self.player.latency_ms if self.player else 0.0

    def microphone_dbfs(self) -> float:
        return self.recorder.level_dbfs if self.recorder else float("-inf")

    def speaker_dbfs(self) -> float:
        return self.player.level_dbfs if self.player else float("-inf")


def silent_input(rate_hz: int) -> FileInput:
    """Where there is no microphone: silence in real time, the clock of a recording."""
    block = bytes(block_bytes(rate_hz))
    return FileInput("none", iter(lambda: block, b""), rate_hz, rate_hz, pace=Pace())
