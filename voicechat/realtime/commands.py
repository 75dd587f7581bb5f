"""What we ask of a service, in one vocabulary for every dialect. A codec turns these values into wire frames.

The user items that we make have the names we give them (`item_id`): events speak of them by these, whatever the
service calls them.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

OUR_NAMES = ("turn-", "picture-")
"""How the names begin that the conversation gives. A service's own thing that is called so is renamed by the codec."""


@dataclass(frozen=True, slots=True)
class TurnDetection:
    """How the service finds the user's turns. None of the fields is sent when it is None."""

    kind: Literal["server", "semantic"] = "server"
    threshold: float | None = None
    silence_ms: int | None = None
    prefix_ms: int | None = None
    eagerness: str | None = None
    create_response: bool = True
    interrupt_response: bool = True


@dataclass(frozen=True, slots=True)
class Tool:
    """A function the model may call; `parameters` is a JSON schema."""

    name: str
    description: str
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """Everything a session is configured with. `turn_detection` None means that the client ends the turns itself."""

    instructions: str = ""
    voice: str = ""
    turn_detection: TurnDetection | None = field(default_factory=TurnDetection)
    transcribe: bool = True
    transcription_model: str = ""
    language: str = ""
    speak: bool = True
    speed: float | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: str = "auto"
    greeting: str = ""
    name: str = ""
    """What the assistant is called."""
    style: str = ""
    """How it talks, where a service takes that apart from the instructions."""
    context: str = ""
    """Background knowledge for the answers, where a service takes that apart from the instructions."""
    source: Literal["microphone", "push_to_talk", "file", "text"] = "microphone"
    """Where the user's turns come from."""


@dataclass(frozen=True, slots=True)
class Configure:
    config: SessionConfig


@dataclass(frozen=True, slots=True)
class SetTools:
    """From now on the model may call these, in a session that is already configured. Everything else stays as it is."""

    tools: tuple[Tool, ...]
    tool_choice: str = "auto"


@dataclass(frozen=True, slots=True)
class AppendAudio:
    """s16le mono at the codec's `capabilities.input_rate_hz`."""

    pcm: bytes
    speech: bool | None = None
    """Whether somebody speaks at its end, where a detector on this machine has judged that already: a service in the
    same process need not do it again. No wire carries it."""


@dataclass(frozen=True, slots=True)
class CommitAudio:
    """What was appended so far is the user's turn. It does not ask for an answer."""

    item_id: str = ""


@dataclass(frozen=True, slots=True)
class ClearAudio:
    pass


@dataclass(frozen=True, slots=True)
class CreateResponse:
    """Ask for an answer. What is empty or None leaves the session's in force.

    `words`: the answer shall be exactly these. The instructions then say so too, for services without a word for it.
    """

    instructions: str = ""
    words: str = ""
    speak: bool | None = None
    voice: str = ""
    tools: tuple[Tool, ...] | None = None
    tool_choice: str = ""
    max_tokens: int | None = None
    aside: bool = False
    """It is no part of the conversation (`capabilities.supports_asides`): nothing that comes later knows of it."""
    context: "tuple[SendText, ...] | None" = None
    """What it answers in place of the conversation. The offline engine knows it, for asides."""


@dataclass(frozen=True, slots=True)
class CancelResponse:
    """Stop the response with this id; "" is the one that the service works on, announced or not."""

    response_id: str = ""


@dataclass(frozen=True, slots=True)
class TruncateItem:
    """Only the first `audio_end_ms` of this item's audio were heard."""

    item_id: str
    content_index: int
    audio_end_ms: int


@dataclass(frozen=True, slots=True)
class DeleteItem:
    item_id: str


@dataclass(frozen=True, slots=True)
class RetrieveItem:
    item_id: str


@dataclass(frozen=True, slots=True)
class SendText:
    """A text item. It does not ask for an answer.

    Of this and the other items: `item_id` "" leaves the name to the codec; it follows the item `after`, stands
    first after "root", and last after "".
    """

    text: str
    role: Literal["user", "assistant", "system"] = "user"
    item_id: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class SendImage:
    """An image for the next turn, PNG or JPEG bytes with their media type."""

    data: bytes
    media_type: str = "image/jpeg"
    text: str = ""
    item_id: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class SendToolCall:
    """A call that the model made earlier, in another session."""

    call_id: str
    name: str
    arguments: str
    item_id: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class ToolResult:
    call_id: str
    output: str
    item_id: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class Finish:
    """Flush and end the session politely, where the dialect has a word for it."""


Command = (
    Configure
    | SetTools
    | AppendAudio
    | CommitAudio
    | ClearAudio
    | CreateResponse
    | CancelResponse
    | TruncateItem
    | DeleteItem
    | RetrieveItem
    | SendText
    | SendImage
    | SendToolCall
    | ToolResult
    | Finish
)
