"""`--max-cost`: how much a conversation may cost, and what is said on the way there."""

from collections.abc import Callable

from voicechat.conversation.notices import UsageNotice, money

NEAR = 0.8
"""The share of the limit at which a warning is due."""


class Budget:
    """Told what everything costs; `reached` when no new answer may begin. Without a limit it says nothing."""

    def __init__(self, limit: float | None, warn: Callable[[str, str], None]):
        self.reached = False
        self._limit = limit
        self._warn = warn
        self._warned = False

    def take(self, notice: UsageNotice) -> None:
        if self._limit is None or self.reached:
            return
        spent, currency = notice.session_cost, notice.currency
        if spent is None:
            self._say("What this conversation costs is not known: the limit cannot be kept.")
            return
        told = f"{money(spent, currency)} of {money(self._limit, currency)}"
        if spent >= self._limit:
            self.reached = True
            self._warn("cost", f"This conversation has cost {told}: it ends after this answer.")
        elif spent >= NEAR * self._limit:
            self._say(f"This conversation has cost {told}.")

    def _say(self, words: str) -> None:
        if not self._warned:
            self._warned = True
            self._warn("cost", words)
