"""Microphones and speakers by PyAudio: listing, choosing by name, opening at a rate the device accepts.

PortAudio lets ALSA and JACK write to stderr while it enumerates; file descriptor 2 is turned away for that
moment only (PyAudio has no switch for it). Its device list is frozen when it starts: a new `Backend` sees
what was plugged in since.
"""

import contextlib
import ctypes
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from voicechat.audio.frames import BLOCK_MS, is_silent
from voicechat.audio.resample import Resampler
from voicechat.errors import AudioError, UsageError
from voicechat.interpreter import child_python

INPUT_BUFFER_MS = 10
"""PortAudio's capture buffer: one block. Half of one wakes the program twice as often, a seventh of all the processor
it uses, and `bench/duplex.py` hears nothing sooner."""
OUTPUT_BUFFER_MS = 12
"""PortAudio keeps twice this ahead of the loudspeaker. With 10 a busy machine tears holes into the sound, each of which
also shifts the echo against its reference; with more an interruption is heard later."""

SETTLE_S = 4.0
"""A Bluetooth headset takes one to three seconds to change its profile. A stream that gives nothing for longer was
opened in the middle of such a change, and another may do better."""
SETTLE_ZEROS_MS = 1500
"""Exact zeros are waited out for so long where the microphone may be a headset: systems give them in place of one that
is not there yet. Behind a noise gate and from a muted microphone they are all that comes."""


ALSA_CONFIG = "/usr/share/alsa/alsa.conf"


class _Quiet:
    """Who wants file descriptor 2 turned away: the first one turns it, the last one turns it back."""

    lock = threading.Lock()
    users = 0
    saved = -1


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Send file descriptor 2 nowhere while C libraries talk. May be nested, and entered by several threads."""
    with _Quiet.lock:
        if _Quiet.users == 0:
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.flush()
            try:
                _Quiet.saved = os.dup(2)
            except OSError:  # started without a stderr: nobody hears them anyway
                _Quiet.saved = -1
            else:
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, 2)
                os.close(nowhere)
        _Quiet.users += 1
    try:
        yield
    finally:
        with _Quiet.lock:
            _Quiet.users = max(_Quiet.users - 1, 0)
            if _Quiet.users == 0:
                _give_back()


def end_quiet() -> None:
    """Give stderr back although somebody is still inside `quiet_stderr`: in a call that never returns."""
    with _Quiet.lock:
        _Quiet.users = 0
        _give_back()


def _give_back() -> None:
    if _Quiet.saved >= 0:
        os.dup2(_Quiet.saved, 2)
        os.close(_Quiet.saved)
        _Quiet.saved = -1


@contextlib.contextmanager
def private_stderr() -> Iterator[None]:
    """Keep C libraries off stderr for a whole conversation: PortAudio writes there when a device goes.

    Python's `sys.stderr` gets a descriptor of its own meanwhile.
    """
    try:
        own = os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8", errors="backslashreplace")
    except OSError:  # started without a stderr
        yield
        return
    shared, sys.stderr = sys.stderr, own
    try:
        with quiet_stderr():
            yield
    finally:
        sys.stderr = shared
        own.close()


_alsa_handler: Any = None


def _quiet_alsa() -> None:
    """Give ALSA an error handler that says nothing: it reports every drained speaker as an underrun, at any time."""
    global _alsa_handler
    if _alsa_handler is not None or not sys.platform.startswith("linux"):
        return
    try:
        alsa = ctypes.CDLL("libasound.so.2")
    except OSError:
        return
    kind = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p)
    _alsa_handler = kind(lambda *_: None)  # kept: ALSA holds the address for as long as the process lives
    alsa.snd_lib_error_set_handler(_alsa_handler)


def _check_alsa() -> None:
    """PortAudio aborts the whole process where ALSA has no configuration: let a child find that out."""
    if not sys.platform.startswith("linux") or os.path.exists(os.environ.get("ALSA_CONFIG_PATH", ALSA_CONFIG)):
        return
    import subprocess

    command, environment = child_python("-c", "import pyaudio; pyaudio.PyAudio()")
    child = subprocess.run(command, env=environment, capture_output=True, check=False)
    if child.returncode < 0:
        raise AudioError(
            f"ALSA has no configuration here ({os.environ.get('ALSA_CONFIG_PATH', ALSA_CONFIG)} is missing).",
            "Install libasound2-data (Debian) or alsa-lib; --input FILE and --output FILE need no sound card.",
        )


@dataclass(frozen=True, slots=True)
class Device:
    """One entry of PortAudio's list. `index` is valid for one Backend only: remember the name instead."""

    index: int
    name: str
    host_api: str
    inputs: int
    outputs: int
    rate_hz: int
    default_input: bool = False
    default_output: bool = False


