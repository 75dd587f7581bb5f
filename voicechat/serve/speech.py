"""`POST /v1/audio/speech` and `GET /v1/voices`: a text read aloud by any service that can, in any format."""

import asyncio
import logging
import time
from base64 import b64encode
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from voicechat.audio.encode import ENCODINGS
from voicechat.audio.encoded import stream_encoder
from voicechat.audio.resample import Resampler
from voicechat.config.speech import SpeechChoice, choose_speech
from voicechat.dialects.fields import Json
from voicechat.dialects.openai.server.checks import (
    Rejected,
    as_number,
    as_object,
    as_text,
    known,
    one_of,
    required,
)
from voicechat.errors import UsageError, VoicechatError
from voicechat.providers.catalogue import providers
from voicechat.serve import refusals
from voicechat.serve.answers import BrokenOff
from voicechat.serve.gateway import Gateway
from voicechat.serve.models import FOREIGN_VOICES, OFFLINE, chosen
from voicechat.serve.refusals import Refusal
from voicechat.serve.requests import event_line, json_of, key_of, note, while_there
from voicechat.serve.tokens import Grant
from voicechat.services import open_speech
from voicechat.speech.base import SpeechSettings
from voicechat.speech.protocols import abilities_of
from voicechat.speech.reading import Reader
from voicechat.speech.source import WholeText, pieces

log = logging.getLogger(__name__)

