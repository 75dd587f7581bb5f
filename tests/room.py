"""A room on the virtual sound card: the microphone hears the loudspeaker, the room's noise, and whoever speaks in it.

One process with one stream from the speaker and one to the microphone, so that the echo's delay never changes:
PulseAudio's own loopback moves it by milliseconds whenever another stream begins. `SoundCard(room=Room())` opens it;
what is played into the microphone then goes through it too.

    python -m tests.room JSON       (the process itself, started inside a sound card's environment)

It is told `say NUMBER FILE` and `hush NUMBER` (files are s16le mono at 48 kHz) and tells `began` and `ended NUMBER
TIME`, times on the monotonic clock. It ends with its standard input.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from tests.recordings import Sound, at_level, pcm, speech

RATE_HZ, BLOCK = 48_000, 480
BLOCK_S = BLOCK / RATE_HZ
LATE_S = 0.03
FORMAT = ["--raw", "--format=s16le", f"--rate={RATE_HZ}", "--channels=1"]
CUSHION_MS = 20
"""What the microphone's stream holds beyond a block, so that a busy machine does not tear it; a part of the delay."""


@dataclass(frozen=True)
class Room:
    """What lies between loudspeaker and microphone. Levels are RMS under full scale."""

    gain_db: float = -12.0
    """Of the direct way from loudspeaker to microphone."""
    delay_ms: int = 40
    """Of the direct way, 20 at the least. Reading and writing the card adds some 30 ms."""
    rt60_ms: int = 0
    """The time in which the reverberation decays by 60 dB (a bare living room: 500); 0 is a single echo."""
    noise_dbfs: float = -78.0
    """Of the room's steady noise."""
    background: str = ""
    """A recording that is heard in the room over and over: a radio, a neighbour."""
    background_dbfs: float = -50.0

    def response(self) -> Sound:
        """What the microphone hears of one click: the direct impulse, and a tail of noise of the same energy."""
        count = RATE_HZ * self.rt60_ms // 1000
        tail = np.random.default_rng(3).normal(size=count) * np.exp(-6.9 * np.arange(count) / max(count, 1))
        if count:
            tail /= np.sqrt(np.sum(tail**2))
        heard: Sound = np.concatenate([np.zeros(RATE_HZ * max(0, self.delay_ms - CUSHION_MS) // 1000), [1.0], tail])
        return heard * 10 ** (self.gain_db / 20)


class OpenRoom:
    """The process of a room. `env` is a sound card's; `folder` takes the sounds on their way."""

    def __init__(self, room: Room, env: Mapping[str, str], folder: Path):
        self.stumbles = 0
        """How often the room itself came late, or its sound was torn: the echo moved, and what was measured then is
        worth nothing."""
        self._folder = folder
        self._sayings: list[Saying] = []
        self._changed = threading.Condition()
        self._ended = False
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.room", json.dumps(asdict(room))],
            env=env, cwd=Path(__file__).parents[1], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._thread = threading.Thread(target=self._run, name="room")
        self._thread.start()
        opened = Saying(self)
        self._sayings.append(opened)  # number 0 is the room's own: it begins when both streams run
        try:
            opened.started  # noqa: B018
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._thread.join()
        self._process.stdout.close()

    def say(self, sound: Sound) -> "Saying":
        """Somebody speaks in the room: `sound` at 48 kHz, beside whatever is said already."""
        number = len(self._sayings)
        path = self._folder / f"said-{number}.raw"
        path.write_bytes(pcm(sound))
        saying = Saying(self)
        self._sayings.append(saying)
        self._tell(f"say {number} {path}")
        return saying

    def hush(self, saying: "Saying") -> None:
        if not self._ended:
            self._tell(f"hush {self._sayings.index(saying)}")

    def wait(self, saying: "Saying", moment: str, timeout_s: float) -> float:
        """When the saying `began` or `ended`. Raises AssertionError when it does not, or the room has closed."""
        with self._changed:
            self._changed.wait_for(lambda: moment in saying.moments or self._ended, timeout_s)
            assert moment in saying.moments, f"nothing {moment} in the room within {timeout_s} s"
            return saying.moments[moment]

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def _run(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            moment, number, at = line.split()
            with self._changed:
                if moment == "late":
                    self.stumbles += 1
                else:
                    self._sayings[int(number)].moments[moment] = float(at)
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()


class Saying:
    """A sound in a room, in the manner of `soundcard.Playing`."""

    def __init__(self, room: OpenRoom):
        self._room = room
        self.moments: dict[str, float] = {}

    @property
    def started(self) -> float:
        """The monotonic time at which its first block went to the microphone; waits for it."""
        return self._room.wait(self, "began", 10.0)

    def wait(self, timeout_s: float = 60.0) -> None:
        """Until everything was said."""
        self._room.wait(self, "ended", timeout_s)

    def close(self) -> None:
        """Stop it where it is."""
        self._room.hush(self)


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


class Voices:
    """Who speaks in the room: told by one thread, heard by another."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._said: dict[int, tuple[Sound, int]] = {0: (np.zeros(0), 0)}

    def listen(self) -> None:
        """Until the end of standard input."""
        for line in sys.stdin:
            word, number, *rest = line.rstrip("\n").split(maxsplit=2)
            if word == "hush":
                with self._lock:
                    self._said.pop(int(number), None)
                continue
            path = Path(rest[0])
            sound = np.fromfile(path, "<i2").astype(np.float64)
            path.unlink()
            with self._lock:
                self._said[int(number)] = (sound, 0)

    def next_block(self) -> Sound:
        now, mixed = time.monotonic(), np.zeros(BLOCK)
        with self._lock:
            for number, (sound, at) in list(self._said.items()):
                if at == 0:
                    tell("began", number, now)
                piece = sound[at : at + BLOCK]
                mixed[: len(piece)] += piece
                self._said[number] = (sound, at + BLOCK)
                if at + BLOCK >= len(sound):
                    del self._said[number]
                    tell("ended", number, now)
        return mixed


def tell(moment: str, number: int, at: float) -> None:
    sys.stdout.write(f"{moment} {number} {at!r}\n")
    sys.stdout.flush()


def background(room: Room) -> Sound:
    """A loop at its level, or a block of nothing."""
    if not room.background:
        return np.zeros(BLOCK)
    sound = at_level(speech(room.background, RATE_HZ), 32768 * 10 ** (room.background_dbfs / 20))
    return sound[: len(sound) // BLOCK * BLOCK]


def main() -> None:
    room = Room(**json.loads(sys.argv[1]))
    echo, voices, radio = Convolution(room.response()), Voices(), background(room)
    noise, random = 32768 * 10 ** (room.noise_dbfs / 20), np.random.default_rng(5)
    speaker = subprocess.Popen(["parec", "-d", "speaker.monitor", *FORMAT, "--latency-msec=10"], stdout=subprocess.PIPE)
    mouth = ["pacat", "-p", "-v", "-d", "mic_feed", *FORMAT, f"--latency-msec={10 + CUSHION_MS}"]
    environment = {**os.environ, "LC_ALL": "C"}
    microphone = subprocess.Popen(mouth, env=environment, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    assert speaker.stdout is not None
    assert microphone.stdin is not None

    def listen() -> None:
        voices.listen()
        speaker.terminate()

    def watch() -> None:
        assert microphone.stderr is not None
        for line in microphone.stderr:
            if b"underrun" in line:
                tell("late", 0, time.monotonic())

    for work in (listen, watch):
        threading.Thread(target=work, daemon=True).start()
    due, count = 0.0, 0
    while len(block := speaker.stdout.read(2 * BLOCK)) == 2 * BLOCK:
        heard = echo.feed(np.frombuffer(block, "<i2").astype(np.float64)) + random.normal(0, noise, BLOCK)
        heard += radio[count % len(radio) :][:BLOCK] + voices.next_block()
        microphone.stdin.write(pcm(heard))
        microphone.stdin.flush()
        count, now = count + BLOCK, time.monotonic()
        if due and now > due + LATE_S:
            tell("late", 0, now)
            due = now
        due = (due or now) + BLOCK_S
    microphone.stdin.close()
    speaker.wait()
    microphone.wait()


if __name__ == "__main__":
    main()
