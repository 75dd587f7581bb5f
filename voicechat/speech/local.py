"""The voices of this machine, hibari's and espeak-ng's: no key, no network."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from voicechat.engine.kokoro import require
from voicechat.engine.synthesiser import RATE_HZ
from voicechat.engine.voices import DEFAULT_VOICE, LocalVoices
from voicechat.errors import UsageError
from voicechat.speech.base import Abilities, SpeechSettings

MAX_CHARS = 1000
ABILITIES = Abilities(speed=(0.5, 2.5))


class LocalSpeech:
    """Implements `base.SpeechService`. Raises UsageError for a voice that is not here."""

    rate_hz = RATE_HZ
    max_chars = MAX_CHARS

    def __init__(self, settings: SpeechSettings):
        self._voice = settings.voice or DEFAULT_VOICE
        self._speed = settings.speed or 1.0
        require(self._voice)
        self._synthesiser = LocalVoices()
        if not self._synthesiser.knows(self._voice):
            raise UsageError(
                f"There is no voice {self._voice!r} on this machine.",
                "`voicechat voices --provider offline --speak` lists them.",
            )

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        async with aclosing(self._synthesiser.speak(text, self._voice, self._speed)) as spoken:
            async for part in spoken:
                if part.pcm:
                    yield part.pcm

    async def close(self) -> None:
        await self._synthesiser.close()
