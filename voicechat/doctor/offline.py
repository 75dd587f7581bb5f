"""The offline engine: its parts are installed, and load."""

import time

from voicechat.doctor.checks import Check

OFFLINE = "offline engine"


def offline_check() -> Check:
    """Raises ConfigError when the extra is not installed."""
    from voicechat.engine.espeak import find_voice
    from voicechat.engine.recogniser import PocketsphinxRecogniser, not_installed
    from voicechat.engine.synthesiser import DEFAULT_VOICE

    began = time.monotonic()
    PocketsphinxRecogniser()
    if find_voice(DEFAULT_VOICE) is None:
        raise not_installed()
    took_ms = round((time.monotonic() - began) * 1000)
    return Check(OFFLINE, True, f"Recogniser and voice load in {took_ms} ms.", figures={"load_ms": took_ms})
