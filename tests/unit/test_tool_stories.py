"""Tools in stories made by chance: whatever comes in which order, a call is run once and answered once.

A service that behaves, a user who does not: speech, keys, drops and results at any moment, on a virtual clock.
"""

import random
from collections import Counter

import pytest

from tests.unit.stage import pcm
from tests.unit.tool_desk import Desk
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev
from voicechat.realtime.capabilities import Capabilities
from voicechat.tools.spec import Outcome

STEPS = 50


class Story(Desk):
    """`wrongs` has what no service may be sent: it is looked at as it is sent."""

    def __init__(self, seed: int):
        self.chance = random.Random(seed)
        self.wrongs: list[str] = []
        self.announced: set[str] = set()  # calls that the session of the moment knows
        self.answered: Counter[str] = Counter()
        self.wanted: list[cmd.CreateResponse] = []
        self.running = ""
        self.only_words = self.speaking = self.will_answer = False
        self.number = 0
        capabilities = Capabilities(
            supports_asides=self.chance.random() < 0.3, supports_call_items=self.chance.random() < 0.5
        )
        confirm = self.chance.choice(("never", "writes", "always"))
        super().__init__(capabilities, filler_after_ms=self.chance.choice((0, 2000)), confirm=confirm)
        self._pass = self.session._out
        self.session._out = self.look_at

    def look_at(self, command: cmd.Command) -> None:
        match command:
            case cmd.CreateResponse():
                if self.running or self.wanted:
                    self.wrongs.append("an answer is asked for while another one runs, or was asked for")
                if self.speaking or self.will_answer:
                    self.wrongs.append("an answer is asked for while the user speaks, or is about to be answered")
                self.wanted.append(command)
            case cmd.SendToolCall():
                self.announced.add(command.call_id)
            case cmd.ToolResult():
                self.answered[command.call_id] += 1
                if command.call_id not in self.announced:
                    self.wrongs.append(f"{command.call_id} is answered, which nobody knows")
            case _:
                pass
        self._pass(command)

    # what may happen

    def begins(self) -> None:
        if self.running or self.speaking or not (self.wanted or self.will_answer):
            return
        self.number += 1
        self.running = f"{self.number}"
        asked = self.wanted.pop() if self.wanted else None
        self.only_words = asked is not None and asked.tool_choice == "none"
        self.will_answer = self.will_answer and asked is not None
        self.tell(ev.ResponseStarted(self.running, out_of_band=asked is not None and asked.aside))

    def model_calls(self) -> None:
        if not self.running or self.only_words:
            return
        self.number += 1
        call = f"c{self.number}"
        self.announced.add(call)
        name = self.chance.choice(("look", "look", "send", "nothing"))
        arguments = '{"to": "Ann"}' if name == "send" else "{}"
        for _ in range(self.chance.choice((1, 1, 2))):
            self.tell(ev.ToolCall(self.running, f"i{call}", call, name, arguments))

    def model_speaks(self) -> None:
        if self.running:
            item = f"m{self.running}"
            sound = pcm(self.chance.choice((100, 1500)))
            self.tell(ev.AssistantText(self.running, item, 0, "word "), ev.AssistantAudio(self.running, item, 0, sound))

    def response_ends(self, status: ev.ResponseStatus = "completed") -> None:
        if self.running:
            ended, self.running = self.running, ""
            self.tell(ev.ResponseFinished(ended, status))

    def user_speaks(self) -> None:
        self.number += 1
        self.begins()  # what was asked for is under way
        self.speaking, self.will_answer = True, False
        self.tell(ev.SpeechStarted(f"u{self.number}"))
        self.response_ends("cancelled")

    def user_is_done(self) -> None:
        if self.speaking:
            self.speaking, self.will_answer = False, True
            item = f"u{self.number}"
            self.tell(ev.SpeechStopped(item), ev.InputCommitted(item))
            self.tell(ev.UserTranscript(item, self.chance.choice(("yes", "no", "what is new")), True))

    def tool_ends(self) -> None:
        running = [call for call in self.started if call.open and call not in self.stopped]
        if running:
            self.session.tooling.ended(self.chance.choice(running), Outcome("found"))

    def key_is_pressed(self) -> None:
        tooling = self.session.tooling
        self.chance.choice((
            self.session.interrupt,
            lambda: tooling.decide(yes=True),
            lambda: tooling.decide(yes=False),
            lambda: [tooling.cancel(call) for call in tooling.calls.open[:1]],
        ))()  # fmt: skip

    def line_drops(self) -> None:
        self.session.lost()
        self.running, self.will_answer = "", False
        self.wanted.clear()
        self.announced.clear()
        self.answered.clear()
        self.pass_ms(self.chance.choice((0, 500)))
        self.tell(ev.SessionCreated("again"), ev.SessionConfigured("Cherry"))
        if self.speaking:
            self.user_speaks()  # the same words, sent once more

    def time_passes(self) -> None:
        self.pass_ms(self.chance.choice((100, 300, 1000, 2500)), voiced=True if self.speaking else None)

    def run(self) -> None:
        happens = [self.model_calls] * 3 + [self.response_ends] * 2 + [self.tool_ends] * 2 + [self.begins] * 3
        happens += [self.user_speaks, self.user_is_done, self.model_speaks, self.time_passes, self.time_passes]
        happens += [self.key_is_pressed, self.line_drops] if self.chance.random() < 0.5 else [self.key_is_pressed]
        for _ in range(STEPS):
            self.chance.choice(happens)()
        for _ in range(3 * STEPS):  # whatever is open comes to its end
            if self.session.settled and not self.wanted and not self.will_answer and not self.running:
                break
            self.user_is_done()
            self.begins()
            self.model_speaks()
            self.response_ends()
            self.tool_ends()
            self.session.tooling.decide(yes=True)
            self.pass_ms(500)


@pytest.mark.parametrize("seed", range(40))
def test_whatever_comes_a_call_is_run_once_and_answered_once(seed: int) -> None:
    story = Story(seed)
    story.run()
    assert story.wrongs == []
    assert story.answered == dict.fromkeys(story.announced, 1)
    assert len({call.call_id for call in story.started}) == len(story.started)
    assert story.session.settled
