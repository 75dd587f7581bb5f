"""What the views are told. Each class is one line type of the JSON view (docs/json.md): `kind` is its `type`.

Text here comes from people and machines alike; a view escapes it before it reaches a terminal.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

SYMBOLS = {"USD": "$", "CNY": "¥", "EUR": "€", "GBP": "£"}
State = Literal["idle", "listening", "thinking", "speaking"]


@dataclass(frozen=True, slots=True)
class SessionNotice:
    """A session is open. `state_restored` is None for the first one; after a reconnect, whether the talk was put back.

    `change`: what the user has changed, where that is the reason for it: `voice`, `instructions`, `persona`, `turns`,
    `clear`, or several of them.
    """

    kind: ClassVar[str] = "session"
    provider: str
    model: str
    voice: str
    session_id: str = ""
    input: str = ""
    output: str = ""
    aec: bool = False
    turn: str = "server"
    state_restored: bool | None = None
    assistant: str = ""
    """What the assistant is called, where it has another name than its voice."""
    conversation: str = ""
    """The id under which it is kept, and that of the one it goes on with; "" for none."""
    continues: str = ""
    change: str = ""


@dataclass(frozen=True, slots=True)
class StateNotice:
    kind: ClassVar[str] = "state"
    state: State


@dataclass(frozen=True, slots=True)
class UserPartial:
    """The user's words so far in turn number `turn`; each replaces the one before."""

    kind: ClassVar[str] = "user.partial"
    turn: int
    text: str


@dataclass(frozen=True, slots=True)
class UserTurn:
    """The user's finished turn. `text` is "" when speech was not understood."""

    kind: ClassVar[str] = "user"
    turn: int
    text: str
    source: Literal["speech", "text"] = "speech"


@dataclass(frozen=True, slots=True)
class PictureNotice:
    """The user shows a picture: for turn number `turn`, as it will be if nothing else is said before."""

    kind: ClassVar[str] = "picture"
    turn: int
    name: str
    width: int
    height: int
    bytes: int


@dataclass(frozen=True, slots=True)
class AssistantPartial:
    """The answer's words so far; each replaces the one before."""

    kind: ClassVar[str] = "assistant.partial"
    turn: int
    text: str


@dataclass(frozen=True, slots=True)
class AssistantTurn:
    """A finished answer. `heard` is the part of `text` that was played, `heard_ms` its length in sound."""

    kind: ClassVar[str] = "assistant"
    turn: int
    text: str
    heard: str
    interrupted: bool
    heard_ms: int
    status: str = "completed"
    aside: bool = False
    """A few words that fill the silence while a tool runs; the answer is to come."""


@dataclass(frozen=True, slots=True)
class ToolCallNotice:
    """A tool begins to run, or the user has to agree first. `call` is its number, and that of the `tool` to come."""

    kind: ClassVar[str] = "tool.call"
    turn: int
    call: int
    name: str
    arguments: str
    state: Literal["asking", "running"] = "running"


@dataclass(frozen=True, slots=True)
class ToolNotice:
    """How a call of a tool ended. Some have no `tool.call` before: they were refused at once."""

    kind: ClassVar[str] = "tool"
    turn: int
    name: str
    arguments: str
    output: str = ""
    ok: bool = True
    call: int = 0
    elapsed_ms: int = 0


@dataclass(frozen=True, slots=True)
class UsageNotice:
    """What one response, or the transcription of a turn, took and cost, and the session so far.

    `cached_*` are part of the input, and the tokens by modality parts of their sum. `cost` and `session_cost` are None
    where not every price is known.
    """

    kind: ClassVar[str] = "usage"
    turn: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    input_audio_tokens: int
    output_audio_tokens: int
    session_input_tokens: int
    session_output_tokens: int
    input_text_tokens: int = 0
    input_image_tokens: int = 0
    output_text_tokens: int = 0
    cached_audio_tokens: int = 0
    seconds: float = 0.0
    messages: int = 0
    session_seconds: float = 0.0
    session_messages: int = 0
    cost: float | None = None
    session_cost: float | None = None
    currency: str | None = None
    of: Literal["response", "transcription"] = "response"


@dataclass(frozen=True, slots=True)
class LatencyNotice:
    """How fast one turn was, in milliseconds; a figure that has no meaning for this turn is None.

    voice_to_voice_ms: end of the user's speech to the first sound of the answer. first_token_ms, first_audio_ms:
    end of speech to the first text and the first audio received. interruption_ms: the user's voice to silence.
    """

    kind: ClassVar[str] = "latency"
    turn: int
    voice_to_voice_ms: float | None = None
    first_token_ms: float | None = None
    first_audio_ms: float | None = None
    interruption_ms: float | None = None


@dataclass(frozen=True, slots=True)
class ConnectionNotice:
    """The connection is down: the next attempt is number `attempt` and begins in `in_s` seconds."""

    kind: ClassVar[str] = "connection"
    attempt: int
    in_s: float
    message: str


@dataclass(frozen=True, slots=True)
class WarningNotice:
    kind: ClassVar[str] = "warning"
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class ErrorNotice:
    kind: ClassVar[str] = "error"
    code: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class EndNotice:
    """The last line. Counters say what was survived: nothing is dropped silently."""

    kind: ClassVar[str] = "end"
    reason: str
    exit_code: int
    turns: int
    seconds: float
    dropped_input_frames: int = 0
    underruns: int = 0
    ignored_events: int = 0
    broken_frames: int = 0
    benign_errors: int = 0
    dropped_uplink_ms: int = 0
    speaker_gaps: int = 0
    microphone_gaps: int = 0
    saved: str = ""
    """The transcript, where the conversation was kept."""
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None
    currency: str | None = None


Notice = (
    SessionNotice
    | StateNotice
    | UserPartial
    | UserTurn
    | PictureNotice
    | AssistantPartial
    | AssistantTurn
    | ToolCallNotice
    | ToolNotice
    | UsageNotice
    | LatencyNotice
    | ConnectionNotice
    | WarningNotice
    | ErrorNotice
    | EndNotice
)


def money(amount: float, currency: str | None) -> str:
    """`$0.0123`, `¥1.50`, `SEK 2.00`: four digits of what is less than a tenth, else two."""
    sign = SYMBOLS.get(currency or "", f"{currency} " if currency else "")
    return f"{sign}{amount:.4f}" if 0 < amount < 0.1 else f"{sign}{amount:.2f}"
