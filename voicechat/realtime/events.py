"""What a service tells us, in one vocabulary for every dialect.

A codec turns wire frames into these values; nothing else in the program knows a wire name. Text is untrusted:
only views print it, and they escape it. Audio is s16le mono at the codec's `capabilities.output_rate_hz`.

Identity and order. The id of a response, an item or a call is never empty, and means one thing for as long as the
conversation lasts, however often it is connected; where a service names nothing a codec makes names up
(dialects/lifecycle.py), and realtime/scope.py keeps connections apart. A response is announced exactly once
(`ResponseStarted`) and ended exactly once (`ResponseFinished`); no piece of it comes before the one or after the
other. Brackets are per id: a response out of band may run beside another.
"""

from dataclasses import dataclass, field
from typing import Literal

ResponseStatus = Literal["completed", "cancelled", "failed", "incomplete"]


@dataclass(frozen=True, slots=True)
class SessionCreated:
    """The service is ready to be configured. `expires_at` is in unix seconds, when the service tells."""

    session_id: str
    model: str = ""
    voice: str = ""
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class SessionConfigured:
    """The service accepted the configuration; `voice` is the effective one, `transcriber` the model that writes down
    what the user says, where the service tells."""

    voice: str = ""
    transcriber: str = ""


@dataclass(frozen=True, slots=True)
class SessionFinished:
    """The answer to `Finish`: everything was flushed, the service will close."""


@dataclass(frozen=True, slots=True)
class ConfigureAgain:
    """The configuration was refused in this form; the codec has changed, so send `Configure` once more."""

    reason: str
    voice_dropped: str = ""
    """The voice that was refused, when the reason is the voice: the next try uses the model's default."""


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The service hears the user speak. `item_id` is the user item to come."""

    item_id: str
    audio_start_ms: int | None = None


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    item_id: str
    audio_end_ms: int | None = None


@dataclass(frozen=True, slots=True)
class InputCommitted:
    """The audio sent so far has become the user item `item_id`; where we ended the turn it is `CommitAudio`'s name."""

    item_id: str


@dataclass(frozen=True, slots=True)
class InputCleared:
    pass


@dataclass(frozen=True, slots=True)
class Usage:
    """What one response, or the transcription of a turn, took, by three meters: tokens, seconds and messages.

    Tokens are as the service counts them; `cached_*` are part of the input, not added to it, and by modality where the
    service tells. `seconds` are those of a service that charges by time. `messages` are typed turns.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    input_text_tokens: int = 0
    input_audio_tokens: int = 0
    input_image_tokens: int = 0
    cached_tokens: int = 0
    output_text_tokens: int = 0
    output_audio_tokens: int = 0
    cached_text_tokens: int = 0
    cached_audio_tokens: int = 0
    cached_image_tokens: int = 0
    seconds: float = 0.0
    messages: int = 0


@dataclass(frozen=True, slots=True)
class UserTranscript:
    """What the service understood of the user's speech, always the whole text so far. `usage` is what that took, with
    the final one and where a service charges it apart from the answer."""

    item_id: str
    text: str
    final: bool
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class UserTranscriptFailed:
    item_id: str
    message: str


@dataclass(frozen=True, slots=True)
class ItemAdded:
    """An item entered the conversation (`role` is "" for tool items). One of ours has the name that we gave it."""

    item_id: str
    role: str = ""
    kind: str = "message"


@dataclass(frozen=True, slots=True)
class ItemTruncated:
    item_id: str
    audio_end_ms: int


@dataclass(frozen=True, slots=True)
class ItemDeleted:
    item_id: str


@dataclass(frozen=True, slots=True)
class ItemRetrieved:
    item_id: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class ResponseStarted:
    """An answer begins. `answers` is the user item that it answers, "" for one that answers none (a greeting)."""

    response_id: str
    answers: str = ""
    out_of_band: bool = False
    """It is no part of the conversation (`conversation: "none"`), and may run beside another."""


@dataclass(frozen=True, slots=True)
class AssistantAudio:
    """Whole samples of the answer, s16le mono."""

    response_id: str
    item_id: str
    content_index: int
    pcm: bytes


@dataclass(frozen=True, slots=True)
class AssistantAudioDone:
    """All audio of this item has been sent, or the item was interrupted."""

    response_id: str
    item_id: str
    content_index: int = 0


@dataclass(frozen=True, slots=True)
class AssistantText:
    """A piece of the answer's text. `spoken` is true for the transcript of audio, false for a text answer."""

    response_id: str
    item_id: str
    content_index: int
    delta: str
    spoken: bool = True


@dataclass(frozen=True, slots=True)
class AssistantTextDone:
    """The item's whole text. It replaces what the deltas gave, when it is not empty."""

    response_id: str
    item_id: str
    content_index: int
    text: str
    spoken: bool = True


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model wants a tool run. `arguments` is JSON text as the model wrote it: it may be invalid."""

    response_id: str
    item_id: str
    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class UsageReported:
    """Tokens of one response, where a service tells them apart from its end (and mostly after it)."""

    response_id: str
    usage: Usage


@dataclass(frozen=True, slots=True)
class ResponseFinished:
    """The one end of a response, whatever its outcome. `reason` and `message` explain any other than completed."""

    response_id: str
    status: ResponseStatus
    reason: str = ""
    message: str = ""
    code: str = ""
    usage: Usage | None = None

    @property
    def complaint(self) -> str:
        """Why there is less of an answer than was asked for; "" when nothing is wrong with it."""
        if self.status == "failed" or (self.status == "incomplete" and self.reason):
            return self.message or self.reason or self.code or "no reason given"
        return ""


@dataclass(frozen=True, slots=True)
class RateLimits:
    """`remaining` and `reset_s` by the limit's name (`requests`, `tokens`)."""

    remaining: dict[str, int] = field(default_factory=dict)
    reset_s: dict[str, float] = field(default_factory=dict)


Severity = Literal["benign", "warning", "recoverable", "retry", "fatal"]


@dataclass(frozen=True, slots=True)
class ServiceError:
    """The service complained.

    benign: expected in ordinary use, count it. warning: something works less well, and nothing was refused.
    recoverable: tell the user, the session goes on. retry: the session is lost, a new one may work. fatal: do not try
    again (key, model, quota).
    """

    message: str
    code: str = ""
    severity: Severity = "recoverable"
    hint: str = ""
    param: str = ""
    """Which part of a command is wrong, as the wire calls it."""
    command: str = ""
    """The command that is refused, by its class's name (`CreateResponse`); "" where the service does not say."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A frame that means nothing to us, or is broken. Counted, never fatal. `kind` is a wire name or a fault."""

    kind: str
    broken: bool = False


Event = (
    SessionCreated
    | SessionConfigured
    | SessionFinished
    | ConfigureAgain
    | SpeechStarted
    | SpeechStopped
    | InputCommitted
    | InputCleared
    | UserTranscript
    | UserTranscriptFailed
    | ItemAdded
    | ItemTruncated
    | ItemDeleted
    | ItemRetrieved
    | ResponseStarted
    | AssistantAudio
    | AssistantAudioDone
    | AssistantText
    | AssistantTextDone
    | ToolCall
    | UsageReported
    | ResponseFinished
    | RateLimits
    | ServiceError
    | Ignored
)
