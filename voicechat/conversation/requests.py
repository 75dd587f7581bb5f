"""The answers we ask for ourselves: one at a time, because services refuse a second, and never one nobody wants."""

from collections.abc import Callable

from voicechat.conversation.answers import Answers
from voicechat.conversation.manner import ANSWER_TIMEOUT_S
from voicechat.realtime.capabilities import Capabilities
from voicechat.realtime.commands import CancelResponse, Command, CreateResponse

CANCEL_TIMEOUT_S = 2.0
"""How long a cancelled answer may take to end before the next one is asked for all the same."""


class Requests:
    """Owned by a Session. Services that answer by themselves announce answers nobody asked for: that is fine."""

    def __init__(
        self,
        answers: Answers,
        capabilities: Capabilities,
        send: Callable[[Command], None],
        clock: Callable[[], float],
    ):
        self._answers = answers
        self._send = send
        self._clock = clock
        self._ends_at_once = capabilities.supports_cancel and not capabilities.emits_cancelled
        self._next: CreateResponse | None = None
        self._last = CreateResponse()
        self._asked = 0  # asked for, not announced yet
        self._unwanted = 0  # how many of those are not wanted any more
        self._uninvited = False  # nor is the one by which the service is about to answer speech
        self._spoke_at: float | None = None  # when the user did; None once an answer was announced
        self._refused = False  # the service works on an answer that it has not announced
        self._limit_from: float | None = None  # since when the end of what nobody wants is waited for

    @property
    def waiting(self) -> bool:
        """An answer is to be asked for as soon as the service is free."""
        return self._next is not None

    def ask(self, create: CreateResponse) -> bool:
        """Ask now, or later when an answer is running or on its way. True when it was asked for now."""
        if self._answers.running or self._asked or self._uninvited or self._refused:
            self._next = create
            return False
        self._next = self._limit_from = None
        self._asked, self._last = 1, create
        self._send(create)
        return True

    def ask_later(self) -> None:
        """Ask when the running answer is over."""
        self._next = CreateResponse()

    def free(self) -> None:
        """An answer has ended: what waits may be asked for."""
        self._refused = False
        self._lift_limit()
        if self._next is not None:
            self.ask(self._next)

    def announced(self, response_id: str) -> bool:
        """An answer was announced; False when it is one that is not wanted any more, which is refused."""
        self._spoke_at, self._refused = None, False
        if self._uninvited:
            self._uninvited = False
        else:
            self._asked = max(self._asked - 1, 0)
            if not self._unwanted:
                self._limit_from = None  # of an older one: this one is wanted
                return True
            self._unwanted -= 1
        self._answers.refuse(response_id)
        self._limit_from = self._clock()
        self._lift_limit()
        return False

    def refused(self) -> None:
        """The service said that one is running already: ask again when that is over."""
        self._asked = max(self._asked - 1, 0)
        self._next, self._refused = self._last, True

    def cancel_running(self) -> None:
        self._limit_from = self._clock()
        self._answers.cancel()
        self._lift_limit()

    def withdraw(self, coming: bool) -> None:
        """Nothing that was asked for is wanted any more. `coming`: the service may be about to answer by itself."""
        self._next = None
        coming = coming and not (self._asked or self._answers.running)
        if self._ends_at_once:
            # It may never say a word of what it is told to drop: nothing would be there to count as the unwanted one.
            if self._asked or (coming and self._spoke_at is not None):
                self._send(CancelResponse())
            self._asked = 0
            return
        self._unwanted = self._asked
        self._uninvited = self._uninvited or coming
        if self._unwanted or coming:
            self._limit_from = self._clock()

    def user_speaks(self) -> None:
        """What the service answers from now on is another turn."""
        self._uninvited, self._spoke_at = False, self._clock()
        self._lift_limit()

    def reset(self) -> None:
        """Nothing that was asked for will come."""
        self._next, self._asked, self._unwanted = None, 0, 0
        self._uninvited = self._refused = False
        self._limit_from = self._spoke_at = None

    def tick(self) -> None:
        """What waits is asked for when nothing is in its way, or when what is should have ended long ago."""
        create = self._next
        if create is None:
            return
        if self._limit_from is not None and self._clock() - self._limit_from > CANCEL_TIMEOUT_S:
            self.reset()  # a service that never ends what was cancelled does not hold up the next answer
            self._answers.forget_running()
        spoken = self._spoke_at is not None and self._clock() - self._spoke_at < ANSWER_TIMEOUT_S
        if not spoken:  # else not into the user's words: their answer ends, and then it is asked for
            self.ask(create)

    def _lift_limit(self) -> None:
        """The limit is over with the last thing that it is for."""
        if not (self._answers.running or self._unwanted or self._uninvited):
            self._limit_from = None
