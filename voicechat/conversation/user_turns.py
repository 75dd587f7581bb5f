"""The user's turns: their numbers, which items and responses are of which, and their words, which may come late."""

from collections.abc import Callable

from voicechat.conversation.notices import Notice, UserPartial, UserTurn, WarningNotice

REMEMBERED = 200


class UserTurns:
    """`number` is the current turn; every spoken turn is published exactly once, whenever its words come."""

    def __init__(self, publish: Callable[[Notice], None]):
        self.number = 0
        self.begun = 0
        """How many turns were the user's: a greeting has a number too, and a turn that was none is not counted."""
        self._publish = publish
        self._items: dict[str, int] = {}
        self._responses: dict[str, int] = {}  # apart from the items: a service may well call both 1, 2, 3
        self._untold: set[int] = set()

    @property
    def untold(self) -> bool:
        """A turn has no words yet."""
        return bool(self._untold)

    def begin(self) -> None:
        """The user begins to speak."""
        self.number += 1
        self.begun += 1
        self._untold.add(self.number)

    def forget(self) -> None:
        """The current turn was none."""
        self._untold.discard(self.number)
        self.begun -= 1

    def typed(self, text: str) -> None:
        self.number += 1
        self.begun += 1
        self._publish(UserTurn(self.number, text, "text"))

    def item(self) -> str:
        """What we call the current turn's item, where it is we who end the turn."""
        name = f"turn-{self.number}"
        self.name(name)
        return name

    def name(self, item_id: str) -> None:
        """The current turn's item is called that, unless it is known as another's."""
        _keep(self._items, item_id, self.number)

    def of(self, item_id: str) -> int:
        """The turn of this item; of an unknown one: the current turn."""
        return self._items.get(item_id, self.number)

    def answer(self, response_id: str, item_id: str) -> int:
        """A response to this item begins; the turn that it answers."""
        turn = self.of(item_id)
        _keep(self._responses, response_id, turn)
        return turn

    def answered(self, response_id: str) -> int:
        """The turn that this response answers; an unknown one: the current turn."""
        return self._responses.get(response_id, self.number)

    def words(self, item_id: str, text: str, final: bool) -> None:
        """What was understood of an item; of an unknown one: of the current turn."""
        turn = self.of(item_id)
        if turn not in self._untold:
            return
        if final:
            self._untold.discard(turn)
            self._publish(UserTurn(turn, text.strip()))
        elif text:
            self._publish(UserPartial(turn, text))

    def failed(self, item_id: str, message: str) -> None:
        """The service did not understand an item."""
        self.words(item_id, "", True)
        self._publish(WarningNotice("transcription", f"Your words were not transcribed: {message}"))

    def close(self) -> None:
        """No more words will come."""
        for turn in sorted(self._untold):
            self._publish(UserTurn(turn, ""))
        self._untold.clear()


def _keep(turns: dict[str, int], name: str, turn: int) -> None:
    turns.setdefault(name, turn)
    while len(turns) > REMEMBERED:
        del turns[next(iter(turns))]
