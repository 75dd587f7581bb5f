"""What a conversation takes and costs, counted once: per response as the service reports it, and the sum."""

from dataclasses import fields
from typing import Literal

from voicechat.conversation.notices import UsageNotice
from voicechat.realtime.events import Usage
from voicechat.realtime.price import Price

REMEMBERED_TURNS = 16


class _Account:
    """What one model costs. The price may become known late: what was used before costs the same."""

    def __init__(self) -> None:
        self.price: Price | None = None
        self._settled = False
        self._waiting: list[Usage] = []
        self._sum: float | None = 0.0

    def charge(self, price: Price | None) -> None:
        waiting, self._waiting, self.price, self._settled = self._waiting, [], price, True
        for usage in waiting:
            self.add(usage)

    def add(self, usage: Usage) -> float | None:
        if not self._settled:
            self._waiting.append(usage)
            return None
        cost = self.price.cost(usage) if self.price else None
        self._sum = None if cost is None or self._sum is None else round(self._sum + cost, 8)
        return None if cost is None else round(cost, 8)

    @property
    def cost(self) -> float | None:
        return None if self._waiting else self._sum


class UsageMeter:
    """Cached tokens are part of the input (openai-realtime, section 9): they are shown, not added.

    Costs are added up, not taken from the sum of what was used: a price may hang on what one response is made of. What
    the transcription of the user's words takes is charged by another model's price.
    """

    def __init__(self) -> None:
        self.total = Usage()
        self._answers, self._words = _Account(), _Account()
        self._messages: dict[int, int] = {}

    @property
    def used(self) -> bool:
        """Something was, that is paid for."""
        return self.total != Usage()

    @property
    def cost(self) -> float | None:
        """Of all that was used; None where not every price is known, or they are in two currencies."""
        answers, words = self._answers.cost, self._words.cost
        if answers is None or words is None:
            return None
        prices = (self._answers.price, self._words.price if words else None)
        return None if len({price.currency for price in prices if price}) > 1 else round(answers + words, 8)

    @property
    def currency(self) -> str | None:
        return self._answers.price.currency if self._answers.price else None

    def charge(self, price: Price | None, transcription: Price | None = None) -> None:
        """What it costs from now on, and did until now; None: nobody knows. Said once."""
        self._answers.charge(price)
        self._words.charge(transcription)

    def typed(self, turn: int) -> None:
        """A message of the user's; it is told with the next use of that turn."""
        self._messages[turn] = self._messages.get(turn, 0) + 1
        while len(self._messages) > REMEMBERED_TURNS:
            del self._messages[next(iter(self._messages))]

    def add(self, turn: int, usage: Usage) -> UsageNotice:
        """A response took this."""
        usage = _sum(usage, Usage(messages=self._messages.pop(turn, 0)))
        return self._notice(turn, usage, self._answers.add(usage), "response")

    def add_words(self, turn: int, usage: Usage) -> UsageNotice:
        """The transcription of the user's words took this."""
        return self._notice(turn, usage, self._words.add(usage), "transcription")

    def _notice(
        self, turn: int, usage: Usage, cost: float | None, kind: Literal["response", "transcription"]
    ) -> UsageNotice:
        self.total = _sum(self.total, usage)
        return UsageNotice(
            turn,
            usage.input_tokens,
            usage.output_tokens,
            usage.cached_tokens,
            usage.input_audio_tokens,
            usage.output_audio_tokens,
            self.total.input_tokens,
            self.total.output_tokens,
            usage.input_text_tokens,
            usage.input_image_tokens,
            usage.output_text_tokens,
            usage.cached_audio_tokens,
            usage.seconds,
            usage.messages,
            self.total.seconds,
            self.total.messages,
            cost,
            self.cost,
            self.currency,
            kind,
        )


def _sum(one: Usage, other: Usage) -> Usage:
    return Usage(**{field.name: getattr(one, field.name) + getattr(other, field.name) for field in fields(Usage)})
