"""What the loudspeaker was given, block by block, for the canceller and the recording.

The player writes a block here when it writes it to the device; the recorder takes exactly one for each block it
captures, silence when there is none. Both run at the pace of a sound card, so the two stay in step: nothing is
ever dropped or doubled on one side only, and every silence of the speaker brings them together again.
"""

import threading
from collections import deque

from voicechat.audio.frames import block_bytes

LIMIT_BLOCKS = 200


class Reference:
    """Blocks of s16le mono at `rate_hz`, at most two seconds of them."""

    def __init__(self, rate_hz: int):
        self.rate_hz = rate_hz
        self._silence = bytes(block_bytes(rate_hz))
        self._blocks: deque[bytes] = deque()
        self._lock = threading.Lock()

    def write(self, block: bytes) -> None:
        with self._lock:
            if len(self._blocks) >= LIMIT_BLOCKS:  # nobody captures: a microphone was lost
                self._blocks.clear()
            self._blocks.append(block)

    def read(self) -> bytes:
        with self._lock:
            return self._blocks.popleft() if self._blocks else self._silence

    @property
    def waiting_ms(self) -> int:
        """How far the speaker is ahead of the microphone."""
        return len(self._blocks) * 10

    def clear(self) -> None:
        with self._lock:
            self._blocks.clear()
