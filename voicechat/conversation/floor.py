"""Whose turn it is to speak: `idle → listening → thinking → speaking`, and since when."""

from collections.abc import Callable

from voicechat.conversation.notices import Notice, State, StateNotice


class Floor:
    """Written by the session only; every change is published."""

    def __init__(self, publish: Callable[[Notice], None], clock: Callable[[], float]):
        self.state: State = "idle"
        self.since = clock()
        self.settled_at = self.since
        """Since when there is nothing to wait for; meaningful while the session is settled."""
        self._publish = publish
        self._clock = clock

    def listen(self) -> None:
        """The user speaks."""
        self._give("listening")

    def think(self) -> None:
        """The service is to answer."""
        self._give("thinking")

    def wait_anew(self) -> None:
        """The service is to answer from now on, whatever it did before."""
        self.since = self._clock()
        self._give("thinking")

    def speak(self) -> None:
        """The answer is heard."""
        self._give("speaking")

    def settle(self) -> None:
        """Nobody is expected to speak."""
        self.settled_at = self._clock()
        self._give("idle")

    def _give(self, state: State) -> None:
        if state != self.state:
            self.state, self.since = state, self._clock()
            self._publish(StateNotice(state))
