"""The server's side of one realtime session of the GA dialect: client events in, server events out.

One task reads the client and is the only one that changes the session; responses and the user's turns report from
tasks of their own, all through `_send`.
"""

import asyncio
import binascii
import json
import secrets
from base64 import b64decode
from collections.abc import Awaitable, Callable
from typing import Any

from voicechat.audio.resample import Resampler
from voicechat.engine.answerer import Answerer
from voicechat.engine.ear import Ear
from voicechat.engine.hearing import Hearing
from voicechat.engine.items import BYTES_PER_MS, Conversation, Item, from_client
from voicechat.engine.response import Manner, Response
from voicechat.engine.session_config import Rejected, default_session, instructions, merged, modalities, silence_ms
from voicechat.engine.synthesiser import RATE_HZ, Synthesiser
from voicechat.engine.turns import Sound, TurnDetector
from voicechat.realtime.codec import Frame
from voicechat.wire.transport import Closed, Transport

Json = dict[str, Any]

MIN_COMMIT_MS = 100
_STEP_BYTES = BYTES_PER_MS * 100
"""However much sound one event holds, it is taken in steps of 100 ms, so that others get their turn."""


class RealtimeSession:
    """`run` serves until the client closes. Ear, answerer and synthesiser belong to the caller."""

    def __init__(
        self,
        transport: Transport,
        ear: Ear,
        answerer: "asyncio.Task[Answerer]",
        synthesiser: Synthesiser,
        model: str,
        voice: str,
    ):
        self._transport = transport
        self._ear = ear
        self._answerer = answerer
        self._synthesiser = synthesiser
        self._session = default_session(_id("sess"), model, voice)
        self._conversation = Conversation(_id("conv"))
        self._detector = TurnDetector()
        self._resampler = Resampler(RATE_HZ, 16_000)
        self._rest = b""
        self._buffer_ms = 0.0
        self._hearing: Hearing | None = None
        self._response: Response | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._handlers: dict[str, Callable[[Json], Awaitable[None]]] = {
            "session.update": self._update,
            "input_audio_buffer.append": self._append,
            "input_audio_buffer.commit": self._commit_buffer,
            "input_audio_buffer.clear": self._clear,
            "conversation.item.create": self._create_item,
            "conversation.item.delete": self._delete_item,
            "conversation.item.retrieve": self._retrieve_item,
            "conversation.item.truncate": self._truncate_item,
            "response.create": self._create_response,
            "response.cancel": self._cancel_response,
        }

    async def run(self) -> None:
        try:
            await self._send("session.created", session=self._session)
            while True:
                await self._handle(await self._transport.receive())
        except Closed:
            return
        finally:
            for task in self._tasks:
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks)

    async def _send(self, kind: str, **fields: Any) -> None:
        await self._transport.send(json.dumps({"type": kind, "event_id": _id("event"), **fields}))

    async def _handle(self, frame: Frame) -> None:
        event_id: str | None = None
        try:
            event = _parse(frame)
            echoed, kind = event.get("event_id"), event.get("type")
            event_id = echoed if isinstance(echoed, str) else None
            if not isinstance(kind, str):
                raise Rejected("invalid_event", "The 'type' field is missing.")
            handler = self._handlers.get(kind)
            if handler is None:
                names = ", ".join(f"'{name}'" for name in self._handlers)
                raise Rejected("invalid_value", f"Invalid value: {kind!r}. Supported values are: {names}.", "type")
            await handler(event)
        except Rejected as error:
            await self._complain(error, event_id)

    async def _complain(self, error: Rejected, event_id: str | None = None) -> None:
        shape = {"type": "invalid_request_error", "code": error.code, "message": str(error), "param": error.param}
        await self._send("error", error=shape | {"event_id": event_id})

    # session

    async def _update(self, event: Json) -> None:
        if self._answerer.done():
            self._session["model"] = self._answerer.result().model
        new = merged(self._session, event.get("session"))
        voice = new["audio"]["output"]["voice"]
        if not self._synthesiser.knows(voice):
            raise Rejected(
                "invalid_value",
                f"Invalid value: {voice!r}. Supported values are: espeak-ng's languages with an optional variant, "
                "such as 'en-us', 'en-gb' and 'en-us+f3'.",
                "session.audio.output.voice",
            )
        turn = new["audio"]["input"]["turn_detection"]
        if (turn is None) != (self._turn_detection is None):
            await self._abandon_turn()
        if turn is not None:
            self._detector.configure(turn.get("threshold", 0.5), turn.get("prefix_padding_ms", 300), silence_ms(turn))
        self._session = new
        await self._send("session.updated", session=new)

    @property
    def _turn_detection(self) -> Json | None:
        turn: Json | None = self._session["audio"]["input"]["turn_detection"]
        return turn

    # the user's speech

    async def _append(self, event: Json) -> None:
        try:
            pcm = b64decode(event.get("audio", ""), validate=True)
        except (binascii.Error, ValueError, TypeError) as error:
            raise Rejected("invalid_value", "Invalid 'audio'. Expected base64-encoded audio bytes.", "audio") from error
        pcm = self._rest + pcm
        whole = len(pcm) - len(pcm) % 2
        self._rest = pcm[whole:]
        for start in range(0, whole, _STEP_BYTES):
            step = pcm[start : min(start + _STEP_BYTES, whole)]
            self._buffer_ms += len(step) / BYTES_PER_MS
            await self._listen(self._resampler.feed(step))
            if start:
                await asyncio.sleep(0)

    async def _listen(self, pcm: bytes) -> None:
        if self._turn_detection is None:
            if self._hearing is None:
                await self._begin_hearing(_id("item"))
            assert self._hearing is not None
            await self._hearing.feed(pcm)
            return
        for event in self._detector.feed(pcm):
            if isinstance(event, Sound):
                if self._hearing is not None:
                    await self._hearing.feed(event.pcm)
            elif event.kind == "started":
                await self._speech_started(event.at_ms)
            else:
                await self._speech_stopped(event.at_ms)

    async def _speech_started(self, at_ms: int) -> None:
        assert self._turn_detection is not None
        item_id = _id("item")
        await self._send("input_audio_buffer.speech_started", audio_start_ms=at_ms, item_id=item_id)
        if self._response is not None and self._turn_detection["interrupt_response"]:
            await self._response.interrupt("turn_detected")
        await self._begin_hearing(item_id)

    async def _speech_stopped(self, at_ms: int) -> None:
        hearing, turn = self._hearing, self._turn_detection
        if hearing is None or turn is None:
            return
        await self._send("input_audio_buffer.speech_stopped", audio_end_ms=at_ms, item_id=hearing.item_id)
        await self._commit(hearing)
        if turn["create_response"]:
            try:
                await self._respond(self._manner({}))
            except Rejected as error:  # an answer nobody may interrupt still runs; the sound goes on meanwhile
                await self._complain(error)

    async def _begin_hearing(self, item_id: str) -> None:
        commands = not self._answerer.done() or self._answerer.result().prefers_commands
        report = self._session["audio"]["input"]["transcription"] is not None
        self._hearing = Hearing(item_id, self._send, report)
        await self._hearing.begin(self._ear, commands)
        if self._hearing.task is not None:
            self._keep(self._hearing.task)

    async def _commit(self, hearing: Hearing) -> None:
        """The turn becomes an item; its text follows when it is understood."""
        self._hearing = None
        self._buffer_ms = 0.0
        content = [{"type": "input_audio", "transcript": None}]
        item = Item(hearing.item_id, role="user", content=content, audio_ms=hearing.audio_ms, pending=hearing.text)
        previous = self._conversation.add(item)
        await self._send("input_audio_buffer.committed", item_id=item.id, previous_item_id=previous)
        for kind in ("added", "done"):
            await self._send(f"conversation.item.{kind}", previous_item_id=previous, item=item.shape())
        await hearing.finish(item)

    async def _commit_buffer(self, event: Json) -> None:
        if self._buffer_ms < MIN_COMMIT_MS:
            raise Rejected(
                "input_audio_buffer_commit_empty",
                "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, but buffer "
                f"only has {self._buffer_ms:.2f}ms of audio.",
            )
        if self._hearing is None:  # turns are detected, and nobody speaks: a turn without words
            await self._begin_hearing(_id("item"))
        assert self._hearing is not None
        self._detector.reset()
        await self._commit(self._hearing)

    async def _clear(self, event: Json) -> None:
        await self._abandon_turn()
        await self._send("input_audio_buffer.cleared")

    async def _abandon_turn(self) -> None:
        hearing, self._hearing = self._hearing, None
        self._buffer_ms = 0.0
        self._rest = b""
        self._detector.reset()
        if hearing is not None:
            await hearing.abandon()

    # the conversation

    async def _create_item(self, event: Json) -> None:
        item = from_client(event.get("item"), _id("item"))
        previous = self._conversation.add(item, event.get("previous_item_id"))
        for kind in ("added", "done"):
            await self._send(f"conversation.item.{kind}", previous_item_id=previous, item=item.shape())

    async def _delete_item(self, event: Json) -> None:
        self._conversation.delete(event.get("item_id"))
        await self._send("conversation.item.deleted", item_id=event["item_id"])

    async def _retrieve_item(self, event: Json) -> None:
        item = self._conversation.get(event.get("item_id"))
        await self._send("conversation.item.retrieved", item=item.shape())

    async def _truncate_item(self, event: Json) -> None:
        item = self._conversation.get(event.get("item_id"), "item_truncate_invalid_item_id")
        end_ms = event.get("audio_end_ms")
        if item.role != "assistant" or not item.audio_ms:
            raise Rejected(None, "Only model output audio messages can be truncated")
        if not isinstance(end_ms, int) or end_ms < 0:
            raise Rejected("invalid_value", f"Invalid value: {end_ms!r}.", "audio_end_ms")
        if end_ms > item.audio_ms + 1:
            message = f"Audio content of {item.audio_ms:.0f}ms is already shorter than {end_ms}ms"
            raise Rejected("invalid_value", message, "audio_end_ms")
        item.truncate(end_ms)
        await self._send("conversation.item.truncated", item_id=item.id, content_index=0, audio_end_ms=end_ms)

    # responses

    async def _create_response(self, event: Json) -> None:
        options = event.get("response") or {}
        if not isinstance(options, dict):
            raise Rejected("invalid_type", "Invalid type for 'response': expected an object.", "response")
        await self._respond(self._manner(options))

    def _manner(self, options: Json) -> Manner:
        """The session's settings under those of a `response.create`. Raises Rejected."""
        for key, supported in (("conversation", ("auto", None)), ("input", (None,))):
            if options.get(key) not in supported:
                message = "This engine answers in the default conversation only."
                raise Rejected("invalid_value", message, f"response.{key}")
        session = self._session
        how = options.get("output_modalities", session["output_modalities"])
        modalities(how, "response.output_modalities")
        told: str = options.get("instructions") or session["instructions"]
        instructions(told, "response.instructions")
        output = session["audio"]["output"]
        return Manner(how == ["audio"], told, output["voice"], output["speed"], options.get("metadata"))

    async def _respond(self, manner: Manner) -> None:
        if self._response is not None:
            raise Rejected(
                "conversation_already_has_active_response",
                f"Conversation already has an active response in progress: {self._response.id}. Wait until the "
                "response is finished before creating a new one.",
            )
        ids = (_id("resp"), _id("item"))
        response = Response(ids, self._send, self._conversation, self._answerer, self._synthesiser, manner)
        self._response = response
        await response.begin()
        self._keep(asyncio.create_task(self._run_response(response), name="offline-response"))

    async def _run_response(self, response: Response) -> None:
        await response.run()
        self._response = None

    async def _cancel_response(self, event: Json) -> None:
        response = self._response
        if response is None or event.get("response_id", response.id) != response.id:
            raise Rejected("response_cancel_not_active", "Cancellation failed: no active response found")
        await response.interrupt("client_cancelled")

    def _keep(self, task: "asyncio.Task[None]") -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _parse(frame: Frame) -> Json:
    if isinstance(frame, bytes):
        raise Rejected("invalid_event", "Expected a text WebSocket message; binary frames are not supported.")
    try:
        event = json.loads(frame)
    except ValueError as error:
        raise Rejected("invalid_json", f"Invalid event: failed to parse JSON value. {error}") from error
    if not isinstance(event, dict):
        raise Rejected("invalid_event", "Invalid event: expected a JSON object.")
    return event


def _id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(10)}"
