"""Which ends are worth another try, and how patiently it is made."""

import pytest

from voicechat.errors import ConnectionFailed, CredentialsError, Refused
from voicechat.wire.retry import PATIENT_DELAYS_S, Retry, RetryPolicy, worth_a_retry

GONE = ConnectionFailed("gone")


@pytest.mark.parametrize(
    ("error", "status", "code", "again"),
    [
        (GONE, None, 1006, True),
        (GONE, None, 1001, True),
        (GONE, None, 1011, True),
        (GONE, None, 1000, False),
        (GONE, None, 1007, False),
        (GONE, None, 1008, False),
        (GONE, None, 3000, False),
        (GONE, None, 4004, False),
        (GONE, 429, None, True),
        (GONE, 500, None, True),
        (GONE, 503, None, True),
        (Refused("no"), 403, None, False),
        (CredentialsError("no"), 401, None, False),
        (GONE, None, None, True),
        (Refused("quota"), None, None, False),
        (Refused("no such model"), None, 1011, False),
    ],
)
def test_the_table(error: ConnectionFailed | Refused | CredentialsError, status: int, code: int, again: bool) -> None:
    assert worth_a_retry(error, status, code) is again


def test_five_attempts_with_growing_delays_and_jitter() -> None:
    retry = Retry(RetryPolicy(), random_share=lambda: 0.5)
    delays = [retry.next_delay_s() for _ in range(6)]
    assert delays[:5] == pytest.approx([1.1, 2.2, 3.3, 4.4, 5.5])
    assert delays[5] is None


def test_somebody_who_sits_there_is_tried_for_half_an_hour_with_growing_pauses() -> None:
    retry = Retry(RetryPolicy(PATIENT_DELAYS_S, jitter=0.0))
    delays = [delay for _ in range(99) if (delay := retry.next_delay_s()) is not None]
    assert delays == sorted(delays)
    assert 1500 < sum(delays) < 2100
    assert delays[:5] == [1.0, 2.0, 3.0, 4.0, 5.0], "it begins as it does for a script"


def test_a_connection_that_held_begins_a_new_count_and_a_flicker_does_not() -> None:
    retry = Retry(RetryPolicy(jitter=0.0))
    assert [retry.next_delay_s(), retry.next_delay_s()] == [1.0, 2.0]
    retry.connected(9.0)
    assert retry.next_delay_s() == 3.0
    retry.connected(10.0)
    assert retry.next_delay_s() == 1.0


def test_the_session_as_a_whole_is_bounded_too() -> None:
    retry = Retry(RetryPolicy(attempts_per_session=3))
    for _ in range(3):
        retry.connected(20.0)
        assert retry.next_delay_s() is not None
    retry.connected(20.0)
    assert retry.next_delay_s() is None
    retry.connected(60.0)  # a minute of health
    assert retry.next_delay_s() is not None


@pytest.mark.parametrize(("asked_for_s", "delay_s"), [(0.5, 1.0), (20.0, 20.0), (3600.0, 60.0)])
def test_a_service_may_ask_for_patience_within_reason(asked_for_s: float, delay_s: float) -> None:
    assert Retry(RetryPolicy(jitter=0.0)).next_delay_s(asked_for_s) == delay_s
