"""One answer of the assistant, from the first sign of it to the one end it has."""

from dataclasses import dataclass, field

from voicechat.conversation.notices import AssistantTurn, LatencyNotice
from voicechat.text.heard import SpokenText


@dataclass(slots=True, eq=False)
class Response:
    """What is known of a response. Times are monotonic seconds, None until it has happened."""

    response_id: str
    turn: int
    generation: int
    asked_at: float | None = None
    """When the user's turn was complete."""
    spoken: SpokenText = field(default_factory=SpokenText)
    status: str = "in_progress"
    aside: bool = False
    """It only fills the silence while a tool runs."""
    called: bool = False
    """It has called a tool: without a word it is no answer, but the way to one."""
    finished: bool = False
    """The service has ended it."""
    gone: bool = False
    """Its items were of a session that was lost: the next one has copies, under names that nobody knows."""
    first_token_at: float | None = None
    first_audio_at: float | None = None
    first_sound_at: float | None = None
    _starts_ms: dict[str, float] = field(default_factory=dict)
    _text_starts: dict[tuple[str, int], int] = field(default_factory=dict)

    def add_audio(self, item_id: str, length_ms: float) -> None:
        """An answer may have several items; each starts where the one before ended."""
        self._starts_ms.setdefault(item_id, self.spoken.audio_ms)
        self.spoken.add_audio(length_ms)

    def add_text(self, part: tuple[str, int], delta: str) -> None:
        """`part` is the item and content index the text belongs to."""
        self._text_starts.setdefault(part, len(self.spoken.text))
        self.spoken.add_text(delta)

    def finish_text(self, part: tuple[str, int], text: str) -> None:
        """The whole text of a part. Only the last part can still change: the others were followed by more."""
        start = self._text_starts.setdefault(part, len(self.spoken.text))
        if text and start == max(self._text_starts.values()):
            self.spoken.replace_from(start, text)

    @property
    def items(self) -> tuple[str, ...]:
        """What it consists of, as far as it came."""
        return tuple(dict.fromkeys((*self._starts_ms, *(item for item, _ in self._text_starts))))

    def owns(self, item_id: str) -> bool:
        return item_id in self._starts_ms

    def heard_ms(self, item_id: str, item_ms: float) -> float:
        """Of the whole answer, when `item_ms` of this item were heard."""
        return self._starts_ms.get(item_id, 0.0) + item_ms

    def result(self, heard_ms: float | None, interrupted: bool) -> AssistantTurn:
        """How it ended. `heard_ms` None means that all of it was heard (or read, where it has no sound)."""
        text = self.spoken.text
        heard = text if heard_ms is None else self.spoken.heard(heard_ms)
        length_ms = self.spoken.audio_ms if heard_ms is None else heard_ms
        status = self.status if self.finished else ("cancelled" if interrupted else "incomplete")
        return AssistantTurn(self.turn, text, heard, interrupted, round(length_ms), status, self.aside)

    def latency(self) -> LatencyNotice:
        """How long the user waited for the first of each."""

        def since(at: float | None) -> float | None:
            return None if at is None or self.asked_at is None else round(max(at - self.asked_at, 0.0) * 1000, 1)

        return LatencyNotice(
            self.turn, since(self.first_sound_at), since(self.first_token_at), since(self.first_audio_at)
        )
