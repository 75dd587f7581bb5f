"""A virtual sound card: a PulseAudio daemon of our own with a microphone we speak into and a speaker we hear.

Sink `speaker` is the default output; `speaker.monitor` is what it plays. Source `mic` is the default input; it hears
what is played into sink `mic_feed`. In a room (tests/room.py) the microphone also hears the speaker. Needs the programs
pulseaudio, pactl, pacat and parec, and ALSA's pulse plugin (Debian: pulseaudio, pulseaudio-utils, libasound2-plugins).
"""

import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from tests.recordings import read_pcm
from tests.room import OpenRoom, Room, Saying

RATE_HZ = 48_000
BLOCK_MS = 5
LATENESS_BLOCKS = 400
START_TIMEOUT_S = 10.0
SOUND_LEVEL = 300.0
SILENCE_LEVEL = 40.0

# The devices are named, so that a program cannot open a neighbour in place of one that was unplugged.
ASOUND = """</usr/share/alsa/alsa.conf>
pcm.pulse_speaker { type pulse device speaker }
pcm.pulse_mic { type pulse device mic }
pcm.!default { type asym playback.pcm pulse_speaker capture.pcm pulse_mic }
pcm.headset { type asym playback.pcm pulse_speaker capture.pcm pulse_mic }
ctl.!default { type pulse }
"""
# Its threads run in real time, and one that is awake for 200 ms is taken for a runaway and the daemon killed (SIGXCPU):
# where the machine itself stands still that long, the card would be gone in the middle of a test.
DAEMON_CONF = "rlimit-rttime = -1\n"
# Without `norewinds` an idle sink renders two seconds ahead, and its monitor's first block comes that late.
DEVICES = {
    "speaker": "module-null-sink sink_name=speaker channels=1 norewinds=1",
    "headphones": "module-null-sink sink_name=headphones channels=1 norewinds=1",
    "mic_feed": "module-null-sink sink_name=mic_feed channels=1 norewinds=1",
    "mic": "module-remap-source master=mic_feed.monitor source_name=mic channels=1"
    " master_channel_map=mono channel_map=mono",
}


