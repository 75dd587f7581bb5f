"""Which devices the system calls its defaults at this moment.

PortAudio's own list is frozen when it starts, and restarting it would end the running streams. PulseAudio and
PipeWire are asked by `pactl info`, which every version has; elsewhere a short-lived child process starts a PortAudio
of its own.
"""

import os
import shutil
import subprocess
import sys

from voicechat.interpreter import child_python

PACTL_INTERVAL_S = 5.0
CHILD_INTERVAL_S = 15.0
"""A child costs about 0.1 s of processor."""
TIMEOUT_S = 5.0
DEFAULTS = "Default Source: ", "Default Sink: "

_CHILD = """
from voicechat.audio.devices import Backend
devices = Backend().devices()
print([d.name for d in devices if d.default_input], [d.name for d in devices if d.default_output])
"""


def interval_s() -> float:
    """How often asking is cheap enough."""
    return PACTL_INTERVAL_S if _has_pactl() else CHILD_INTERVAL_S


def _has_pactl() -> bool:
    return sys.platform.startswith("linux") and shutil.which("pactl") is not None


def default_devices() -> tuple[str, ...] | None:
    """Names of the default microphone and speaker, None when that cannot be found out. Blocks: not for the loop."""
    if _has_pactl():
        return _ask_server()
    command, environment = child_python("-c", _CHILD)
    answer = _ask(command, environment)
    return None if answer is None else (answer,)


def may_be_headset() -> bool:
    """Whether the default microphone may be a Bluetooth headset's. Blocks. Where nobody can be asked it may.

    PulseAudio and PipeWire begin the names of all such devices with `bluez`.
    """
    names = _ask_server() if _has_pactl() else None
    return names is None or names[0].startswith("bluez")


def _ask_server() -> tuple[str, str] | None:
    """The names of the default microphone and speaker, None when the sound server does not tell."""
    answer = _ask(["pactl", "info"], os.environ | {"LC_ALL": "C"})
    if answer is None:
        return None
    found = [line.removeprefix(what) for what in DEFAULTS for line in answer.splitlines() if line.startswith(what)]
    return (found[0], found[1]) if len(found) == len(DEFAULTS) else None


def _ask(command: list[str], environment: dict[str, str] | None = None) -> str | None:
    """What the program says, None when it cannot."""
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
