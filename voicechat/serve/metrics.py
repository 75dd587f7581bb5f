"""What the server counts, for `/metrics` in Prometheus' form."""

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Names the folder in which workers count together. The library looks at it once, when it is imported."""
_SECONDS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)


class Metrics:
    """One server's numbers, in a registry of its own. `model` is what stands behind, never a name of a client's."""

    def __init__(self) -> None:
        self._registry = here = CollectorRegistry()
        self.sessions = Gauge(
            "voicechat_sessions", "Sessions open now", ["model"], registry=here, multiprocess_mode="livesum"
        )
        self.begun = Counter("voicechat_sessions_begun", "Sessions since the start", ["model"], registry=here)
        self.ended = Counter("voicechat_sessions_ended", "Sessions ended, by reason", ["code"], registry=here)
        self.refused = Counter("voicechat_refused", "Requests and sessions refused", ["code"], registry=here)
        self.errors = Counter("voicechat_errors", "Errors told to clients", ["model", "kind"], registry=here)
        self.audio_s = Counter("voicechat_audio_seconds", "Sound relayed", ["model", "direction"], registry=here)
        self.tokens = Counter("voicechat_tokens", "Tokens, as models count", ["model", "direction"], registry=here)
        self.cost = Counter("voicechat_cost", "What models charge", ["model", "currency"], registry=here)
        self.unpriced = Counter("voicechat_unpriced", "Uses whose cost is not known", ["model"], registry=here)
        self.responses = Counter("voicechat_responses", "Answers, by their end", ["model", "status"], registry=here)
        self.latency = Histogram(
            "voicechat_latency_seconds",
            "ready: upgrade to session.created; answer: end of speech to the answer's begin; sound: to its first "
            "sound; speech: request to first sound; transcription: of a whole recording; dialogue: recording to answer",
            ["model", "stage"],
            buckets=_SECONDS,
            registry=here,
        )
        self.requests = Counter("voicechat_http_requests", "HTTP requests", ["path", "status"], registry=here)

    def text(self) -> bytes:
        if FOLDER not in os.environ:
            return generate_latest(self._registry)
        from prometheus_client.multiprocess import MultiProcessCollector

        every = CollectorRegistry()
        MultiProcessCollector(every)  # type: ignore[no-untyped-call]
        return generate_latest(every)


def forget_worker(pid: int) -> None:
    """One has gone: its counts stay, its sessions do not."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(pid)  # type: ignore[no-untyped-call]
