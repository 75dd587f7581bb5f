"""Nearest-rank percentiles of what was measured, and nothing for what was not."""

from voicechat.conversation.latency import Latencies
from voicechat.conversation.notices import LatencyNotice


def test_the_summary_names_only_what_was_measured() -> None:
    latencies = Latencies()
    for turn in range(1, 21):
        latencies.add(LatencyNotice(turn, voice_to_voice_ms=turn * 100.0))
    latencies.add(LatencyNotice(3, interruption_ms=70.0))
    assert latencies.summary() == [
        "voice to voice: p50 1000 ms, p95 1900 ms (20)",
        "interruption: p50 70 ms, p95 70 ms (1)",
    ]


def test_nothing_was_measured() -> None:
    assert Latencies().summary() == []
