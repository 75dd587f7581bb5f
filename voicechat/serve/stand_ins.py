"""What a model behind cannot do by itself, done here, so that it looks complete from the front.

| the model … | then |
|---|---|
| is on another machine | items are cut, deleted and shown here; it is told too, and need not confirm |
| cannot cancel an answer, or does not say that it ended | it ends here; the codec drops what still comes of it |
| has other rates than the client's formats | sound is converted |
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from voicechat.audio.resample import Resampler
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev
from voicechat.realtime.capabilities import Capabilities

Rates = Callable[[], tuple[int, int]]
"""The rates of the client's sound in and out, in Hz, as they are by now."""


@dataclass(frozen=True, slots=True)
class Passed:
    """What goes on to the model, and what the client is told."""

    commands: list[cmd.Command] = field(default_factory=list)
    events: list[ev.Event] = field(default_factory=list)


class StandIns:
    """`keeps_items`: what is behind knows its items better than the codec before it."""

    def __init__(self, capabilities: Capabilities, rates: Rates, *, keeps_items: bool):
        self._can = capabilities
        self._keeps_items = keeps_items
        self._rates = rates
        self._inwards = _Converter()
        self._outwards = _Converter()
        self._running = ""

    def take_command(self, command: cmd.Command) -> Passed:
        match command:
            case cmd.AppendAudio() if (rate_hz := self._rates()[0]) != self._can.input_rate_hz:
                pcm = self._inwards.feed(command.pcm, rate_hz, self._can.input_rate_hz)
                return Passed([cmd.AppendAudio(pcm)] if pcm else [])
            case cmd.TruncateItem() if not self._keeps_items:
                told = [command] if self._can.supports_truncation else []
                return Passed([*told], [ev.ItemTruncated(command.item_id, command.audio_end_ms)])
            case cmd.DeleteItem() if not self._keeps_items:
                return Passed([command], [ev.ItemDeleted(command.item_id)])
            case cmd.RetrieveItem() if not self._keeps_items:
                return Passed(events=[ev.ItemRetrieved(command.item_id)])
            case cmd.CancelResponse() if not (self._can.supports_cancel and self._can.emits_cancelled):
                response_id = command.response_id or self._running
                ended = ev.ResponseFinished(response_id, "cancelled", "client_cancelled")
                return Passed([command] if self._can.supports_cancel else [], [ended] if response_id else [])
        return Passed([command])

    def take_event(self, event: ev.Event) -> Passed:
        match event:
            case ev.AssistantAudio() if (rate_hz := self._rates()[1]) != self._can.output_rate_hz:
                pcm = self._outwards.feed(event.pcm, self._can.output_rate_hz, rate_hz)
                return Passed(events=[replace(event, pcm=pcm)] if pcm else [])
            case ev.ItemTruncated() | ev.ItemDeleted() if not self._keeps_items:
                return Passed()
            case ev.ResponseStarted() if not event.out_of_band:
                self._running = event.response_id
            case ev.ResponseFinished() if event.response_id == self._running:
                self._running = ""
        return Passed(events=[event])


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
