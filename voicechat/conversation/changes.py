"""What the user changes while the conversation goes on: the voice, the instructions, how turns are taken.

What the service takes in a running session is told to that; the rest is done by a new session, which is told the
conversation so far. Either waits for its moment: an update for the end of the answer, a new session for a pause.
"""

from collections.abc import Callable
from dataclasses import replace

from voicechat.conversation.session import Session
from voicechat.conversation.typed import TypedLines
from voicechat.realtime.capabilities import Capabilities
from voicechat.realtime.commands import DeleteItem, SendText, SessionConfig, TurnDetection


class Changes:
    """Owned by a Talk. `detection`: how the service finds turns hands free, None where we do. `capabilities` are those
    of the moment; `renew` asks for a new session in the next pause.

    What was changed is called `voice`, `instructions`, `persona`, `turns` or `clear`.
    """

    def __init__(
        self,
        session: Session,
        lines: TypedLines,
        detection: TurnDetection | None,
        capabilities: Callable[[], Capabilities],
        renew: Callable[[], None],
    ):
        self._session = session
        self._lines = lines
        self._detection = detection
        self._capabilities = capabilities
        self._renew = renew
        self._wanted: SessionConfig | None = None
        self._new_session = self._renewing = False
        self._asked: list[str] = []  # what was changed, until it is done

    @property
    def config(self) -> SessionConfig:
        """What is asked for, the changes that wait included."""
        return self._wanted or self._session.opener.config

    def ask(self, what: str, **fields: object) -> None:
        """Change these fields of the configuration; `what` is said when it is done."""
        if self._wanted is None:
            self._lines.held += 1
        self._wanted = replace(self.config, **fields)  # type: ignore[arg-type]
        if what not in self._asked:
            self._asked.append(what)

    def begin_afresh(self) -> None:
        """Forget what was said: a new session begins with nothing."""
        self._session.interrupt()
        self._session.restorer.history.clear()
        self._session.pictures.forget()
        self._session.answers.last = ()
        self.ask("clear")
        self._new_session = True

    def take_turns(self, *, hands_free: bool) -> None:
        """Change to hands free, or to turns that the user begins and ends."""
        session, before, detection = self._session, self._session.mic.turn_taking, self._detection
        session.drop_turn()  # nor is the silence before the next one a part of it
        session.mic.turn_taking = replace(before, hands_free=hands_free, local_turns=hands_free and detection is None)
        self.ask("turns", turn_detection=detection if hands_free else None)

    def answer_again(self) -> bool:
        """The last turn is answered once more, as if it had not been. False when there is none."""
        session = self._session
        words = session.restorer.history.last_words()
        if not session.ready or session.recording or not (words or session.answers.last):
            return False
        session.interrupt()
        last, session.answers.last = session.answers.last, ()
        session.restorer.history.forget_answer(session.turn)
        if self._capabilities().supports_deletion and last:
            session.ask(*map(DeleteItem, last))
        elif words:
            session.ask(SendText(words, item_id=f"{session.turns.item()}-again"))
        else:
            session.ask()
        return True

    def tick(self) -> None:
        """Called a few times a second: what is asked for is done when its moment has come."""
        session = self._session
        if self._wanted is None or not session.ready or session.answers.running:
            return
        config, self._wanted = self._wanted, None
        new_session, self._new_session = self._new_session, False
        if not session.opener.change(config, None if new_session else self._capabilities().updates):
            self._renewing = True
            self._renew()
        else:
            self._lines.held -= 1

    def take_done(self) -> str:
        """A session was just configured: what that has changed (`voice instructions`); "" when nothing was asked."""
        if self._renewing and self._session.ready:
            self._renewing = False
            self._lines.held -= 1
        if self._wanted is not None:
            return ""  # that is still to come
        done, self._asked = self._asked, []
        return " ".join(done)
