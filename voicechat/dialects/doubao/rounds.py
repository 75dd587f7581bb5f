"""Whose sound and text is this? The replies of a session, kept apart although the audio carries no id.

Audio belongs to the last sentence start (350) that was accepted. After an interruption (450) the floor is closed: what
then comes without an id is late, until the user's turn is over (459, 553) or we ask for something ourselves. What comes
with the id of a reply that is over, or of a question that a later one has replaced, is late at any time: the first
sentence to the old question may cross the interruption.

Our own interruption (515) shuts it: whatever begins then answers what is not wanted any more, under ids that may be
new to us, until the service is known to have come to something newer.
"""

from collections import deque
from dataclasses import dataclass

from voicechat.dialects.lifecycle import Inputs, Names, Responses
from voicechat.realtime import events as ev

REMEMBERED = 64
_MODERATION = "audit_content_risky"
"""What the service says in place of any answer that it must not give."""


@dataclass(slots=True)
class Reply:
    """One answer. `reply_id` is the service's id, "" where it gives none."""

    response_id: str
    reply_id: str = ""
    question_id: str = ""
    words: str = ""
    """What it says, where the service will not write that as text."""
    sounding: bool = False
    """Audio that comes now is its."""


class Rounds:
    """Each method returns the events of what happened."""

    def __init__(self, names: Names, inputs: Inputs) -> None:
        self.current: Reply | None = None
        self._names = names
        self._responses = Responses(names, inputs)
        self._floor = True
        self._shut = False  # by us, until something newer than what we cancelled
        self._speaking = False  # the user, by the service's word
        self._typed = 0  # questions that were sent and not confirmed yet
        self._given_up = 0  # how many of those, the oldest, were cancelled
        self._over: deque[str] = deque(maxlen=REMEMBERED)
        self._question = ""
        self._replaced: deque[str] = deque(maxlen=REMEMBERED)  # questions nobody waits for an answer to
        self._kind = ""  # of 350: the only one wanted, while our own text is to replace the model's
        self._words = ""

    @property
    def latest(self) -> str:
        """The response that began last."""
        return self._responses.latest or self._names.new("response")

    def ask(self, words: str = "", kind: str = "") -> None:
        """We ask for a reply: one with exactly these `words`, or only one whose sentences are of this `kind`."""
        self._floor, self._shut, self._words, self._kind = True, False, words, kind
        if kind and self.current is not None:
            self.current.sounding = False

    def ask_typed(self) -> None:
        """We ask a question in writing. After a cancel only its confirmation tells the old replies from the new."""
        self._typed += 1
        self._floor, self._words, self._kind = not self._shut, "", ""

    def confirmed(self, question_id: str) -> tuple[bool, list[ev.Event]]:
        """553: the oldest question we asked in writing was taken. False when it was cancelled meanwhile."""
        self._typed = max(self._typed - 1, 0)
        if self._given_up:
            self._given_up -= 1
            self._replaced.append(question_id)
            return False, []
        overtaken = self.current is not None and question_id and self.current.question_id == question_id
        if overtaken:  # its own reply has begun already
            self._question = question_id
            return True, []
        events = self.user_begins(question_id)
        self._shut = False
        return True, events

    def user_begins(self, question_id: str = "", *, speaks: bool = False) -> list[ev.Event]:
        """Whatever was on its way is late from now on. `speaks`: the user's turn goes on until `user_ended`."""
        events = self._end("cancelled")
        if self._question and self._question != question_id:
            self._replaced.append(self._question)
        self._question, self._speaking = question_id, speaks
        self._floor, self._words, self._kind = False, "", ""
        if speaks:
            self._shut = False
        return events

    def user_ended(self) -> bool:
        """The user's turn is complete: the next reply may come. False when that is one to a turn we have cancelled."""
        self._speaking = False
        self._floor = not self._shut
        return self._floor

    def committed(self) -> list[ev.Event]:
        """We have ended the user's turn: newer than what we cancelled, and than a reply whose end is missing."""
        self._shut = False
        self.user_ended()
        return self._end("incomplete")

    def cancelled(self) -> list[ev.Event]:
        """We told the service to be silent; it is not sure that it says anything about that."""
        events = self._end("cancelled")
        self._floor, self._words, self._kind = False, "", ""
        self._given_up = self._typed
        if not self._speaking:  # else the turn that runs is newer than what was cancelled
            self._shut = True
            self._replaced.append(self._question)
        return events

    def sentence(self, reply_id: str, question_id: str, kind: str, words: str = "") -> list[ev.Event]:
        """350: a sentence's audio follows. Its `words` are only told apart where no text will be written."""
        moderated = kind == _MODERATION
        unwanted = bool(self._kind) and not moderated and kind != self._kind
        if unwanted or self._late(reply_id, question_id):
            if self.current is not None and (reply_id != self.current.reply_id or self._kind):
                self.current.sounding = False
            return [ev.Ignored("late sentence")]
        self._kind = ""
        if moderated:
            self._words = ""  # something else is said
        events = self._enter(reply_id, question_id)
        assert self.current is not None
        self.current.sounding = True
        if moderated and words:
            self.current.words = words
            events.append(ev.AssistantText(self.current.response_id, self.current.response_id, 0, words))
        return events

    def text(self, reply_id: str, question_id: str, delta: str) -> list[ev.Event]:
        """550: a piece of the reply's text."""
        if self._kind or self._late(reply_id, question_id):
            return [ev.Ignored("late text")]
        events = self._enter(reply_id, question_id)
        assert self.current is not None
        if self.current.words or not delta:
            return events  # what we asked it to say was shown already
        return [*events, ev.AssistantText(self.current.response_id, self.current.response_id, 0, delta)]

    def ended(self, reply_id: str, status: ev.ResponseStatus = "completed") -> list[ev.Event]:
        """359: all audio of the reply was sent."""
        if self._kind or self.current is None or self._late(reply_id) or self._foreign(reply_id):
            return [ev.Ignored("late end")]
        return self._end(status)

    def failed(self, message: str, code: str) -> list[ev.Event]:
        """The reply that is running will not be finished; nothing when none is. What was to replace it may not come."""
        if self._kind:
            self._kind = self._words = ""
        self._typed = self._given_up = 0  # what was refused will not be confirmed
        return self._end("failed", message, code)

    def _late(self, reply_id: str, question_id: str = "") -> bool:
        if self._shut or (question_id and question_id in self._replaced):
            return True
        return reply_id in self._over if reply_id else not self._floor

    def _foreign(self, reply_id: str) -> bool:
        return bool(self.current and reply_id and self.current.reply_id and reply_id != self.current.reply_id)

    def _enter(self, reply_id: str, question_id: str) -> list[ev.Event]:
        """The reply of this id becomes the current one."""
        events: list[ev.Event] = []
        if self._foreign(reply_id):
            events = self._end("incomplete")
        if self.current is not None:
            if reply_id and not self.current.reply_id:
                self._responses.piece(reply_id)  # the same, which had no name
            self.current.reply_id = self.current.reply_id or reply_id
            self.current.question_id = self.current.question_id or question_id
            return events
        started = self._responses.started(reply_id)
        reply = self.current = Reply(self._responses.latest, reply_id, question_id, self._words)
        self._floor, self._speaking, self._words = True, False, ""
        events += started
        if reply.words:
            events.append(ev.AssistantText(reply.response_id, reply.response_id, 0, reply.words))
        return events

    def _end(self, status: ev.ResponseStatus, message: str = "", code: str = "") -> list[ev.Event]:
        reply, self.current = self.current, None
        if reply is None:
            return []
        self._over.append(reply.reply_id or reply.response_id)
        self._responses.finished(reply.reply_id)
        return [ev.ResponseFinished(reply.response_id, status, message=message, code=code)]
