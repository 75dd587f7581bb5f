"""One conversation with the engine: commands in, events out. Turn detection, hearing, answering, interrupting.

One task takes the commands and is the only one that changes the session; responses and the user's turns report from
tasks of their own, all through `_tell`. What any wire looks like is not known here.
"""

import asyncio
import secrets
from dataclasses import replace

from voicechat.engine.answerer import Answerer
from voicechat.engine.ear import Ear
from voicechat.engine.ending import GRACE_MS, wait_ms
from voicechat.engine.hearing import Hearing
from voicechat.engine.items import BYTES_PER_MS, BadId, Conversation, Item
from voicechat.engine.response import Delivery, EngineResponse
from voicechat.engine.smart_turn import SmartTurn
from voicechat.engine.synthesiser import RATE_HZ, Synthesiser
from voicechat.engine.turns import EAGERNESS_SILENCE_MS, Quiet, Sound, TurnDetector
from voicechat.engine.voices import DEFAULT_VOICE
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev
from voicechat.wire.transport import Closed, Transport

MIN_COMMIT_MS = 100
SILENCE_MS = 500
"""The pause that ends a turn, unless the client says otherwise."""
_STEP_BYTES = BYTES_PER_MS * 100
"""However much sound one command holds, it is taken in steps of 100 ms, so that others get their turn."""


