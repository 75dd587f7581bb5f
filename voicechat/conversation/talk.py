"""One conversation from beginning to end: joins transport, codec, session, audio and view, and ends them.

Whatever ends the conversation first (the user, the input's end, the service, a device, the network) settles one
future; everything else is then stopped in one place.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from voicechat.audio.frames import Frame
from voicechat.audio.keeper import Sound
from voicechat.audio.playback import PlaybackQueue
from voicechat.audio.player import PlaybackDrained, PlaybackStarted
from voicechat.conversation import notices as note
from voicechat.conversation.budget import Budget
from voicechat.conversation.changes import Changes
from voicechat.conversation.ending import LINGER_S, Ending
from voicechat.conversation.latency import Latencies
from voicechat.conversation.line import Line
from voicechat.conversation.minutes import Minutes
from voicechat.conversation.pictures import Shown
from voicechat.conversation.plan import TalkPlan
from voicechat.conversation.recording import Keep, Recording, begin_keeping
from voicechat.conversation.renewal import Renewal
from voicechat.conversation.session import Session
from voicechat.conversation.summary import so_far
from voicechat.conversation.typed import TypedLines
from voicechat.conversation.view import View
from voicechat.conversation.work import Work
from voicechat.conversation.workshop import Workshop
from voicechat.errors import ConnectionFailed, Refused, UsageError, VoicechatError
from voicechat.providers.base import Provider
from voicechat.realtime import events as ev
from voicechat.realtime.commands import SendImage
from voicechat.redaction import redact
from voicechat.signals import endings, on_signals
from voicechat.wire.transport import Transport

log = logging.getLogger(__name__)

TICK_S = 0.1
FINISH_S = 2.0
QUIT_S = 0.1
"""How long a polite end may take: after the last answer, and after Ctrl-C."""
ACKNOWLEDGED_QUIT_S = 0.8
"""The same after Ctrl-C where the service says that it has finished: cut off before, the session counts as failed."""


class Talk:
    """A conversation. `run` returns the exit code; known failures are raised as VoicechatError."""

    def __init__(self, provider: Provider, connect: Callable[[], Transport], plan: TalkPlan):
        self.exit_code = 0
        self.usage: note.UsageNotice | None = None
        """That of the newest response, with what was used until then."""
        self._provider = provider
        self._plan = plan
        self.line = Line(
            provider,
            connect,
            self._handle,
            lambda: self.session.lost(),
            self._on_waiting,
            plan.retry,
        )
        capabilities = self._capabilities = self.line.codec.capabilities
        self._queue = PlaybackQueue(capabilities.output_rate_hz)
        self.sound = Sound(plan.audio, capabilities.input_rate_hz, self._queue, self._hear, self._played, self.warn)
        self.workshop = Workshop(plan.tools, lambda: self.session, self.warn)
        rules, doors = (plan.config, plan.turn_taking, self._queue), (self.line.send, self._publish)
        past = plan.past.said if plan.past else ()
        self.session = Session(capabilities, *rules, *doors, past=past, tools=self.workshop.kit)
        self.minutes = Minutes()
        self._views: list[View | Recording | Minutes] = [self.minutes]
        self._recording: Recording | None = None
        self._work = Work()
        self._spawn, self._end, self.watched = self._work.spawn, self._work.end, self._work.watched
        self._opened = asyncio.Event()
        self._input_over = False
        self.lines = TypedLines(self.session, self.warn)
        self._ending = Ending()
        self._began = time.monotonic()
        self._answer = ""  # how the last one ended
        self._complained = False
        self._dropped = False
        self.latencies = Latencies()
        self._budget = Budget(plan.max_cost, self.warn)
        self._renewal = Renewal(capabilities.session_limit_s)
        self.changes = Changes(
            self.session, self.lines, plan.detection, lambda: self.line.codec.capabilities, self._renewal.ask
        )

    @property
    def service_name(self) -> str:
        return f"{self._provider.model} of {self._provider.name}"

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self._began

    @property
    def saved(self) -> Recording | None:
        """What is kept of the conversation, where it is and the sound is open."""
        return self._recording

    # -- what the user's side calls ----------------------------------------------------------------------------

    def submit(self, line: str, *, patient: bool = False) -> None:
        """A line was entered: see `TypedLines`. It has a dead connection tried at once; a bare Enter does no more."""
        if self.line.waits and not patient:
            self.line.try_now()
            if not line.strip() and not self.session.recording:
                return
        if not self.workshop.takes(line):
            self.lines.submit(line, patient=patient)

    def keep(self, keep: Keep | None) -> Recording | None:
        """Keep what was said, and the conversation from now on; None: do not. Raises UsageError where that fails."""
        rates = self._capabilities.input_rate_hz, self._capabilities.output_rate_hz
        recording = begin_keeping(keep, *rates, self.warn)
        if recording is not None:
            for notice in self.minutes:
                recording.show(notice)
            self.sound.keep_reference()
            self._recording = recording
            self._views.append(recording)
        return recording

    def check_sight(self) -> None:
        """Raises UsageError where the service has no eyes."""
        if not self.line.codec.capabilities.supports_images:
            raise UsageError(f"{self.service_name} cannot see pictures.", "`voicechat providers` lists others.")

    def show(self, picture: Shown) -> None:
        """A picture for the service, for what is said next. Raises UsageError where it has no eyes."""
        self.check_sight()
        self.session.pictures.add(SendImage(picture.jpeg))
        turn = self.session.turn + (self.session.state != "listening")
        self._publish(picture.notice(turn))

    def interrupt(self) -> None:
        if not self.workshop.answer(yes=False):
            self.session.interrupt()

    def quit(self, exit_code: int = 130) -> None:
        """The user ends the conversation."""
        self.exit_code = exit_code
        self._end("quit")

    def input_over(self) -> None:
        """No more lines will come: end when the last answer has been played, unless a microphone is still open."""
        self._input_over = not self.session.mic.turn_taking.hands_free

    def warn(self, code: str, message: str) -> None:
        self._publish(note.WarningNotice(code, message))

    # -- the run -----------------------------------------------------------------------------------------------

    async def run(self, view: View) -> int:
        try:
            await self._converse(view)
        finally:  # whatever happened: the files are whole, and the terminal is as before
            if self._recording is not None:
                self._recording.close()
            view.close()
        return self.exit_code

    async def _converse(self, view: View) -> None:
        over = self._work.begin()
        self._views.append(view)
        reason, error = "done", None
        with on_signals({number: partial(self.quit, code) for number, code in endings().items()}):
            try:
                self._spawn(view.run())
                self._spawn(self._live())
                reason = await over
            except VoicechatError as failure:
                reason, error, self.exit_code = "error", failure, failure.exit_code
            finally:
                await self._stop(polite=error is None)
        if error is not None:
            self._publish(note.ErrorNotice(type(error).__name__, error.message, error.hint))
        self._publish(self.so_far(reason))
        for line in self.latencies.summary():
            log.info("%s", line)

    async def _live(self) -> None:
        """Connect and open the audio side by side, then keep the conversation going until it is over."""
        opening = asyncio.create_task(self.sound.open(), name="open audio")
        line = asyncio.create_task(self.line.run(), name="line")
        try:
            await asyncio.wait([opening, line], return_when=asyncio.FIRST_COMPLETED)
            if not opening.done() and line.done():
                await asyncio.wait([opening])
            opening.result()  # a file or device that cannot be used is told first, whatever the service says
        except BaseException:
            opening.cancel()
            line.cancel()
            await asyncio.gather(opening, line, return_exceptions=True)
            raise
        self._work.watch(line)
        self._spawn(self.sound.watch())
        self.keep(self._plan.keep)
        await self._opened.wait()
        self._announce(None)
        self.sound.begin()
        self._spawn(self._learn_price())
        for picture in self._plan.pictures:
            self.show(picture)
        self.workshop.start()
        if self._plan.opening:
            await self.workshop.started()
            self.submit(self._plan.opening)
        while True:
            await asyncio.sleep(TICK_S)
            self.session.tick()
            if self._budget.reached and not self.session.answers.pending and self.session.state != "thinking":
                self._end("cost")
                return
            self.changes.tick()
            self.lines.take()
            self._renew_in_time()
            if self._is_over():
                if self._plan.ends_when_settled:
                    self.exit_code = self._outcome()
                self._end("done")

    async def _learn_price(self) -> None:
        ask, transcriber = self._plan.price, self.session.transcriber
        price = await ask("") if ask is not None else None
        self.session.usage.charge(price, await ask(transcriber) if ask is not None and price and transcriber else None)

    def _outcome(self) -> int:
        """What became of the one turn this was about, for the script that asked."""
        if self._answer == "completed":
            return 0
        cut_off = (self._dropped and self._answer != "failed") or not (self._answer or self._complained)
        return ConnectionFailed.exit_code if cut_off else Refused.exit_code

    def _renew_in_time(self) -> None:
        """Change to a new session in a pause before the old one ends, and at once when the machine has slept."""
        if self._renewal.slept():
            self.warn("slept", "The machine has slept, or this program was stopped: connecting again.")
            self.line.renew()
        elif self._renewal.due and self.session.settled:
            log.info("the session is about to end: renewing it")
            self.line.renew()

    async def _stop(self, *, polite: bool) -> None:
        """End everything in order: the last words of the session, the tasks, the connection, the audio."""
        self.session.finish()
        tools = asyncio.create_task(self.workshop.close(), name="close tools")
        if polite:
            quick_s = ACKNOWLEDGED_QUIT_S if self._capabilities.emits_session_finished else QUIT_S
            await self.line.finish(FINISH_S if self.exit_code == 0 else quick_s)
        await self._work.stop()
        audio = asyncio.create_task(self.sound.close(), name="close audio")  # only now is nobody opening it
        await self.line.close()
        await asyncio.gather(audio, tools)

    # -- callbacks on the loop ---------------------------------------------------------------------------------

    def _handle(self, event: ev.Event) -> None:
        if isinstance(event, ev.SessionCreated):
            self._renewal.session_began(event.expires_at)
        was_ready = self.session.ready
        self.session.handle(event)
        if self.session.ready and not was_ready:
            self._on_ready()
        elif isinstance(event, ev.SessionConfigured) and (change := self.changes.take_done()):
            self._announce(True, change)

    def _on_ready(self) -> None:
        """A session is open: the first one, which waits for the sound, or one that goes on after a drop."""
        if self._opened.is_set():
            self._announce(bool(self.session.restorer.complete), self.changes.take_done())
        self._opened.set()
        self.lines.opened = True

    def _on_waiting(self, error: VoicechatError, attempt: int, delay_s: float) -> None:
        self._dropped = True
        self._publish(note.ConnectionNotice(attempt, round(delay_s, 1), error.message))

    def _hear(self, frame: Frame) -> None:
        with self.watched():
            self.session.hear(frame)
            if self._recording is not None:
                self._recording.hear(frame)

    def _played(self, event: PlaybackStarted | PlaybackDrained) -> None:
        with self.watched():
            self.session.played(event, self.sound.output_latency_ms)

    def _publish(self, notice: note.Notice) -> None:
        if isinstance(notice, note.LatencyNotice):
            self.latencies.add(notice)
        elif isinstance(notice, note.AssistantTurn) and not notice.aside:
            self._answer = notice.status
        elif isinstance(notice, note.ErrorNotice):
            self._complained = True
            if self.line.trace:
                notice = replace(notice, hint=f"{notice.hint} For the service's support: {self.line.trace}.".lstrip())
        if isinstance(notice, note.ErrorNotice | note.WarningNotice | note.ConnectionNotice):
            notice = replace(notice, message=redact(notice.message))  # a service may well repeat what it was sent
        for view in self._views:
            view.show(notice)
        if isinstance(notice, note.UsageNotice):
            self.usage = notice if notice.of == "response" else self.usage
            self._budget.take(notice)

    # -- what is announced, and when it is over ----------------------------------------------------------------

    def _announce(self, restored: bool | None, change: str = "") -> None:
        self._publish(
            note.SessionNotice(
                self._provider.name,
                self._provider.model,
                self.session.voice or self._provider.voice,
                self.session.session_id,
                self.sound.input_name,
                self.sound.output_name,
                aec=self.sound.cancels_echo,
                turn=self._plan.turn_kind if self.session.mic.turn_taking.hands_free else "manual",
                state_restored=restored,
                assistant=self._plan.assistant,
                conversation=self._recording.id if self._recording else "",
                continues=self._plan.past.id if self._plan.past else "",
                change=change,
            )
        )

    def _is_over(self) -> bool:
        """Nothing more can come: the input has ended, or the opening was answered, and all has been played."""
        file_over = self.sound.ended
        if not (file_over or self._input_over or self._plan.ends_when_settled):
            return False
        self._ending.begin()
        if file_over and self.session.recording:
            self.session.end_turn()
        if not self.session.settled or self.lines:
            return False
        linger_s = self.sound.output_latency_ms / 1000
        if file_over and self.session.mic.turn_taking.hands_free:
            linger_s = max(linger_s, LINGER_S + self._plan.turn_taking.silence_ms / 1000)
        return self._ending.reached(self.session.settled_at, linger_s, untold=self.session.turns.untold)

    def so_far(self, reason: str = "") -> note.EndNotice:
        """The conversation in figures; it is the end where there is a `reason`."""
        parts = self.session, self.sound, self._recording
        return so_far(*parts, self._queue.underruns, self.line.dropped_ms, self.elapsed_s, reason, self.exit_code)
