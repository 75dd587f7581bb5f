"""The head buffer: nothing on an even network, what was missing on an uneven one, and it forgets."""

import pytest

from voicechat.audio.jitter import HeadBuffer


def reply(head: HeadBuffer, name: str, arrivals_ms: list[float], piece_ms: float = 100.0) -> None:
    for number, at_ms in enumerate(arrivals_ms):
        head.arrived(name, number * piece_ms, 50.0 + at_ms / 1000)


@pytest.mark.parametrize(
    ("arrivals_ms", "prime_ms"),
    [
        ([0, 25, 50, 75], 0.0),  # faster than real time
        ([0, 100, 200, 300], 0.0),  # exactly in time
        ([0, 100, 260, 300], 80.0),  # one piece 60 ms late
        ([0, 25, 50, 1500], 300.0),  # a hole of a second and more: no buffer is meant to fill that
    ],
)
def test_the_head_start_is_the_worst_lateness_and_a_little(arrivals_ms: list[float], prime_ms: float) -> None:
    head = HeadBuffer()
    reply(head, "a", arrivals_ms)
    assert head.prime_ms == pytest.approx(prime_ms)


def test_a_hiccup_is_forgotten_after_some_even_replies() -> None:
    head = HeadBuffer()
    reply(head, "bad", [0, 300])
    for number in range(4):
        reply(head, f"good{number}", [0, 50])
        assert head.prime_ms > 0
    reply(head, "good4", [0, 50])
    assert head.prime_ms == 0