class CannotDo(Exception):
    """A command that makes no sense now; becomes a `ServiceError`."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.event = ev.ServiceError(message, code, "benign")


class EngineSession:
    """`run` serves until the client closes. Ear, answerer and synthesiser belong to the caller.

    `troubles` are lines for the user: what does not work as it should, and what to do about it.
    """

    def __init__(
        self,
        transport: Transport,
        ear: Ear,
        answerer: "asyncio.Task[Answerer]",
        synthesiser: Synthesiser,
        model: str,
        voice: str,
        troubles: "asyncio.Queue[str]",
        ends: SmartTurn | None = None,
    ):
        self._transport = transport
        self._ear = ear
        self._answerer = answerer
        self._synthesiser = synthesiser
        self._model = model
        self._voice = voice
        self._troubles = troubles
        self._ends = ends
        self._refused_voice = ""
        self._config = cmd.SessionConfig(transcribe=False)
        self._conversation = Conversation()
        self._detector = TurnDetector(silence_ms=SILENCE_MS, grace_ms=GRACE_MS, rate_hz=RATE_HZ)
        self._manual = Quiet(RATE_HZ)
        self._buffer_ms = 0.0
        self._hearing: Hearing | None = None
        self._response: EngineResponse | None = None
        self._owed = False
        """The user's turn interrupted an answer before its first word."""
        self._asides: dict[str, EngineResponse] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        try:
            await self._tell(ev.SessionCreated(_id("sess"), self._model, self._voice))
            self._keep(asyncio.create_task(self._report_troubles(), name="offline-troubles"))
            while True:
                await self._take(await self._transport.receive())
        except Closed:
            return
        finally:
            for task in self._tasks:
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks)

    async def _tell(self, event: ev.Event) -> None:
        await self._transport.send(event)

    async def _report_troubles(self) -> None:
        while True:
            await self._tell(ev.ServiceError(await self._troubles.get(), severity="warning"))

    async def _take(self, command: cmd.Command) -> None:
        try:
            await self._do(command)
        except CannotDo as refusal:
            await self._tell(replace(refusal.event, command=type(command).__name__))
        except BadId as error:
            await self._tell(ev.ServiceError(str(error), error.code, param="item_id", command=type(command).__name__))

    async def _do(self, command: cmd.Command) -> None:
        match command:
            case cmd.AppendAudio():
                await self._append(command.pcm, command.speech)
            case cmd.Configure():
                await self._configure(command.config)
            case cmd.CommitAudio():
                await self._commit_buffer(command.item_id)
            case cmd.ClearAudio():
                await self._abandon_turn()
                await self._tell(ev.InputCleared())
            case cmd.CreateResponse(aside=True):
                await self._respond_aside(command)
            case cmd.CreateResponse():
                await self._respond(self._delivery(command))
            case cmd.CancelResponse():
                await self._cancel_response(command.response_id)
            case cmd.SendText():
                await self._add(Item(command.item_id or _id("item"), command.role, command.text), command.after)
            case cmd.SendImage():  # pictures mean nothing to this engine
                await self._add(Item(command.item_id or _id("item"), "user", command.text), command.after)
            case cmd.SendToolCall():
                item = Item(command.item_id or _id("item"), None, command.arguments)
                item.call_id, item.name = command.call_id, command.name
                await self._add(item, command.after, "function_call")
            case cmd.ToolResult():
                item = Item(command.item_id or _id("item"), None, command.output, call_id=command.call_id)
                await self._add(item, command.after, "function_call_output")
            case cmd.SetTools():
                self._config = replace(self._config, tools=command.tools, tool_choice=command.tool_choice)
                await self._tell(ev.SessionConfigured(self._voice))
            case cmd.DeleteItem():
                self._conversation.delete(command.item_id)
                await self._tell(ev.ItemDeleted(command.item_id))
            case cmd.RetrieveItem():
                item = self._conversation.get(command.item_id)
                await self._tell(ev.ItemRetrieved(item.id, item.text))
            case cmd.TruncateItem():
                await self._truncate(command.item_id, command.audio_end_ms)
            case cmd.Finish():
                pass  # there is nothing to flush

    async def _configure(self, config: cmd.SessionConfig) -> None:
        voice = config.voice or self._voice
        if not self._synthesiser.knows(voice):
            if voice != self._refused_voice:
                self._refused_voice = voice
                await self._tell(ev.ConfigureAgain("the voice was refused", voice_dropped=voice))
                return
            voice = DEFAULT_VOICE
        turn = config.turn_detection
        if (turn is None) != (self._config.turn_detection is None):
            await self._abandon_turn()
        if turn is not None:
            self._detector.configure(
                0.5 if turn.threshold is None else turn.threshold,
                300 if turn.prefix_ms is None else turn.prefix_ms,
                _silence_ms(turn),
            )
        self._config, self._voice = config, voice
        await self._tell(ev.SessionConfigured(voice))

    # the user's speech

    async def _append(self, pcm: bytes, speech: bool | None) -> None:
        for start in range(0, len(pcm), _STEP_BYTES):
            step = pcm[start : start + _STEP_BYTES]
            self._buffer_ms += len(step) / BYTES_PER_MS
            await self._listen(step, speech)
            if start:
                await asyncio.sleep(0)

    async def _listen(self, pcm: bytes, speech: bool | None) -> None:
        if self._config.turn_detection is None:
            if self._hearing is None:
                self._manual = Quiet(RATE_HZ)
                self._hearing = self._begin_hearing(_id("item"))
            self._hearing.feed(pcm, self._manual.feed(pcm, speech))
            return
        for event in self._detector.feed(pcm, speech):
            if isinstance(event, Sound):
                if self._hearing is not None:
                    self._hearing.feed(event.pcm, event.quiet_ms)
            elif event.kind == "started":
                await self._speech_started(event.at_ms, self._config.turn_detection)
            else:
                await self._speech_stopped(event.at_ms, self._config.turn_detection)

    async def _speech_started(self, at_ms: int, turn: cmd.TurnDetection) -> None:
        item_id = _id("item")
        await self._tell(ev.SpeechStarted(item_id, at_ms))
        interrupted = self._response if turn.interrupt_response else None
        if interrupted is not None:
            await interrupted.interrupt("turn_detected")
        self._owed = interrupted is not None and not interrupted.begun
        self._hearing = self._begin_hearing(item_id)

    async def _speech_stopped(self, at_ms: int, turn: cmd.TurnDetection) -> None:
        hearing = self._hearing
        if hearing is None:
            return
        await self._tell(ev.SpeechStopped(hearing.item_id, at_ms))
        await self._commit(hearing)
        if turn.create_response:
            try:
                await self._respond(replace(self._delivery(cmd.CreateResponse()), owed=self._owed))
            except CannotDo as refusal:  # an answer nobody may interrupt still runs; the sound goes on meanwhile
                await self._tell(refusal.event)

    def _begin_hearing(self, item_id: str) -> Hearing:
        report = self._config.transcribe
        hearing = Hearing(item_id, self._tell, self._ear, self._settled, report=report, ends=self._ends)
        self._keep(hearing.task)
        return hearing

    def _settled(self, text: str, finished: float | None) -> None:
        """In the silence that goes on, this is all that was said."""
        self._detector.expect(wait_ms(text, self._detector.silence_ms, finished))

    async def _commit(self, hearing: Hearing) -> None:
        """The turn becomes an item; its text follows when it is understood."""
        self._hearing = None
        self._buffer_ms = 0.0
        item = Item(hearing.item_id, "user", audio_ms=hearing.audio_ms, pending=hearing.text)
        self._conversation.add(item)
        await self._tell(ev.InputCommitted(item.id))
        await self._tell(ev.ItemAdded(item.id, "user"))
        hearing.finish(item)

    async def _commit_buffer(self, item_id: str) -> None:
        if self._buffer_ms < MIN_COMMIT_MS:
            raise CannotDo("input_audio_buffer_commit_empty", f"There are only {self._buffer_ms:.0f} ms of sound.")
        self._conversation.check_new(item_id)  # as long as the turn is not over: it may be committed by another name
        hearing = self._hearing or self._begin_hearing(_id("item"))  # else nobody speaks: a turn without words
        hearing.item_id = item_id or hearing.item_id
        self._detector.reset()
        await self._commit(hearing)

    async def _abandon_turn(self) -> None:
        hearing, self._hearing = self._hearing, None
        self._buffer_ms = 0.0
        self._detector.reset()
        if hearing is not None:
            await hearing.abandon()

    # the conversation

    async def _add(self, item: Item, after: str, kind: str = "message") -> None:
        self._conversation.add(item, after)
        await self._tell(ev.ItemAdded(item.id, item.role or "", kind))

    async def _truncate(self, item_id: str, end_ms: int) -> None:
        try:
            item = self._conversation.get(item_id)
        except BadId as error:
            raise CannotDo("item_truncate_invalid_item_id", str(error)) from error
        if item.role != "assistant" or not item.audio_ms:
            raise CannotDo("item_truncate_invalid_item_id", "Only model output audio messages can be truncated")
        if end_ms > item.audio_ms + 1:
            message = f"Audio content of {item.audio_ms:.0f}ms is already shorter than {end_ms}ms"
            raise CannotDo("item_truncate_invalid_item_id", message)
        item.truncate(end_ms)
        await self._tell(ev.ItemTruncated(item.id, end_ms))

    # responses

    def _delivery(self, command: cmd.CreateResponse) -> Delivery:
        """The session's settings under those of the command."""
        config = self._config
        voice = command.voice if command.voice and self._synthesiser.knows(command.voice) else self._voice
        return Delivery(
            config.speak if command.speak is None else command.speak,
            command.instructions or config.instructions,
            voice,
            1.0 if config.speed is None else config.speed,
            command.words,
            config.tools if command.tools is None else command.tools,
            command.tool_choice or config.tool_choice,
        )

    async def _respond(self, delivery: Delivery) -> None:
        if self._response is not None:
            raise CannotDo(
                "conversation_already_has_active_response",
                f"Conversation already has an active response in progress: {self._response.id}.",
            )
        ids = (_id("resp"), _id("item"))
        answers = "" if delivery.words else self._conversation.newest_input
        response = EngineResponse(
            ids, answers, self._tell, self._conversation, self._answerer, self._synthesiser, delivery
        )
        self._response = response
        await response.begin()
        self._keep(asyncio.create_task(self._run_response(response), name="offline-response"))

    async def _run_response(self, response: EngineResponse) -> None:
        await response.run()
        self._response = None

    async def _respond_aside(self, command: cmd.CreateResponse) -> None:
        """Beside whatever else is answered, from a conversation of its own."""
        context = command.context
        items = None if context is None else [Item(_id("item"), one.role, one.text) for one in context]
        others, ids = self._conversation.beside(items), (_id("resp"), _id("item"))
        response = EngineResponse(
            ids, "", self._tell_aside, others, self._answerer, self._synthesiser, self._delivery(command)
        )
        self._asides[response.id] = response
        await response.begin()
        self._keep(asyncio.create_task(self._run_aside(response), name="offline-aside"))

    async def _run_aside(self, response: EngineResponse) -> None:
        await response.run()
        del self._asides[response.id]

    async def _tell_aside(self, event: ev.Event) -> None:
        match event:
            case ev.ResponseStarted():
                await self._tell(replace(event, out_of_band=True))
            case ev.ItemAdded():
                pass
            case _:
                await self._tell(event)

    async def _cancel_response(self, response_id: str) -> None:
        response = self._asides.get(response_id, self._response)
        if response is None or (response_id and response_id != response.id):
            raise CannotDo("response_cancel_not_active", "Cancellation failed: no active response found")
        await response.interrupt("client_cancelled")

    def _keep(self, task: "asyncio.Task[None]") -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _silence_ms(turn: cmd.TurnDetection) -> int:
    """How long a pause ends the turn, whatever the kind of detection."""
    if turn.kind == "semantic":
        return EAGERNESS_SILENCE_MS.get(turn.eagerness or "auto", EAGERNESS_SILENCE_MS["auto"])
    return SILENCE_MS if turn.silence_ms is None else turn.silence_ms


def _id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(10)}"
