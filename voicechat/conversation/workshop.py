"""The tools of a conversation from outside: what runs them, and what the user may ask of them and answer about them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from voicechat.conversation.session import Session
from voicechat.conversation.tooling import ToolKit
from voicechat.tools.calls import Call, CallState, Confirm
from voicechat.tools.consent import verdict
from voicechat.tools.mcp import McpServers
from voicechat.tools.mcp_config import McpServer
from voicechat.tools.runner import Runner
from voicechat.tools.spec import MAX_CHARS, TIMEOUT_S, Outcome
from voicechat.tools.toolbox import Toolbox


@dataclass(frozen=True, slots=True)
class ToolPlan:
    """Which tools a conversation has, and how freely they are run."""

    toolbox: Toolbox = field(default_factory=Toolbox)
    complaints: tuple[str, ...] = ()
    """A line about each tool that could not be loaded."""
    confirm: Confirm = "writes"
    interactive: bool = False
    """There is somebody who can be asked."""
    timeout_s: float = TIMEOUT_S
    max_chars: int = MAX_CHARS
    most_in_a_row: int = 8
    filler_after_ms: int = 2000
    """After so much silence while a tool runs a few words fill it; 0: never."""
    servers: tuple[McpServer, ...] = ()


class Workshop:
    """Owned by a Talk. Everything here returns at once, but `started` and `close`."""

    def __init__(self, plan: ToolPlan, session: Callable[[], Session], warn: Callable[[str, str], None]):
        self._plan = plan
        self._session = session
        self._warn = warn
        self._runner = Runner(self._done, timeout_s=plan.timeout_s, max_chars=plan.max_chars)
        self._servers: McpServers | None = None
        if plan.servers:
            self._servers = McpServers(plan.servers, plan.toolbox, self._changed, partial(warn, "mcp"))
        self.kit = ToolKit(
            plan.toolbox,
            self._runner.start,
            self._runner.stop,
            plan.confirm,
            plan.interactive,
            plan.most_in_a_row,
            plan.filler_after_ms,
        )

    def start(self) -> None:
        """What is told and started once the session is up."""
        for complaint in self._plan.complaints:
            self._warn("tools", complaint)
        if self._servers is not None:
            self._servers.start()

    async def started(self) -> None:
        """Until every server of tools is there, or was given up."""
        if self._servers is not None:
            await self._servers.started()

    async def close(self) -> None:
        await self._runner.close()
        if self._servers is not None:
            await self._servers.close()

    # -- what a slash command, a key or a line asks for: each gives the words to show --------------------------

    def tools(self) -> str:
        """`/tools`: what the model may call."""
        if not len(self._plan.toolbox):
            return "There are no tools: --tools FILE.py gives some."
        lines = []
        for spec in self._plan.toolbox:
            first = spec.description.splitlines()[0] if spec.description else ""
            lines.append(f"{spec.name} ({spec.origin}{', reads only' if spec.read_only else ''}): {first}")
        return "\n".join(lines)

    def tasks(self) -> str:
        """`/tasks`: what runs, or waits for the user's word."""
        calls = self._session().tooling.calls
        lines = []
        for call in calls.open:
            age_s = calls.age_s(call)
            waits = ", waits for your yes" if call.state is CallState.ASKING else ""
            lines.append(f"{call.number}  {call.shown}  {age_s:.0f} s{waits}")
        return "\n".join(lines) or "Nothing runs."

    def cancel(self, number: int | None = None) -> str:
        """`/cancel N`: end a call; without a number the newest."""
        calls = self._session().tooling.calls
        call = next((each for each in reversed(calls.open) if number in (None, each.number)), None)
        if call is None:
            return f"No call {number} runs." if number is not None else "Nothing runs."
        self._session().tooling.cancel(call)
        return f"{call.name} was cancelled."

    @property
    def question(self) -> str:
        """What the user is being asked about; "" when nothing is."""
        call = self._session().tooling.calls.asking
        return "" if call is None else f"Run {call.shown}?"

    def takes(self, line: str) -> bool:
        """A line is the answer to `question`: Enter alone is a yes, and so are the words for it."""
        if not line.strip() and self._session().tooling.just_asked:
            return True  # it was on its way to another purpose: it interrupts, otherwise
        yes = verdict(line) if line.strip() else True
        return bool(self.question) and yes is not None and self.answer(yes)

    def answer(self, yes: bool) -> bool:
        """The user's word about `question`; False when there was none."""
        return self._session().tooling.decide(yes)

    # -- inside ------------------------------------------------------------------------------------------------

    def _changed(self) -> None:
        self._session().tooling.tools_changed()

    def _done(self, call: Call, outcome: Outcome) -> None:
        self._session().tooling.ended(call, outcome)
