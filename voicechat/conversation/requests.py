"""The answers we ask for ourselves: one at a time, because services refuse a second, and never one nobody wants."""

from collections.abc import Callable

from voicechat.conversation.answers import Answers
from voicechat.conversation.commands import Command, CreateResponse

CANCEL_TIMEOUT_S = 2.0
"""How long a cancelled answer may take to end before the next one is asked for all the same."""


class Requests:
    """Owned by a Session. Services that answer by themselves announce answers nobody asked for: that is fine."""

    def __init__(self, answers: Answers, send: Callable[[Command], None], clock: Callable[[], float]):
        self._answers = answers
        self._send = send
        self._clock = clock
        self._next: CreateResponse | None = None
        self._last = CreateResponse()
        self._asked = 0  # asked for, not announced yet
        self._unwanted = 0  # how many of those are not wanted any more
        self._uninvited = False  # nor is the one by which the service is about to answer speech
        self._cancelled_at = 0.0

    @property
    def waiting(self) -> bool:
        """An answer is to be asked for as soon as the service is free."""
        return self._next is not None

    def ask(self, create: CreateResponse) -> bool:
        """Ask now, or later when an answer is running or on its way. True when it was asked for now."""
        if self._answers.running or self._asked or self._uninvited:
            self._next = create
            return False
        self._next = None
        self._asked, self._last = 1, create
        self._send(create)
        return True

    def ask_later(self) -> None:
        """Ask when the running answer is over."""
        self._next = CreateResponse()

    def free(self) -> None:
        """An answer has ended: what waits may be asked for."""
        if self._next is not None:
            self.ask(self._next)

    def announced(self, response_id: str) -> bool:
        """An answer was announced; False when it is one that is not wanted any more, which is refused."""
        if self._uninvited:
            self._uninvited = False
        else:
            self._asked = max(self._asked - 1, 0)
            if not self._unwanted:
                return True
            self._unwanted -= 1
        self._answers.refuse(response_id)
        self._cancelled_at = self._clock()
        return False

    def refused(self) -> None:
        """The service said that one is running already: ask again when that is over."""
        self._asked = max(self._asked - 1, 0)
        self._next = self._last

    def cancel_running(self) -> None:
        self._cancelled_at = self._clock()
        self._answers.cancel()

    def withdraw(self, coming: bool) -> None:
        """Nothing that was asked for is wanted any more. `coming`: the service may be about to answer by itself."""
        self._next = None
        self._unwanted = self._asked
        if coming and not (self._asked or self._answers.running):
            self._uninvited, self._cancelled_at = True, self._clock()

    def user_speaks(self) -> None:
        """What the service answers from now on is another turn."""
        self._uninvited = False

    def reset(self) -> None:
        """Nothing that was asked for will come."""
        self._next, self._asked, self._unwanted, self._uninvited = None, 0, 0, False

    def tick(self) -> None:
        """A service that never ends what was cancelled does not hold up the next answer."""
        stuck = self._next is not None and (self._answers.running or self._unwanted or self._uninvited)
        if stuck and self._clock() - self._cancelled_at > CANCEL_TIMEOUT_S:
            create = self._next
            self.reset()
            self._answers.forget_running()
            if create is not None:
                self.ask(create)
