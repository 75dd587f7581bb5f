"""What a service charges, and what a use of it costs. Money is in units of its currency, never in cents."""

from dataclasses import dataclass

from voicechat.realtime.events import Usage

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """The price of one model: of a million tokens by modality, of a second, of a message; None where none is known.

    A part of the input that came from the service's cache costs `cached_*`, or as much as the rest where the service
    names no price for it.
    """

    currency: str
    """ISO 4217: `USD`, `CNY`."""
    as_of: str = ""
    """The day on which somebody looked, and `source` where."""
    source: str = ""
    input_text: float | None = None
    input_audio: float | None = None
    input_image: float | None = None
    cached_text: float | None = None
    cached_audio: float | None = None
    cached_image: float | None = None
    output_text: float | None = None
    output_audio: float | None = None
    spoken_text_free: bool = False
    """The text of an answer that is spoken is not charged."""
    second: float | None = None
    """Of the seconds that the service reports (`Usage.seconds`)."""
    message: float | None = None

    def cost(self, usage: Usage) -> float | None:
        """What it costs; None where something was used whose price, or whose kind, is not known: never a guess."""
        total = 0.0
        for tokens, price in self._tokens(usage):
            if tokens < 0 or (tokens and price is None):
                return None
            total += tokens * (price or 0.0) / MILLION
        if usage.seconds and self.second is None:
            return None
        total += usage.seconds * (self.second or 0.0)
        return total + usage.messages * (self.message or 0.0)  # of most services a message is nothing but its tokens

    def _tokens(self, usage: Usage) -> list[tuple[int, float | None]]:
        """How many tokens there are at which price."""
        charged: list[tuple[int, float | None]] = []
        told = usage.input_text_tokens + usage.input_audio_tokens + usage.input_image_tokens
        charged.append((usage.input_tokens - told, None))
        cached = _cached(usage)
        charged.append((usage.cached_tokens - sum(cached), None))
        kinds = (
            (usage.input_text_tokens, cached[0], self.input_text, self.cached_text),
            (usage.input_audio_tokens, cached[1], self.input_audio, self.cached_audio),
            (usage.input_image_tokens, cached[2], self.input_image, self.cached_image),
        )
        for tokens, from_cache, price, cached_price in kinds:
            charged.append((tokens - from_cache, price))
            charged.append((from_cache, price if cached_price is None else cached_price))
        free = self.spoken_text_free and usage.output_audio_tokens > 0
        charged.append((usage.output_tokens - usage.output_text_tokens - usage.output_audio_tokens, None))
        charged.append((usage.output_text_tokens, 0.0 if free else self.output_text))
        charged.append((usage.output_audio_tokens, self.output_audio))
        return charged


def _cached(usage: Usage) -> tuple[int, int, int]:
    """The cached tokens by modality (text, audio, image). Without a word about it they are of the only one there is."""
    told = (usage.cached_text_tokens, usage.cached_audio_tokens, usage.cached_image_tokens)
    kinds = (usage.input_text_tokens, usage.input_audio_tokens, usage.input_image_tokens)
    if not any(told) and sum(1 for tokens in kinds if tokens) == 1:
        return tuple(usage.cached_tokens if tokens else 0 for tokens in kinds)  # type: ignore[return-value]
    return told
