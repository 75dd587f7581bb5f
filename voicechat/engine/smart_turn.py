"""Whether somebody has finished, by the melody of what was said: Smart Turn 3, a model that the user adds.

It is asked in a silence, of the last eight seconds, and takes 80 ms of one core in a thread of its own. It knows many
languages, where the words (`ending`) are judged in English alone, and leans to "finished": so it may shorten or
lengthen the wait, but never shortens that of words which cannot end there.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voicechat.engine.recogniser import RATE_HZ
from voicechat.errors import ConfigError
from voicechat.models.folder import find, missing_runtime

ASK_MS = 200
"""After so much silence it is asked: its authors' own recordings end in as much."""
WINDOW_BYTES = 8 * RATE_HZ * 2
_BYTES_PER_MS = RATE_HZ * 2 // 1000
_FFT, _HOP, _MELS, _FRAMES = 400, 160, 80, 800

Samples = NDArray[np.float32]


def require(wanted: str) -> None:
    """Raises ConfigError for a model (a name or a folder) that is not here or not one of these."""
    if wanted and (hint := missing_runtime(find(wanted, "turns").kind)):
        raise ConfigError(f"What runs {wanted} is not installed.", hint)


class SmartTurnFailed(Exception):
    """It does not load or work here; the message says why."""


class SmartTurn:
    """The model, in one worker thread. `tell` is given one line when it does not work; then it knows nothing."""

    def __init__(self, wanted: str, tell: Callable[[str], None]):
        self._wanted = wanted
        self._tell = tell
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="offline-turns")
        self._closed = threading.Event()
        self._session: Any = None
        self._broken = False

    async def load(self) -> None:
        """Be ready to be asked."""
        await self.finished(b"")

    async def finished(self, pcm: bytes) -> float | None:
        """The probability that who speaks in `pcm`, of which the last eight seconds count, has finished; None when
        that cannot be said. s16le at `RATE_HZ`, ending in `ASK_MS` of silence."""
        if self._broken or self._closed.is_set():
            return None
        try:
            return await asyncio.get_running_loop().run_in_executor(self._worker, self._ask, pcm)
        except SmartTurnFailed as error:
            self._broken = True
            self._tell(f"Ends of turns are found by the words alone: {self._wanted} does not work ({error}).")
            return None

    async def close(self) -> None:
        self._closed.set()
        await asyncio.get_running_loop().run_in_executor(self._worker, bool)
        self._worker.shutdown()

    def _ask(self, pcm: bytes) -> float | None:
        if self._closed.is_set():
            return None
        sound = np.frombuffer(pcm[-WINDOW_BYTES:].rjust(WINDOW_BYTES, b"\0"), "<i2").astype(np.float32)
        try:
            if self._session is None:
                self._session = _open(find(self._wanted, "turns").files["model"])
            (answer, *_) = self._session.run(None, {"input_features": log_mel(sound / 32768)[None]})
            return float(np.ravel(answer)[0])
        # A damaged file or a foreign release raises whatever it likes, and the words alone do, too.
        except Exception as error:
            raise SmartTurnFailed(" ".join(str(error).split())[:160]) from error


class Melody:
    """What the model says of one turn. `judged` is called when it has said something new."""

    def __init__(self, model: SmartTurn, judged: Callable[[], None]):
        self.known = False
        """Whether it was asked in the silence that goes on, and has answered."""
        self.finished: float | None = None
        self._model = model
        self._judged = judged
        self._pcm = bytearray()
        self._asking: asyncio.Task[None] | None = None

    def feed(self, pcm: bytes, quiet_ms: int) -> None:
        """s16le at `RATE_HZ`; nobody has spoken for the last `quiet_ms`."""
        self._pcm += pcm
        del self._pcm[:-WINDOW_BYTES]
        if quiet_ms < len(pcm) / _BYTES_PER_MS:
            self.close()
        elif quiet_ms >= ASK_MS and self._asking is None:
            self._asking = asyncio.create_task(self._ask(bytes(self._pcm)), name="offline-melody")

    def close(self) -> None:
        """Whatever was asked is of no interest any more."""
        self.known = False
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None

    async def _ask(self, pcm: bytes) -> None:
        self.finished = await self._model.finished(pcm)
        self.known = True
        self._judged()


def log_mel(samples: NDArray[Any]) -> Samples:
    """Whisper's features of eight seconds, whatever their loudness: 80 bands by 800 frames."""
    loud = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
    padded = np.pad(loud, _FFT // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FFT)[::_HOP][:_FRAMES]
    hann = np.hanning(_FFT + 1)[:-1].astype(np.float32)
    power = np.abs(np.fft.rfft(frames * hann)) ** 2
    bands = np.log10(np.maximum(power @ _mel_bands(), 1e-10)).T
    clipped: Samples = ((np.maximum(bands, bands.max() - 8) + 4) / 4).astype(np.float32)
    return clipped


@cache
def _mel_bands() -> NDArray[np.float64]:
    """Slaney's triangles over the spectrum, each of the same area: bins by bands."""
    step = np.log(6.4) / 27  # above 1000 Hz, which is 15 mel, the scale is logarithmic
    mels = np.linspace(0, 15 + np.log(RATE_HZ / 2 / 1000) / step, _MELS + 2)
    edges = np.where(mels < 15, mels * 200 / 3, 1000 * np.exp(step * (mels - 15)))
    bins = np.linspace(0, RATE_HZ / 2, _FFT // 2 + 1)[:, None]
    rising, falling = (bins - edges[:-2]) / np.diff(edges)[:-1], (edges[2:] - bins) / np.diff(edges)[1:]
    triangles: NDArray[np.float64] = np.maximum(0, np.minimum(rising, falling)) * 2 / (edges[2:] - edges[:-2])
    return triangles


def _open(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
