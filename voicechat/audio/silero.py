"""Silero's voice detector (version 6.2, 16 kHz) in numpy: how likely somebody speaks, for each 32 ms.

The network is small: a spectrum, four convolutions, one LSTM cell. Computed here it costs 0.1 ms a window, 3 MB and no
package; those that carry it take 43 MB or 2 % of a core, and have no wheel for some machine (docs/performance.md). The
weights in silero.npz are Silero's own, under the MIT licence beside them; benchmarks/silero_weights.py made the file.
"""

import functools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voicechat.audio.resample import Decimator, Resampler

Samples = NDArray[np.float32]

RATE_HZ = 16_000
WINDOW = 512
"""Samples that are judged at a time."""
WEIGHTS = Path(__file__).with_name("silero.npz")
_CONTEXT = 64  # samples of the window before, which the spectrum begins with
_HOP, _FRAME = 128, 256  # of the spectrum: four frames a window
_UNITS = 128
SETTLED = 10
"""After so many windows of silence the network knows that there is nothing, and is not asked until there is."""


class Network:
    """The weights, laid out as they are multiplied."""

    def __init__(self, path: Path):
        with np.load(path) as file:
            weights = {name: file[name].astype(np.float32) for name in file.files}
        # A convolution is a product with the neighbours laid side by side: (place and channel) by channel.
        kernels = [weights[f"conv{number}.weight"].transpose(2, 1, 0) for number in (1, 2, 3, 4)]
        self.biases = [weights[f"conv{number}.bias"] for number in (1, 2, 3, 4)]
        self.first, self.second = (kernel.reshape(-1, kernel.shape[2]) for kernel in kernels[:2])
        # The last two see two places and one: what would lie beside these is nothing, and is not multiplied.
        self.third = np.ascontiguousarray(kernels[2][1:].reshape(-1, kernels[2].shape[2]).T)
        self.fourth = np.ascontiguousarray(kernels[3][1].T)
        self.gates = np.concatenate([weights["lstm.weight_ih"], weights["lstm.weight_hh"]], axis=1)
        self.gates_bias = weights["lstm.bias_ih"] + weights["lstm.bias_hh"]
        self.output, self.output_bias = weights["output.weight"].reshape(_UNITS), float(weights["output.bias"][0])
        self.hann = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_FRAME) / _FRAME)).astype(np.float32)


@functools.cache
def network() -> Network:
    """The only copy. Raises OSError, KeyError, ValueError or BadZipFile where the file is no good."""
    return Network(WEIGHTS)


class Silero:
    """Judges one stream of s16le mono at any rate; it remembers what it heard. Raises what `network` raises."""

    def __init__(self, rate_hz: int):
        whole = rate_hz % RATE_HZ == 0
        self._convert = Decimator(rate_hz // RATE_HZ).feed if whole else Resampler(rate_hz, RATE_HZ).feed
        self._piece = rate_hz * WINDOW // RATE_HZ * 2  # converted at once: that costs less than block by block
        self._captured = self._converted = b""
        self._probability = 0.0
        self._audible = False
        self._silent = 0  # windows in a row without anything audible
        self._network = network()
        self._samples = np.zeros(_CONTEXT + WINDOW + _CONTEXT, np.float32)
        self._frames = np.lib.stride_tricks.sliding_window_view(self._samples, _FRAME)[::_HOP]
        self._spectrum = np.zeros((6, _FRAME // 2 + 1), np.float32)  # four frames between two of nothing
        self._pairs = np.zeros((2, 3 * _UNITS), np.float32)
        self._input_and_state = np.zeros(2 * _UNITS, np.float32)
        self._cell = np.zeros(_UNITS, np.float32)

    def feed(self, block: bytes, audible: bool = True) -> float:
        """The probability of speech in the last whole window, of 32 ms; `block` is no longer than that.

        What is not `audible` cannot be speech: after a while of nothing else the network rests.
        """
        self._captured += block
        self._audible = self._audible or audible
        if len(self._captured) < self._piece:
            return self._probability
        piece, self._captured = self._captured[: self._piece], self._captured[self._piece :]
        self._silent, self._audible = 0 if self._audible else self._silent + 1, False
        if self._silent > SETTLED:
            self._probability = 0.0
            return 0.0
        self._converted += self._convert(piece)
        if len(self._converted) >= WINDOW * 2:
            window, self._converted = self._converted[: WINDOW * 2], self._converted[WINDOW * 2 :]
            self._probability = self._judge(np.frombuffer(window, "<i2").astype(np.float32) * np.float32(1 / 32768))
        return self._probability

    def _judge(self, window: Samples) -> float:
        net, samples, state = self._network, self._samples, self._input_and_state
        samples[:_CONTEXT] = samples[WINDOW : WINDOW + _CONTEXT]
        samples[_CONTEXT:-_CONTEXT] = window
        samples[-_CONTEXT:] = samples[-_CONTEXT - 2 : -2 * _CONTEXT - 2 : -1]  # mirrored at the end
        spectrum = self._spectrum
        spectrum[1:5] = np.abs(np.fft.rfft(self._frames * net.hann))
        around = np.concatenate([spectrum[:4], spectrum[1:5], spectrum[2:]], axis=1)
        first = np.maximum(around @ net.first + net.biases[0], 0)
        self._pairs[0, _UNITS:] = first[:2].ravel()  # every second place, with its neighbours
        self._pairs[1] = first[1:].ravel()
        second = np.maximum(self._pairs @ net.second + net.biases[1], 0)
        third = np.maximum(_product(net.third, second.ravel()) + net.biases[2], 0)
        state[:_UNITS] = np.maximum(_product(net.fourth, third) + net.biases[3], 0)
        gates = _product(net.gates, state) + net.gates_bias
        take, keep, _, give = np.split(_logistic(gates), 4)
        self._cell = keep * self._cell + take * np.tanh(gates[2 * _UNITS : 3 * _UNITS])
        state[_UNITS:] = give * np.tanh(self._cell)
        score = np.dot(np.maximum(state[_UNITS:], 0), net.output) + net.output_bias
        return float(_logistic(score))


def _product(matrix: Samples, vector: Samples) -> Samples:
    """Not by BLAS, which would wake a thread on every core for it."""
    product: Samples = np.einsum("ij,j->i", matrix, vector)
    return product


def _logistic(value: Any) -> Any:
    return 0.5 + 0.5 * np.tanh(0.5 * value)  # 1 / (1 + exp(-value)) without its overflow
