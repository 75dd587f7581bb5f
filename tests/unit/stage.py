"""A session on a virtual clock: a speaker that plays ten milliseconds per step, and a record of all it says."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from voicechat.archive.past import Spoken
from voicechat.audio.frames import Frame
from voicechat.audio.playback import PlaybackQueue
from voicechat.audio.player import PlaybackDrained, PlaybackStarted
from voicechat.conversation import notices as note
from voicechat.conversation.session import Session
from voicechat.conversation.tooling import ToolKit
from voicechat.conversation.turn_taking import TurnTaking
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev
from voicechat.realtime.capabilities import Capabilities

RATE = 24_000
T = TypeVar("T")


def pcm(ms: float) -> bytes:
    return b"\x10\x00" * int(RATE * ms / 1000)


class Stage:
    def __init__(
        self,
        capabilities: Capabilities | None = None,
        turn_taking: TurnTaking | None = None,
        past: Sequence[Spoken] = (),
        tools: ToolKit | None = None,
        **config: object,
    ):
        self.now = 100.0
        self.sent: list[cmd.Command] = []
        self.notices: list[note.Notice] = []
        self.speaker = PlaybackQueue(RATE)
        self.played_ms = 0
        self._sounding = False
        self.session = Session(
            capabilities or Capabilities(),
            cmd.SessionConfig(**config),  # type: ignore[arg-type]
            turn_taking or TurnTaking(),
            self.speaker,
            self.sent.append,
            self.notices.append,
            self.clock,
            past,
            tools,
        )

    def clock(self) -> float:
        return self.now

    def open(self) -> "Stage":
        self.tell(ev.SessionCreated("sess"), ev.SessionConfigured("Cherry"))
        self.sent.clear()
        self.notices.clear()
        return self

    def tell(self, *events: ev.Event) -> None:
        for event in events:
            self.session.handle(event)

    def captured(self, voiced: bool) -> bytes:
        """Ten milliseconds of the microphone."""
        return pcm(10)

    def pass_ms(self, ms: int, voiced: bool | None = None, *, speech: bool | None = None) -> None:
        """Let time pass: the speaker plays, the microphone captures when `voiced` is not None, the session ticks.

        The detector's two verdicts agree unless `speech` says otherwise.
        """
        for _ in range(0, ms, 10):
            block = self.speaker.next_block(0)
            if block is not None:
                self._sounding = True
                self.played_ms += 10
                if block.starts is not None:
                    self.session.played(PlaybackStarted(block.starts, self.now))
            elif self._sounding and not self.speaker.busy:
                self._sounding = False
                self.session.played(PlaybackDrained(self.now, 0.0))
            self.now += 0.01
            if voiced is not None:
                sure = voiced if speech is None else speech
                self.session.hear(
                    Frame(self.captured(voiced), voiced, -30.0 if voiced else -70.0, self.now, speech=sure)
                )
            if round(self.now * 100) % 10 == 0:
                self.session.tick()

    def speak(self, turn: int, text: str = "one two three four", ms: float = 1000, finish: bool = True) -> None:
        """A whole answer, faster than real time, as services send it."""
        response, item = f"resp{turn}", f"item{turn}"
        self.tell(
            ev.ResponseStarted(response),
            ev.AssistantText(response, item, 0, text),
            ev.AssistantAudio(response, item, 0, pcm(ms)),
        )
        if finish:
            self.tell(ev.AssistantAudioDone(response, item), ev.ResponseFinished(response, "completed"))

    def of(self, kind: Callable[..., T]) -> list[T]:
        """The commands sent, or notices published, of one class."""
        everything: list[object] = [*self.sent, *self.notices]
        return [thing for thing in everything if isinstance(thing, kind)]  # type: ignore[arg-type]

    def states(self) -> list[str]:
        return [notice.state for notice in self.of(note.StateNotice)]


def user_turn(stage: Stage, item: str = "u1", text: str = "hello") -> None:
    stage.tell(
        ev.SpeechStarted(item), ev.SpeechStopped(item), ev.InputCommitted(item), ev.UserTranscript(item, text, True)
    )
