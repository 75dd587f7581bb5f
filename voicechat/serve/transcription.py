"""`POST /v1/audio/transcriptions`: a recording as text, by the engine's recogniser."""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from voicechat.dialects.fields import Json
from voicechat.dialects.openai.server.checks import Rejected, as_number, invalid, one_of
from voicechat.engine.ear import ProcessEar
from voicechat.engine.turns import Sound, Turn, TurnDetector
from voicechat.engine.utterance import NotUnderstood
from voicechat.serve import refusals
from voicechat.serve.ears import Ears, understood
from voicechat.serve.gateway import Gateway
from voicechat.serve.models import OFFLINE
from voicechat.serve.recordings import RATE_HZ, decoded
from voicechat.serve.refusals import Refusal
from voicechat.serve.requests import event_line, form_of, key_of, note, texts, uploaded, while_there
from voicechat.serve.tokens import Grant
from voicechat.text.language import tag_named

MOST_S = 1800.0
LONGEST_S = 25.0
"""Of one utterance: whoever speaks longer without a pause is cut there."""
_TAG = re.compile(r"[a-z]{2,3}([-_][a-z0-9]{2,8})*", re.IGNORECASE)
FORMATS = ("json", "text", "srt", "verbose_json", "vtt")


@dataclass(frozen=True, slots=True)
class Segment:
    start_s: float
    end_s: float
    text: str


class Transcription:
    def __init__(self, gateway: Gateway, ears: Ears):
        self._gateway = gateway
        self._ears = ears

    async def transcribe(self, request: Request) -> Response:
        grant = await self._gateway.admit(key_of(request))
        await self._gateway.budget.left_s(grant)
        note(request, token=grant.name, behind=OFFLINE)
        async with form_of(request) as form:
            given = texts(form)
            model, written = given.get("model", ""), given.get("response_format") or "json"
            if not model:
                raise refusals.no_model()
            if not grant.allows(model):
                raise refusals.foreign_model(model)
            if self._gateway.models.resolve(model) != OFFLINE:
                message = f"{model[:80]} transcribes no recordings here; {OFFLINE} does."
                raise Refusal(400, 4000, "invalid_value", message, param="model")
            if written not in FORMATS:
                message = f"Supported values are: {', '.join(FORMATS)}."
                raise Refusal(400, 4000, "invalid_value", message, param="response_format")
            as_events = given.get("stream", "").lower() in ("true", "1")
            if as_events and written not in ("json", "text"):
                message = f"{written} is given when it is complete: leave 'stream' out, or ask for json."
                raise Refusal(400, 4000, "invalid_value", message, param="stream")
            try:
                _check_hints(form, given, written)
            except Rejected as error:
                raise refusals.rejected(error) from error
            utterances = _Utterances(await uploaded(form, "file"), MOST_S)
        segments = self._segments(utterances, grant)
        if as_events:
            # What goes wrong before it is still an answer of its own.
            first = await while_there(request, anext(segments, None))
            return StreamingResponse(_events(first, segments), media_type="text/event-stream")
        found = await while_there(request, _all(segments))
        note(request, heard_s=round(utterances.length_s, 2))
        return _written(found, utterances.length_s, written)

    async def _segments(self, utterances: "_Utterances", grant: Grant) -> AsyncGenerator[Segment, None]:
        """What is said in a recording, from pause to pause. Raises Refusal."""
        async with self._ears.for_a_recording() as ear, aclosing(utterances.each()) as each:
            began = time.monotonic()
            try:
                async for at_s, sound in each:
                    if (segment := await _heard(ear, at_s, sound)).text:
                        yield segment
            except NotUnderstood as error:
                raise refusals.failed(str(error)) from error
            finally:
                self._gateway.budget.sounded(grant, utterances.length_s)
                metrics = self._gateway.metrics
                metrics.latency.labels(OFFLINE, "transcription").observe(time.monotonic() - began)


