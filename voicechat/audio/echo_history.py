"""The last moments of both sides, for `EchoWatch`: what was captured, and the reference as late as it is asked for."""

from collections import deque

from voicechat.audio.echo_filter import LENGTH_MS
from voicechat.audio.echo_path import RATE_HZ, Samples, samples_at
from voicechat.audio.frames import BLOCK_MS, block_bytes


class EchoHistory:
    """Blocks of s16le mono, one of both sides at a time. How late a reference is counts in its own samples."""

    def __init__(self, capture_hz: int, render_hz: int, captured_blocks: int, played_blocks: int):
        self._capture_hz, self._render_hz = capture_hz, render_hz
        self._block = block_bytes(render_hz)
        self._captured: deque[bytes] = deque(maxlen=captured_blocks)
        self._references: deque[bytes] = deque(maxlen=played_blocks)

    def __len__(self) -> int:
        """Of how many captured blocks it knows."""
        return len(self._captured)

    def add(self, captured: bytes, reference: bytes) -> None:
        self._captured.append(captured)
        self._references.append(reference)

    def samples(self, ms: float) -> int:
        return round(ms * self._render_hz / 1000)

    def captured(self, blocks: int) -> list[bytes]:
        """The last of them, oldest first."""
        return list(self._captured)[-blocks:]

    def heard(self, ms: int) -> Samples:
        """What was captured last, at RATE_HZ."""
        return samples_at(b"".join(self.captured(-(-ms // BLOCK_MS))), self._capture_hz)[-ms * RATE_HZ // 1000 :]

    def played(self, ms: int, late: int) -> Samples:
        """The last `ms` of a reference that is so late, at RATE_HZ."""
        end = len(self._references) * self._block - 2 * late
        size = 2 * self.samples(ms)
        first = max(0, (end - size) // self._block)
        pcm = b"".join(list(self._references)[first:])
        pcm = pcm[max(0, end - size - first * self._block) : max(0, end - first * self._block)].rjust(size, b"\0")
        return samples_at(pcm, self._render_hz)

    def reference(self, at: int, late: int) -> bytes:
        """The block that belongs to the captured one at this place of the past (-1: the last), if it is so late."""
        if not late:
            return self._references[at]
        at %= len(self._references)
        begin = at * self._block - 2 * late
        first = begin // self._block
        two = b"".join(self._references[n] if n >= 0 else bytes(self._block) for n in (first, first + 1))
        return two[begin - first * self._block :][: self._block]

    def references(self, late: int, blocks: int) -> list[bytes]:
        """What an `EchoFilter` looks at for the last of so many blocks: longer by LENGTH_MS."""
        blocks = min(blocks + LENGTH_MS // BLOCK_MS, len(self._references))
        return [self.reference(at, late) for at in range(-blocks, 0)]
