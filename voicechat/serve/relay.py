"""One client's session: its frames become commands for whoever stands behind, the events from there its frames.

A line of its own leads to the model, and outlives its connections. Nothing piles up on either side: while the client
reads too slowly nothing more is taken from the model, and while the model is slow nothing more from the client.
"""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Protocol

from voicechat.conversation.line import Line
from voicechat.dialects.openai.server import ServerCodec
from voicechat.errors import VoicechatError
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev
from voicechat.realtime.codec import Frame, Parcel
from voicechat.serve import refusals
from voicechat.serve.costs import Costs
from voicechat.serve.models import Model
from voicechat.serve.refusals import Refusal
from voicechat.serve.stand_ins import StandIns
from voicechat.serve.watch import Watch
from voicechat.wire.transport import Closed, Transport

log = logging.getLogger(__name__)

MOST_UNREAD = 1_000_000
"""Characters that may wait for the client before the model has to."""
PIECE_MS = 100
"""However much sound one event holds, it goes on in pieces, so that what waits is bounded."""
BURST = 8
"""So many frames go out before everybody else gets a turn."""
FLUSH_S = 5.0
"""How long the last words of a session may take to a client that does not read them."""


class Client(Protocol):
    async def receive(self) -> Frame: ...
    async def send(self, frame: Frame) -> None: ...
    async def close(self, code: int, reason: str = "") -> None: ...


