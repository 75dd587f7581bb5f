"""A session on a virtual clock, with tools that end when the test says so."""

from typing import Any

from tests.unit.stage import Stage
from voicechat.conversation.tooling import ToolKit
from voicechat.conversation.turn_taking import TurnTaking
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev
from voicechat.realtime.capabilities import Capabilities
from voicechat.tools.calls import Call
from voicechat.tools.schema import tool_of
from voicechat.tools.spec import Outcome, tool
from voicechat.tools.toolbox import Toolbox


@tool(read_only=True)
def look(what: str = "") -> str:
    """Look."""
    return what


def send(to: str) -> str:
    """Send."""
    return to


class Desk(Stage):
    """A stage with tools that end when the test says so."""

    def __init__(self, capabilities: Capabilities | None = None, turns: TurnTaking | None = None, **rules: Any):
        self.started: list[Call] = []
        self.stopped: list[Call] = []
        toolbox = Toolbox([tool_of(look, "test"), tool_of(send, "test")])
        kit = ToolKit(toolbox, self.started.append, self.stopped.append, **{"interactive": True, **rules})
        super().__init__(capabilities, turns, tools=kit, **({} if turns is None else {"turn_detection": None}))
        self.open()

    def user(self, number: int = 1, words: str = "what is new") -> None:
        item = f"u{number}"
        self.tell(ev.SpeechStarted(item), ev.SpeechStopped(item), ev.InputCommitted(item))
        self.tell(ev.UserTranscript(item, words, True))

    def calls(self, response: str, *names: str, done: bool = True, arguments: str = "{}") -> None:
        """The model calls these tools in one response."""
        self.tell(ev.ResponseStarted(response))
        for index, name in enumerate(names):
            self.tell(ev.ToolCall(response, f"{response}-i{index}", f"{response}-c{index}", name, arguments))
        if done:
            self.tell(ev.ResponseFinished(response, "completed"))

    def ends(self, index: int, output: str = "found", ok: bool = True) -> None:
        self.session.tooling.ended(self.started[index], Outcome(output, ok))

    @property
    def results(self) -> list[tuple[str, str]]:
        return [(each.call_id, each.output) for each in self.of(cmd.ToolResult)]

    @property
    def asked(self) -> int:
        return len(self.of(cmd.CreateResponse))

    def reconnect(self) -> None:
        self.session.lost()
        self.sent.clear()
        self.tell(ev.SessionCreated("again"), ev.SessionConfigured("Cherry"))
