"""What to do about a microphone that gives nothing but zeros, on each system."""

import sys

_HOW = {
    "darwin": "Allow it in System Settings → Privacy & Security → Microphone for this terminal, then start it anew.",
    "win32": "Allow it in Settings → Privacy & security → Microphone (desktop apps too), and look for a mute key.",
}
_ELSEWHERE = (
    "Unmute it: `pavucontrol` (Input Devices), `wpctl set-mute @DEFAULT_AUDIO_SOURCE@ 0`, or F4 in `alsamixer`; "
    "a sandbox (Flatpak, container) must be given the sound server."
)


def how_to_unmute() -> str:
    """One or two sentences for the user of this system."""
    return _HOW.get(sys.platform, _ELSEWHERE)


def zeros(name: str) -> str:
    """What is wrong with that microphone."""
    return f"{name} gives nothing but zeros: it is muted, or the system forbids it."
