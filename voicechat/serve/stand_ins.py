"""What a model behind cannot do by itself, done here, so that it looks complete from the front.

| the model … | then |
|---|---|
| is on another machine | items are cut, deleted and shown here; it is told too, and need not confirm |
| finds no turns, or shall not (`turns_here`) | they are found here (turns.py) |
| cannot cancel an answer, or does not say that it ended | it ends here; the codec drops what still comes of it |
| has other rates than the client's formats | sound is converted |
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from voicechat.audio.resample import Resampler
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev
from voicechat.realtime.capabilities import Capabilities
from voicechat.serve.turns import Step, Turns

Rates = Callable[[], tuple[int, int]]
"""The rates of the client's sound in and out, in Hz, as they are by now."""


@dataclass(frozen=True, slots=True)
class Passed:
    """What goes on to the model, and what the client is told."""

    commands: list[cmd.Command] = field(default_factory=list)
    events: list[ev.Event] = field(default_factory=list)


class StandIns:
    """`keeps_items`: what is behind knows its items better than the codec before it. `turns_here`: it shall not find
    turns, even if it can."""

    def __init__(self, capabilities: Capabilities, rates: Rates, *, keeps_items: bool, turns_here: bool = False):
        self._can = capabilities
        self._keeps_items = keeps_items
        self._turns_here = turns_here
        self._turns = Turns(capabilities.input_rate_hz)
        self._rates = rates
        self._inwards = _Converter()
        self._outwards = _Converter()
        self._running = ""

    def configured(self, config: cmd.SessionConfig) -> cmd.SessionConfig:
        """What the model is told of what the client wants."""
        turn = config.turn_detection
        if turn is None:
            self._turns.configure(None)
            return replace(config, source="push_to_talk")
        able = self._can.supports_server_vad or (turn.kind == "semantic" and self._can.supports_semantic_vad)
        if able and not self._turns_here:
            self._turns.configure(None)
            return config
        self._turns.configure(turn)
        return replace(config, turn_detection=None, source="push_to_talk")

    def take_command(self, command: cmd.Command) -> Passed:
        if isinstance(command, cmd.AppendAudio):  # fifty times a second
            rate_hz = self._rates()[0]
            if rate_hz != self._can.input_rate_hz:
                command = cmd.AppendAudio(self._inwards.feed(command.pcm, rate_hz, self._can.input_rate_hz))
            if self._turns.wanted is None:
                return Passed([command] if command.pcm else [])
            return self._passed(self._turns.hear(command.pcm))
        if self._turns.wanted is not None and isinstance(command, cmd.CommitAudio):
            return self._passed(self._turns.commit())
        if self._turns.wanted is not None and isinstance(command, cmd.ClearAudio):
            self._turns.clear()
        return self._take(command)

    def _take(self, command: cmd.Command) -> Passed:
        match command:
            case cmd.TruncateItem() if not self._keeps_items:
                told = [command] if self._can.supports_truncation else []
                return Passed([*told], [ev.ItemTruncated(command.item_id, command.audio_end_ms)])
            case cmd.DeleteItem() if not self._keeps_items:
                return Passed([command], [ev.ItemDeleted(command.item_id)])
            case cmd.RetrieveItem() if not self._keeps_items:
                return Passed(events=[ev.ItemRetrieved(command.item_id)])
            case cmd.ClearAudio() if not self._keeps_items:
                return Passed([command], [ev.InputCleared()])
            case cmd.CancelResponse() if not (self._can.supports_cancel and self._can.emits_cancelled):
                response_id = command.response_id or self._running
                ended = ev.ResponseFinished(response_id, "cancelled", "client_cancelled")
                return Passed([command] if self._can.supports_cancel else [], [ended] if response_id else [])
        return Passed([command])

    def take_event(self, event: ev.Event) -> Passed:
        match event:
            case ev.AssistantAudio():  # fifty times a second
                rate_hz = self._rates()[1]
                if rate_hz == self._can.output_rate_hz:
                    return Passed(events=[event])
                pcm = self._outwards.feed(event.pcm, self._can.output_rate_hz, rate_hz)
                return Passed(events=[replace(event, pcm=pcm)] if pcm else [])
            case ev.ItemTruncated() | ev.ItemDeleted() | ev.InputCleared() if not self._keeps_items:
                return Passed()
            case ev.ResponseStarted() if not event.out_of_band:
                self._running = event.response_id
            case ev.ResponseFinished() if event.response_id == self._running:
                self._running = ""
        if self._turns.wanted is not None:
            return self._passed(self._turns.take(event))
        return Passed(events=[event])

    def _passed(self, steps: Iterable[Step]) -> Passed:
        """What the turns want done, with what can be done of it."""
        passed = Passed()
        for step in steps:
            if isinstance(step, ev.Event):
                passed.events.append(step)
            else:
                able = self._take(step)
                passed.commands.extend(able.commands)
                passed.events.extend(able.events)
        return passed


class _Converter:
    """One direction's sound. When a format changes its rate, a new stream begins."""

    def __init__(self) -> None:
        self._between = (0, 0)
        self._resampler = Resampler(1, 1)

    def feed(self, pcm: bytes, source_hz: int, target_hz: int) -> bytes:
        if (source_hz, target_hz) != self._between:
            self._between = (source_hz, target_hz)
            self._resampler = Resampler(source_hz, target_hz)
        return self._resampler.feed(pcm)
