"""A session and the scripted service in one process, on a clock of their own: a minute of talk takes a moment.

What goes between them is what would go over the socket; the loudspeaker and the microphone are those of a Stage.
"""

import asyncio
import json
import selectors
from collections import Counter
from collections.abc import Coroutine, Sequence
from typing import Any

from tests.doubao_server.script import Faults as DoubaoFaults
from tests.doubao_server.session import Dialogue
from tests.doubao_server.wire import audio_frame, error_frame, event_frame, read
from tests.realtime_server import Faults, Script
from tests.realtime_server.dialects import Ga
from tests.realtime_server.script import buzz
from tests.realtime_server.session import Json
from tests.realtime_server.session import Session as Service
from tests.unit.stage import Stage
from voicechat.conversation import notices as note
from voicechat.conversation.changes import Changes
from voicechat.conversation.turn_taking import TurnTaking
from voicechat.conversation.typed import TypedLines
from voicechat.dialects.doubao.codec import DoubaoCodec
from voicechat.dialects.doubao.session_shape import DialogueProfile
from voicechat.dialects.openai.client import RealtimeCodec
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev
from voicechat.realtime.codec import Codec, Parcel, WireFrame
from voicechat.realtime.scope import ScopedCodec

VOICE = buzz(1.0)
STEP_S = 0.01
PATIENCE_S = 60.0


class _Instantly(selectors.DefaultSelector):
    """Waits by moving the clock."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "everybody waits for somebody else"
            self.now += max(timeout, 0.0)
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._instantly = _Instantly()
        super().__init__(self._instantly)

    def time(self) -> float:
        return self._instantly.now


def play(scene: Coroutine[Any, Any, None]) -> None:
    """Run it on a loop where nobody waits."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        runner.run(scene)


class _Link:
    """One connection, as the service sees it."""

    def __init__(self, room: "ScriptedRoom", number: int):
        self.room, self.number, self.faults, self.open = room, number, Faults(), True

    @property
    def script(self) -> Script:
        return self.room.script

    async def send(self, event: Json) -> None:
        if self.open:
            self.room.hear_of(json.dumps(event))

    async def close(self, code: int, reason: str = "") -> None:
        self.open = False

    def next_turn(self) -> int:
        self.room.turns += 1
        return self.room.turns - 1

    def next_response(self) -> int:
        self.room.responses += 1
        return self.room.responses - 1


