"""A reverberant room on the virtual sound card: the speaker's sound comes to the microphone late, quieter and long.

    python -m benchmarks.reverberation GAIN_DB DELAY_MS RT60_MS

Started by benchmarks/duplex.py inside a SoundCard's environment; it ends with its standard input. What the speaker
plays is convolved with one direct impulse and a tail of noise of the same energy, which decays by 60 dB within
RT60_MS: a bare living room has 500. Reading and writing the card adds some 30 ms to DELAY_MS.
"""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from benchmarks.recordings import Sound
from tests.soundcard import SoundCard

RATE_HZ, BLOCK = 48_000, 480
FORMAT = ["--raw", "--format=s16le", f"--rate={RATE_HZ}", "--channels=1", "--latency-msec=10"]


def impulse_response(gain_db: float, delay_ms: int, rt60_ms: int) -> Sound:
    """What the microphone hears of one click, sampled at RATE_HZ."""
    count = RATE_HZ * rt60_ms // 1000
    tail = np.random.default_rng(3).normal(size=count) * np.exp(-6.9 * np.arange(count) / max(count, 1))
    if count:
        tail /= np.sqrt(np.sum(tail**2))
    heard: Sound = np.concatenate([np.zeros(RATE_HZ * delay_ms // 1000), [1.0], tail]) * 10 ** (gain_db / 20)
    return heard


class Convolution:
    """Overlap-save, block by block."""

    def __init__(self, response: Sound):
        self._size = 1 << (len(response) + BLOCK).bit_length()
        self._spectrum = np.fft.rfft(response, self._size)
        self._past = np.zeros(self._size)

    def feed(self, block: Sound) -> Sound:
        """BLOCK samples in, BLOCK samples out."""
        self._past = np.concatenate([self._past[BLOCK:], block])
        heard: Sound = np.fft.irfft(np.fft.rfft(self._past) * self._spectrum, self._size)[-BLOCK:]
        return heard


@contextmanager
def reverberant(card: SoundCard, gain_db: float, delay_ms: int, rt60_ms: int) -> Iterator[None]:
    """The card's microphone hears its speaker in such a room."""
    words = [sys.executable, "-m", "benchmarks.reverberation", str(gain_db), str(delay_ms), str(rt60_ms)]
    process = subprocess.Popen(words, env=card.env, stdin=subprocess.PIPE)
    try:
        yield
    finally:
        process.communicate()


def main() -> None:
    gain_db, delay_ms, rt60_ms = (float(word) for word in sys.argv[1:4])
    room = Convolution(impulse_response(gain_db, int(delay_ms), int(rt60_ms)))
    speaker = subprocess.Popen(["parec", "-d", "speaker.monitor", *FORMAT], stdout=subprocess.PIPE)
    microphone = subprocess.Popen(["pacat", "-d", "mic_feed", *FORMAT], stdin=subprocess.PIPE)
    assert speaker.stdout is not None
    assert microphone.stdin is not None
    threading.Thread(target=lambda: (sys.stdin.read(), speaker.terminate()), daemon=True).start()
    while len(block := speaker.stdout.read(2 * BLOCK)) == 2 * BLOCK:
        heard = room.feed(np.frombuffer(block, "<i2").astype(np.float64))
        microphone.stdin.write(heard.clip(-32768, 32767).astype("<i2").tobytes())
        microphone.stdin.flush()
    microphone.stdin.close()
    speaker.wait()
    microphone.wait()


if __name__ == "__main__":
    main()
