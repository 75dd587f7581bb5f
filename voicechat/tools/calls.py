"""The calls of a conversation: what each waits for, and what the service is told. Without I/O, thread or clock.

A round is the calls of one response. Its results are handed over as they come, each once. When all are there and the
response has ended, the model is to speak about them, unless the user has silenced it or it has spoken since.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Literal

from voicechat.realtime.capabilities import Capabilities
from voicechat.realtime.commands import Command, SendText, SendToolCall, ToolResult
from voicechat.realtime.events import ToolCall
from voicechat.tools.spec import BadArguments, Outcome, ToolSpec, Work
from voicechat.tools.toolbox import Toolbox

MOST_AT_ONCE = 16
"""More calls than this do not run side by side."""
SHOWN_CHARS = 200
"""Of the arguments, where people read them: enough to know what they agree to."""
LIMIT = "No more tools can be called before you have spoken: tell the user what you found, or what is missing."
INTERRUPTED = "Not run: the user interrupted."
WORDS_ONLY = "Not run: the user has not agreed to the call before, and was to be asked with nothing but words."

Confirm = Literal["never", "writes", "always"]


class CallState(Enum):
    """
    =======  ===================================  =====================================================
    state    what it means                        goes on
    =======  ===================================  =====================================================
    ASKING   the user has to agree                RUNNING (yes), ENDED (no, cancelled, or asked too long)
    RUNNING  a worker has it                      ENDED
    ENDED    its outcome is known                 TOLD, as soon as there is a session
    TOLD     the service has been told            –
    =======  ===================================  =====================================================
    """

    ASKING = auto()
    RUNNING = auto()
    ENDED = auto()
    TOLD = auto()


class RoundState(Enum):
    """
    =======  =======================================================  ========================================
    state    what it means                                            goes on
    =======  =======================================================  ========================================
    WANTED   its results are to be spoken about                       SPOKEN, SILENT (the user has silenced it)
    SPOKEN   an answer has been asked for, or has begun, since        –
    SILENT   its turn is past: results are handed over without word   –
    =======  =======================================================  ========================================
    """

    WANTED = auto()
    SPOKEN = auto()
    SILENT = auto()


@dataclass(slots=True, eq=False)
class Call:
    """One call. `number` is for people, and unique in the conversation; times are seconds of its clock."""

    number: int
    call_id: str
    name: str
    arguments: str
    turn: int
    began_at: float
    spec: ToolSpec | None = None
    work: Work | None = None
    state: CallState = CallState.RUNNING
    outcome: Outcome | None = None
    filled: bool = False
    """The silence while it runs has been filled once."""
    asked_at: float | None = None
    """Since when the user is being asked."""
    elsewhere: bool = False
    """The session that made it is gone: another one has to be told of the call before its result."""

    @property
    def shown(self) -> str:
        """On one line, as one would write it in Python."""
        try:
            given = arguments_of(self.arguments)
            inside = ", ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in given.items())
        except BadArguments:
            inside = self.arguments
        return f"{self.name}({inside if len(inside) <= SHOWN_CHARS else inside[: SHOWN_CHARS - 1] + '…'})"

    @property
    def again(self) -> SendToolCall:
        """How another session is told of it."""
        return SendToolCall(f"call-{self.number}", self.name, self.arguments)

    @property
    def open(self) -> bool:
        return self.state in (CallState.ASKING, CallState.RUNNING)


@dataclass(slots=True, eq=False)
class Round:
    response_id: str
    turn: int
    chained: bool = False
    """The response spoke about results, nobody had asked it for more."""
    calls: list[Call] = field(default_factory=list)
    state: RoundState = RoundState.WANTED
    running: bool = True
    """The response has not ended."""

    @property
    def complete(self) -> bool:
        return not self.running and all(call.state is CallState.TOLD for call in self.calls)


class Calls:
    """Written by the session alone. `start` and `stop` reach whoever runs the work, `changed` hears of every step."""

    def __init__(
        self,
        toolbox: Toolbox,
        send: Callable[[Command], None],
        start: Callable[[Call], None],
        stop: Callable[[Call], None],
        changed: Callable[[Call], None],
        clock: Callable[[], float],
        capabilities: Capabilities,
        *,
        confirm: Confirm = "never",
        interactive: bool = False,
        most_in_a_row: int = 8,
    ):
        self.toolbox = toolbox
        self.connected = False
        self._send = send
        self._start = start
        self._stop = stop
        self._changed = changed
        self._clock = clock
        self._capabilities = capabilities
        self._confirm = confirm
        self._interactive = interactive
        self._most_in_a_row = most_in_a_row
        self._rounds: list[Round] = []  # those that are not over
        self._seen: set[str] = set()
        self._count = 0
        self._in_a_row = 0  # calls since the model has spoken

    # -- what others ask ---------------------------------------------------------------------------------------

    @property
    def open(self) -> list[Call]:
        """What runs, or waits for the user's word, oldest first."""
        return [call for call in self._calls() if call.open]

    @property
    def asking(self) -> Call | None:
        """What the user is being asked about."""
        return next((call for call in self._calls() if call.state is CallState.ASKING), None)

    @property
    def owes(self) -> bool:
        """Results are there that the model has not spoken about."""
        return any(each.complete and each.state is RoundState.WANTED for each in self._rounds)

    def age_s(self, call: Call) -> float:
        return self._clock() - call.began_at

    def awaited(self, turn: int) -> bool:
        """The user waits for an answer to this turn, and a tool is at it. (What asks waits for the user.)"""
        rounds = (each for each in self._rounds if each.turn == turn and each.state is RoundState.WANTED)
        return any(not any(call.state is CallState.ASKING for call in each.calls) for each in rounds)

    @property
    def exhausted(self) -> bool:
        """The model has called so many tools in a row that it has to speak now."""
        return self._in_a_row >= self._most_in_a_row

    def unfilled(self, turn: int) -> list[Call]:
        """What runs for this turn, so that its answer has to wait, and nothing was said about that."""
        rounds = (each for each in self._rounds if each.turn == turn and each.state is RoundState.WANTED)
        return [call for each in rounds for call in each.calls if call.state is CallState.RUNNING and not call.filled]

    def running_for(self, turn: int) -> bool:
        """The answer to this turn waits for a call."""
        rounds = (each for each in self._rounds if each.turn == turn and each.state is RoundState.WANTED)
        return any(call.open for each in rounds for call in each.calls)

    # -- what the service does ---------------------------------------------------------------------------------

    def called(self, event: ToolCall, turn: int, *, refusal: str = "", chained: bool = False) -> None:
        """The model wants a tool run. `refusal`: why it is not, in a response whose calls nobody waits for."""
        if event.call_id in self._seen:
            return
        self._seen.add(event.call_id)
        self._count += 1
        call = Call(self._count, event.call_id, event.name, event.arguments, turn, self._clock())
        each = self._round(event.response_id, turn, chained)
        if refusal:
            each.state = RoundState.SILENT
        each.calls.append(call)
        self._in_a_row += 1
        outcome = Outcome(refusal, ok=False) if refusal else self._prepare(call, each)
        if outcome is not None:
            self.ended(call, outcome)

    def response_ended(self, response_id: str) -> None:
        for each in self._rounds:
            if each.response_id == response_id:
                each.running = False
        self._forget()

    def spoke(self) -> None:
        """The model is heard."""
        self._in_a_row = 0

    # -- what the workers and the user do ----------------------------------------------------------------------

    def ended(self, call: Call, outcome: Outcome) -> None:
        """The outcome of a call is known. A second one (it was cancelled meanwhile) counts for nothing."""
        if not call.open:
            return
        call.state, call.outcome = CallState.ENDED, outcome
        self._changed(call)
        self._hand_over(call)
        self._forget()

    def approve(self, call: Call) -> None:
        if call.state is CallState.ASKING:
            self._run(call)

    def cancel(self, call: Call, why: str) -> None:
        """It is not to be run, or not on; the model is told."""
        if call.state is CallState.RUNNING:
            self._stop(call)
        self.ended(call, Outcome(why, ok=False))

    def silence(self, turn: int | None = None) -> None:
        """The user wants to hear no more of what this turn asked for; None: of all of them. What runs goes on."""
        for each in self._rounds:
            if each.state is RoundState.WANTED and turn in (None, each.turn):
                each.state = RoundState.SILENT
        self._forget()

    def user_turn(self) -> None:
        self._in_a_row = 0

    def spoken(self) -> None:
        """An answer is asked for, or begins: it knows every result that has been handed over."""
        for each in self._rounds:
            if each.complete and each.state is RoundState.WANTED:
                each.state = RoundState.SPOKEN
        self._forget()

    # -- the connection ----------------------------------------------------------------------------------------

    def lost(self) -> None:
        """The session is gone: its responses will not end, and its calls mean nothing to the next one."""
        self.connected = False
        for each in self._rounds:
            each.running = False
            for call in each.calls:
                call.elsewhere = call.elsewhere or call.state is not CallState.TOLD

    def restored(self) -> None:
        """A session is there that knows what was said."""
        self.connected = True
        for call in [call for call in self._calls() if call.state is CallState.ENDED]:
            self._hand_over(call)
        self._forget()

    # -- inside ------------------------------------------------------------------------------------------------

    def _calls(self) -> Iterator[Call]:
        return (call for each in self._rounds for call in each.calls)

    def _round(self, response_id: str, turn: int, chained: bool) -> Round:
        for each in self._rounds:
            if each.response_id == response_id:
                return each
        self._rounds.append(Round(response_id, turn, chained))
        return self._rounds[-1]

    def _prepare(self, call: Call, each: Round) -> Outcome | None:
        """Begin, or ask; else why not."""
        call.spec = self.toolbox.find(call.name)
        if call.spec is None:
            return Outcome(f"There is no tool called {call.name}.", ok=False)
        if self._in_a_row > self._most_in_a_row:
            if self._in_a_row > 2 * self._most_in_a_row:  # it does not heed that
                each.state = RoundState.SILENT
            return Outcome(LIMIT, ok=False)
        if len(self.open) > MOST_AT_ONCE:  # with this one
            return Outcome(f"{MOST_AT_ONCE} calls run already: wait for their results.", ok=False)
        try:
            call.work = call.spec.prepare(arguments_of(call.arguments))
        except BadArguments as error:
            return Outcome(str(error), ok=False)
        if self._must_ask(call.spec, each.chained):
            if not self._interactive:
                why = "needs the user's consent, and there is nobody to ask here (--confirm-tools never allows it)"
                return Outcome(f"Not run: {call.name} {why}.", ok=False)
            call.state, call.asked_at = CallState.ASKING, self._clock()
            self._changed(call)
        else:
            self._run(call)
        return None

    def _must_ask(self, spec: ToolSpec, chained: bool) -> bool:
        if self._confirm == "writes":
            return chained or not spec.read_only
        return self._confirm == "always"

    def _run(self, call: Call) -> None:
        call.state = CallState.RUNNING
        self._changed(call)
        self._start(call)

    def _hand_over(self, call: Call) -> None:
        if not self.connected or call.outcome is None:
            return
        if call.elsewhere:
            for command in told_again(call.again, call.outcome.output, self._capabilities):
                self._send(command)
        else:
            self._send(ToolResult(call.call_id, call.outcome.output))
        call.state = CallState.TOLD
        self._changed(call)

    def _forget(self) -> None:
        """What needs nothing more."""
        self._rounds = [each for each in self._rounds if not each.complete or each.state is RoundState.WANTED]


def told_again(call: SendToolCall, output: str, capabilities: Capabilities) -> list[Command]:
    """A call and its result, for a session that has not made it."""
    if capabilities.supports_call_items and capabilities.supports_tools:
        return [call, ToolResult(call.call_id, output)]
    return [SendText(f"(The tool {call.name} was called with {call.arguments or '{}'} and returned: {output})")]


def arguments_of(text: str) -> dict[str, Any]:
    """What the model wrote, read leniently: nothing at all is an empty object. Raises BadArguments."""
    try:
        value = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError) as error:
        raise BadArguments(f"The arguments are no JSON: {error}") from error
    if not isinstance(value, dict):
        raise BadArguments("The arguments are no JSON object.")
    return value
