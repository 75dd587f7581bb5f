"""What the user types, one line after the other: turns, bare Enters, and commands in their place among them."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from voicechat.conversation.session import Session

WAITING_LINES = 1000


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    command: Callable[[], None] | None


class TypedLines:
    """Owned by a Talk. Lines wait until the session can take them. `warn(code, message)` tells what is left out."""

    def __init__(self, session: Session, warn: Callable[[str, str], None]):
        self.opened = False
        """The first session is there, and so is the sound."""
        self.held = 0
        """So many things are under way that the next line may be about: a picture, another voice."""
        self._session = session
        self._warn = warn
        self._waiting: deque[_Line] = deque()  # bounded where it is filled: none is dropped without a word

    def __len__(self) -> int:
        return len(self._waiting)

    def submit(self, line: str, *, patient: bool = False, command: Callable[[], None] | None = None) -> None:
        """Text is a typed turn, an empty line begins and ends turns, or interrupts; `command`: it is this instead.

        Before the session is ready every turn waits; a `patient` line, from a pipe, also until the answer to the
        one before it is over.
        """
        if not self._must_wait(line.strip(), patient, command is not None):
            self._do(_Line(line.strip(), command))
        elif len(self._waiting) < WAITING_LINES:
            self._waiting.append(_Line(line.strip(), command))
        else:
            self._warn("lines", f"{WAITING_LINES} lines wait already: {line.strip()[:40]!r} is left out.")

    def hold(self, down: bool) -> None:
        """The key that is held while one talks went down, or up. Nothing hands free."""
        session = self._session
        if not self.opened or session.mic.turn_taking.hands_free or down == session.recording:
            return
        if down:
            session.begin_turn()
        else:
            session.end_turn("hold the space bar while you speak")

    def _must_wait(self, text: str, patient: bool, command: bool) -> bool:
        if patient and text and (self._waiting or not self._takes_line):
            return True
        if command:
            return False
        if not text:
            return bool(self._waiting) or not (self._session.ready or self.opened)  # Enter needs no connection
        return bool(self._waiting or self.held) or not self._session.ready

    def _do(self, line: _Line) -> None:
        session = self._session
        if line.command is not None:
            line.command()
        elif line.text:
            session.say(line.text)
        elif session.mic.turn_taking.hands_free:
            session.interrupt()
        elif session.recording:
            session.end_turn()
        else:
            session.begin_turn()

    def take(self) -> None:
        """Called a few times a second. Lines that waited: each when the turn before it is over."""
        while self._waiting and self._takes_line:
            self._do(self._waiting.popleft())

    @property
    def _takes_line(self) -> bool:
        """Nothing is going on but, perhaps, a spoken turn that only another line can end."""
        session = self._session
        return not self.held and (session.settled or (session.ready and session.recording))
