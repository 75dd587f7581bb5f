"""What a service does by itself and what it expects of a client. The conversation asks these, never a name.

`supports_…` is what may be asked of the service, `emits_…` what it can be relied on to say by itself. A default is
what OpenAI's service does. Each flag is read by the code that branches on it, and a test pins either side.
"""

from dataclasses import dataclass

UPDATES = frozenset({"instructions", "style", "name", "tools", "turn_detection", "voice"})


@dataclass(frozen=True, slots=True)
class Capabilities:
    """One service, or one model of it, as far as a conversation has to know it."""

    input_rate_hz: int = 24_000
    output_rate_hz: int = 24_000
    supports_server_vad: bool = True
    supports_semantic_vad: bool = False
    supports_interruption: bool = True
    """On speech the service cancels its own answer, so that a client's cancel would only earn an error."""
    supports_cancel: bool = True
    """There is a command to cancel a running response (for a key press, or where the service does not itself)."""
    emits_cancelled: bool = True
    """A cancelled response is ended by `ResponseFinished`; else it is over when the command has been sent."""
    supports_truncation: bool = True
    """The service wants to know how much of an interrupted answer was heard, and can be relied on to heed it."""
    supports_images: bool = False
    image_bytes: int = 1_000_000
    """The largest picture worth sending, as a JPEG."""
    image_interval_s: float = 0.0
    """Pictures that follow each other faster are refused."""
    images_in_sound: bool = False
    """A picture is no item: it lies beside the sound, and belongs to what is committed next."""
    supports_tools: bool = True
    supports_language: bool = True
    """`SessionConfig.language` has a place of its own; else it belongs into the instructions."""
    supports_asides: bool = False
    """An answer can be asked for that is no part of the conversation (`CreateResponse.aside`)."""
    supports_style: bool = False
    """`SessionConfig.name` and `style` have places of their own; else they belong into the instructions."""
    context_chars: int = 0
    """How much of `SessionConfig.context` is used; 0: it has no place of its own and belongs into the instructions."""
    supports_deletion: bool = True
    """An item can be taken out of the conversation."""
    updates: frozenset[str] = UPDATES
    """The fields of `SessionConfig` that a running session takes by one more `Configure`, at this moment."""
    supports_restoring: bool = True
    """Earlier turns can be put back into a new session as items."""
    supports_call_items: bool = True
    """So can calls that were made in another session (`SendToolCall`); else they are told in words."""
    emits_session_finished: bool = False
    """`Finish` is answered by `SessionFinished`."""
    emits_session_created: bool = True
    """The service speaks first (`SessionCreated`); configure only then."""
    session_limit_s: float | None = None
    """How long a session may last, where the service says so."""
    keep_alive_s: float | None = None
    """A session in which nothing is sent for longer is ended: an empty append in between keeps it open."""
