"""After a drop: what the new session is told, so that the conversation goes on where it stopped."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

from voicechat.audio.frames import Frame
from voicechat.conversation import commands as cmd
from voicechat.conversation.history import History
from voicechat.conversation.notices import Notice, State, WarningNotice
from voicechat.conversation.recent import RecentAudio
from voicechat.providers.base import Capabilities

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
    at: float
    owed: Owed
    turn_began_at: float


class Restorer:
    """Keeps history and the last seconds of sound; `pending` from a drop until the new session was told."""

    def __init__(
        self, capabilities: Capabilities, send: Callable[[cmd.Command], None], publish: Callable[[Notice], None]
    ):
        self.history = History()
        self.complete: bool | None = None
        """After a restore: whether everything that was said could be put back."""
        self._capabilities = capabilities
        self._send = send
        self._publish = publish
        self._recent = RecentAudio(capabilities.input_rate_hz)
        self._turn_began_at = 0.0
        self._voice_at = 0.0
        self._drop: _Drop | None = None

    @property
    def pending(self) -> bool:
        return self._drop is not None

    @property
    def owes_answer(self) -> bool:
        """The new session will be asked for an answer that nothing was heard of."""
        return self._drop is not None and self._drop.owed in (Owed.WORDS, Owed.SPEECH)

    def hear(self, frame: Frame) -> None:
        """Sound that is sent, or would be if the connection were up."""
        self._recent.add(frame.captured_at, frame.pcm)
        if frame.voiced:
            self._voice_at = frame.captured_at

    def turn_began(self, at: float) -> None:
        self._turn_began_at = at - ONSET_S

    def lost(self, at: float, state: State, turn: int, untold: bool) -> None:
        """The connection went, in this state. A second drop before the restore changes nothing."""
        if self._drop is not None:
            return
        owed = Owed.NOTHING
        if state == "listening":
            owed = Owed.LISTENING
        elif state == "thinking":
            owed = Owed.WORDS if self.history.has_user_words(turn) or not untold else Owed.SPEECH
        self._drop = _Drop(at, owed, self._turn_began_at)

    def ended_turn(self) -> None:
        """The user ended a manual turn while the connection was down."""
        if self._drop is not None:
            self._drop.owed = Owed.SPEECH

    def configuration(self, config: cmd.SessionConfig) -> cmd.SessionConfig:
        """What the new session is configured with: without a second greeting, and where items are not taken,
        with the conversation so far as a part of its instructions."""
        if self._drop is None:
            return config
        config = replace(config, greeting="")
        if self._capabilities.restores_items or not self.history.items():
            return config
        return replace(config, instructions=f"{config.instructions}\n\n{self.history.as_text()}".strip())

    def replay(self, hands_free: bool) -> Owed:
        """Put the conversation back as items, then the sound that is still owed; says what the user waits for."""
        drop, self._drop = self._drop, None
        if drop is None:
            return Owed.NOTHING
        items = self.history.items()
        if self._capabilities.restores_items:
            for role, text in items:
                self._send(cmd.SendText(text, role))
        self.complete = bool(items)
        since = drop.turn_began_at if drop.owed in (Owed.LISTENING, Owed.SPEECH) else drop.at
        speech = drop.owed in (Owed.LISTENING, Owed.SPEECH) or (hands_free and self._voice_at > drop.at)
        if speech:
            frames, missing_s = self._recent.since(since)
            for pcm in frames:
                self._send(cmd.AppendAudio(pcm))
            if missing_s:
                words = f"The first {missing_s:.0f} s of what you said were too long ago to be sent."
                self._publish(WarningNotice("stale", words))
        return drop.owed