class Backend:
    """One initialised PortAudio. Closing it invalidates every stream and index it gave."""

    def __init__(self) -> None:
        try:
            import pyaudio
        except ImportError as error:
            raise AudioError(
                "PyAudio is not usable here: " + str(error).splitlines()[0],
                "Install PortAudio (Debian: libportaudio2, macOS: brew install portaudio), or use files instead.",
            ) from error
        self._pyaudio = pyaudio
        _check_alsa()
        _quiet_alsa()
        with quiet_stderr():
            self._pa = pyaudio.PyAudio()

    def devices(self) -> list[Device]:
        """Every device, in PortAudio's order."""
        default_in = self._default("get_default_input_device_info")
        default_out = self._default("get_default_output_device_info")
        found = []
        for index in range(self._pa.get_device_count()):
            info = self._pa.get_device_info_by_index(index)
            name = info["name"]
            if isinstance(name, bytes):
                name = name.decode("utf-8", "replace")
            api = self._pa.get_host_api_info_by_index(info["hostApi"])["name"]
            found.append(
                Device(
                    index,
                    str(name),
                    str(api),
                    int(info["maxInputChannels"]),
                    int(info["maxOutputChannels"]),
                    int(info["defaultSampleRate"]),
                    index == default_in,
                    index == default_out,
                )
            )
        return found

    def _default(self, getter: str) -> int | None:
        try:
            return int(getattr(self._pa, getter)()["index"])
        except OSError:
            return None

    def find(self, name: str, *, output: bool) -> Device:
        """The device called `name`, or whose name holds it; "" is the system's default.

        Raises AudioError when there is none, UsageError when several fit or none does.
        """
        kind, option = ("speaker", "--output-device") if output else ("microphone", "--input-device")
        usable = [d for d in self.devices() if (d.outputs if output else d.inputs) > 0]
        if not usable:
            raise AudioError(
                f"There is no {kind} on this machine.",
                "Plug one in, or use files: --input FILE and --output FILE need no sound card.",
            )
        if not name:
            default = [d for d in usable if (d.default_output if output else d.default_input)]
            return default[0] if default else usable[0]
        exact = [d for d in usable if d.name == name]
        fitting = exact or [d for d in usable if name.casefold() in f"{d.name} ({d.host_api})".casefold()]
        if len(fitting) > 1:  # Windows lists every device once for each host API: the default one's comes first
            apis = [d.host_api for d in usable if (d.default_output if output else d.default_input)]
            fitting = [d for d in fitting if d.host_api in apis[:1]] or fitting
        listing = "\n".join(f"    {d.name}  ({d.host_api})" for d in (fitting or usable))
        if not fitting:
            raise UsageError(
                f"No {kind} is called {name!r}.", f"{option} takes one of these, or a part of it:\n{listing}"
            )
        if len(fitting) > 1:
            raise UsageError(
                f"{len(fitting)} {kind}s are called {name!r}.", f"Give {option} more of the name:\n{listing}"
            )
        return fitting[0]

    def open_input(self, name: str, rate_hz: int) -> "DeviceInput":
        """A microphone that delivers blocks at `rate_hz`, whatever rate the device runs at."""
        device = self.find(name, output=False)
        stream, native_hz, channels = self._open(device, rate_hz, output=False)
        return DeviceInput(device.name, stream, native_hz, channels, rate_hz)

    def open_output(self, name: str, rate_hz: int) -> "DeviceOutput":
        """A speaker that takes blocks at `rate_hz`, whatever rate the device runs at."""
        device = self.find(name, output=True)
        stream, native_hz, channels = self._open(device, rate_hz, output=True)
        return DeviceOutput(device.name, stream, native_hz, channels, rate_hz)

    def _open(self, device: Device, rate_hz: int, *, output: bool) -> tuple[Any, int, int]:
        """Try our rate in mono, then the device's own rate, then its own channels; raises AudioError."""
        most = device.outputs if output else device.inputs
        attempts = dict.fromkeys([(rate_hz, 1), *((device.rate_hz, channels) for channels in (1, min(most, 2), most))])
        problem = ""
        for rate, channels in attempts:
            side = "output" if output else "input"
            try:
                with quiet_stderr():
                    stream = self._pa.open(
                        format=self._pyaudio.paInt16,
                        channels=channels,
                        rate=rate,
                        frames_per_buffer=rate * (OUTPUT_BUFFER_MS if output else INPUT_BUFFER_MS) // 1000,
                        **{side: True, f"{side}_device_index": device.index},
                    )
            except (OSError, ValueError) as error:
                problem = problem or str(error.args[-1] if error.args else error)
                continue
            return stream, rate, channels
        kind = "speaker" if output else "microphone"
        raise AudioError(
            f"The {kind} {device.name!r} cannot be opened: {problem}.",
            "Another program may hold it, or the system forbids it. `voicechat devices` lists the others.",
        )

    def close(self) -> None:
        with quiet_stderr():
            self._pa.terminate()


