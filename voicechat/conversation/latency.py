"""The latencies of a session, gathered turn by turn."""

import math
from dataclasses import fields

from voicechat.conversation.notices import LatencyNotice

FIGURES = tuple(field.name for field in fields(LatencyNotice) if field.name.endswith("_ms"))


class Latencies:
    """Told every LatencyNotice; says the middle and the slow end of each figure."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = {name: [] for name in FIGURES}

    def add(self, notice: LatencyNotice) -> None:
        for name in FIGURES:
            value = getattr(notice, name)
            if value is not None:
                self._values[name].append(value)

    def summary(self) -> list[str]:
        """One line per figure that was measured: how often, p50 and p95 (nearest rank), in milliseconds."""
        return [
            f"{name.removesuffix('_ms').replace('_', ' ')}: p50 {_rank(values, 0.5):.0f} ms, "
            f"p95 {_rank(values, 0.95):.0f} ms ({len(values)})"
            for name, values in self._values.items()
            if values
        ]


def _rank(values: list[float], share: float) -> float:
    return sorted(values)[max(math.ceil(share * len(values)) - 1, 0)]
