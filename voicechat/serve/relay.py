"""One client's session: its frames become commands for whoever stands behind, the events from there its frames.

A line of its own leads to the model, and outlives its connections. Nothing piles up on either side: while the client
reads too slowly nothing more is taken from the model, and while the model is slow nothing more from the client.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import replace

from voicechat.conversation.line import Line
from voicechat.dialects.openai.server import ServerCodec
from voicechat.errors import VoicechatError
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev
from voicechat.realtime.capabilities import UPDATES
from voicechat.serve import refusals
from voicechat.serve.client import Client
from voicechat.serve.costs import Costs
from voicechat.serve.models import Model
from voicechat.serve.outbox import Outbox, Patient
from voicechat.serve.refusals import Refusal
from voicechat.serve.restoring import configured_anew, put_back
from voicechat.serve.scribe import Hear, Scribe
from voicechat.serve.stand_ins import Passed, StandIns
from voicechat.serve.user_turn import UserTurn
from voicechat.serve.watch import Watch
from voicechat.wire.transport import Closed, Transport

log = logging.getLogger(__name__)

PIECE_MS = 100
"""However much sound one event holds, it goes on in pieces, so that what waits is bounded."""
FLUSH_S = 5.0
"""How long the last words of a session may take to a client that does not read them."""


class Relay:
    """`run` holds the session and closes the client in the end, `close` ends what is behind. Must be made on the
    running loop.

    `lasts_s` is how long the session may last, `costs` for a client that wants to know; `clock` is in unix seconds.
    `hear` writes down what the user says where the model does not; None: nobody here can.
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
        hear: Hear | None = None,
    ):
        self._client = client
        self._codec = codec
        self._model = model
        self.session_id = session_id
        self._lasts_s = lasts_s
        self._expires_at = int(clock() + lasts_s)
        self._watch = watch
        self._costs = costs
        self.outbox = Outbox(client.send, client.send_now)
        self._up = asyncio.Event()
        """What is behind is configured, and knows what was said."""
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._end: asyncio.Future[Refusal | None] = asyncio.get_running_loop().create_future()
        self._line = Line(
            model.service.provider, self._connect, self._take_event, self._lost, self._waiting, model.policy
        )
        can = self._line.codec.capabilities
        self._stand_ins = StandIns(
            can,
            lambda: (codec.input_rate_hz, codec.output_rate_hz),
            keeps_items=model.local,
            turns_here=model.turns_here,
        )
        remote = not model.local  # what runs in this process neither drops nor leaves anything out
        self._turn = UserTurn(can.input_rate_hz) if remote else None
        self._scribe = Scribe(hear, self._let_know, can.input_rate_hz) if remote and hear is not None else None
        self._in_force: cmd.SessionConfig | None = None
        """What the model was configured with last."""
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
        writer = asyncio.create_task(self.outbox.run(), name="writer")
        learner = asyncio.create_task(self._learn_price(), name="price")
        self._client.take_now(self._take_now)
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
        if self._scribe is not None:
            await self._scribe.close()
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
            self.outbox.put([end.event()])
        all_read = asyncio.create_task(self.outbox.all_sent())
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
        return Patient(self._model.service.connect(), self.outbox)

    # from the client

    async def _read(self) -> None:
        while True:
            frame = await self._client.receive()
            commands = self._codec.decode(frame)
            self.outbox.put(self._codec.replies())
            for command in commands:
                await self._take_command(command)
            if self.outbox.full:
                await self.outbox.room()

    async def _take_command(self, command: cmd.Command) -> None:
        match command:
            case cmd.AppendAudio():
                for piece in self._heard(command):
                    await self._pass(self._stand_ins.take_command(piece))
                return
            case cmd.Finish():
                await self._quiet.wait()  # what is being answered is answered to its end
                self._tell(ev.SessionFinished())
                self.end(None)
                return
            case cmd.Configure():
                await self._up.wait()
                self._configure(command.config)
                return
            case cmd.ClearAudio() if self._turn is not None:
                self._turn.clear()
            case cmd.CreateResponse():
                command = replace(command, voice=self._model.voice(command.voice))
                self._watch.turn_ended()
        await self._pass(self._stand_ins.take_command(command))

    def _take_now(self, frame: str) -> bool:
        """The short way for sound, fifty times a second: while nothing has to wait, no other task has to wake."""
        if not self._up.is_set() or self.outbox.full or self._line.crowded:
            return False
        command = self._codec.sound(frame)
        if command is None:
            return False
        for piece in self._heard(command):
            passed = self._stand_ins.take_command(piece)
            for event in passed.events:
                self._let_know(event)
            for one in passed.commands:
                self._send(one)
        return True

    async def _pass(self, passed: Passed) -> None:
        for event in passed.events:
            self._let_know(event)
        if not self._up.is_set():
            await self._up.wait()
        for command in passed.commands:
            self._send(command)
        await self._line.room()

    def _send(self, command: cmd.Command) -> None:
        match command:
            case cmd.AppendAudio() if self._turn is not None:
                self._turn.hear(command.pcm)
            case cmd.CreateResponse():
                self._owed = command
                self._quiet.clear()
        self._line.send(command)

    def _heard(self, command: cmd.AppendAudio) -> list[cmd.AppendAudio]:
        """Sound of the client's, in pieces; none of a sample's first half."""
        rate_hz = self._codec.input_rate_hz
        self._watch.heard(len(command.pcm) / 2 / rate_hz)
        step = 2 * rate_hz * PIECE_MS // 1000
        if len(command.pcm) <= step:
            return [command] if command.pcm else []
        return [cmd.AppendAudio(command.pcm[start : start + step]) for start in range(0, len(command.pcm), step)]

    def _configure(self, config: cmd.SessionConfig) -> None:
        """Ask for it; in a new session where a running one takes only some of it."""
        wanted, old, can = self._configured(config), self._in_force, self._line.codec.capabilities
        fixed = UPDATES - can.updates - (set() if can.supports_tools else {"tools"})
        if old is not None and any(getattr(wanted, name) != getattr(old, name) for name in fixed):
            self._up.clear()
            self._line.renew()
            return
        self._in_force = wanted
        self._line.send(cmd.Configure(wanted))

    def _configured(self, config: cmd.SessionConfig) -> cmd.SessionConfig:
        """What the client wants, in the terms of whoever is behind."""
        voice = self._model.voice(config.voice)
        config = replace(
            config,
            voice="" if voice == self._voice_refused else voice,
            transcription_model=self._model.transcription_model,
        )
        wanted = self._stand_ins.configured(config)
        if self._turn is not None:
            self._turn.manual = wanted.turn_detection is None
        return wanted

    # from the model

    def _take_event(self, event: ev.Event) -> None:
        ours = self._stand_ins.take_event(event)
        for one in ours.events:
            if isinstance(one, ev.AssistantAudio):  # fifty times a second, and nobody else's business
                self._watch.spoke(one.response_id, len(one.pcm) / 2 / self._codec.output_rate_hz)
                self.outbox.put(self._codec.encode(one))
            elif self._scribe is None or self._scribe.take(one):
                self._let_know(one)
        for command in ours.commands:
            self._send(command)

    def _let_know(self, event: ev.Event) -> None:
        """The client and whoever else has to know, unless they do."""
        told = event if self._turn is None else self._turn.take(event)
        if told is None:
            return
        self._react(told)
        self._tell(told)

    def _react(self, event: ev.Event) -> None:
        self._watch.meter.take(event)
        match event:
            case ev.SessionCreated():
                self._begin()
                self._watch.ready()
            case ev.ConfigureAgain():
                self._configure_again(event)
            case ev.SessionConfigured() if not self._up.is_set():
                self._restore()
            case ev.SpeechStopped():
                self._watch.turn_ended()
                if self._answers_come:
                    self._quiet.clear()
            case ev.InputCommitted() if self._scribe is not None and self._turn is not None:
                if self._codec.config.transcribe:
                    self._scribe.committed(event.item_id, self._turn.last_sound)
            case ev.ResponseStarted():
                self._running[event.response_id] = None
                self._owed = None
                self._quiet.clear()
                self._watch.answering(event.response_id)
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
        self._in_force = self._configured(self._codec.config)
        self._line.send(cmd.Configure(self._in_force))

    @property
    def _answers_come(self) -> bool:
        """Without being asked for, when the user has spoken."""
        turn = self._codec.config.turn_detection
        return turn is not None and turn.create_response

    def _begin(self) -> None:
        """What is behind begins, or begins anew."""
        config = self._configured(self._codec.configure().config)
        self._in_force = config
        can = self._line.codec.capabilities
        self._line.send(cmd.Configure(configured_anew(config, self._codec.history(), can)))

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
        """The connection stands: it is told what was said, and what was not answered yet."""
        said = put_back(self._codec.history(), self._line.codec.capabilities)
        owed, self._owed = self._owed, None
        again = self._turn.again(answered=self._answers_come and owed is None) if self._turn is not None else []
        if said or again or owed:
            log.info("connected again; %d items are put back", len(said))
        for command in said:
            self._line.send(command)
        for command in again:
            self._line.send(command)
        if owed is not None:
            self._send(owed)
        self._up.set()

    def _waiting(self, error: VoicechatError, attempt: int, delay_s: float) -> None:
        log.info("attempt %d in %.1f s: %s", attempt, delay_s, error.message)

    async def _learn_price(self) -> None:
        if self._costs is not None:
            self.outbox.put(await self._costs.learn())

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
        self.outbox.put([*self._codec.encode(event), *charged])


async def _ended(*tasks: "asyncio.Task[None]") -> None:
    """They are over, and what went wrong in them is in the log."""
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception) and not isinstance(outcome, Closed):
            log.error("a session failed", exc_info=outcome)
