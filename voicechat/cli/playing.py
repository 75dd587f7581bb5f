"""Playing a kept recording: both sides together, from any moment on."""

import wave
from pathlib import Path

from voicechat.errors import ConfigError, UsageError

BLOCK_S = 0.1


async def play_recording(folder: Path, conversation: str, output_device: str, begin_s: float = 0.0) -> None:
    """Play to its end, or until cancelled. Raises UsageError without a recording, ConfigError for a broken one,
    AudioError."""
    from voicechat.archive.folder import sounds_of
    from voicechat.speech.sinks import SpeakerSink

    sounds = sounds_of(folder, conversation)
    if not sounds:
        raise UsageError(
            f"No sound was kept of {conversation}.", f"`voicechat history show {conversation}` has its words."
        )
    try:
        with wave.open(str(sounds[0])) as file:
            rate_hz = file.getframerate()
        sink = SpeakerSink(rate_hz, output_device)
        try:
            await sink.open()
            for path in sounds:
                with wave.open(str(path)) as file:
                    skipped = min(int(begin_s * rate_hz), file.getnframes())
                    begin_s -= skipped / rate_hz
                    file.setpos(skipped)
                    while both := file.readframes(int(rate_hz * BLOCK_S)):
                        await sink.write(_together(both, file.getnchannels()))
            await sink.finish()
        finally:
            await sink.close()
    except (wave.Error, EOFError, OSError) as error:
        raise ConfigError(f"The recording of {conversation} cannot be read: {error}.") from error


def _together(pcm: bytes, channels: int) -> bytes:
    """One channel of s16le in which all of them are heard; who speaks alone is as loud as before."""
    import numpy as np

    samples = np.frombuffer(pcm, "<i2").reshape(-1, channels).astype(np.int32).sum(axis=1)
    return bytes(samples.clip(-32768, 32767).astype("<i2").tobytes())
