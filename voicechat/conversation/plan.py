"""What is settled about a conversation before it begins."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from voicechat.archive.past import Past
from voicechat.audio.engine import AudioPlan
from voicechat.conversation.pictures import Shown
from voicechat.conversation.recording import Keep
from voicechat.conversation.turn_taking import TurnTaking
from voicechat.conversation.workshop import ToolPlan
from voicechat.realtime.commands import SessionConfig, TurnDetection
from voicechat.realtime.price import Price
from voicechat.wire.retry import RetryPolicy


@dataclass(frozen=True, slots=True)
class TalkPlan:
    """What kind of conversation it is."""

    config: SessionConfig
    turn_taking: TurnTaking
    audio: AudioPlan
    opening: str = ""
    """A typed turn to begin with."""
    ends_when_settled: bool = False
    """Over after the opening has been answered."""
    turn_kind: str = "server"
    """Who finds the turns hands free: `server`, `semantic` or `local`."""
    assistant: str = ""
    """What the assistant is called; "" leaves that to its voice."""
    keep: Keep | None = None
    """Where it is kept, if at all."""
    past: Past | None = None
    """An earlier conversation that it goes on with."""
    price: Callable[[str], Awaitable[Price | None]] | None = None
    """Finds out what a model costs, "" being the one that is talked with; asked when the session is open. It raises
    nothing."""
    max_cost: float | None = None
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    detection: TurnDetection | None = None
    """How the service finds the turns; None where we do."""
    pictures: tuple[Shown, ...] = ()
    """To begin with."""
    tools: ToolPlan = field(default_factory=ToolPlan)