class Relay:
    """`run` holds the session and closes the client in the end, `close` ends what is behind. Must be made on the
    running loop.

    `lasts_s` is how long the session may last, `costs` for a client that wants to know; `clock` is in unix seconds.
    """

    def __init__(
        self,
        client: Client,
        codec: ServerCodec,
        model: Model,
        session_id: str,
        lasts_s: float,
        watch: Watch,
        costs: Costs | None = None,
        clock: Callable[[], float] = time.time,
    ):
        self._client = client
        self._codec = codec
        self._model = model
        self.session_id = session_id
        self._lasts_s = lasts_s
        self._expires_at = int(clock() + lasts_s)
        self._watch = watch
        self._costs = costs
        self._unread: deque[Frame] = deque()
        self.unread_chars = 0
        """What waits for the client, in characters."""
        self._some = asyncio.Event()
        self._all_read = asyncio.Event()
        self._all_read.set()
        self._room = asyncio.Event()
        self._room.set()
        self._up = asyncio.Event()
        self._up.set()
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._end: asyncio.Future[Refusal | None] = asyncio.get_running_loop().create_future()
        self._line = Line(
            model.service.provider, self._connect, self._take_event, self._lost, self._waiting, model.policy
        )
        self._stand_ins = StandIns(
            self._line.codec.capabilities,
            lambda: (codec.input_rate_hz, codec.output_rate_hz),
            keeps_items=model.local,
        )
        self._running: dict[str, None] = {}
        """Responses that have begun and not ended, in that order."""
        self._voice_refused = ""
        self._keeper: asyncio.Task[None] | None = None
        self._owed: cmd.CreateResponse | None = None
        """An answer that was asked for and has not begun."""

    # from outside

    async def run(self) -> Refusal | None:
        """Hold the session until somebody ends it; why, unless it was the client."""
        self._keeper = line = asyncio.create_task(self._keep_line(), name="line")
        reader = asyncio.create_task(self._read(), name="reader")
        writer = asyncio.create_task(self._write(), name="writer")
        learner = asyncio.create_task(self._learn_price(), name="price")
        expiry = asyncio.get_running_loop().call_later(self._lasts_s, self.end, refusals.too_old(self._lasts_s / 60))
        try:
            await asyncio.wait((self._end, line, reader, writer), return_when=asyncio.FIRST_COMPLETED)
            reader.cancel()
            end = self._end.result() if self._end.done() else None
            with contextlib.suppress(Closed, TimeoutError):
                async with asyncio.timeout(FLUSH_S):
                    await self._say_goodbye(end, writer)
            return end
        finally:
            self.end(None)
            expiry.cancel()
            await _ended(reader, writer, learner)

    async def close(self) -> None:
        """After `run`."""
        if self._keeper is not None:
            await _ended(self._keeper)
        await self._line.close()

    def end(self, refusal: Refusal | None) -> None:
        """End it now; None is a polite end that the client asked for."""
        if not self._end.done():
            self._end.set_result(refusal)

    async def drain(self, refusal: Refusal) -> None:
        """End it after the answer that is being given."""
        quiet = asyncio.create_task(self._quiet.wait())
        try:
            await asyncio.wait((quiet, self._end), return_when=asyncio.FIRST_COMPLETED)
        finally:
            quiet.cancel()
        self.end(refusal)

    async def _say_goodbye(self, end: Refusal | None, writer: "asyncio.Task[None]") -> None:
        if not self._end.done():  # the client has gone, or a task of ours has failed
            await self._client.close(1011)
            return
        if end is not None:
            self._put([end.event()])
        all_read = asyncio.create_task(self._all_read.wait())
        await asyncio.wait((writer, all_read), return_when=asyncio.FIRST_COMPLETED)
        all_read.cancel()
        if end is None:
            await self._client.close(1000)
        else:
            await self._client.close(end.close_code, end.reason)

    async def _keep_line(self) -> None:
        try:
            await self._line.run()
        except VoicechatError as error:
            self._watch.wrong("model")
            self.end(refusals.failed(error.message))

    def _connect(self) -> Transport:
        return _Patient(self._model.service.connect(), self._room.wait)

    # from the client

    async def _read(self) -> None:
        while True:
            frame = await self._client.receive()
            commands = self._codec.decode(frame)
            self._put(self._codec.replies())
            for command in commands:
                await self._take_command(command)
            await self._room.wait()

    async def _take_command(self, command: cmd.Command) -> None:
        match command:
            case cmd.AppendAudio():  # fifty times a second
                self._watch.heard(len(command.pcm) / 2 / self._codec.input_rate_hz)
            case cmd.Finish():
                await self._quiet.wait()  # what is being answered is answered to its end
                self._tell(ev.SessionFinished())
                self.end(None)
                return
            case cmd.Configure():
                command = self._configured(command.config)
            case cmd.CreateResponse():
                command = self._owed = replace(command, voice=self._model.voice(command.voice))
                self._quiet.clear()
                self._watch.turn_ended()
        for part in self._pieces(command):
            ours = self._stand_ins.take_command(part)
            for event in ours.events:
                self._react(event)
                self._tell(event)
            await self._up.wait()
            for wanted in ours.commands:
                self._line.send(wanted)
            await self._line.room()

    def _pieces(self, command: cmd.Command) -> list[cmd.Command]:
        if not isinstance(command, cmd.AppendAudio):
            return [command]
        step = 2 * self._codec.input_rate_hz * PIECE_MS // 1000
        if len(command.pcm) <= step:
            return [command]
        return [cmd.AppendAudio(command.pcm[start : start + step]) for start in range(0, len(command.pcm), step)]

    def _configured(self, config: cmd.SessionConfig) -> cmd.Configure:
        """What the client wants, in the terms of whoever is behind."""
        voice = self._model.voice(config.voice)
        return cmd.Configure(
            replace(
                config,
                voice="" if voice == self._voice_refused else voice,
                transcription_model=self._model.transcription_model,
            )
        )

    # from the model

    def _take_event(self, event: ev.Event) -> None:
        ours = self._stand_ins.take_event(event)
        for command in ours.commands:
            self._line.send(command)
        for one in ours.events:
            self._react(one)
            self._tell(one)

    def _react(self, event: ev.Event) -> None:
        self._watch.meter.take(event)
        match event:
            case ev.SessionCreated():
                self._line.send(self._configured(self._codec.configure().config))
                self._watch.ready()
            case ev.ConfigureAgain():
                self._configure_again(event)
            case ev.SessionConfigured() if not self._up.is_set():
                self._restore()
            case ev.SpeechStopped():
                self._watch.turn_ended()
                if (turn := self._codec.config.turn_detection) is not None and turn.create_response:
                    self._quiet.clear()
            case ev.ResponseStarted():
                self._running[event.response_id] = None
                self._owed = None
                self._quiet.clear()
                self._watch.answering(event.response_id)
            case ev.AssistantAudio():
                self._watch.spoke(event.response_id, len(event.pcm) / 2 / self._codec.output_rate_hz)
            case ev.ResponseFinished():
                self._running.pop(event.response_id, None)
                self._watch.answered(event)
                if not self._running:
                    self._quiet.set()
            case ev.ServiceError() if not self._running:
                self._owed = None
                self._quiet.set()

    def _configure_again(self, event: ev.ConfigureAgain) -> None:
        """Before the session stands it is simply asked for in another form; later on the client is told."""
        if event.voice_dropped:
            self._voice_refused = event.voice_dropped
            if self._line.ready:
                message = f"The voice {event.voice_dropped!r} is not supported by this model."
                self._tell(ev.ServiceError(message, "invalid_value", param="session.voice", command="Configure"))
                return
        self._line.send(self._configured(self._codec.config))

    def _lost(self) -> None:
        """The connection behind went: what it was saying ends here, and what the client says now waits for the next."""
        self._up.clear()
        for response_id in list(self._running):
            end = ev.ResponseFinished(response_id, "incomplete", "connection_lost")
            self._react(end)
            self._tell(end)
        if self._owed is None:
            self._quiet.set()

    def _restore(self) -> None:
        """The next connection stands: it is told what was said, and asked for what was asked for."""
        said = self._codec.history()
        log.info("connected again; %d items are put back", len(said))
        for command in (*said, *([self._owed] if self._owed else [])):
            self._line.send(command)
        self._up.set()

    def _waiting(self, error: VoicechatError, attempt: int, delay_s: float) -> None:
        log.info("attempt %d in %.1f s: %s", attempt, delay_s, error.message)

    async def _learn_price(self) -> None:
        if self._costs is not None:
            self._put(await self._costs.learn())

    def _tell(self, event: ev.Event) -> None:
        charged = [] if self._costs is None else self._costs.take(event)
        if isinstance(event, ev.SessionCreated):
            event = replace(
                event, session_id=self.session_id, model=self._model.name, voice="", expires_at=self._expires_at
            )
        elif isinstance(event, ev.SessionConfigured):
            event = ev.SessionConfigured()  # the client is shown the voice that it asked for
        elif isinstance(event, ev.ServiceError):
            self._watch.wrong("model")
        self._put([*self._codec.encode(event), *charged])

    # to the client

    def _put(self, frames: list[Frame]) -> None:
        if not frames:
            return
        self._all_read.clear()
        self._unread.extend(frames)
        self.unread_chars += sum(map(len, frames))
        if self.unread_chars > MOST_UNREAD:
            self._room.clear()
        self._some.set()

    async def _write(self) -> None:
        sent = 0
        while True:
            while self._unread:
                frame = self._unread.popleft()
                await self._client.send(frame)
                sent += 1
                if not sent % BURST:
                    await asyncio.sleep(0)
                self.unread_chars -= len(frame)
                if self.unread_chars < MOST_UNREAD // 2:
                    self._room.set()
            self._all_read.set()
            self._some.clear()
            await self._some.wait()


async def _ended(*tasks: "asyncio.Task[None]") -> None:
    """They are over, and what went wrong in them is in the log."""
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception) and not isinstance(outcome, Closed):
            log.error("a session failed", exc_info=outcome)


class _Patient:
    """A transport that gives what it receives only while there is room for it."""

    def __init__(self, transport: Transport, room: Callable[[], Awaitable[object]]):
        self._transport = transport
        self._room = room
        self.connect, self.send, self.close = transport.connect, transport.send, transport.close

    @property
    def trace(self) -> str:
        return self._transport.trace

    @property
    def round_trip_ms(self) -> float | None:
        return self._transport.round_trip_ms

    async def receive(self) -> Parcel:
        await self._room()
        return await self._transport.receive()
