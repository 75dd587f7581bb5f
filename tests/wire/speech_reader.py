"""A text-to-speech service at its scripted server, and an ear for what it reads."""

import asyncio
from typing import Any

from tests.speech_servers.cosyvoice import CosyVoiceServer
from tests.speech_servers.qwen import QwenTtsServer
from tests.speech_servers.rest import KEY, RestServer
from tests.speech_servers.sound import heard
from voicechat.providers.base import ProviderOptions
from voicechat.providers.registry import create
from voicechat.speech.base import SpeechService, SpeechSettings
from voicechat.speech.inference import InferenceTts
from voicechat.speech.reading import Reader
from voicechat.speech.rest import RestSpeech
from voicechat.speech.tts_realtime import TtsRealtime

MODELS = {RestServer: "tts-1", QwenTtsServer: "qwen3-tts-flash-realtime", CosyVoiceServer: "cosyvoice-v2"}
VOICES = {RestServer: "alloy", QwenTtsServer: "Cherry", CosyVoiceServer: "longxiaochun_v2"}


def service(server: Any, *, key: str = KEY, model: str = "", **settings: Any) -> SpeechService:
    kind = type(server)
    model = model or MODELS[kind]
    options = ProviderOptions(api_key=key, url=server.url, model=model)
    settings = {"voice": VOICES[kind], **settings}
    if kind is RestServer:
        return RestSpeech(create("openai", options), SpeechSettings(model=model, **settings))  # type: ignore[arg-type]
    make = TtsRealtime if kind is QwenTtsServer else InferenceTts
    return make(create("qwen", options), SpeechSettings(model=model, **settings))  # type: ignore[arg-type]


class Ear:
    """A sink that keeps the sound of each piece; with `plays`, what was heard cannot be taken back."""

    def __init__(self, plays: bool = False):
        self.plays = plays
        self.pieces: list[bytes] = []
        self._current = b""

    async def write(self, sound: bytes) -> None:
        self._current += sound

    def rewind(self) -> int:
        if self.plays:
            return len(self._current)
        self._current = b""
        return 0

    async def piece_done(self) -> None:
        self.pieces.append(self._current)
        self._current = b""

    @property
    def text(self) -> list[str]:
        return [heard(piece) for piece in self.pieces]


def read(made: SpeechService, texts: list[str], sink: Ear, waits: list[float] | None = None) -> int:
    async def wait(pause_s: float) -> None:
        if waits is not None:
            waits.append(pause_s)

    async def each() -> Any:
        for text in texts:
            yield text

    async def run() -> int:
        try:
            return await Reader(made, sink, wait=wait).read(each())
        finally:
            await made.close()

    return asyncio.run(run())