class ScriptedRoom(Stage):
    """`async with` it: then a session runs. `by_service`: the service finds the turns, else the user ends them."""

    def __init__(self, script: Any, *, by_service: bool = False):
        detection = cmd.TurnDetection() if by_service else None
        taking, self.capabilities = TurnTaking(hands_free=by_service), self.codec().capabilities
        source = "microphone" if by_service else "push_to_talk"
        super().__init__(self.capabilities, taking, turn_detection=detection, source=source)
        self.script: Any = script
        self.turns = self.responses = self.broken = 0
        self.changes = Changes(
            self.session,
            TypedLines(self.session, lambda code, words: None),
            detection,
            lambda: self.capabilities,
            lambda: None,
        )
        self._connections = self._encoded = self._voiced_at = 0

    def codec(self) -> Codec:
        return RealtimeCodec()

    async def answer(self) -> None:
        """A new connection was made: the service says what it says, and listens."""
        self.link = _Link(self, self._connections)
        service = Service(self.link, Ga("gpt-realtime", None))
        self.take, self.close = service.handle, service.end
        await service.open()

    def read(self, frame: WireFrame) -> Any:
        """A client's frame as the service takes it."""
        return json.loads(frame)

    async def __aenter__(self) -> "ScriptedRoom":
        await self._connect()
        await self.pass_until(lambda: self.session.ready)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._disconnect()

    async def _connect(self) -> None:
        self._connections += 1
        self._codec = ScopedCodec(self.codec(), self._connections)
        self._frames: asyncio.Queue[WireFrame] = asyncio.Queue()
        self._encoded = len(self.sent)
        await self.answer()
        self._send(self._codec.replies())
        self._serving = asyncio.create_task(self._serve(self._frames))

    async def _serve(self, frames: "asyncio.Queue[WireFrame]") -> None:
        while True:
            await self.take(self.read(await frames.get()))

    async def _disconnect(self) -> None:
        self.link.open = False
        self._serving.cancel()
        await asyncio.gather(self._serving, return_exceptions=True)
        await self.close()

    def _send(self, frames: Sequence[Parcel]) -> None:
        for frame in frames:
            assert isinstance(frame, str | bytes)
            self._frames.put_nowait(frame)

    async def drop(self) -> None:
        """The connection goes, and the next one is there."""
        await self._disconnect()
        self.session.lost()
        await self._connect()
        await self.pass_until(lambda: self.session.ready)

    def hear_of(self, frame: WireFrame) -> None:
        """What comes from the service."""
        for told in self._codec.decode(frame):
            self.broken += isinstance(told, ev.Ignored) and told.broken
            self.session.handle(told)
        self._send(self._codec.replies())

    def captured(self, voiced: bool) -> bytes:
        size = self.capabilities.input_rate_hz // 100 * 2
        if not voiced:
            return bytes(size)
        self._voiced_at = (self._voiced_at + size) % (len(VOICE) - size)
        return VOICE[self._voiced_at :][:size]

    async def pass_s(self, seconds: float, *, voiced: bool = False) -> None:
        for _ in range(round(seconds / STEP_S)):
            self.pass_ms(10, voiced)
            while self._encoded < len(self.sent):
                command = self.sent[self._encoded]
                self._encoded += 1
                self._send(self._codec.encode(command))
            await asyncio.sleep(STEP_S)

    async def pass_until(self, happened: Any, *, voiced: bool = False) -> None:
        for _ in range(round(PATIENCE_S / STEP_S)):
            if happened():
                return
            await self.pass_s(STEP_S, voiced=voiced)
        raise AssertionError(f"{self.session.state}; {self.notices[-12:]}")

    async def settle(self) -> None:
        """Until nothing is said, asked or expected, and every turn has its words."""
        await self.pass_s(0.1)
        await self.pass_until(lambda: self.session.settled and not self.session.turns.untold)

    async def speak(self, seconds: float = 0.5) -> None:
        """A turn that the user begins and ends."""
        self.session.begin_turn()
        await self.pass_s(seconds, voiced=True)
        self.session.end_turn()

    @property
    def users(self) -> list[tuple[int, str]]:
        return [(turn.turn, turn.text) for turn in self.of(note.UserTurn)]

    @property
    def answers(self) -> list[tuple[int, str]]:
        """Of each answer that was heard to its end, the turn and the first word."""
        told = [turn for turn in self.of(note.AssistantTurn) if turn.text and not turn.interrupted]
        return [(turn.turn, turn.text.split()[0]) for turn in told]


class _DoubaoLink:
    """One connection, as Doubao's service sees it."""

    def __init__(self, room: "DoubaoRoom"):
        self.room, self.script, self.faults, self.gzipped, self.open = room, room.script, DoubaoFaults(), False, True

    async def event(self, event: int, name: str, fields: Json) -> None:
        self._tell(event_frame(event, name, fields))

    async def audio(self, session_id: str, data: bytes) -> None:
        self._tell(audio_frame(session_id, data))

    async def error(self, code: int, message: str) -> None:
        self._tell(error_frame(code, message))

    def _tell(self, frame: bytes) -> None:
        if self.open:
            self.room.hear_of(frame)

    def count(self, kind: str) -> int:
        self.room.counted[kind] += 1
        return self.room.counted[kind] - 1


class DoubaoRoom(ScriptedRoom):
    """The same with Doubao's scripted service."""

    def __init__(self, script: Any, *, by_service: bool = False):
        super().__init__(script, by_service=by_service)
        self.counted: Counter[str] = Counter()

    def codec(self) -> Codec:
        return DoubaoCodec(DialogueProfile())

    async def answer(self) -> None:
        self.link = _DoubaoLink(self)
        service = Dialogue(self.link, "connection")
        self.take, self.close = service.handle, service.end

    def read(self, frame: WireFrame) -> Any:
        assert isinstance(frame, bytes)
        return read(frame)
