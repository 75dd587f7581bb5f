"""A microphone and a speaker on the test bench: a conversation's recorder, player and canceller, and all they heard."""

import threading
from typing import TYPE_CHECKING

from voicechat.audio.echo import EchoCanceller
from voicechat.audio.echo_path import MOST_DELAY_MS, RATE_HZ, Echo, find_echo, samples_at
from voicechat.audio.engine import CANCELLER_HZ
from voicechat.audio.frames import BLOCK_MS
from voicechat.audio.lockstep import Lockstep
from voicechat.audio.playback import PlaybackQueue
from voicechat.audio.player import PlaybackDrained, Player, PlayerEvent
from voicechat.audio.recorder import Recorder
from voicechat.audio.reference import Reference
from voicechat.audio.resample import Decimator
from voicechat.audio.streams import InputStream, OutputStream, PacedStream
from voicechat.doctor.signals import Samples, pcm, samples
from voicechat.errors import AudioError

if TYPE_CHECKING:
    from voicechat.audio.frames import Frame

CAPTURE_HZ, RENDER_HZ = CANCELLER_HZ, 24_000
"""The rates of a conversation: the canceller's, and that of the services' answers."""
PATIENCE_S = 2.0
"""How much longer than its sound a device may take."""
_HINT = "Another program may hold it. `voicechat devices` lists the others."


class Bench:
    """Takes over the streams (None: that end is missing) and closes them in the end.

    `canceller` is warm, or None where the platform has none or an end is missing: then `why` says so.
    """

    def __init__(self, microphone: InputStream | None, speaker: OutputStream | None):
        self.why: AudioError | None = None
        self.canceller: EchoCanceller | None = None
        self.latency_ms = sum(stream.latency_ms for stream in (microphone, speaker) if stream is not None)
        self._changed = threading.Condition()
        self._captured: list[bytes] = []
        self._references: list[bytes] = []
        self._cleaned: list[bytes] = []
        self._lost: AudioError | None = None
        self._speaker_lost: AudioError | None = None
        self._drained = 0
        self._plays = 0
        self._queue = PlaybackQueue(RENDER_HZ)
        reference: Reference | Lockstep | None = None
        self._player: Player | Lockstep | None = None
        if microphone is not None and speaker is not None:
            self.renew_canceller()
        if microphone is not None and isinstance(speaker, PacedStream) and speaker.room_samples > 0:
            reference = self._player = Lockstep(self._queue, speaker, self._notify)
        elif speaker is not None:
            reference = Reference(RENDER_HZ)
            self._player = Player(self._queue, speaker, self._notify, reference)
        self._recorder: Recorder | None = None
        if microphone is not None:
            self._recorder = Recorder(microphone, self._ignore, self._lose, reference=reference, cancel=self._keep)
            self._recorder.start()
        if self._player is not None:
            self._player.start()

    def close(self) -> None:
        if self._recorder is not None:
            self._recorder.stop()
        if self._player is not None:
            self._player.stop()

    # -- what is done on it ------------------------------------------------------------------------------------

    def renew_canceller(self) -> None:
        """A canceller as a conversation begins with: warm, and without knowledge of this room."""
        try:
            canceller = EchoCanceller(CAPTURE_HZ, RENDER_HZ)
        except AudioError as error:
            self.why = error
            return
        canceller.hint_delay(min(self.latency_ms, 400.0))
        canceller.warm_up()
        self.canceller = canceller

    def record(self, seconds: float) -> int:
        """Wait for that much more sound; returns the number of blocks before it. Raises AudioError."""
        count = round(seconds * 1000 / BLOCK_MS)
        with self._changed:
            start = len(self._captured)
            enough = self._changed.wait_for(
                lambda: self._lost is not None or len(self._captured) >= start + count, seconds + PATIENCE_S
            )
            if self._lost is not None:
                raise self._lost
            if not enough:
                raise AudioError("The microphone was opened and then gave no sound.", _HINT)
            return start

    def play(self, wave: Samples) -> None:
        """Begin to play; returns at once."""
        self._plays += 1
        self._queue.put(0, f"sound {self._plays}", 0, pcm(wave))
        self._queue.finish_all(0)

    def wait_until_played(self, seconds: float) -> None:
        """Raises AudioError when the speaker does not take the sound in its time."""
        with self._changed:
            done = self._changed.wait_for(
                lambda: self._speaker_lost is not None or self._drained >= self._plays, seconds + PATIENCE_S
            )
        if self._speaker_lost is not None:
            raise self._speaker_lost
        if not done:
            raise AudioError("The speaker was opened and then took no sound.", _HINT)

    # -- what it kept ------------------------------------------------------------------------------------------

    def captured(self, start: int = 0) -> Samples:
        """The microphone's sound from block `start` on, at CAPTURE_HZ."""
        return samples(self._joined(self._captured, start))

    def cleaned(self, start: int = 0) -> Samples:
        """The same after the canceller."""
        return samples(self._joined(self._cleaned, start))

    def cleaned_blocks(self, start: int) -> list[bytes]:
        with self._changed:
            return self._cleaned[start:]

    def pair(self, start: int = 0) -> tuple[Samples, Samples]:
        """(microphone, what the speaker was given), in step, at RENDER_HZ."""
        low = Decimator(CAPTURE_HZ // RENDER_HZ).feed(self._joined(self._captured, start))
        return samples(low), samples(self._joined(self._references, start))

    def echo(self, start: int) -> Echo:
        """As a conversation measures it, over the sound from block `start` on."""
        heard = samples_at(self._joined(self._captured, start), CAPTURE_HZ)
        played = samples_at(self._joined(self._references, start), RENDER_HZ)
        return find_echo(heard[MOST_DELAY_MS * RATE_HZ // 1000 :], played)

    @property
    def zeros_only(self) -> bool:
        """Nothing but exact zeros was ever captured."""
        with self._changed:
            return not any(any(block) for block in self._captured)

    def _joined(self, blocks: list[bytes], start: int) -> bytes:
        with self._changed:
            return b"".join(blocks[start:])

    # -- the threads' side -------------------------------------------------------------------------------------

    def _keep(self, captured: bytes, reference: bytes) -> bytes:
        cleaned = self.canceller.cancel(captured, reference) if self.canceller is not None else captured
        with self._changed:
            self._captured.append(captured)
            self._references.append(reference)
            self._cleaned.append(cleaned)
            self._changed.notify_all()
        return cleaned

    def _ignore(self, frame: "Frame") -> None:
        """The blocks are kept before they become frames."""

    def _lose(self, error: AudioError) -> None:
        with self._changed:
            self._lost = error
            self._changed.notify_all()

    def _notify(self, event: PlayerEvent) -> None:
        with self._changed:
            if isinstance(event, PlaybackDrained):
                self._drained += 1
            elif isinstance(event, AudioError):
                self._speaker_lost = event
            self._changed.notify_all()