def _check_hints(form: FormData, given: Mapping[str, str], written: str) -> None:
    """Language and temperature change nothing here, and are what they should be all the same. Raises Rejected."""
    language = given.get("language", "")
    if language and not (_TAG.fullmatch(language) or tag_named(language)):
        raise invalid("language", language, "ISO 639 codes, such as 'en'")
    try:
        as_number(float(given.get("temperature") or 0), "temperature", 0.0, 1.0)
    except ValueError:
        raise invalid("temperature", given["temperature"], "0 to 1") from None
    for where in ("timestamp_granularities[]", "timestamp_granularities"):
        for wanted in form.getlist(where):
            one_of(wanted, where, ("segment",))  # words have no times here
            if written != "verbose_json":
                message = f"'{where}' is for 'verbose_json'; {written} has no place for them."
                raise Rejected("invalid_value", message, where)


class _Utterances:
    """A recording cut at its pauses. Decoding and listening happen in another thread, a second of sound at a time."""

    def __init__(self, data: bytes, most_s: float):
        self._sound = decoded(data, most_s)
        self._detector = TurnDetector(silence_ms=500)
        self._length = 0

    @property
    def length_s(self) -> float:
        return self._length / 2 / RATE_HZ

    async def each(self) -> AsyncGenerator[tuple[float, bytes], None]:
        """Begin in seconds, and s16le at 16 kHz."""
        began_ms, sound = 0, bytearray()
        ended = False
        while not ended:
            found, ended = await asyncio.to_thread(self._next)
            for event in found:
                if isinstance(event, Turn) and event.kind == "started":
                    began_ms = event.at_ms
                elif isinstance(event, Sound):
                    sound += event.pcm
                if sound and (isinstance(event, Turn) or len(sound) > LONGEST_S * 2 * RATE_HZ):
                    yield began_ms / 1000, bytes(sound)
                    began_ms += len(sound) // 32
                    sound.clear()
        if sound:
            yield began_ms / 1000, bytes(sound)

    def _next(self) -> tuple[list[Turn | Sound], bool]:
        pcm = next(self._sound, None)
        if pcm is None:
            return [], True
        self._length += len(pcm)
        return self._detector.feed(pcm), False


async def _all(segments: AsyncGenerator[Segment, None]) -> list[Segment]:
    async with aclosing(segments):
        return [segment async for segment in segments]


async def _heard(ear: ProcessEar, at_s: float, sound: bytes) -> Segment:
    return Segment(at_s, at_s + len(sound) / 2 / RATE_HZ, await understood(ear, sound))


async def _events(first: Segment | None, rest: AsyncGenerator[Segment, None]) -> AsyncGenerator[str, None]:
    """A delta for what was said from pause to pause: what is heard in between may still change, and no delta is taken
    back. Usage is left out: it is of tokens in these events, and none were used."""
    said = ""
    async with aclosing(rest):
        try:
            while first is not None:
                delta = f" {first.text}" if said else first.text
                said += delta
                yield event_line({"type": "transcript.text.delta", "delta": delta})
                first = await anext(rest, None)
        except Refusal as refusal:
            yield event_line(refusal.body())
            return
    yield event_line({"type": "transcript.text.done", "text": said})


def _written(segments: list[Segment], length_s: float, form: str) -> Response:
    text = " ".join(segment.text for segment in segments)
    usage: Json = {"type": "duration", "seconds": round(length_s, 2)}
    if form == "text":
        return PlainTextResponse(f"{text}\n")
    if form == "srt":
        return PlainTextResponse("\n".join(_captions(segments, ",", numbered=True)), media_type="application/x-subrip")
    if form == "vtt":
        return PlainTextResponse("\n".join(["WEBVTT", "", *_captions(segments, ".")]), media_type="text/vtt")
    if form == "json":
        return JSONResponse({"text": text, "usage": usage})
    parts = [
        {"id": number, "start": round(one.start_s, 2), "end": round(one.end_s, 2), "text": one.text}
        for number, one in enumerate(segments)
    ]
    whole: Json = {"task": "transcribe", "language": "", "duration": round(length_s, 2), "text": text}
    return JSONResponse(whole | {"segments": parts, "usage": usage})


def _captions(segments: list[Segment], point: str, *, numbered: bool = False) -> Iterator[str]:
    for number, one in enumerate(segments, 1):
        if numbered:
            yield str(number)
        yield f"{_clock(one.start_s, point)} --> {_clock(one.end_s, point)}"
        yield one.text
        yield ""


def _clock(seconds: float, point: str) -> str:
    whole = round(seconds * 1000)
    return f"{whole // 3_600_000:02}:{whole // 60_000 % 60:02}:{whole // 1000 % 60:02}{point}{whole % 1000:03}"
