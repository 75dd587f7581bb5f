"""The voices of this machine as one synthesiser: hibari for English, espeak-ng for every other language, and for
Chinese and English Kokoro, when the user has added it.

Who reads a sentence follows from its letters and commonest words, so that the Chinese answer of a chat model is not
read by an English voice, which would leave it out. A foreign word in an English sentence has its own reader. Where
hibari has no wheel, or does not load, espeak-ng reads English too, and one line says so.
"""

import itertools
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from importlib.util import find_spec

from voicechat.engine import hibari, kokoro
from voicechat.engine.hibari import HibariFailed, HibariSynthesiser
from voicechat.engine.kokoro import KokoroSynthesiser
from voicechat.engine.synthesiser import EspeakSynthesiser, Spoken
from voicechat.errors import VoicechatError
from voicechat.text.language import latin_language, runs, script_language, written_like

log = logging.getLogger(__name__)

DEFAULT_VOICE = hibari.VOICE
PLAIN_VOICE = "en-us+f3"
"""espeak-ng's, in place of hibari's."""
_ESPEAK_NAMES = {"zh": "cmn"}


class LocalVoices:
    """Implements `Synthesiser`. `tell` is given one line when another voice than the chosen one will speak."""

    def __init__(self, tell: Callable[[str], None] = log.warning):
        self._tell = tell
        self._plain = EspeakSynthesiser()
        self._closing = False
        self._natural: HibariSynthesiser | None = HibariSynthesiser() if installed() else None
        self._added = KokoroSynthesiser()
        self._broken: set[str] = set()
        """Added voices that did not load."""

    def prepare(self) -> None:
        """What holds everything up for a moment: to be called while nobody speaks yet."""
        if self._natural is not None:
            hibari.import_runtime()

    async def load(self, voice: str) -> None:
        """Be ready to speak with `voice`."""
        if kokoro.named(voice):
            await self._load_added(voice)
        if voice != hibari.VOICE:
            return
        if self._natural is None:
            self._fall_back("hibari is not installed")
            return
        try:
            await self._natural.load()
        except HibariFailed as error:
            if self._closing or self._natural is None:
                return
            await self._natural.close()
            self._natural = None
            self._fall_back(str(error))

    def knows(self, voice: str) -> bool:
        if kokoro.named(voice):
            return self._added.knows(voice)
        return voice == hibari.VOICE or self._plain.knows(voice)

    async def speak(self, text: str, voice: str, speed: float) -> AsyncGenerator[Spoken, None]:
        for part, reader in parts(text, voice):
            async with aclosing(self._read(part, reader, voice, speed)) as blocks:
                async for block in blocks:
                    yield block

    async def _read(self, text: str, reader: str, voice: str, speed: float) -> AsyncGenerator[Spoken, None]:
        if kokoro.named(reader):
            loaded = await self._load_added(reader)
            speech = self._added.speak(text, reader, speed) if loaded else self.speak(text, hibari.VOICE, speed)
            async with aclosing(speech) as blocks:
                async for block in blocks:
                    yield block
            return
        if reader == hibari.VOICE:
            await self.load(reader)
        natural = self._natural if reader == hibari.VOICE else None
        chosen = natural or self._plain
        if natural is None and (reader == hibari.VOICE or not self._plain.knows(reader)):
            reader = PLAIN_VOICE if voice == hibari.VOICE else voice
        async with aclosing(chosen.speak(text, reader, speed)) as blocks:
            async for block in blocks:
                yield block

    async def close(self) -> None:
        self._closing = True
        await self._plain.close()
        if self._natural is not None:
            await self._natural.close()
        await self._added.close()

    async def _load_added(self, voice: str) -> bool:
        """Whether it can speak."""
        if voice not in self._broken:
            try:
                await self._added.load(voice)
                return True
            except VoicechatError as error:
                self._broken.add(voice)
                self._tell(f"Another voice speaks in place of {voice}: {error.message}")
        return False

    def _fall_back(self, reason: str) -> None:
        if self._tell is not _silent:
            self._tell(f"English is read by espeak-ng, which sounds like a machine: {reason}.")
            self._tell = _silent


def installed() -> bool:
    """Whether hibari is there; imports nothing."""
    return find_spec("hibari") is not None and find_spec("onnxruntime") is not None


def parts(text: str, voice: str) -> list[tuple[str, str]]:
    """The text in pieces, each with its reader. espeak-ng's voices for other letters read Latin ones, too; no reader
    of Latin letters reads others."""
    main = reader_of(text, voice)
    if script_language(text):
        return [(text, main)]
    read = [(run, reader_of(run, voice) if script_language(run) else main) for run in runs(text)]
    grouped = itertools.groupby(read, key=lambda part: part[1])
    return [("".join(run for run, _ in group), reader) for reader, group in grouped]


def reader_of(text: str, voice: str) -> str:
    """`voice`, or the espeak-ng voice of the text's language when its letters are foreign to `voice`, or its words to
    an English one."""
    script = script_language(text)
    if not script and (voice == hibari.VOICE or voice.startswith("en") or kokoro.named(voice)):
        script = latin_language(text)
    if kokoro.named(voice):
        if script in ("", *kokoro.SCRIPTS):
            return voice
        voice = hibari.VOICE
    base, plus, variant = voice.partition("+")
    language = hibari.LANGUAGE if voice == hibari.VOICE else "zh" if base.startswith("cmn") else base
    if not script or written_like(language, script):
        return voice
    if voice == hibari.VOICE:
        plus, variant = PLAIN_VOICE[PLAIN_VOICE.index("+")], PLAIN_VOICE.rpartition("+")[2]
    return f"{_ESPEAK_NAMES.get(script, script)}{plus}{variant}"


def _silent(line: str) -> None:
    """It was said already."""
