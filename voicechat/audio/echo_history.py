"""The last moments of both sides, for `EchoWatch`: what was captured, and the reference as late as its echo comes."""

from collections import deque

from voicechat.audio.echo_filter import LENGTH_MS
from voicechat.audio.echo_path import RATE_HZ, Samples, samples_at
from voicechat.audio.frames import BLOCK_MS, block_bytes


class EchoHistory:
    """Blocks of s16le mono, one of both sides at a time. How late a reference is counts in its own samples."""

    shift = 0
    """How late the canceller's reference is."""
    base = 0
    """How late the path's is beside that: the way it learns is short."""

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

    @property
    def late(self) -> int:
        """How late the path's reference is."""
        return self.shift + self.base

    @property
    def late_ms(self) -> float:
        return self.late * 1000 / self._render_hz

    def put(self, late: int) -> None:
        """The echo comes so late: the canceller's reference is moved, the path's only if it can be no earlier."""
        self.shift = max(late - self.base, 0)
        self.base = max(late, 0) - self.shift  # no reference is earlier than what was played

    def samples(self, ms: float) -> int:
        return round(ms * self._render_hz / 1000)

    def captured(self, blocks: int) -> list[bytes]:
        """The last of them, oldest first."""
        return list(self._captured)[-blocks:]

    def heard(self, ms: int) -> Samples:
        """What was captured last, at RATE_HZ."""
        return samples_at(b"".join(self.captured(-(-ms // BLOCK_MS))), self._capture_hz)[-ms * RATE_HZ // 1000 :]

    def played(self, ms: int, late: int | None = None) -> Samples:
        """The last `ms` of a reference that is so late, at RATE_HZ; None: as late as the path's."""
        late = self.late if late is None else late
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

    def around(self, blocks: int, early_ms: int, later_ms: int = 0) -> tuple[list[bytes], list[bytes], int]:
        """To look for an echo that comes earlier or later by so much than expected: (the last captured blocks, their
        reference, longer by LENGTH_MS and by how far is looked, how many samples early that is)."""
        early = min(self.samples(early_ms), self.late)
        references = self.references(self.late - early, blocks + (early_ms + later_ms) // BLOCK_MS)
        return self.captured(blocks), references, early
