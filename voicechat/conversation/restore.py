"""After a drop: what the new session is told, so that the conversation goes on where it stopped."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from voicechat.archive.past import Spoken
from voicechat.audio.frames import Frame
from voicechat.conversation.history import History, Item, Role, as_text
from voicechat.conversation.notices import Notice, State, WarningNotice
from voicechat.conversation.recent import RecentAudio
from voicechat.realtime import commands as cmd
from voicechat.realtime.capabilities import Capabilities
from voicechat.tools.calls import told_again

ONSET_S = 0.5
"""A turn is known to have begun only some time after its first sound."""


class Owed(Enum):
    """What the user was waiting for when the connection went."""

    NOTHING = "the floor was open"
    LISTENING = "the user was speaking"
    SPEECH = "an answer to speech that is known by its sound only"
    WORDS = "an answer to words that are known"


@dataclass(slots=True)
class _Drop:
    owed: Owed
    at: float
    since: float
    """Sound captured after this is for the new session."""


class Restorer:
    """Keeps history and the last seconds of sound; `pending` from a drop until the new session was told.

    `being_heard` gives the words of answers that are still being played and therefore not part of history yet.
    """

    def __init__(
        self,
        capabilities: Capabilities,
        send: Callable[[cmd.Command], None],
        publish: Callable[[Notice], None],
        being_heard: Callable[[], list[str]],
    ):
        self.history = History()
        self.complete: bool | None = None
        """After a restore: whether everything that was said could be put back."""
        self._capabilities = capabilities
        self._send = send
        self._publish = publish
        self._being_heard = being_heard
        self._recent = RecentAudio(capabilities.input_rate_hz)
        """Marked: from where on sound was sent again that the new session has not taken for a turn yet."""
        self._turn_began_at = 0.0
        self._drop: _Drop | None = None

    @property
    def pending(self) -> bool:
        return self._drop is not None

    @property
    def owes_answer(self) -> bool:
        """The new session will be asked for an answer that nothing was heard of."""
        return self._drop is not None and self._drop.owed in (Owed.WORDS, Owed.SPEECH)

    def resume(self, said: Sequence[Spoken]) -> None:
        """Before the first session: it goes on with an earlier conversation, as if that had been cut off."""
        for number, (role, text, called) in enumerate(said):
            call = None
            if called is not None:
                call = cmd.SendToolCall(f"earlier-{number + 1}", called.name, called.arguments)
            self.history.add(number - len(said), role, text, call)
        if said:
            self._drop = _Drop(Owed.NOTHING, math.inf, math.inf)

    def hear(self, frame: Frame) -> None:
        """Sound that is sent, or would be if the connection were up."""
        self._recent.add(frame)

    def turn_began(self, at: float) -> None:
        """The user has begun to speak; while the connection is down, only the user knows."""
        began_at = at - ONSET_S
        if self._recent.marked is not None:
            began_at = min(began_at, self._recent.marked)
        self._turn_began_at = began_at
        self._recent.mark(None)
        if self._drop is not None:
            self._drop.owed, self._drop.since = Owed.LISTENING, began_at

    def ended_turn(self) -> None:
        """The user ended a manual turn while the connection was down."""
        if self._drop is not None:
            self._drop.owed = Owed.SPEECH

    def give_up(self) -> None:
        """What the user was waiting for is not wanted any more."""
        if self._drop is not None:
            self._drop.owed, self._drop.since = Owed.NOTHING, self._drop.at

    def lost(self, at: float, state: State, turn: int, untold: bool, floor_open_at: float) -> None:
        """The connection went, in this state. A second drop before the restore changes nothing.

        `floor_open_at`: in the state idle, since when nobody was expected to speak and the service said nothing. A
        voice after that may have been lost with a line that was dead before anybody noticed.
        """
        if self._drop is not None:
            return
        owed, since = Owed.NOTHING, at
        if state == "listening":
            owed, since = Owed.LISTENING, self._turn_began_at
        elif state == "thinking" and (self.history.knows_question(turn) or not (untold or self.history.items())):
            owed = Owed.WORDS  # before anything was said the greeting is what is owed
        elif state == "thinking":
            owed, since = Owed.SPEECH, self._turn_began_at
        elif state == "idle" and self._recent.marked is not None:
            since = self._recent.marked
        elif state == "idle" and (voice_at := self._recent.voice_since(floor_open_at)) is not None:
            since = voice_at - ONSET_S
        self._drop = _Drop(owed, at, since)

    def configuration(self, config: cmd.SessionConfig) -> cmd.SessionConfig:
        """What the new session is configured with: without a second greeting, and where items are not taken,
        with the conversation so far as a part of its instructions."""
        if self._drop is None:
            return config
        config = replace(config, greeting="")
        items = self._items()
        if self._capabilities.supports_restoring or not items:
            return config
        return replace(config, instructions=f"{config.instructions}\n\n{as_text(items)}".strip())

    def replay(self, hands_free: bool, pass_on: Callable[[Frame], None]) -> Owed:
        """Put the conversation back as items, then the sound that is still owed; says what the user waits for."""
        drop, self._drop = self._drop, None
        if drop is None:
            return Owed.NOTHING
        if self._capabilities.supports_restoring:
            for item in self.history.entries():
                self._put_back(item)
            for text in self._being_heard():
                self._send(cmd.SendText(text, "assistant"))
        self.complete = self.history.whole
        owes_sound = drop.owed in (Owed.LISTENING, Owed.SPEECH)
        if owes_sound or (hands_free and self._recent.voice_since(drop.since) is not None):
            self._recent.mark(None if owes_sound else drop.since)
            frames, missing_s = self._recent.since(drop.since)
            for frame in frames:
                pass_on(frame)
            if missing_s:
                words = f"The first {missing_s:.0f} s of what you said were too long ago to be sent."
                self._publish(WarningNotice("stale", words))
        return drop.owed

    def _put_back(self, item: Item) -> None:
        if item.call is not None:
            for command in told_again(item.call, item.text, self._capabilities):
                self._send(command)
        else:
            self._send(cmd.SendText(item.text, "assistant" if item.role == "assistant" else "user"))

    def _items(self) -> list[tuple[Role, str]]:
        """What was said, with what is being heard at this moment."""
        now: list[tuple[Role, str]] = [("assistant", text) for text in self._being_heard()]
        return [*self.history.items(), *now]
