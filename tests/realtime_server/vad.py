"""Turn detection on the server's own clock: the number of samples it was sent."""

from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np
import webrtcvad
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tests.realtime_server.script import Script

BLOCK_MS = 20
TOUCHY_MODE, TOUCHY_LEVEL = 1, 58.0  # -55 dBFS
TOUCHY_ONSET, TOUCHY_WINDOW = 5, 6
Detection = dict[str, Any]
SEMANTIC_SILENCE_MS = {"high": 200, "medium": 400, "auto": 400, "low": 800}


def _ulaw() -> NDArray[np.int16]:
    code = ~np.arange(256) & 0xFF
    magnitude = (((code & 0x0F) << 3) + 0x84 << ((code & 0x70) >> 4)) - 0x84
    table: NDArray[np.int16] = np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)
    return table


def _alaw() -> NDArray[np.int16]:
    code = np.arange(256) ^ 0x55
    segment = (code & 0x70) >> 4
    magnitude = ((code & 0x0F) << 4) + np.where(segment > 0, 0x108, 8) << np.maximum(segment - 1, 0)
    table: NDArray[np.int16] = np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)
    return table


G711 = {"pcmu": _ulaw(), "pcma": _alaw()}


def decode(data: bytes, encoding: str) -> NDArray[np.int16]:
    """Samples of a wire payload; `encoding` is pcm, pcmu or pcma (ITU-T G.711)."""
    if encoding in G711:
        samples: NDArray[np.int16] = G711[encoding][np.frombuffer(data, np.uint8)]
        return samples
    return np.frombuffer(data[: len(data) // 2 * 2], "<i2")


def encode(samples: NDArray[np.int16], encoding: str) -> bytes:
    """The payload whose decoded values are nearest to the samples."""
    if encoding not in G711:
        return samples.astype("<i2").tobytes()
    table = G711[encoding].astype(np.int32)
    order = np.argsort(table, kind="stable")
    right = np.searchsorted(table[order], samples).clip(1, 255)
    below, above = order[right - 1], order[right]
    nearer = np.abs(samples - table[below]) <= np.abs(table[above] - samples)
    payload: bytes = np.where(nearer, below, above).astype(np.uint8).tobytes()
    return payload


def rms(block: NDArray[np.int16]) -> float:
    return float(np.sqrt(np.mean(block.astype(np.float64) ** 2)))


class EnergyVad:
    """Feed samples, get ("started", start_ms) and ("stopped", end_ms), as `input_audio_buffer.*` count them.

    A turn begins with `onset` voiced blocks among the last `window`; here a block is voiced when it is loud.
    """

    def __init__(self, rate_hz: int, onset: int = 3, window: int | None = None):
        self.rate_hz = rate_hz
        self.speaking = False
        self.heard_ms = 0
        self._onset = onset
        self._rest: NDArray[np.int16] = np.zeros(0, np.int16)
        self._recent: deque[bool] = deque(maxlen=window or onset)
        self._quiet = 0

    def _voiced(self, block: NDArray[np.int16], detection: Detection) -> bool:
        return rms(block) > 800.0 * max(float(detection.get("threshold", 0.5)), 0.05)

    def hear(self, samples: NDArray[np.int16], detection: Detection) -> list[tuple[str, int]]:
        """`detection` is the session's turn_detection."""
        silence_ms = detection.get("silence_duration_ms", 500)
        if detection["type"] == "semantic_vad":
            silence_ms = SEMANTIC_SILENCE_MS[detection.get("eagerness", "auto")]
        changes: list[tuple[str, int]] = []
        self._rest = np.concatenate([self._rest, samples])
        size = self.rate_hz * BLOCK_MS // 1000
        while len(self._rest) >= size:
            block, self._rest = self._rest[:size], self._rest[size:]
            self.heard_ms += BLOCK_MS
            self._recent.append(self._voiced(block, detection))
            self._quiet = 0 if self._recent[-1] else self._quiet + 1
            if not self.speaking and sum(self._recent) >= self._onset:
                self.speaking = True
                prefix_ms = detection.get("prefix_padding_ms", 300)
                changes.append(("started", max(0, self.heard_ms - self._onset * BLOCK_MS - prefix_ms)))
            elif self.speaking and self._quiet * BLOCK_MS >= silence_ms:
                self.reset()
                changes.append(("stopped", self.heard_ms))
        return changes

    def reset(self) -> None:
        """The turn is over, by silence or because the client committed it."""
        self.speaking, self._quiet = False, 0
        self._recent.clear()


class TouchyVad(EnergyVad):
    """As touchy as real services: webrtcvad over -55 dBFS, where loudness alone would need an RMS of 400."""

    def __init__(self, rate_hz: int):
        super().__init__(rate_hz, TOUCHY_ONSET, TOUCHY_WINDOW)
        self._vad = webrtcvad.Vad(TOUCHY_MODE)

    def _voiced(self, block: NDArray[np.int16], detection: Detection) -> bool:
        at = np.arange(BLOCK_MS * 16) * len(block) / (BLOCK_MS * 16)
        at_16k = np.interp(at, np.arange(len(block)), block).astype("<i2").tobytes()
        return rms(block) > TOUCHY_LEVEL and bool(self._vad.is_speech(at_16k, 16_000))


def detector(script: "Script", rate_hz: int) -> EnergyVad:
    return TouchyVad(rate_hz) if script.touchy else EnergyVad(rate_hz, script.onset_blocks)
