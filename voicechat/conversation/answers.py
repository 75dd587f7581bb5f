"""The answers of a session: from the service's deltas to the speaker, and to one honest end each.

Several may be open at once: a service may split one spoken answer into two responses, and generation runs ahead
of playback. Deltas of an answer that is over for the user are dropped by its id; its audio also by its generation.
"""

from collections.abc import Callable

from voicechat.audio.frames import duration_ms
from voicechat.audio.jitter import HeadBuffer
from voicechat.audio.playback import Heard, PlaybackQueue
from voicechat.conversation import notices as note
from voicechat.conversation.response import Response
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev
from voicechat.realtime.capabilities import Capabilities

FADE_MS = 10.0


class Answers:
    """Owned by a Session, which tells it everything; `audible` and `running` are what others may ask."""

    def __init__(
        self,
        capabilities: Capabilities,
        speaker: PlaybackQueue,
        send: Callable[[cmd.Command], None],
        publish: Callable[[note.Notice], None],
        clock: Callable[[], float],
    ):
        self.output_latency_ms = 0.0
        self.last: tuple[str, ...] = ()
        """The items of the last answer that is over, as far as this session of the service knows them."""
        self._capabilities = capabilities
        self._speaker = speaker
        self._send = send
        self._publish = publish
        self._clock = clock
        self._head = HeadBuffer()
        self._sounds = 0
        self._running_id: str | None = None  # the service's work, wanted or not
        self._open: list[Response] = []  # not published yet, oldest first

    @property
    def audible(self) -> bool:
        """Something is being played, or is paused in mid-word."""
        return self._speaker.busy

    @property
    def running(self) -> bool:
        """The service is still working on an answer."""
        return self._running_id is not None

    @property
    def running_id(self) -> str | None:
        """The answer the service is still working on."""
        return self._running_id

    @property
    def pending(self) -> bool:
        """An answer is not over yet for the user."""
        return bool(self._open)

    def being_heard(self) -> list[str]:
        """The words of the answers that are not over yet for the user, as far as they came."""
        audible = (response for response in self._open if response.spoken.audio_ms and not response.aside)
        return [text for response in audible if (text := response.spoken.text.strip())]

    # -- from the service --------------------------------------------------------------------------------------

    def begin(self, response_id: str, turn: int, asked_at: float | None, *, aside: bool = False) -> None:
        """An answer to `turn` was announced."""
        self._running_id = response_id
        self._open.append(Response(response_id, turn, self._speaker.generation, asked_at, aside=aside))

    def refuse(self, response_id: str) -> None:
        """An answer nobody wants any more was announced: none of it is played."""
        self._running_id = response_id
        self.cancel()

    def sound(self, pcm: bytes) -> None:
        """Play something that is no part of an answer."""
        self._sounds += 1
        place = self._speaker.generation, f"~sound-{self._sounds}", 0
        if self._speaker.put(*place, pcm):
            self._speaker.finish(*place)

    def find(self, response_id: str) -> Response | None:
        """The open answer with this id, None when it is over for the user or was refused."""
        return next((r for r in reversed(self._open) if r.response_id == response_id), None)

    def add_audio(self, event: ev.AssistantAudio) -> bool:
        """Queue a piece of sound; False when its answer is over."""
        response = self.find(event.response_id)
        if response is None:
            return False
        now = self._clock()
        if response.first_audio_at is None:
            response.first_audio_at = now
            self._speaker.prime_ms = self._head.prime_ms
        self._head.arrived(response.response_id, response.spoken.audio_ms, now)
        if not self._speaker.put(response.generation, event.item_id, event.content_index, event.pcm):
            return False
        response.add_audio(event.item_id, duration_ms(len(event.pcm), self._speaker.rate_hz))
        return True

    def audio_done(self, event: ev.AssistantAudioDone) -> None:
        if (response := self.find(event.response_id)) is not None:
            self._speaker.finish(response.generation, event.item_id, event.content_index)

    def add_text(self, event: ev.AssistantText | ev.AssistantTextDone) -> None:
        response = self.find(event.response_id)
        if response is None:
            return
        if response.first_token_at is None:
            response.first_token_at = self._clock()
        part = (event.item_id, event.content_index)
        if isinstance(event, ev.AssistantText):
            response.add_text(part, event.delta)
        else:
            response.finish_text(part, event.text)
        self._publish(note.AssistantPartial(response.turn, response.spoken.text))

    def called(self, response_id: str) -> bool:
        """This answer calls a tool; False when it is over for the user, so that nobody waits for what follows."""
        response = self.find(response_id)
        if response is not None:
            response.called = True
        return response is not None

    def end(self, event: ev.ResponseFinished) -> bool:
        """The service ended an answer: it is over for the user when it has been played.

        False when it was over already, by an interruption.
        """
        if self._running_id == event.response_id:
            self._running_id = None
        response = self.find(event.response_id)
        if response is None:
            return False
        response.finished, response.status = True, event.status
        self._speaker.finish_all(response.generation)
        if not self.audible:
            self.played_out()
        return True

    # -- from the speaker --------------------------------------------------------------------------------------

    def sound_started(self, item_id: str, at: float) -> None:
        """The first sound of an item is on its way to the loudspeaker."""
        for response in list(self._open):
            if response.owns(item_id):
                if response.first_sound_at is None:
                    response.first_sound_at = at + self.output_latency_ms / 1000
                    self._publish(response.latency())
                return
            if response.finished:  # an earlier answer: the speaker is past it
                self._close(response, None, interrupted=False)

    def played_out(self) -> None:
        """The speaker has nothing left: what the service has ended is over."""
        for response in [r for r in self._open if r.finished]:
            self._close(response, None, interrupted=False)

    # -- from the user -----------------------------------------------------------------------------------------

    def interrupt(self, onset_at: float | None = None, silenced_at: float | None = None) -> bool:
        """Silence at once, and publish what was heard. False when there was nothing to interrupt.

        `onset_at` is when the user's voice began, for the measure of how fast it was; `silenced_at` when a pause
        has silenced the answer already. Both in seconds of the session's clock. Cancelling on the service's side
        is a decision of its own: see `cancel`.
        """
        if not self._open:
            return False
        heard = self._speaker.interrupt()
        silent_at = (self._clock() if silenced_at is None else silenced_at) + (FADE_MS + self.output_latency_ms) / 1000
        if heard is not None and self._capabilities.supports_truncation and 0 < heard.heard_ms < heard.received_ms:
            self._send(cmd.TruncateItem(heard.item_id, heard.content_index, heard.heard_ms))
        broken_off = heard is not None
        # What was heard may be of an answer that was closed already: then all that are open come after it.
        owner = next((i for i, r in enumerate(self._open) if heard and r.owns(heard.item_id)), -1)
        turn = self._open[max(owner, 0)].turn
        for index, response in enumerate(list(self._open)):
            broken_off = broken_off or not response.finished
            self._close_interrupted(response, heard, index - owner)
        if onset_at is not None and heard is not None:
            self._publish(note.LatencyNotice(turn, interruption_ms=round((silent_at - onset_at) * 1000, 1)))
        return broken_off

    def _close_interrupted(self, response: Response, heard: Heard | None, place: int) -> None:
        """`place`: before (< 0), at (0) or after (> 0) the answer that was being heard."""
        if heard is None:
            unheard = not response.finished and not response.spoken.audio_ms
            self._close(response, 0.0 if unheard else None, interrupted=not response.finished)
        elif place < 0:
            self._close(response, None, interrupted=False)
        else:
            at = response.heard_ms(heard.item_id, heard.heard_ms) if place == 0 else 0.0
            self._close(response, at, interrupted=True)

    def cancel(self) -> None:
        """Tell the service to stop working on its answer, if it is and if it can."""
        if self._running_id is not None and self._capabilities.supports_cancel:
            self._send(cmd.CancelResponse(self._running_id))
            if not self._capabilities.emits_cancelled:
                self.abandon()

    def forget_running(self) -> None:
        """The service never ended the answer it was told to cancel: stop waiting for that."""
        self._running_id = None

    def lost(self, *, again: bool) -> None:
        """The session of the service is gone, and its items with it. `again`: as `abandon`."""
        for response in self._open:
            response.gone = True
        self.abandon(again)
        self.last = ()

    def abandon(self, again: bool = False) -> None:
        """Nothing more will come of the answer that is running: it ends with what there is.

        `again`: it will be asked for once more, so that this is not its end, and nobody is told of one.
        """
        if self._running_id is None:
            return
        if again and (response := self.find(self._running_id)) is not None:
            self._open.remove(response)
        self.end(ev.ResponseFinished(self._running_id, "incomplete"))

    def _close(self, response: Response, heard_ms: float | None, *, interrupted: bool) -> None:
        self._open.remove(response)
        if not response.aside:
            self.last = () if response.gone else response.items
        if response.called and not response.spoken.text and response.status == "completed":
            return
        self._publish(response.result(heard_ms, interrupted))
