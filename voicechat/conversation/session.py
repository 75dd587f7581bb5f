"""The conversation: the only writer of its state, `idle → listening → thinking → speaking`.

It is told events of the service, captured frames, what the player did, and what the user wants; it sends
commands and publishes notices. It knows capabilities, not providers, and playback, not devices. It never waits:
every method returns at once, and time comes from a clock it is given.
"""

import time
from collections.abc import Callable, Sequence

from voicechat.archive.past import Spoken
from voicechat.audio.frames import Frame
from voicechat.audio.playback import PlaybackQueue
from voicechat.audio.player import PlaybackDrained, PlaybackStarted
from voicechat.conversation import notices as note
from voicechat.conversation.answers import Answers
from voicechat.conversation.counters import Counters
from voicechat.conversation.floor import Floor
from voicechat.conversation.interrupter import Interrupter
from voicechat.conversation.microphone import Microphone
from voicechat.conversation.opener import Opener
from voicechat.conversation.patience import Patience
from voicechat.conversation.pictures import Pictures
from voicechat.conversation.requests import Requests
from voicechat.conversation.restore import Owed, Restorer
from voicechat.conversation.tooling import Tooling, ToolKit
from voicechat.conversation.turn_taking import SHORTEST_TURN_MS, TurnTaking
from voicechat.conversation.usage import UsageMeter
from voicechat.conversation.user_turns import UserTurns
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev
from voicechat.realtime.capabilities import Capabilities


