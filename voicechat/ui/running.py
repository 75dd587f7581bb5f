"""Which tools run, and how long: a few words for the status line."""

from dataclasses import dataclass, field

from voicechat.conversation.notices import Notice, ToolCallNotice, ToolNotice
from voicechat.ui.text import clean

NAME_CHARS = 24
SHOWN_AFTER_S = 1
"""Most are over before anybody could read of them."""


@dataclass(slots=True)
class Running:
    """Told every notice; `words` at any time. Seconds of the view's clock."""

    _calls: dict[int, tuple[str, float, bool]] = field(default_factory=dict)  # by number: name, since, asks

    def take(self, notice: Notice, now: float) -> None:
        if isinstance(notice, ToolCallNotice):
            self._calls[notice.call] = (clean(notice.name)[:NAME_CHARS], now, notice.state == "asking")
        elif isinstance(notice, ToolNotice):
            self._calls.pop(notice.call, None)

    def words(self, now: float) -> str:
        """`forecast 12 s`, of the oldest; `+1` for each other. What the user is asked about comes first."""
        if not self._calls:
            return ""
        asking = next((name for name, _, asks in self._calls.values() if asks), None)
        if asking is not None:
            return f"{asking}? Enter or Esc"
        name, since, _ = next(iter(self._calls.values()))
        age_s = int(now - since)
        more = f" +{len(self._calls) - 1}" if len(self._calls) > 1 else ""
        return f"{name} {age_s} s{more}" if age_s >= SHOWN_AFTER_S else ""
