"""One session as the metrics see it: how long each stage took, what it used, what went wrong."""

import time
from collections.abc import Callable

from voicechat.realtime import events as ev
from voicechat.serve.metrics import Metrics
from voicechat.serve.spans import Spans
from voicechat.serve.spending import Meter


class Watch:
    """Told by the relay what happens. `clock` is monotonic, in seconds."""

    def __init__(
        self, metrics: Metrics, model: str, meter: Meter, spans: Spans, clock: Callable[[], float] = time.monotonic
    ):
        self._metrics = metrics
        self._spans = spans
        self._model = model
        self.meter = meter
        self._clock = clock
        self._began = clock()
        self._turn_ended: float | None = None
        self._silent: dict[str, float] = {}
        self.heard_s = 0.0
        self.spoken_s = 0.0
        self._counted_s = (0.0, 0.0)

    def ready(self) -> None:
        self._stage("ready", self._began)

    def heard(self, seconds: float) -> None:
        """Sound of the client's."""
        self.heard_s += seconds

    def turn_ended(self) -> None:
        """The client stopped speaking, or asked for an answer."""
        self._turn_ended = self._clock()
        self._spans.turn()

    def answering(self, response_id: str) -> None:
        if self._turn_ended is not None:
            self._stage("answer", self._turn_ended)
            self._silent[response_id] = self._turn_ended
            self._turn_ended = None

    def spoke(self, response_id: str, seconds: float) -> None:
        self.spoken_s += seconds
        if self._silent and (asked_at := self._silent.pop(response_id, None)) is not None:
            self._stage("sound", asked_at)

    def count(self) -> None:
        """Put the sound since the last time among the metrics: once a turn, for there are a hundred pieces a second."""
        heard_s, spoken_s = self._counted_s
        self._metrics.audio_s.labels(self._model, "in").inc(self.heard_s - heard_s)
        self._metrics.audio_s.labels(self._model, "out").inc(self.spoken_s - spoken_s)
        self._counted_s = (self.heard_s, self.spoken_s)

    def answered(self, event: ev.ResponseFinished) -> None:
        self._silent.pop(event.response_id, None)
        self.count()
        self._metrics.responses.labels(self._model, event.status).inc()
        used = event.usage
        tokens = {"input_tokens": used.input_tokens, "output_tokens": used.output_tokens} if used is not None else {}
        self._spans.turn_over(event.status, **tokens)
        if event.usage is not None:
            self._metrics.tokens.labels(self._model, "in").inc(event.usage.input_tokens)
            self._metrics.tokens.labels(self._model, "out").inc(event.usage.output_tokens)

    def wrong(self, kind: str) -> None:
        """`client`: a frame that cannot be done; `model`: a complaint from behind."""
        self._metrics.errors.labels(self._model, kind).inc()

    def _stage(self, stage: str, since: float) -> None:
        took_s = self._clock() - since
        self._metrics.latency.labels(self._model, stage).observe(took_s)
        self._spans.stage(stage, took_s)