class Session:
    """One conversation with one service. Not thread-safe: everything runs on the event loop.

    `past` is what was said in an earlier conversation that this one goes on with, oldest first.
    """

    def __init__(
        self,
        capabilities: Capabilities,
        config: cmd.SessionConfig,
        turn_taking: TurnTaking,
        speaker: PlaybackQueue,
        send: Callable[[cmd.Command], None],
        publish: Callable[[note.Notice], None],
        clock: Callable[[], float] = time.monotonic,
        past: Sequence[Spoken] = (),
        tools: ToolKit | None = None,
    ):
        self.ready = False
        self.session_id = ""
        self.transcriber = ""
        """The model that writes down what the user says, where the service tells."""
        self.counters = Counters()
        self._out = send
        self._show = publish
        self._clock = clock
        self._floor = Floor(self._publish, clock)
        self.answers = Answers(capabilities, speaker, self._send, self._publish, clock)
        self.restorer = Restorer(capabilities, self._send, self._publish, self.answers.being_heard)
        self.restorer.resume(past)
        self._requests = Requests(self.answers, capabilities, self._send, clock)
        self.turns = UserTurns(self._publish)
        parts = self.answers, self._requests, self._floor, self.restorer.history
        self.tooling = Tooling(tools or ToolKit(), capabilities, *parts, self._send, self._publish, self.turns, clock)
        self.opener = Opener(config, self.restorer, self._out, self._publish, self.tooling.declared)
        self.pictures = Pictures(capabilities, self._send, clock)
        self.usage = UsageMeter()
        self._interrupter = Interrupter(
            self.answers, speaker, capabilities.supports_interruption, self._requests.cancel_running, clock
        )
        rate_hz, interrupter = capabilities.input_rate_hz, self._interrupter
        self.mic = Microphone(turn_taking, rate_hz, self.answers, interrupter, self.restorer, self._send, self, clock)
        self._asked_at: float | None = None
        self._patience = Patience(self.answers, self._floor, self._publish, clock)

    # -- what the service says ---------------------------------------------------------------------------------

    def handle(self, event: ev.Event) -> None:
        """Take in one event of the service."""
        self._patience.heard()
        match event:
            case ev.AssistantAudio():
                if self.answers.add_audio(event) and self.state != "listening":
                    self._floor.speak()
            case ev.AssistantText() | ev.AssistantTextDone():
                self.answers.add_text(event)
            case ev.AssistantAudioDone():
                self.answers.audio_done(event)
            case ev.SpeechStarted():
                self._on_speech_started(event)
            case ev.SpeechStopped() if self.state == "listening":
                self._ask(self.mic.voice.ended(self._clock()))
            case ev.UserTranscript():
                self.turns.words(event.item_id, event.text, event.final)
                if event.usage is not None:
                    self._publish(self.usage.add_words(self.turns.of(event.item_id), event.usage))
            case ev.UserTranscriptFailed():
                self.turns.failed(event.item_id, event.message)
            case ev.InputCommitted():
                self.turns.name(event.item_id)
                self.pictures.committed()
            case ev.ResponseStarted():
                self._announce(event)
            case ev.ResponseFinished():
                self._on_response_finished(event)
            case ev.UsageReported():
                self._publish(self.usage.add(self.turns.answered(event.response_id), event.usage))
            case ev.ToolCall():
                self.tooling.called(event, self.turns.answered(event.response_id))
            case ev.SessionCreated():
                self.session_id = event.session_id
                self.opener.take(event)
            case ev.SessionConfigured():
                self.opener.take(event)
                self.transcriber = event.transcriber
                self._on_configured()
            case ev.ConfigureAgain():
                self.opener.take(event)
            case ev.ServiceError():
                self._on_error(event)
            case ev.Ignored():
                self.counters.ignore(broken=event.broken)
            case _:
                pass  # items and limits: known, and without consequence for the conversation

    def _on_configured(self) -> None:
        if self.ready:
            return
        self.ready = self.tooling.calls.connected = True
        if self.restorer.pending:
            self._go_on()
            return
        self._floor.settle()
        if (greeting := self.opener.greeting()) is not None:
            self.turns.number += 1
            self._request(greeting)

    def lost(self) -> None:
        """The connection went. What was received is played on; the rest is put right by the next session."""
        if not self.ready:
            return
        owed, since = self.tooling.owed_state, max(self._patience.heard_at, self._floor.since)
        self.restorer.lost(self._clock(), owed, self.turn, self.turns.untold, since)
        self.ready = False
        self.tooling.calls.lost()
        self._interrupter.reset()
        self._requests.reset()
        self.answers.lost(again=self.restorer.owes_answer)

    def _go_on(self) -> None:
        """A new session is there: it is told what was said, and asked for what is owed."""
        owed = self.restorer.replay(self.mic.turn_taking.hands_free, self.mic.pass_on)
        self.tooling.calls.restored()
        self.pictures.again()
        if (create := self.opener.answer_owed(owed)) is not None:
            if owed is Owed.SPEECH:
                self._send(cmd.CommitAudio(self.turns.item()))
            self._request(create)
        elif owed is Owed.SPEECH:
            self._floor.listen()  # the service finds the same turn once more
        elif owed is Owed.NOTHING:
            self._rest()

    def _on_speech_started(self, event: ev.SpeechStarted) -> None:
        if self.state != "listening" or self.answers.audible:
            self._interrupter.service_heard(allowed=self.mic.turn_taking.barge_in or not self.answers.audible)
        self._requests.user_speaks()
        if self.state != "listening":
            self._begin_turn()
        self.turns.name(event.item_id)
        self._floor.listen()

    def _announce(self, started: ev.ResponseStarted) -> None:
        if (aim := self.tooling.aim_of(started)) is None:
            return  # nobody here has asked for it
        turn = self.turns.answer(started.response_id, started.answers)
        if self._requests.announced(started.response_id):
            if self.state == "listening" and not self.recording and not self.mic.finding:
                self._ask(self.mic.voice.ended(self._clock()))  # it has heard the end, and did not say so
            self.tooling.begin(started.response_id, turn, aim, self._asked_at)

    def _on_response_finished(self, event: ev.ResponseFinished) -> None:
        if event.usage is not None:
            self._publish(self.usage.add(self.turns.answered(event.response_id), event.usage))
        if event.complaint:
            self._publish(note.ErrorNotice("response", f"The answer is {event.status}: {event.complaint}"))
        self.tooling.calls.response_ended(event.response_id)
        ran = self.answers.running_id == event.response_id
        ours = self.answers.end(event)
        self._requests.free(ran=ran)
        self.tooling.go_on()
        if ours:
            self._rest()

    def _on_error(self, event: ev.ServiceError) -> None:
        if event.code == "conversation_already_has_active_response":
            self._requests.refused()
        if event.severity == "benign":
            self.counters.benign_errors += 1
            return
        if event.severity == "warning":
            self._publish(note.WarningNotice(event.code or "service", event.message))
            return
        self._publish(note.ErrorNotice(event.code or "service", event.message, event.hint))
        if event.command in ("", cmd.CreateResponse.__name__):
            self._requests.failed()
            self._rest()

    # -- what the user does ------------------------------------------------------------------------------------

    def hear(self, frame: Frame) -> None:
        """Take in captured sound."""
        if self.ready or self.restorer.pending:
            self.mic.hear(frame)

    def turn_begins(self) -> None:
        """The user begins to speak, we know: an answer that is running is interrupted."""
        self._break_off()
        self._begin_turn()
        self._floor.listen()

    def turn_ends(self, at: float) -> None:
        """The user's spoken turn is complete, we know."""
        self._ask(at)
        if self.ready:
            self.pictures.turn_ends()
            self._send(cmd.CommitAudio(self.turns.item()))
            self._request(cmd.CreateResponse())
        else:
            self.restorer.ended_turn()

    def interrupted(self) -> None:
        """The user has talked over the answer, and it is silent."""
        self._floor.settle()

    def begin_turn(self) -> None:
        """Manual: the user begins to speak."""
        self.mic.open()
        self.turn_begins()

    def end_turn(self, how: str = "press Enter, speak, press Enter again") -> None:
        """Manual: the user has finished. `how` one talks is told who has said nothing."""
        if self.mic.close() >= SHORTEST_TURN_MS:
            self.turn_ends(self._clock())
            return
        self._publish(note.WarningNotice("too_short", f"Nothing was recorded: {how}."))
        self.drop_turn()

    def drop_turn(self, *, settle: bool = True) -> None:
        """What is being said is no turn. `settle`: nobody is expected to speak then."""
        self.mic.close()
        if self.state == "listening":
            self.turns.forget()
            if settle:
                self._floor.settle()
        self._send(cmd.ClearAudio())
        self.pictures.cleared()

    @property
    def recording(self) -> bool:
        """Manual: the user's turn is open."""
        return self.mic.recording

    def say(self, text: str) -> None:
        """A typed turn. It takes the place of one that is being spoken between two Enters."""
        self._break_off()
        if self.recording:
            self.drop_turn(settle=False)
        self.turns.typed(text)
        self.usage.typed(self.turn)
        if self.ready:
            self.pictures.turn_typed()
        self.ask(cmd.SendText(text, item_id=self.turns.item()))

    def ask(self, *commands: cmd.Command) -> None:
        """Send these, which complete the user's turn, and ask for an answer."""
        for command in commands:
            self._send(command)
        self._ask(self._clock())
        self._request(cmd.CreateResponse())

    def interrupt(self) -> None:
        """The user wants silence now, if there is anything to silence."""
        if self.answers.pending or self.state == "thinking":
            self._break_off()
            self.tooling.calls.silence()
            if self.state != "listening":
                self._floor.settle()

    def _break_off(self) -> None:
        """The answer, wherever it is on its way, is not wanted any more."""
        self._interrupter.break_off()
        self.restorer.give_up()
        self._requests.withdraw(coming=self.opener.service_finds_turns and self.tooling.owed_state == "thinking")

    # -- what the speaker did ----------------------------------------------------------------------------------

    def played(self, event: PlaybackStarted | PlaybackDrained, latency_ms: float = 0.0) -> None:
        """Take in what the player thread reports. `latency_ms`: from the player to the ear."""
        self.answers.output_latency_ms = latency_ms
        if isinstance(event, PlaybackStarted):
            self.answers.sound_started(event.item_id, event.at)
        elif not self.answers.audible:
            self.answers.played_out()
            self._rest()

    # -- time --------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Called a few times a second: what must not wait for ever."""
        if self.ready:
            self.pictures.tick()
        if self._interrupter.tick():
            self._floor.settle()
        if self._requests.tick() and not self.answers.pending and self.state != "listening":
            self._floor.think()
        if self._patience.stalled():
            self.tooling.calls.response_ended(self.answers.running_id or "")
            self.answers.abandon()
            self._requests.free(ran=True)
            self._rest()
        self.tooling.tick(silent_s := self.mic.voice.silent_s(self._clock(), self._floor.since))
        if self.ready and not self.recording and self._patience.unended(silent_s):
            self._floor.settle()
        if self.ready and self._patience.unanswered(excused=self.tooling.calls.running_for(self.turn)):
            self._requests.reset()
            self._floor.settle()

    @property
    def state(self) -> note.State:
        """Who has the floor."""
        return self._floor.state

    @property
    def settled_at(self) -> float:
        """Since when there is nothing to wait for; meaningful while `settled`."""
        return self._floor.settled_at

    @property
    def voice(self) -> str:
        """The assistant's voice in force."""
        return self.opener.voice

    @property
    def settled(self) -> bool:
        """Nothing is said, asked or expected."""
        waits = self._requests.waiting or self.answers.pending
        return self.ready and self.state == "idle" and not waits and not self.tooling.busy

    @property
    def turn(self) -> int:
        """The number of the current turn; 0 before the first."""
        return self.turns.number

    def finish(self) -> None:
        """The conversation ends: what is open is published as it is."""
        self.answers.interrupt()
        self.tooling.end()
        self.turns.close()
        self._out(cmd.Finish())  # a session that is only being opened is ended as well

    # -- inside ------------------------------------------------------------------------------------------------

    def _send(self, command: cmd.Command) -> None:
        """Nothing is sent into a connection that is down: the next one is told all it needs."""
        if self.ready:
            self._out(command)

    def _publish(self, notice: note.Notice) -> None:
        if isinstance(notice, note.UserTurn):
            self.tooling.user_said(notice)
        elif isinstance(notice, note.AssistantTurn):
            self.tooling.heard(notice)
        self._show(notice)

    def _begin_turn(self) -> None:
        self.turns.begin()
        self.restorer.turn_began(self._clock())

    def _ask(self, asked_at: float) -> None:
        """The user's turn is complete."""
        self._asked_at = asked_at
        self._floor.think()

    def _request(self, create: cmd.CreateResponse) -> None:
        if self._requests.ask(create) and self.state == "idle":
            self._floor.think()

    def _rest(self) -> None:
        """Nothing is being played and nothing is expected: the floor is open."""
        if self.answers.pending or self._requests.waiting or self.state not in ("speaking", "thinking"):
            return
        if self._requests.asked or self.tooling.calls.awaited(self.turn):
            self._floor.think()
        else:
            self._floor.settle()
