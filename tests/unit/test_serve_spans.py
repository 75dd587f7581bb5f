"""What OpenTelemetry is told of a session, by value; and that nobody has to have it."""

import sys
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from voicechat.realtime import events as ev
from voicechat.serve.metrics import Metrics
from voicechat.serve.spans import Spans
from voicechat.serve.spending import Meter
from voicechat.serve.tokens import Grant
from voicechat.serve.watch import Watch


def a_turn(spans: Spans) -> None:
    async def unknown(_: str) -> None: ...

    now, metrics = iter([0.0, 0.25, 1.0, 1.5, 1.75, 2.0]), Metrics()
    meter = Meter(Grant(), "m", metrics, lambda _: None, None, unknown)
    watch = Watch(metrics, "m", meter, spans, lambda: next(now))
    watch.ready()
    watch.turn_ended()
    watch.answering("r")
    watch.spoke("r", 0.1)
    watch.answered(ev.ResponseFinished("r", "completed", usage=ev.Usage(input_tokens=3, output_tokens=5)))
    watch.turn_ended()  # and nobody answers
    spans.session_over("ended")


def test_a_session_holds_its_turns_and_they_their_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    a_turn(Spans({"session": "sess_1", "model": "newapi/any"}))
    spans = kept.get_finished_spans()
    found = {(span.name, dict(span.attributes or {}).get("voicechat.status", "")): span for span in spans}
    session, turn = found["voicechat.session", ""], found["voicechat.turn", "completed"]
    assert dict(session.attributes or {}) == {
        "voicechat.session": "sess_1", "voicechat.model": "newapi/any", "voicechat.code": "ended",
    }  # fmt: skip
    assert dict(turn.attributes or {}) == {
        "voicechat.status": "completed", "voicechat.input_tokens": 3, "voicechat.output_tokens": 5,
    }  # fmt: skip
    assert ("voicechat.turn", "superseded") in found

    def lasted_s(span: ReadableSpan) -> float:
        assert span.start_time
        assert span.end_time
        return (span.end_time - span.start_time) / 1e9

    for name, parent, seconds in (("ready", session, 0.25), ("answer", turn, 0.5), ("sound", turn, 0.75)):
        stage = found[f"voicechat.{name}", ""]
        assert stage.parent == parent.context
        assert lasted_s(stage) == pytest.approx(seconds, abs=1e-3)
    assert turn.parent == session.context
    assert len(found) == 6


def test_without_it_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    missing: Any = None
    monkeypatch.setitem(sys.modules, "opentelemetry", missing)
    a_turn(Spans({}))
