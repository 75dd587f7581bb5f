"""The answers we ask for ourselves: one at a time, because services refuse a second, and never one nobody wants."""

from collections.abc import Callable
from enum import Enum, auto

from voicechat.conversation.answers import Answers
from voicechat.conversation.turn_taking import ANSWER_TIMEOUT_S
from voicechat.realtime.capabilities import Capabilities
from voicechat.realtime.commands import CancelResponse, Command, CreateResponse

CANCEL_TIMEOUT_S = 2.0
"""How long a cancelled answer may take to end before the next one is asked for all the same."""


class Expected(Enum):
    """What is to be announced next. An answer that runs is another matter: `Answers` knows of it."""

    FREE = auto()
    ASKED = auto()
    WITHDRAWN = auto()
    UNINVITED = auto()
    BUSY = auto()


class Requests:
    """Owned by a Session. Services that answer by themselves announce answers nobody asked for: that is fine.

    =========  ============================================  =======  ===============  ==============  ===============
    expected   what it means                                 `ask`    `announced`      `withdraw`      ends otherwise
    =========  ============================================  =======  ===============  ==============  ===============
    FREE       nothing of ours is on its way                 ASKED    wanted           UNINVITED (*)   late refusal:
                                                                                                       BUSY
    ASKED      we asked, and nothing was announced           waits    wanted, FREE     WITHDRAWN       failed: FREE,
                                                                                                       refused: BUSY
    WITHDRAWN  the same, and nobody wants it any more        waits    unwanted, FREE   –               as ASKED
    UNINVITED  the service is about to answer speech that    waits    unwanted, FREE   –               the user speaks:
               nobody wants answered                                                                   FREE
    BUSY       the service works on one, it says, that it    waits    wanted, FREE     UNINVITED (*),  an end: FREE
               has not announced                                                       else FREE
    =========  ============================================  =======  ===============  ==============  ===============

    (*) when it may be about to answer by itself, and no answer runs. An unwanted answer is told to stop.

    What `waits` is asked for in FREE when no answer runs and the user's words are answered, at `give_up_at` all the
    same: the service never ended, or never announced, what nobody wants.
    """

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
        self._expected = Expected.FREE
        self._waiting: CreateResponse | None = None
        self._last: CreateResponse | None = None  # what may still be refused: not withdrawn, and nothing ended since
        self._any_will_do = False  # of `_last`
        self._give_up_at: float | None = None
        self._spoke_at: float | None = None  # when the user did; None once an answer was announced

    @property
    def asked(self) -> bool:
        """An answer was asked for, is wanted, and has not been announced."""
        return self._expected is Expected.ASKED

    @property
    def waiting(self) -> bool:
        """An answer is to be asked for as soon as the service is free."""
        return self._waiting is not None

    @property
    def coming(self) -> bool:
        """The service is about to answer what the user said, by itself or because we asked."""
        return self._spoken or self.waiting or self._expected is not Expected.FREE

    @property
    def _spoken(self) -> bool:
        """The user speaks, or has spoken, and that was not answered yet."""
        return self._spoke_at is not None and self._clock() - self._spoke_at < ANSWER_TIMEOUT_S

    def ask(self, create: CreateResponse, *, any_will_do: bool = False) -> bool:
        """Ask now, or later when an answer is running or on its way. True when it was asked for now.

        `any_will_do`: an answer that the service gives by itself meanwhile is as good.
        """
        if self._answers.running or self._expected is not Expected.FREE:
            self._waiting = create
            return False
        self._waiting = self._give_up_at = None
        self._expected, self._last, self._any_will_do = Expected.ASKED, create, any_will_do
        self._send(create)
        return True

    def free(self, *, ran: bool) -> None:
        """An answer has ended, and `ran` until now: what waits may be asked for."""
        if self._expected is Expected.BUSY:
            self._expected = Expected.FREE
        elif not ran:
            return  # it was over for us already
        self._lift_limit()
        self._last = None
        if self._waiting is not None and not self._spoken:
            self.ask(self._waiting)

    def announced(self, response_id: str) -> bool:
        """An answer was announced; False when it is one that is not wanted any more, which is refused."""
        if self._any_will_do and self._expected is Expected.ASKED:
            self._last = None  # a refusal that comes now is no reason to ask again
        unwanted = self._expected in (Expected.WITHDRAWN, Expected.UNINVITED)
        self._expected, self._spoke_at, self._give_up_at = Expected.FREE, None, None
        if unwanted:
            self._give_up_at = self._clock() + CANCEL_TIMEOUT_S
            self._answers.refuse(response_id)
            self._lift_limit()
        return not unwanted

    def refused(self) -> None:
        """The service said that one is running already: ask again when that is over."""
        if self._last is None and self._expected is not Expected.WITHDRAWN:
            return  # said twice, or of what was withdrawn: nothing of ours is to be asked for again
        self._waiting = self._waiting or self._last
        self._expected = Expected.BUSY

    def failed(self) -> None:
        """The service complained: what we asked for will not come, if we did and nothing was announced."""
        if self._expected in (Expected.ASKED, Expected.WITHDRAWN):
            self._expected = Expected.FREE
            self.free(ran=True)

    def cancel_running(self) -> None:
        self._give_up_at = self._clock() + CANCEL_TIMEOUT_S
        self._answers.cancel()
        self._lift_limit()

    def withdraw(self, coming: bool) -> None:
        """Nothing that was asked for is wanted any more. `coming`: the service may be about to answer by itself."""
        self._waiting = self._last = None
        asked = self._expected in (Expected.ASKED, Expected.WITHDRAWN)
        coming = coming and not (asked or self._answers.running)
        if self._ends_at_once:
            # It may never say a word of what it is told to drop: nothing would be there to count as the unwanted one.
            if asked or (coming and self._spoke_at is not None):
                self._send(CancelResponse())
            self._expected = Expected.FREE
        elif asked or coming:
            self._expected = Expected.WITHDRAWN if asked else Expected.UNINVITED
            self._give_up_at = self._clock() + CANCEL_TIMEOUT_S
        elif self._expected is Expected.BUSY:
            self._expected = Expected.FREE  # what is asked for next may be taken

    def user_speaks(self) -> None:
        """What the service answers from now on is another turn."""
        if self._expected is Expected.UNINVITED:
            self._expected = Expected.FREE
        self._spoke_at = self._clock()
        self._lift_limit()

    def reset(self) -> None:
        """Nothing that was asked for will come."""
        self._expected, self._waiting, self._last = Expected.FREE, None, None
        self._give_up_at = self._spoke_at = None

    def tick(self) -> bool:
        """What waits is asked for when nothing is in its way, or when what is should have ended long ago.

        True when it was.
        """
        create = self._waiting
        if create is None:
            return False
        if self._give_up_at is not None and self._clock() > self._give_up_at:
            self.reset()  # a service that never ends what was cancelled does not hold up the next answer
            self._answers.forget_running()
        # Not into the user's words: their answer ends, and then it is asked for.
        return not self._spoken and self.ask(create)

    def _lift_limit(self) -> None:
        """The limit is over with the last thing that it is for."""
        if not (self._answers.running or self._expected in (Expected.WITHDRAWN, Expected.UNINVITED)):
            self._give_up_at = None
