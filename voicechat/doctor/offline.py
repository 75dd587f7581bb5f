"""The offline engine: its parts are installed, and load."""

import time

from voicechat.doctor.checks import Check

OFFLINE = "offline engine"


def offline_check() -> Check:
    """Raises ConfigError when the extra is not installed."""
    from voicechat.engine.builtin import load, not_installed
    from voicechat.engine.espeak import find_voice
    from voicechat.engine.hibari import HibariFailed, load_voice
    from voicechat.engine.voices import PLAIN_VOICE

    began = time.monotonic()
    remarks = [load().remark]
    if find_voice(PLAIN_VOICE) is None:
        raise not_installed()
    try:
        load_voice()
    except HibariFailed as error:
        remarks.append(f"English is read by espeak-ng: {error}.")
    took_ms = round((time.monotonic() - began) * 1000)
    found = " ".join(filter(None, [f"Recogniser and voice load in {took_ms} ms.", *remarks]))
    return Check(OFFLINE, True, found, figures={"load_ms": took_ms})
