"""Which devices the system calls its defaults at this moment.

PortAudio's own list is frozen when it starts, and restarting it would end the running streams. PulseAudio and
PipeWire are asked by `pactl`; elsewhere a short-lived child process starts a PortAudio of its own.
"""

import shutil
import subprocess
import sys

from voicechat.interpreter import child_python

PACTL_INTERVAL_S = 5.0
CHILD_INTERVAL_S = 15.0
"""A child costs about 0.1 s of processor."""
TIMEOUT_S = 5.0
DEFAULT_SOURCE = ["pactl", "get-default-source"]
DEFAULT_SINK = ["pactl", "get-default-sink"]

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
    environment = None
    if _has_pactl():
        commands = [DEFAULT_SOURCE, DEFAULT_SINK]
    else:
        command, environment = child_python("-c", _CHILD)
        commands = [command]
    answers = []
    for command in commands:
        answer = _ask(command, environment)
        if answer is None:
            return None
        answers.append(answer)
    return tuple(answers)


def may_be_headset() -> bool:
    """Whether the default microphone may be a Bluetooth headset's. Blocks. Where nobody can be asked it may.

    PulseAudio and PipeWire begin the names of all such devices with `bluez`.
    """
    name = _ask(DEFAULT_SOURCE) if _has_pactl() else None
    return name is None or name.startswith("bluez")


def _ask(command: list[str], environment: dict[str, str] | None = None) -> str | None:
    """What the program says, None when it cannot."""
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
