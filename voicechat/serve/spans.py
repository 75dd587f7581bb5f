"""Spans of OpenTelemetry, where its API is installed: a session, its turns, and how long each stage of them took.

Whoever runs the server says by OpenTelemetry's own means where they go; without that they cost nothing. They hold no
words, sound or keys.
"""

import time
from typing import Any


class Spans:
    """Those of one session. `facts` describe it."""

    def __init__(self, facts: dict[str, str]):
        try:
            from opentelemetry import trace
        except ImportError:
            self._tracer: Any = None
            return
        self._trace = trace
        self._tracer = trace.get_tracer("voicechat.serve")
        attributes = {f"voicechat.{name}": value for name, value in facts.items()}
        self._session = self._tracer.start_span("voicechat.session", attributes=attributes)
        self._turn: Any = None

    def turn(self) -> None:
        """The user has ended one."""
        if self._tracer is not None:
            self.turn_over("superseded")
            self._turn = self._start("voicechat.turn", self._session)

    def stage(self, name: str, seconds: float) -> None:
        """One has just ended that took so long."""
        if self._tracer is not None:
            now_ns = time.time_ns()
            began_ns = now_ns - round(seconds * 1e9)
            span = self._start(f"voicechat.{name}", self._turn or self._session, start_time=began_ns)
            span.end(end_time=now_ns)

    def turn_over(self, status: str, **numbers: int) -> None:
        """It was answered, or will not be."""
        if self._tracer is not None and self._turn is not None:
            self._turn.set_attribute("voicechat.status", status)
            for name, value in numbers.items():
                self._turn.set_attribute(f"voicechat.{name}", value)
            self._turn.end()
            self._turn = None

    def session_over(self, code: str) -> None:
        if self._tracer is not None:
            self.turn_over("superseded")
            self._session.set_attribute("voicechat.code", code)
            self._session.end()

    def _start(self, name: str, parent: Any, **options: Any) -> Any:
        return self._tracer.start_span(name, context=self._trace.set_span_in_context(parent), **options)
