"""What a service does by itself and what it expects of a client. The conversation asks these, never a name."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a service does by itself and what it expects of a client."""

    input_rate_hz: int = 24_000
    output_rate_hz: int = 24_000
    server_vad: bool = True
    semantic_vad: bool = False
    interrupts_by_itself: bool = True
    """On speech the service cancels its own answer, so that a client's cancel would only earn an error."""
    cancels: bool = True
    """There is a command to cancel a running response (for a key press, or where the service does not itself)."""
    acknowledges_cancel: bool = True
    """A cancelled response is ended by `ResponseFinished`; else it is over when the command has been sent."""
    truncates: bool = True
    """The service wants to know how much of an interrupted answer was heard."""
    text_turns: bool = True
    images: bool = False
    tools: bool = True
    style: bool = False
    """`SessionConfig.name` and `style` have places of their own; else they belong into the instructions."""
    context_chars: int = 0
    """How much of `SessionConfig.context` is used; 0: it has no place of its own and belongs into the instructions."""
    restores_items: bool = True
    """Earlier turns can be put back into a new session as items."""
    acknowledges_finish: bool = False
    """`Finish` is answered by `SessionFinished`."""
    waits_for_created: bool = True
    """The service speaks first (`SessionCreated`); configure only then."""
    session_limit_s: float | None = None
    uplink_silence: bool = True
    """The service's clock is the audio it receives: while muted, keep sending silence."""
