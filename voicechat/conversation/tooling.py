"""Tools in a conversation: when results are spoken about, when silence is filled, and who is asked.

A tool never holds up the conversation. Its result is spoken about when nobody speaks; an answer that begins after the
result was handed over knows it, so that nothing more is asked for.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto

from voicechat.audio.chime import chime
from voicechat.conversation.answers import Answers
from voicechat.conversation.floor import Floor
from voicechat.conversation.history import History
from voicechat.conversation.notices import (
    AssistantTurn,
    Notice,
    State,
    ToolCallNotice,
    ToolNotice,
    UserTurn,
    WarningNotice,
)
from voicechat.conversation.requests import Requests
from voicechat.conversation.user_turns import UserTurns
from voicechat.realtime.capabilities import Capabilities
from voicechat.realtime.commands import Command, CreateResponse, SetTools, Tool
from voicechat.realtime.events import ResponseStarted, ToolCall
from voicechat.tools.calls import INTERRUPTED, WORDS_ONLY, Call, Calls, CallState, Confirm
from voicechat.tools.consent import verdict
from voicechat.tools.spec import Outcome
from voicechat.tools.toolbox import Toolbox

ASKING_S = 60.0
"""So long the user has to agree, then the answer is no."""
READING_S = 0.7
"""No key is an answer to what was asked a moment ago."""
FILLER = (
    "You are still waiting for the result of a tool. In one short sentence, in the language of the conversation, "
    "let the user know that you are still at it. Say nothing about what the result may be."
)
QUESTION = (
    "Before you may run the tool {name} with {arguments}, the user has to agree. In one short sentence, in the "
    "language of the conversation, ask whether you may do that. Say nothing else, and call nothing."
)


def _nothing(call: Call) -> None:
    """Nobody runs anything: there are no tools."""


@dataclass(frozen=True, slots=True)
class ToolKit:
    """The tools of a conversation, who runs them, and how freely."""

    toolbox: Toolbox = field(default_factory=Toolbox)
    start: Callable[[Call], None] = _nothing
    stop: Callable[[Call], None] = _nothing
    confirm: Confirm = "writes"
    interactive: bool = False
    """There is somebody who can be asked."""
    most_in_a_row: int = 8
    """So many calls may follow each other without a word of the model."""
    filler_after_ms: int = 0
    """After so much silence while a tool runs a few words fill it; 0: never."""


class Aim(Enum):
    """What an answer was asked for."""

    TURN = auto()
    RESULTS = auto()
    QUESTION = auto()
    FILLER = auto()


class Tooling:
    """Owned by a Session."""

    def __init__(
        self,
        kit: ToolKit,
        capabilities: Capabilities,
        answers: Answers,
        requests: Requests,
        floor: Floor,
        history: History,
        send: Callable[[Command], None],
        publish: Callable[[Notice], None],
        turns: UserTurns,
        clock: Callable[[], float],
    ):
        self.kit = kit
        self._capabilities = capabilities
        self._answers = answers
        self._requests = requests
        self._floor = floor
        self._history = history
        self._send = send
        self._publish = publish
        self._turn: Callable[[], int] = lambda: turns.number
        self._clock = clock
        self._aim = Aim.TURN  # of what was asked for last
        self._about_results: set[str] = set()
        """The responses that speak about results: what they call is nothing that the user has asked for."""
        self._question_in = ""
        """The response that asks the user."""
        self._over = False
        self._last_turn = 0
        self._asked_in_turn = 0
        self._untold = False
        """The toolbox has other tools than the session was told of."""
        self.calls = Calls(
            kit.toolbox,
            send,
            kit.start,
            kit.stop,
            self._changed,
            clock,
            capabilities,
            confirm=kit.confirm,
            interactive=kit.interactive,
            most_in_a_row=kit.most_in_a_row,
        )

    def declared(self) -> tuple[Tool, ...]:
        """What a session that begins now is told of."""
        self._untold = False
        return self.kit.toolbox.declared if self._capabilities.supports_tools else ()

    def tools_changed(self) -> None:
        """Tools came or went."""
        self._untold = True
        self._tell_tools()

    def _tell_tools(self) -> None:
        """Between answers: not every service takes it in the middle of one."""
        if self._untold and self.calls.connected and not self._answers.running and not self._requests.asked:
            self._untold = False
            self._send(SetTools(self.declared()))

    @property
    def busy(self) -> bool:
        """A tool runs, waits for the user's word, or its result has not been spoken about."""
        return bool(self.calls.open) or self.calls.owes

    @property
    def owed_state(self) -> State:
        """The floor, for a session to come: what a tool is at is not asked for anew, for it would be called again."""
        at_it = self._floor.state == "thinking" and self.calls.running_for(self._turn())
        return "idle" if at_it else self._floor.state

    def end(self) -> None:
        """The conversation ends: whatever runs is cancelled, and the model is told."""
        for call in self.calls.open:
            self.calls.cancel(call, "Cancelled: the conversation has ended.")
        self.calls.silence()
        self._over = True

    # -- what the service does ---------------------------------------------------------------------------------

    def called(self, event: ToolCall, turn: int) -> None:
        """Where its answer is over for the user, nobody wants what would follow. Who was to ask whether a call may be
        made, makes none: not every service can be told so, and one yes would be taken for two calls."""
        wanted = self._answers.called(event.response_id) and not self._over
        refusal = "" if wanted else INTERRUPTED
        if wanted and event.response_id == self._question_in:
            refusal = WORDS_ONLY
        if self._turn() != self._last_turn:  # a turn of the user begins to count anew
            self._last_turn = self._turn()
            self.calls.user_turn()
        self.calls.called(event, turn, refusal=refusal, chained=event.response_id in self._about_results)

    def aim_of(self, started: ResponseStarted) -> Aim | None:
        """What this answer was asked for: we ask for one at a time. The service may as well begin one by itself;
        None: out of band, and none of ours."""
        aim = self._aim if self._requests.asked else Aim.TURN
        return None if started.out_of_band and aim is not Aim.FILLER else aim

    def begin(self, response_id: str, turn: int, aim: Aim, asked_at: float | None) -> None:
        """An answer to `turn` begins. `asked_at`: when the user's turn was complete."""
        waited = aim is Aim.TURN or self.calls.awaited(turn)
        self._answers.begin(response_id, turn, asked_at if waited else None, aside=aim is Aim.FILLER)
        self._aim = Aim.TURN
        if aim is Aim.RESULTS:
            self._about_results = {response_id}
        elif aim is Aim.QUESTION:
            self._question_in = response_id
        if aim is not Aim.FILLER:
            self.calls.spoken()

    def heard(self, answer: AssistantTurn) -> None:
        """An answer is over for the user."""
        if answer.aside:
            return
        self._history.add(answer.turn, "assistant", answer.heard)
        if answer.interrupted:
            self.calls.silence(answer.turn)
        elif answer.heard:
            self.calls.spoke()

    def ended(self, call: Call, outcome: Outcome) -> None:
        """A worker has done with a call."""
        self.calls.ended(call, outcome)
        self.go_on()

    # -- what the user does ------------------------------------------------------------------------------------

    def user_said(self, turn: UserTurn) -> None:
        """Words of the user may be the answer to what is asked; those of anybody else never are."""
        self._history.add(turn.turn, "user", turn.text)
        yes = verdict(turn.text)
        if yes is not None and turn.turn > self._asked_in_turn:
            self.decide(yes)

    def decide(self, yes: bool) -> bool:
        """The user's word about the call that asks; False when none does."""
        call = self.calls.asking
        if call is None:
            return False
        if yes:
            self.calls.approve(call)
            if self._floor.state == "idle":
                self._floor.think()
        else:
            self.calls.cancel(call, "The user does not want this to be run.")
        self.go_on()
        return True

    @property
    def just_asked(self) -> bool:
        """Nobody can have read the question yet."""
        call = self.calls.asking
        return call is not None and call.asked_at is not None and self._clock() - call.asked_at < READING_S

    def cancel(self, call: Call) -> None:
        """The user does not want it to go on."""
        self.calls.cancel(call, "Cancelled by the user.")
        self.go_on()

    # -- what is to be asked for -------------------------------------------------------------------------------

    def go_on(self) -> None:
        """When nobody speaks, and no answer is to come that would know: have results spoken about, ask what to ask."""
        asking = self.calls.asking
        waits = self.calls.owes or (asking is not None and not asking.filled)
        if not (waits and self.calls.connected) or self._floor.state == "listening":
            return
        if self._answers.running or self._requests.coming:
            return
        if self.calls.owes:
            choice = "none" if self.calls.exhausted else ""
            self.calls.spoken()
            self._ask(CreateResponse(tool_choice=choice), Aim.RESULTS)
        elif asking is not None:
            asking.filled = True
            words = QUESTION.format(name=asking.name, arguments=asking.arguments[:500] or "{}")
            self._ask(CreateResponse(words, tool_choice="none"), Aim.QUESTION)

    def tick(self, silent_s: float) -> None:
        """A few times a second. `silent_s`: how long nobody has spoken since the floor was last given."""
        self._tell_tools()
        self.go_on()
        asking = self.calls.asking
        if asking is not None and asking.asked_at is not None and self._clock() - asking.asked_at > ASKING_S:
            self.calls.cancel(asking, "Not run: the user did not say yes.")
            self.go_on()
        if self.kit.filler_after_ms and silent_s * 1000 >= self.kit.filler_after_ms:
            self._fill()

    def _fill(self) -> None:
        """A few words into the silence, once per call: the model's own where they leave no trace, else a soft sound."""
        if self._floor.state != "thinking" or self._answers.pending or self._answers.audible or self._requests.coming:
            return
        calls = self.calls.unfilled(self._turn())
        for call in calls:
            call.filled = True
        if calls and self._capabilities.supports_asides and self.calls.connected:
            self._ask(CreateResponse(FILLER, tool_choice="none", aside=True), Aim.FILLER)
        elif calls:
            self._answers.sound(chime(self._capabilities.output_rate_hz))

    def _ask(self, create: CreateResponse, aim: Aim) -> None:
        self._floor.wait_anew()
        self._aim = aim
        self._requests.ask(create, any_will_do=aim is Aim.RESULTS)

    # -- inside ------------------------------------------------------------------------------------------------

    def _changed(self, call: Call) -> None:
        """A step of a call: what the views, and a session to come, have to know."""
        outcome = call.outcome
        if outcome is None:
            asking = call.state is CallState.ASKING
            if asking:
                self._asked_in_turn = self._turn()
            step = ToolCallNotice(call.turn, call.number, call.name, call.arguments, "asking" if asking else "running")
            self._publish(step)
            if asking:
                words = f"Run {call.shown}? Enter or yes runs it, Esc or no does not."
                self._publish(WarningNotice("consent", words))
        elif call.state is CallState.TOLD:
            self._history.add(call.turn, "tool", outcome.output, call.again)
        else:
            ms = round(self.calls.age_s(call) * 1000)
            ended = ToolNotice(call.turn, call.name, call.arguments, outcome.output, outcome.ok, call.number, ms)
            self._publish(ended)
