"""Echo cancellation by WebRTC's audio processing (the `livekit` wheel), in 10 ms pairs.

The canceller learns the way from loudspeaker to microphone from what both did at the same time, so each captured
block must come with exactly the block the speaker was given meanwhile (see `reference`).
"""

from collections import deque
from typing import Any

from voicechat.audio.frames import BLOCK_MS, block_bytes, cross_fade, dbfs, is_silent
from voicechat.errors import AudioError

WARM_UP_S = 5.0
"""A new canceller distrusts everything over the first seconds of loudspeaker sound, and swallows the user with it.

With 3.5 s a user without echo (headphones) who talks into the first second and a half of the first reply is heard
after 0.6 to 2 s, with 5 s after 0.1 to 0.4; from 5.7 s on the first echo leaks (`benchmarks/canceller.py`).
"""
ECHO_TAIL_BLOCKS = 60
"""How long after the speaker's last sound its echo may still come: device buffers, the way, and the room."""
QUIET_ROOM_DBFS = -55.0
"""A room below this needs no noise suppression."""
QUIET_AGAIN_DB = 4.0
"""A room must fall this far below that before it counts as quiet again: one at the limit would switch to and fro."""
PAUSE_DB = 6.0
"""Up to this much above the noise nobody is speaking, and a switch cuts no word."""
DIP_DB, DIP_FORGOTTEN_DB = 20.0, 0.2
"""Nor in a dip of a voice so far below its loudest, which is forgotten by so much a block: who goes on talking for
half a minute after he interrupted has no other pause."""
LEAD_IN_BLOCKS = 10
"""What a canceller that rested is given first: its filters and their delay are full when its sound is used."""
SPEECH_LEVEL = 0.055
"""RMS of full scale: the level of speech in recordings and answers."""


class EchoCanceller:
    """Takes captured and reference blocks, gives captured blocks without the reference's echo.

    Rates may differ; WebRTC takes 16, 24 and 48 kHz. Raises AudioError where the wheel is missing or broken.
    """

    def __init__(self, capture_hz: int, render_hz: int, *, noise_suppression: bool = True, gain_control: bool = False):
        try:
            from livekit.rtc import AudioFrame, AudioProcessingModule

            # The native library is not loaded by the import, but here.
            self._apm = AudioProcessingModule(
                echo_cancellation=True,
                noise_suppression=noise_suppression,
                high_pass_filter=True,
                auto_gain_control=gain_control,
            )
        except (ImportError, OSError, RuntimeError) as error:
            raise AudioError(
                "There is no echo canceller for this platform: use headphones.", "--no-aec silences this line."
            ) from error
        # One frame each way for all blocks: to make one for each costs as much as half of the cancelling.
        self._captured: Any = AudioFrame.create(capture_hz, 1, capture_hz * BLOCK_MS // 1000)
        self._reference: Any = AudioFrame.create(render_hz, 1, render_hz * BLOCK_MS // 1000)
        self._captured_pcm, self._reference_pcm = self._captured.data.cast("B"), self._reference.data.cast("B")
        self._capture_hz = capture_hz
        self._render_hz = render_hz

    def cancel(self, captured: bytes, reference: bytes) -> bytes:
        """One captured block without the echo of the sound the speaker was given. One thread at a time."""
        self._reference_pcm[:] = reference
        self._apm.process_reverse_stream(self._reference)
        self._captured_pcm[:] = captured
        self._apm.process_stream(self._captured)
        return bytes(self._captured_pcm)

    def hint_delay(self, delay_ms: float) -> None:
        """How long a reference block takes to come back through device, room and device."""
        self._apm.set_stream_delay_ms(round(delay_ms))

    def warm_up(self, seconds: float = WARM_UP_S) -> None:
        """End the canceller's initial distrust: some seconds of steady sound that cause no echo at all.

        Runs as fast as it goes, about 20 ms of processor. The sound must not pause (distrust ends by the seconds
        the speaker was active), and the capture must be quiet (a synthetic echo teaches a wrong room).
        """
        import numpy as np

        rng = np.random.default_rng(1)
        quiet = rng.normal(0, 3, self._capture_hz).astype("<i2").tobytes()
        noise = rng.normal(0, SPEECH_LEVEL * 32768, int(self._render_hz * seconds)).astype("<i2").tobytes()
        capture_size, render_size = block_bytes(self._capture_hz), block_bytes(self._render_hz)
        for number in range(len(noise) // render_size):
            at = number % 100 * capture_size
            self.cancel(quiet[at : at + capture_size], noise[number * render_size : (number + 1) * render_size])
        for _ in range(100):  # a second of silence, or the first word after the noise is faded in
            self.cancel(bytes(capture_size), bytes(render_size))


class CleanMicrophone:
    """Captured sound without echo and noise, and without their removal's delay where there is neither.

    WebRTC's processing holds sound back by 19 ms. While the speaker is silent and the room is quiet there is nothing
    to remove, so the capture goes out as it is and the canceller rests, on both sides at once: it stays in step, and
    listening costs no more than it must. The change to clean sound is made with the first sound of the speaker, which
    is before its echo; a change because of noise, and the change back, wait for a pause, so that no word is cut.
    """

    def __init__(self, canceller: EchoCanceller, *, always: bool = False):
        """`always`: every block is processed, for a gain control must not come and go."""
        self._canceller = canceller
        self._always = always
        self._untouched = not always
        self._noisy = False
        self._hold = 0
        self._rested: deque[tuple[bytes, bytes]] = deque(maxlen=LEAD_IN_BLOCKS)
        self._minimum = 0.0
        self._minima: deque[float] = deque(maxlen=10)
        self._count = 0
        self._loudest = float("-inf")

    def process(self, captured: bytes, reference: bytes) -> bytes:
        """The block to use for this captured block; both inputs as for `EchoCanceller.cancel`."""
        self._hold = ECHO_TAIL_BLOCKS if not is_silent(reference) else max(self._hold - 1, 0)
        level = dbfs(captured)
        self._track_noise(level)
        noise = self.noise_dbfs
        self._loudest = max(level, self._loudest - DIP_FORGOTTEN_DB)
        if self._noisy:
            self._noisy = noise > QUIET_ROOM_DBFS - QUIET_AGAIN_DB
        elif noise > QUIET_ROOM_DBFS:  # in the middle of speech that may be the voice itself
            self._noisy = level <= noise + PAUSE_DB or not self._untouched
        untouched = not (self._always or self._hold or self._noisy)
        if untouched and self._untouched:
            self._rested.append((captured, reference))
            return captured
        while self._rested:
            self._canceller.cancel(*self._rested.popleft())
        clean = self._canceller.cancel(captured, reference)
        pause_dbfs = max(max(noise, QUIET_ROOM_DBFS) + PAUSE_DB, self._loudest - DIP_DB)
        if untouched == self._untouched or (untouched and level > pause_dbfs):
            return clean
        old, new = (clean, captured) if untouched else (captured, clean)
        self._untouched = untouched
        return cross_fade(old, new)

    def again(self, pairs: list[tuple[bytes, bytes]]) -> None:
        """Give the canceller what was captured last once more, its reference put right."""
        for pair in pairs:
            self._canceller.cancel(*pair)

    @property
    def noise_dbfs(self) -> float:
        """The quietest level of the last two seconds: the room without anybody speaking."""
        return min(self._minima, default=float("-inf"))

    def _track_noise(self, level: float) -> None:
        self._minimum = min(self._minimum, level)
        self._count += 1
        if self._count == 20:
            self._minima.append(self._minimum)
            self._minimum, self._count = 0.0, 0
