"""Two sound devices, the lockstep between them and a room, without a clock: for tests and benchmarks.

The speaker fetches `pull` samples at a time from what it holds, and plays silence for what is missing; the microphone
gives blocks at its own clock's pace. What happens to the recorder's thread, and to captured blocks, is told in advance.
What was played is then brought through the room to the microphone's clock, and the pairs can be given to a canceller.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from voicechat.audio.frames import BLOCK_MS
from voicechat.audio.lockstep import Lockstep
from voicechat.audio.playback import PlaybackQueue

CAPTURE, RENDER = 48_000, 24_000
Samples = NDArray[np.float64]
STEP_S = 0.0004
"""How long the thread takes over one block."""


@dataclass
class Speaker:
    """A PacedStream in simulated time."""

    rate_hz: int = RENDER
    name: str = "speaker"
    latency_ms: float = 24.0
    capacity: int = 864
    pull: int = 288
    drift_ppm: float = 0.0
    phase_s: float = 0.0
    """When it fetches for the first time: any moment of the capture's clock."""
    now: float = 0.0
    dry: int = 0
    _held: list[Samples] = field(default_factory=list)
    _played: list[Samples] = field(default_factory=list)
    _pulls: int = 0

    def run_until(self, now: float) -> None:
        self.now = now
        while self.phase_s + self._pulls * self._every <= now:
            self._pulls += 1
            held = np.concatenate([*self._held, np.zeros(0)])
            taken, rest = held[: self.pull], held[self.pull :]
            self.dry += len(taken) < self.pull
            self._held = [rest]
            self._played.append(np.concatenate([taken, np.zeros(self.pull - len(taken))]))

    @property
    def _every(self) -> float:
        return self.pull / (self.rate_hz * (1 + self.drift_ppm * 1e-6))

    @property
    def held(self) -> int:
        return sum(map(len, self._held))

    @property
    def room_samples(self) -> int:
        return self.capacity - self.held

    def write(self, block: bytes) -> None:
        """Waits for room, as a device does."""
        while self.held and self.capacity - self.held < len(block) // 2 and self.phase_s < math.inf:
            self.run_until(max(self.now, self.phase_s + self._pulls * self._every))
        self._held.append(np.frombuffer(block, "<i2").astype(float))

    def close(self) -> None: ...

    def heard(self, times: Samples, impulse: Samples) -> Samples:
        """What comes to a microphone at these moments; `impulse` is the room at the speaker's rate."""
        played = np.concatenate([np.zeros(64), *self._played, np.zeros(RENDER)])
        size = 1 << (len(played) + len(impulse)).bit_length()
        sound = np.fft.irfft(np.fft.rfft(played, size) * np.fft.rfft(impulse, size), size)
        places = 64 + (times - self.phase_s) * self.rate_hz * (1 + self.drift_ppm * 1e-6)
        whole = np.clip(np.floor(places).astype(int), 16, len(sound) - 17)
        part = places - np.floor(places)
        out = np.zeros(len(times))
        for tap in range(-11, 13):  # a windowed sinc: straight lines between samples would be noise of their own
            offset = part - tap
            out += sound[whole + tap] * np.sinc(offset) * np.cos(np.pi * offset / 26) ** 2
        return out


@dataclass(frozen=True)
class Trouble:
    """At `at_s` the thread does not run for `late_s`, and `lost` captured blocks are never seen."""

    at_s: float
    late_s: float = 0.0
    lost: int = 0


def run(
    speaker: Speaker,
    replies: list[tuple[float, bytes]],
    seconds: float,
    impulse: Samples,
    *,
    microphone_ppm: float = 0.0,
    jitter_s: float = 0.0003,
    troubles: tuple[Trouble, ...] = (),
    each: Callable[[Lockstep, PlaybackQueue, float], None] = lambda lockstep, queue, now: None,
) -> tuple[Lockstep, list[tuple[bytes, bytes]]]:
    """Replies begin at these times. Returns the lockstep and the pairs (captured, reference)."""
    queue = PlaybackQueue(RENDER)
    lockstep = Lockstep(
        queue,
        speaker,
        lambda event: None,
        clock=lambda: speaker.now,
        wait=lambda seconds: speaker.run_until(speaker.now + seconds),
    )
    rng = np.random.default_rng(4)
    waiting, pending = sorted(replies, key=lambda one: one[0]), list(troubles)
    references: list[bytes] = []
    seen: list[int] = []
    free_at, lost = 0.0, 0
    every = BLOCK_MS / 1000 / (1 + microphone_ppm * 1e-6)
    for number in range(int(seconds / every)):
        now = max((number + 1) * every + abs(rng.normal(0, jitter_s)), free_at + STEP_S)
        while waiting and waiting[0][0] <= now:
            at, pcm = waiting.pop(0)
            queue.put(queue.generation, f"reply at {at}", 0, pcm)
            queue.finish_all(queue.generation)
        if pending and pending[0].at_s <= now:
            trouble = pending.pop(0)
            now, lost = now + trouble.late_s, trouble.lost
        if lost:
            lost -= 1
            continue
        speaker.run_until(now)
        each(lockstep, queue, now)
        references.append(lockstep.read())
        free_at = speaker.now
        seen.append(number)
    speaker.run_until(seconds + 1)
    size = CAPTURE * BLOCK_MS // 1000
    times = np.arange(len(range(int(seconds / every))) * size) / (CAPTURE * (1 + microphone_ppm * 1e-6))
    heard = speaker.heard(times, impulse) + rng.normal(0, 4, len(times))
    pcm = heard.clip(-32768, 32767).astype("<i2").reshape(-1, size)
    return lockstep, [(pcm[n].tobytes(), reference) for n, reference in zip(seen, references, strict=True)]


def impulse_response(gain_db: float, delay_ms: float, rt60_ms: int = 0) -> Samples:
    """A click at the microphone, at RENDER: the direct way, and a tail of the same energy."""
    count = RENDER * rt60_ms // 1000
    tail = np.random.default_rng(3).normal(size=count) * np.exp(-6.9 * np.arange(count) / max(count, 1))
    if count:
        tail /= np.sqrt(np.sum(tail**2))
    return np.concatenate([np.zeros(round(RENDER * delay_ms / 1000)), [1.0], tail]) * 10 ** (gain_db / 20)


def delay_ms(pairs: list[tuple[bytes, bytes]], start: int, stop: int) -> float:
    """Between the reference and its echo in these pairs, by cross-correlation."""
    captured = np.frombuffer(b"".join(one for one, _ in pairs[start:stop]), "<i2").astype(float)
    reference = np.frombuffer(b"".join(one for _, one in pairs[start:stop]), "<i2").astype(float)
    reference = np.repeat(reference, 2)
    size = 1 << (2 * len(captured)).bit_length()
    cross = np.fft.rfft(captured, size) * np.conj(np.fft.rfft(reference, size))
    correlation = np.fft.irfft(cross, size)
    place = int(np.argmax(np.abs(correlation)))
    return (place if place < size // 2 else place - size) / (CAPTURE / 1000)