class DeviceInput:
    """A microphone as an InputStream."""

    ended = False

    def __init__(self, name: str, stream: Any, native_hz: int, channels: int, rate_hz: int):
        self.name = name
        self.rate_hz = rate_hz
        self.latency_ms = float(stream.get_input_latency()) * 1000
        self._stream = stream
        self._channels = channels
        self._native_block = native_hz * BLOCK_MS // 1000
        self._resampler = Resampler(native_hz, rate_hz)
        self._size = rate_hz * BLOCK_MS // 1000 * 2
        self._ready = bytearray()

    def settle(self, wanted: Callable[[], bool], may_be_headset: Callable[[], bool]) -> None:
        """Wait until sound comes, which is later than the stream is open; what came is read next.

        `may_be_headset` is asked where zeros come: they are waited out for one that may still be connecting.
        Raises AudioError when no sample comes, and when it is no longer `wanted`.
        """
        give_up_at = time.monotonic() + SETTLE_S
        for waited_ms in range(0, SETTLE_ZEROS_MS, BLOCK_MS):
            while not self._arrived():  # a read would wait for ever, and hold up whoever wants to close the stream
                if time.monotonic() > give_up_at or not wanted():
                    raise AudioError(
                        f"The microphone {self.name!r} is open and gives no sound.",
                        "A headset may be asleep or still connecting; `voicechat devices` lists the others.",
                    )
                time.sleep(BLOCK_MS / 2000)
            block = self.read()
            if not is_silent(block) or (waited_ms == 0 and not may_be_headset()):
                self._ready[:0] = block
                return

    def _arrived(self) -> bool:
        try:
            return bool(self._stream.get_read_available() >= self._native_block)
        except OSError as error:
            raise AudioError(f"The microphone {self.name!r} was lost: {error.args[-1]}.") from error

    def read(self) -> bytes:
        while len(self._ready) < self._size:
            try:
                pcm = self._stream.read(self._native_block, exception_on_overflow=False)
            except OSError as error:
                raise AudioError(f"The microphone {self.name!r} was lost: {error.args[-1]}.") from error
            if self._channels > 1:
                import numpy as np

                pcm = np.frombuffer(pcm, "<i2").reshape(-1, self._channels)[:, 0].tobytes()
            self._ready += self._resampler.feed(pcm)
        block = bytes(self._ready[: self._size])
        del self._ready[: self._size]
        return block

    def close(self) -> None:
        with contextlib.suppress(OSError), quiet_stderr():
            self._stream.close()


class DeviceOutput:
    """A speaker as an OutputStream."""

    def __init__(self, name: str, stream: Any, native_hz: int, channels: int, rate_hz: int):
        self.name = name
        self.rate_hz = rate_hz
        self.latency_ms = float(stream.get_output_latency()) * 1000
        self._stream = stream
        self._channels = channels
        self._share = rate_hz / native_hz
        self._resampler = Resampler(rate_hz, native_hz)

    @property
    def room_samples(self) -> int:
        try:
            return round(float(self._stream.get_write_available()) * self._share)
        except OSError as error:
            raise AudioError(f"The speaker {self.name!r} was lost: {error.args[-1]}.") from error

    def write(self, block: bytes) -> None:
        pcm = self._resampler.feed(block)
        if self._channels > 1:
            import numpy as np

            pcm = np.repeat(np.frombuffer(pcm, "<i2"), self._channels).tobytes()
        try:
            self._stream.write(pcm, exception_on_underflow=False)
        except OSError as error:
            raise AudioError(f"The speaker {self.name!r} was lost: {error.args[-1]}.") from error

    def close(self) -> None:
        with contextlib.suppress(OSError), quiet_stderr():
            self._stream.close()
