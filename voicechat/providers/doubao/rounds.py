"""Whose sound and text is this? The replies of a session, kept apart although the audio carries no id.

Audio belongs to the last sentence start (350) that was accepted. After an interruption (450, or our own 515) the
floor is closed: what then comes without an id is late, until the user's turn is over (459, 553) or we ask for
something ourselves. What comes with the id of a reply that is over, or of a question that a later one has replaced,
is late at any time: the first sentence to the old question may cross the interruption.
"""

from collections import deque
from dataclasses import dataclass

from voicechat.conversation import events as ev

REMEMBERED = 64
_MODERATION = "audit_content_risky"
"""What the service says in place of any answer that it must not give."""


@dataclass(slots=True)
class Reply:
    """One answer. `reply_id` is the service's id, "" where it gives none."""

    response_id: str
    reply_id: str = ""
    words: str = ""
    """What it was asked to say, where the service will not write it."""
    sounding: bool = False
    """Audio that comes now is its."""


class Rounds:
    """Each method returns the events of what happened."""

    def __init__(self) -> None:
        self.current: Reply | None = None
        self._floor = True
        self._over: deque[str] = deque(maxlen=REMEMBERED)
        self._named: deque[str] = deque(maxlen=REMEMBERED)
        self._question = ""
        self._replaced: deque[str] = deque(maxlen=REMEMBERED)  # questions nobody waits for an answer to
        self._count = 0
        self._kind = ""  # of 350: the only one wanted, while our own text is to replace the model's
        self._words = ""

    def ask(self, words: str = "", kind: str = "") -> None:
        """We ask for a reply: one with exactly these `words`, or only one whose sentences are of this `kind`."""
        self._floor, self._words, self._kind = True, words, kind
        if kind and self.current is not None:
            self.current.sounding = False

    def user_begins(self, question_id: str = "") -> list[ev.Event]:
        """The user speaks: whatever was on its way is late from now on."""
        events = self._end("cancelled")
        if self._question and self._question != question_id:
            self._replaced.append(self._question)
        self._question = question_id
        self._floor, self._words, self._kind = False, "", ""
        return events

    def user_ended(self) -> None:
        """The user's turn is complete: the next reply may come."""
        self._floor = True

    def cancelled(self) -> None:
        """We told the service to be silent; it is not sure that it says anything about that."""
        self._end("cancelled")
        self._floor, self._words, self._kind = False, "", ""

    def sentence(self, reply_id: str, question_id: str, kind: str) -> list[ev.Event]:
        """350: a sentence's audio follows."""
        unwanted = bool(self._kind) and kind not in (self._kind, _MODERATION)
        if unwanted or self._late(reply_id) or question_id in self._replaced:
            if self.current is not None and (reply_id != self.current.reply_id or self._kind):
                self.current.sounding = False
            return [ev.Ignored("late sentence")]
        self._kind = ""
        events = self._enter(reply_id)
        assert self.current is not None
        self.current.sounding = True
        return events

    def text(self, reply_id: str, question_id: str, delta: str) -> list[ev.Event]:
        """550: a piece of the reply's text."""
        if self._kind or self._late(reply_id) or question_id in self._replaced:
            return [ev.Ignored("late text")]
        events = self._enter(reply_id)
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
        return self._end("failed", message, code)

    def named(self, response_id: str) -> bool:
        """Whether the service itself calls a reply that."""
        return response_id in self._named

    def _late(self, reply_id: str) -> bool:
        return reply_id in self._over if reply_id else not self._floor

    def _foreign(self, reply_id: str) -> bool:
        return bool(self.current and reply_id and self.current.reply_id and reply_id != self.current.reply_id)

    def _enter(self, reply_id: str) -> list[ev.Event]:
        """The reply of this id becomes the current one."""
        events: list[ev.Event] = []
        if self._foreign(reply_id):
            events = self._end("incomplete")
        if self.current is not None:
            self.current.reply_id = self.current.reply_id or reply_id
            return events
        self._count += 1
        if reply_id:
            self._named.append(reply_id)
        reply = self.current = Reply(reply_id or f"reply-{self._count}", reply_id, self._words)
        self._floor, self._words = True, ""
        events.append(ev.ResponseStarted(reply.response_id))
        if reply.words:
            events.append(ev.AssistantText(reply.response_id, reply.response_id, 0, reply.words))
        return events

    def _end(self, status: ev.ResponseStatus, message: str = "", code: str = "") -> list[ev.Event]:
        reply, self.current = self.current, None
        if reply is None:
            return []
        self._over.append(reply.reply_id or reply.response_id)
        return [ev.ResponseFinished(reply.response_id, status, message=message, code=code)]
