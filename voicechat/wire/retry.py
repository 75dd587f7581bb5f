"""What an ended connection means, in one table, and how patiently it is made again.

| what ended it | then |
|---|---|
| close 1001, 1005, 1006, 1011 to 1015; nobody answered; HTTP 408, 425, 429, 5xx | try again |
| the service says that the session is too old, idle or broken | try again |
| close 1000 of its own accord, 1002, 1003, 1007 to 1010, 3000 and above | never: it would end the same way |
| HTTP 400, 401, 403, 404; a key, model or quota refused | never: something must be put right first |

Codes 1001 to 1015 after openai-realtime, section 2.2; 1007 is Qwen's word for an exhausted quota.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from voicechat.errors import ConnectionFailed, Refused, VoicechatError

RETRY_CLOSES = frozenset({1001, 1005, 1006, 1011, 1012, 1013, 1014, 1015})
RETRY_STATUSES = frozenset({408, 425, 429, *range(500, 600)})


def worth_a_retry(error: VoicechatError, status: int | None = None, close_code: int | None = None) -> bool:
    """Whether a new connection may fare better; `status` is the handshake's, `close_code` the connection's."""
    if isinstance(error, Refused):
        return False
    if status is not None:
        return status in RETRY_STATUSES
    if close_code is not None:
        return close_code in RETRY_CLOSES
    return isinstance(error, ConnectionFailed)


SHORT_DELAYS_S = (1.0, 2.0, 3.0, 4.0, 5.0)
PATIENT_DELAYS_S = (*SHORT_DELAYS_S, 8.0, 13.0, 21.0, 34.0, *(60.0,) * 26)
"""Where somebody sits and sees that it is tried: for half an hour. They can end it, or try at once."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Delays before each attempt after a drop; both bounds together keep a broken service from being hammered."""

    delays_s: tuple[float, ...] = SHORT_DELAYS_S
    jitter: float = 0.2
    """Each delay is stretched by up to this share, so that many clients do not come back at once."""
    attempts_per_session: int = 100
    steady_after_s: float = 10.0
    """A connection that lasted this long was one: the next drop is a drop of its own, with all its attempts."""
    healthy_after_s: float = 60.0
    """One that lasted this long also begins the session's count anew."""
    longest_wait_s: float = 60.0
    """A service may ask for more patience than the delays have, up to this."""


class Retry:
    """Counts attempts. `random_share` gives a number in [0, 1)."""

    def __init__(self, policy: RetryPolicy, random_share: Callable[[], float] = random.random):
        self._policy = policy
        self._random = random_share
        self._attempt = 0
        self._total = 0

    @property
    def attempt(self) -> int:
        """The number of the attempt that comes next, from 1."""
        return self._attempt + 1

    def connected(self, lasted_s: float) -> None:
        """A connection was up for so long."""
        if lasted_s >= self._policy.steady_after_s:
            self._attempt = 0
        if lasted_s >= self._policy.healthy_after_s:
            self._total = 0

    def spare(self) -> None:
        """The attempt that comes was asked for before its time: it takes none of those that are left."""
        self._attempt -= 1
        self._total -= 1

    def next_delay_s(self, asked_for_s: float | None = None) -> float | None:
        """How long to wait before the next attempt; None when there is none left. `asked_for_s`: Retry-After."""
        policy = self._policy
        if self._attempt >= len(policy.delays_s) or self._total >= policy.attempts_per_session:
            return None
        delay_s = policy.delays_s[self._attempt] * (1 + policy.jitter * self._random())
        self._attempt += 1
        self._total += 1
        if asked_for_s is not None:
            delay_s = max(delay_s, min(asked_for_s, policy.longest_wait_s))
        return delay_s
