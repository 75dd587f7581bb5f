"""Which detector finds the user's voice: with Silero's model, or without it where that does not load."""

from voicechat.audio.vad import why_no_silero
from voicechat.doctor.checks import Check

DETECTION = "voice detection"


def detection_check() -> Check:
    why = why_no_silero()
    if why is None:
        return Check(DETECTION, True, "By Silero's model and webrtcvad.", figures={"silero": True})
    detail = f"{why}: webrtcvad works alone, and finds only loud voices in a noisy room."
    return Check(DETECTION, False, detail, "Install voicechat anew.", figures={"silero": False})