class SoundCard:
    """Context manager. `env` is a whole environment for child processes, `variables` only what the card adds to it.

    `room`: where loudspeaker and microphone stand; None keeps them apart, as headphones do.
    Raises RuntimeError when a program is missing or the daemon does not start.
    """

    def __init__(self, *, room: Room | None = None):
        self._walls = room
        self.room: OpenRoom | None = None
        self._modules: dict[str, str] = {}
        self._open: list[Playing | Recording] = []
        self._sounds = 0

    def __enter__(self) -> "SoundCard":
        for program in ("pulseaudio", "pactl", "pacat", "parec"):
            if shutil.which(program) is None:
                raise RuntimeError(
                    f"{program} is not installed: the end-to-end tests need a virtual sound card. "
                    "Install PulseAudio and its tools (Debian: pulseaudio pulseaudio-utils libasound2-plugins)."
                )
        self.dir = Path(tempfile.mkdtemp(prefix="soundcard-"))
        (self.dir / "pulse").mkdir(mode=0o700)
        (self.dir / "asound.conf").write_text(ASOUND)
        (self.dir / "daemon.conf").write_text(DAEMON_CONF)
        self.variables = {
            "XDG_RUNTIME_DIR": str(self.dir),
            "PULSE_RUNTIME_PATH": str(self.dir / "pulse"),
            "PULSE_SERVER": f"unix:{self.dir}/pulse/native",
            "ALSA_CONFIG_PATH": str(self.dir / "asound.conf"),
            "HOME": str(self.dir),
        }
        self.env = {**os.environ, **self.variables}
        self._log = (self.dir / "pulseaudio.log").open("wb")
        # A daemon does not start while its own clients' address is set: it takes it for a running one's.
        env = {name: value for name, value in self.env.items() if name != "PULSE_SERVER"}
        env["PULSE_CONFIG"] = str(self.dir / "daemon.conf")
        self._daemon = subprocess.Popen(
            [
                *("pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--disallow-exit"),
                *("--log-target=stderr", "--log-level=warning"),
                *("-L", f"module-native-protocol-unix auth-anonymous=1 socket={self.dir}/pulse/native"),
                *("-L", f"module-cli-protocol-unix socket={self.dir}/pulse/cli"),
            ],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._log,
        )
        try:
            self._wait_until_it_answers()
            for name in DEVICES:
                if name != "headphones":
                    self.replug(name)
            self._hum()
            if self._walls is not None:
                self.room = OpenRoom(self._walls, self.env, self.dir)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for thing in list(self._open):
            thing.close()
        if self.room is not None:
            self.room.close()
        self._daemon.terminate()
        try:
            self._daemon.wait(5)
        except subprocess.TimeoutExpired:
            self._daemon.kill()
            self._daemon.wait()
        self._log.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def _hum(self) -> None:
        """The microphone's last bit moves, as every real one's does: exact zeros are one that is not there yet."""
        self._pactl("load-module", "module-sine", "sink=mic_feed", "frequency=50")
        [stream] = self._pactl("list", "short", "sink-inputs").stdout.splitlines()
        self._pactl("set-sink-input-volume", stream.split()[0], "-84dB")

    def _wait_until_it_answers(self) -> None:
        end = time.monotonic() + START_TIMEOUT_S
        while self._pactl("info", check=False).returncode != 0:
            if self._daemon.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the virtual sound card did not start {self.state()}")
            time.sleep(0.02)

    def state(self) -> str:
        """The daemon's exit code and last words, for who finds the card gone."""
        log = (self.dir / "pulseaudio.log").read_text(errors="replace")[-1000:]
        return f"(sound server: exit {self._daemon.poll()}):\n{log}"

    def _pactl(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["pactl", *words], env={**self.env, "LC_ALL": "C"}, capture_output=True, text=True, check=check, timeout=10
        )

    def unplug(self, name: str) -> None:
        """Take `speaker` or `mic` away; the streams on it are killed, as when the only device is pulled out."""
        # Left alone, the daemon would move the streams to a neighbour: the microphone's to the speaker's monitor.
        sources = [name, f"{name}.monitor"]
        kills = [f"kill-sink-input {stream}" for stream in self._streams("sinks", "sink-inputs", [name])]
        kills += [f"kill-source-output {stream}" for stream in self._streams("sources", "source-outputs", sources)]
        with socket.socket(socket.AF_UNIX) as cli:
            cli.settimeout(5)
            cli.connect(f"{self.dir}/pulse/cli")
            cli.sendall("".join(f"{line}\n" for line in [*kills, f"unload-module {self._modules.pop(name)}"]).encode())
            # Whatever it answers, it has done all when it has read the end of the lines and closed.
            cli.shutdown(socket.SHUT_WR)
            while cli.recv(4096):
                pass

    def _streams(self, devices: str, streams: str, names: list[str]) -> list[str]:
        rows = [line.split("\t") for line in self._pactl("list", "short", devices).stdout.splitlines()]
        indexes = [row[0] for row in rows if row[1] in names]
        rows = [line.split("\t") for line in self._pactl("list", "short", streams).stdout.splitlines()]
        return [row[0] for row in rows if row[1] in indexes]

    def suspend(self, source: str, *, on: bool = True) -> None:
        """A source that is there and gives no samples, as a headset that is still connecting; or gives them again."""
        self._pactl("suspend-source", source, str(int(on)))

    def mute(self, source: str) -> None:
        """Exact zeros."""
        self._pactl("set-source-mute", source, "1")

    def replug(self, name: str, rate_hz: int = RATE_HZ) -> None:
        """Bring a device back, as the default again, at that rate; `headphones` are not there before that.

        Programs use `speaker` and `mic` whatever the default is, unless ALSA_CONFIG_PATH names another file.
        """
        self._modules[name] = self._pactl("load-module", *DEVICES[name].split(), f"rate={rate_hz}").stdout.strip()
        if name in ("speaker", "headphones"):
            self._pactl("set-default-sink", name)
        elif name == "mic":
            self._pactl("set-default-source", "mic")

    def play(
        self, sound: Path | bytes | NDArray[np.int16], rate_hz: int = 16_000, *, into: str = "mic_feed"
    ) -> "Playing | Saying":
        """Start to play into the microphone (or the sink `into`): a WAV file, else s16le mono at `rate_hz`.

        Returns at once; `.wait()` blocks until all has been played. In a room the room plays it.
        """
        if isinstance(sound, Path):
            pcm, rate_hz = read_pcm(sound, rate_hz)
        else:
            pcm = sound if isinstance(sound, bytes) else sound.astype("<i2").tobytes()
        if self.room is not None and into == "mic_feed":
            samples = np.frombuffer(pcm, "<i2").astype(np.float64)
            return self.room.say(soxr.resample(samples, rate_hz, RATE_HZ, "HQ"))
        self._sounds += 1
        path = self.dir / f"sound-{self._sounds}.raw"
        path.write_bytes(pcm)
        playing = Playing(self, path, rate_hz, into)
        self._open.append(playing)
        return playing

    def record(self, source: str = "speaker.monitor") -> "Recording":
        """Start to record a source; a context manager. Returns when the first block has arrived."""
        recording = Recording(self, source)
        self._open.append(recording)
        return recording

    def _closed(self, thing: "Playing | Recording") -> None:
        if thing in self._open:
            self._open.remove(thing)


