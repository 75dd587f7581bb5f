"""The pictures that the user shows: sent when the service takes them, and again to the session after a drop."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from voicechat.conversation.notices import PictureNotice
from voicechat.errors import UsageError
from voicechat.realtime.capabilities import Capabilities
from voicechat.realtime.commands import AppendAudio, Command, CommitAudio, SendImage

AGAIN = 3
"""So many of the latest are shown to a new session, which knows none."""
MOST_WAITING = 20
SILENCE_S = 0.2
"""What a picture that nobody spoke over is committed with: services refuse less than a tenth of a second."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture as a JPEG, and what the user is told of it."""

    name: str
    jpeg: bytes
    width: int
    height: int

    def notice(self, turn: int) -> PictureNotice:
        return PictureNotice(turn, self.name, self.width, self.height, len(self.jpeg))


class Pictures:
    """Owned by a Session, which is `ready` whenever it calls anything but `add`, `again` and `forget`.

    Most services take a picture as an item of the conversation. Others (`images_in_sound`) put it beside the sound:
    it is a part of whatever is committed next, and lost with what is cleared before.
    """

    def __init__(self, capabilities: Capabilities, send: Callable[[Command], None], clock: Callable[[], float]):
        self._capabilities = capabilities
        self._send = send
        self._clock = clock
        self._count = 0
        self._waiting: deque[SendImage] = deque()
        self._beside: list[SendImage] = []  # sent beside the sound, and not committed
        self._latest: deque[SendImage] = deque(maxlen=AGAIN)
        self._free_at = float("-inf")

    def add(self, image: SendImage) -> None:
        """Show it as soon as the service takes it. Raises UsageError when too many wait already."""
        if len(self._waiting) >= MOST_WAITING:
            raise UsageError(f"{MOST_WAITING} pictures wait already: this one is left out.", "Ask about those first.")
        self._count += 1
        self._waiting.append(replace(image, item_id=f"picture-{self._count}"))

    def tick(self) -> None:
        """Called a few times a second: the next one, where the service's pace allows it."""
        if self._waiting and self._clock() >= self._free_at:
            self._show(self._waiting.popleft())

    def turn_ends(self) -> None:
        """The user's turn is about to be committed: what was shown belongs to it."""
        while self._waiting:
            self._show(self._waiting.popleft())

    def turn_typed(self) -> None:
        """The same of a typed turn, which commits nothing by itself."""
        self.turn_ends()
        if self._beside:
            self._send(AppendAudio(bytes(2 * int(SILENCE_S * self._capabilities.input_rate_hz))))
            self._send(CommitAudio(f"{self._beside[-1].item_id}-sound"))
            self.committed()

    def committed(self) -> None:
        self._beside.clear()

    def cleared(self) -> None:
        """The sound was dropped by `ClearAudio`, and with it what lay beside."""
        self._waiting.extendleft(reversed(self._beside))
        self._beside.clear()

    def again(self) -> None:
        """There is a new session, which has seen nothing."""
        self._beside.clear()
        self._waiting.extendleft(reversed(self._latest))
        self._free_at = float("-inf")
        if not self._capabilities.images_in_sound:
            self.turn_ends()

    def forget(self) -> None:
        """The conversation begins afresh."""
        self._waiting.clear()
        self._beside.clear()
        self._latest.clear()

    def _show(self, image: SendImage) -> None:
        if image not in self._latest:
            self._latest.append(image)
        if self._capabilities.images_in_sound:
            self._beside.append(image)
        self._free_at = self._clock() + self._capabilities.image_interval_s
        self._send(image)