MAX_CHARS = 4096
RATE_HZ = 24_000
FIRST_CHARS, MOST_CHARS = 30, 400
BLOCKS_AHEAD = 64
MOST_OPEN = 32
"""Texts that are read, or wait for it, or for their client to take what was read."""
_FIELDS = ("model", "input", "voice", "instructions", "response_format", "speed", "stream_format")
_TYPES = {
    "mp3": "audio/mpeg", "opus": "audio/ogg", "aac": "audio/aac", "flac": "audio/flac", "wav": "audio/wav",
    "pcm": "audio/pcm",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wish:
    """What a client wants read, checked."""

    model: str
    text: str
    voice: str
    instructions: str
    encoding: str
    speed: float
    as_events: bool


def read_wish(body: object) -> Wish:
    """Raises Rejected (reference, section 16)."""
    fields = as_object(body, "body")
    known(fields, _FIELDS)
    voice = fields.get("voice") or ""
    if isinstance(voice, dict):
        voice = required(voice, "id", "voice")
    text = as_text(required(fields, "input"), "input")
    if len(text) > MAX_CHARS:
        raise Rejected("string_above_max_length", f"Invalid 'input': expected at most {MAX_CHARS} characters.", "input")
    if not any(sign.isalnum() for sign in text):
        raise Rejected("invalid_value", "Invalid 'input': there is nothing in it to be read aloud.", "input")
    return Wish(
        model=as_text(required(fields, "model"), "model"),
        text=text,
        voice=as_text(voice, "voice"),
        instructions=as_text(fields.get("instructions") or "", "instructions"),
        encoding=one_of(fields.get("response_format") or "mp3", "response_format", ENCODINGS),
        speed=as_number(1.0 if fields.get("speed") is None else fields["speed"], "speed", 0.25, 4.0),
        as_events=one_of(fields.get("stream_format") or "audio", "stream_format", ("audio", "sse")) == "sse",
    )


class Speech:
    """The two endpoints of one server. So many texts are read at once as there are processors: others wait. A text
    whose client is slower than the reading waits, too, and the next one is read meanwhile."""

    def __init__(self, gateway: Gateway, at_once: int):
        self._gateway = gateway
        self._processors = asyncio.Semaphore(at_once)
        self._open = 0

    async def speak(self, request: Request) -> Response:
        grant = await self._gateway.admit(key_of(request))
        try:
            wish = read_wish(await json_of(request))
        except Rejected as error:
            raise refusals.rejected(error) from error
        if not grant.allows(wish.model):
            raise refusals.foreign_model(wish.model)
        choice = self._choice(wish)
        if grant.spend_per_day is not None and choice.protocol != "local":
            raise refusals.price_unknown(wish.model)
        await self._gateway.budget.left_s(grant)
        note(request, token=grant.name, behind=choice.name)
        sound, began = self._sound(wish, choice, grant), time.monotonic()
        try:
            first = await while_there(request, anext(sound, b""))  # what goes wrong before is an answer of its own
        except UsageError as error:
            raise Refusal(400, 4000, "invalid_value", error.message, param="voice") from error
        except VoicechatError as error:
            raise refusals.failed(error.message) from error
        self._gateway.metrics.latency.labels(choice.name, "speech").observe(time.monotonic() - began)
        if wish.as_events:
            return StreamingResponse(_events(first, sound, len(wish.text)), media_type="text/event-stream")
        return StreamingResponse(_chain(first, sound), media_type=_TYPES[wish.encoding])

    async def voices(self, request: Request) -> Response:
        grant = await self._gateway.admit(key_of(request))
        listed: list[Json] = []
        asked = request.query_params.get("model")
        for target in [self._gateway.models.resolve(asked)] if asked else self._gateway.models.behind():
            if not grant.allows(asked or target):
                continue
            provider, _, model = target.partition("/")
            for voice in providers()[provider].voices(model):
                entry: Json = {"id": voice.name, "name": voice.local or voice.name, "model": target}
                listed.append(entry | {"gender": voice.gender, "languages": list(voice.languages)})
        return JSONResponse({"object": "list", "data": listed})

    def _choice(self, wish: Wish) -> SpeechChoice:
        target = self._gateway.models.resolve(wish.model, aloud=True)
        provider, _, model = target.partition("/")
        try:
            choice = choose_speech(chosen(self._gateway.models.loaded, provider, model))
        except VoicechatError as error:
            raise refusals.failed(error.message) from error
        voices = {voice.name for voice in choice.info.voices(choice.options.model)}
        voice = choice.info.voice_named(wish.voice, choice.options.model)
        if not voice or (voice in FOREIGN_VOICES and voice not in voices and (voices or provider == OFFLINE)):
            voice = choice.options.voice
        try:  # no service takes all that OpenAI's does
            as_number(wish.speed, "speed", *abilities_of(choice.protocol).speed)
        except Rejected as error:
            raise refusals.rejected(error) from error
        return replace(choice, options=replace(choice.options, voice=voice))

    async def _sound(self, wish: Wish, choice: SpeechChoice, grant: Grant) -> AsyncGenerator[bytes, None]:
        """The encoded sound as it comes. Raises VoicechatError, Refusal when too many are open."""
        if self._open >= MOST_OPEN:
            raise refusals.full()
        settings = SpeechSettings(
            model=choice.options.model,
            voice=choice.options.voice,
            instructions=wish.instructions if abilities_of(choice.protocol).instructions else "",
            speed=None if wish.speed == 1.0 else wish.speed,
        )
        service = open_speech(choice, settings, insecure=self._gateway.models.insecure)
        self._open += 1
        try:
            encoder = stream_encoder(wish.encoding, RATE_HZ)
            resampler = Resampler(service.rate_hz, RATE_HZ)
            sink = _Queue(self._processors)
            most = min(MOST_CHARS, service.max_chars)
            reader = asyncio.create_task(_read(Reader(service, sink), wish.text, most, sink))
            try:
                while (pcm := await sink.next()) is not None:
                    # Encoding takes a processor: everybody else's sound must not wait for it.
                    if encoded := await asyncio.to_thread(encoder.feed, resampler.feed(pcm)):
                        yield encoded
                await reader
                if rest := await asyncio.to_thread(
                    lambda: encoder.feed(resampler.feed(b"", last=True)) + encoder.finish()
                ):
                    yield rest
            finally:
                reader.cancel()
                await asyncio.wait({reader})
                self._gateway.budget.sounded(grant, sink.taken / 2 / service.rate_hz)
        finally:
            self._open -= 1
            await service.close()


async def _read(reader: Reader, text: str, most_chars: int, sink: "_Queue") -> None:
    try:
        async with sink.reading(), aclosing(pieces(WholeText(text), FIRST_CHARS, most_chars)) as found:
            await reader.read(found)
    except asyncio.CancelledError:  # nobody takes anything more, and a full queue would be waited for without an end
        raise
    except BaseException:
        await sink.end()
        raise
    await sink.end()


class _Queue:
    """A sink that gives the sound on; what has gone out cannot be taken back. While it is full the processor that
    reads for it is somebody else's."""

    def __init__(self, processors: asyncio.Semaphore) -> None:
        self._processors = processors
        self._has_one = False
        self._blocks: asyncio.Queue[bytes | None] = asyncio.Queue(BLOCKS_AHEAD)
        self._of_piece = 0
        self.taken = 0
        """Bytes, of all pieces."""

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        await self._take()
        try:
            yield
        finally:
            self._give()

    async def _take(self) -> None:
        await self._processors.acquire()
        self._has_one = True

    def _give(self) -> None:
        if self._has_one:
            self._has_one = False
            self._processors.release()

    async def write(self, sound: bytes) -> None:
        self._of_piece += len(sound)
        self.taken += len(sound)
        if self._blocks.full():
            self._give()
            await self._blocks.put(sound)
            await self._take()
        else:
            self._blocks.put_nowait(sound)

    def rewind(self) -> int:
        return self._of_piece

    async def piece_done(self) -> None:
        self._of_piece = 0

    async def end(self) -> None:
        await self._blocks.put(None)

    async def next(self) -> bytes | None:
        return await self._blocks.get()


async def _chain(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """Raises BrokenOff."""
    async with aclosing(rest):
        yield first
        try:
            async for block in rest:
                yield block
        except VoicechatError as error:
            raise BrokenOff(error.message) from error


async def _events(first: bytes, rest: AsyncGenerator[bytes, None], chars: int) -> AsyncIterator[str]:
    async with aclosing(_chain(first, rest)) as blocks:
        try:
            async for block in blocks:
                yield event_line({"type": "speech.audio.delta", "audio": b64encode(block).decode("ascii")})
        except BrokenOff as error:
            log.warning("speech breaks off: %s", error)
            yield event_line(refusals.failed(str(error)).body())
            return
    tokens = max(1, chars // 4)
    usage = {"input_tokens": tokens, "output_tokens": 0, "total_tokens": tokens}
    yield event_line({"type": "speech.audio.done", "usage": usage})