class Playing:
    """A sound on its way into the microphone. `started` is the monotonic time of the start."""

    def __init__(self, card: SoundCard, path: Path, rate_hz: int, sink: str):
        self._card, self._path = card, path
        self._process = subprocess.Popen(
            ["pacat", "-p", "-d", sink, *raw_options(rate_hz), "--latency-msec=10", str(path)],
            env=card.env,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self.started = time.monotonic()

    def wait(self, timeout_s: float = 60.0) -> None:
        """Until everything was played. Raises AssertionError when the player failed, e.g. without a device."""
        _, errors = self._process.communicate(timeout=timeout_s)
        self.close()
        assert self._process.returncode == 0, f"pacat failed: {errors.decode(errors='replace')}"

    def close(self) -> None:
        """Stop it where it is."""
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait()
        if self._process.stderr:
            self._process.stderr.close()
        self._path.unlink(missing_ok=True)
        self._card._closed(self)


class Recording:
    """What a source sounds like, in blocks of 5 ms stamped with the monotonic time of their first sample.

    On a busy machine blocks are read late: the card counts samples, so that the least late of the last ones tells when
    each was really there.
    """

    def __init__(self, card: SoundCard, source: str):
        self._card = card
        self._blocks: list[tuple[float, float, NDArray[np.int16]]] = []
        self._changed = threading.Condition()
        self._ended = False
        self._process: subprocess.Popen[bytes] = subprocess.Popen(
            ["parec", "-d", source, *raw_options(RATE_HZ), f"--latency-msec={BLOCK_MS}"],
            env=card.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._thread = threading.Thread(target=self._run, name=f"recording of {source}")
        self._thread.start()
        with self._changed:
            started = self._changed.wait_for(lambda: self._blocks or self._ended, 10)
        if not started or self._ended:
            self.close()
            raise RuntimeError(f"nothing can be recorded from {source!r}")

    def __enter__(self) -> "Recording":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
        self._process.wait()
        self._thread.join()
        if self._process.stdout:
            self._process.stdout.close()
        self._card._closed(self)

    def _run(self) -> None:
        size, count = RATE_HZ * BLOCK_MS // 1000 * 2, 0
        late: deque[float] = deque(maxlen=LATENESS_BLOCKS)
        assert self._process.stdout is not None
        while len(block := self._process.stdout.read(size)) == size:
            samples: NDArray[np.int16] = np.frombuffer(block, "<i2")
            rms = float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))
            late.append(time.monotonic() - (count + 1) * BLOCK_MS / 1000)
            with self._changed:
                self._blocks.append((min(late) + count * BLOCK_MS / 1000, rms, samples))
                self._changed.notify_all()
            count += 1
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @property
    def ended(self) -> bool:
        """The source is gone (unplugged) or the recording was closed."""
        return self._ended

    def wait_until_ended(self, timeout_s: float = 10.0) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._ended, timeout_s), "the source is still there"

    def levels(self, start: float = 0.0, end: float = float("inf")) -> list[tuple[float, float]]:
        """(monotonic time, RMS of the 16-bit samples) of each block that began in [start, end)."""
        with self._changed:
            return [(at, rms) for at, rms, _ in self._blocks if start <= at < end]

    def samples(self, start: float = 0.0, end: float = float("inf")) -> NDArray[np.int16]:
        """The recorded samples, mono at 48 kHz, of the blocks that began in [start, end)."""
        with self._changed:
            chosen = [samples for at, _, samples in self._blocks if start <= at < end]
        return np.concatenate(chosen) if chosen else np.zeros(0, np.int16)

    def wait_for_sound(self, timeout_s: float = 10.0, *, after: float = 0.0, level: float = SOUND_LEVEL) -> float:
        """The time of the first block louder than `level` (RMS) at or after `after`. Raises TimeoutError."""

        def onset() -> float | None:
            return next((at for at, rms, _ in self._blocks if at >= after and rms > level), None)

        return self._wait(onset, timeout_s, "sound")

    def wait_for_silence(
        self, timeout_s: float = 10.0, *, hold_s: float = 0.25, after: float = 0.0, level: float = SILENCE_LEVEL
    ) -> float:
        """The first moment at or after `after` from which it stayed silent for `hold_s`. Raises TimeoutError."""

        def silence() -> float | None:
            start = None
            for at, rms, _ in self._blocks:
                if at < after or rms > level:
                    start = None
                elif start is None:
                    start = at
                if start is not None and at - start >= hold_s:
                    return start
            return None

        return self._wait(silence, timeout_s, "silence")

    def _wait(self, find: Any, timeout_s: float, what: str) -> float:
        end = time.monotonic() + timeout_s
        with self._changed:
            while (found := find()) is None:
                if self._ended or not self._changed.wait(end - time.monotonic()):
                    ended = f" (the recording ended) {self._card.state()}" if self._ended else ""
                    raise TimeoutError(f"no {what} within {timeout_s} s{ended}")
            return float(found)


def raw_options(rate_hz: int) -> list[str]:
    return ["--raw", "--format=s16le", f"--rate={rate_hz}", "--channels=1"]


def tone(seconds: float, hz: float = 440.0, rate_hz: int = 16_000, level: float = 0.1) -> bytes:
    """A sine as s16le mono; `level` is its RMS as a share of full scale."""
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    wave_: NDArray[np.float64] = np.sin(2 * np.pi * hz * t) * level * np.sqrt(2) * 32767
    return wave_.clip(-32768, 32767).astype("<i2").tobytes()


def lag_ms(sound: NDArray[np.int16], later: NDArray[np.int16]) -> float:
    """By how much `later` holds `sound` later; both at 48 kHz."""
    size = 1 << (len(sound) + len(later)).bit_length()
    product = np.fft.rfft(later.astype(float), size) * np.conj(np.fft.rfft(sound.astype(float), size))
    return int(np.argmax(np.fft.irfft(product, size)[: RATE_HZ // 2])) * 1000 / RATE_HZ
