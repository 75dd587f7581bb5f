"""How long a conversation waits: for the next piece of an answer, for an answer, for the end of the user's speech."""

from collections.abc import Callable

from voicechat.conversation.answers import Answers
from voicechat.conversation.floor import Floor
from voicechat.conversation.notices import Notice, WarningNotice
from voicechat.conversation.turn_taking import ANSWER_TIMEOUT_S


class Patience:
    """Owned by a Session, which acts on what is over. A user who is told of it knows that nothing more will come."""

    def __init__(self, answers: Answers, floor: Floor, publish: Callable[[Notice], None], clock: Callable[[], float]):
        self._answers = answers
        self._floor = floor
        self._publish = publish
        self._clock = clock
        self.heard_at = clock()
        """When the service said something."""

    def heard(self) -> None:
        """The service says something."""
        self.heard_at = self._clock()

    def stalled(self) -> bool:
        """The answer that runs will not go on, which the user is told."""
        waits = self._answers.running and not self._answers.audible
        if not waits or self._clock() - self.heard_at <= ANSWER_TIMEOUT_S:
            return False
        self._publish(WarningNotice("stalled", f"The answer stopped {ANSWER_TIMEOUT_S:.0f} s ago."))
        return True

    def unended(self, silent_s: float) -> bool:
        """The end of the user's speech got lost, or there was none. `silent_s`: since when nothing is heard."""
        return self._floor.state == "listening" and silent_s > ANSWER_TIMEOUT_S

    def unanswered(self, *, excused: bool) -> bool:
        """No answer will come, which the user is told. `excused`: something else is done for it first."""
        waits = self._floor.state == "thinking" and not self._answers.pending and not excused
        if not waits or self._clock() - self._floor.since <= ANSWER_TIMEOUT_S:
            return False
        self._publish(WarningNotice("no_answer", f"No answer came within {ANSWER_TIMEOUT_S:.0f} s."))
        return True
