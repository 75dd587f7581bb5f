"""A recogniser that is slow, or behind: it costs time, and neither words nor the turn.

The recognisers here are processes that wait where a test says so; the engine and its detector of turns are real.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.unit.test_offline_ear import CHILD
from voicechat.engine import ear as ears
from voicechat.engine.answerer import Answerer
from voicechat.engine.child import READ_BYTES, recognise
from voicechat.engine.companion import Companion
from voicechat.engine.ear import ProcessEar
from voicechat.engine.recogniser import SETTLE_MS, Hypothesis
from voicechat.engine.session import EngineSession
from voicechat.engine.utterance import HEADER
from voicechat.engine.voices import PLAIN_VOICE, LocalVoices
from voicechat.realtime import commands, events
from voicechat.wire.memory import MemoryTransport

MS = 48
"""Bytes of the session's sound."""
LOUD = (b"\x00\x10" * 12 + b"\x00\xf0" * 12) * 10
"""10 ms of it, loud enough for a voice when the microphone's detector says that it is one."""

GATED = """
class Gated(Echo):
    "Understands whole sentences in every silence; a pass in which the silence is new waits until the gate is opened."
    parts, quiet = 0, True
    def begin(self): self.parts, self.quiet = 0, True
    def accept(self, pcm, quiet_ms):
        quiet = quiet_ms >= SETTLE_MS
        if quiet and not self.quiet:
            os.read(gate, 1)
            self.parts += 1
        self.quiet = quiet
        return Hypothesis(self.text(), quiet)
    def text(self): return " and then ".join(["We went there."] * self.parts) + ("" if self.parts < 2 else " and")
    def finish(self): return self.text()
from voicechat.engine.recogniser import SETTLE_MS
gate = os.open(GATE, os.O_RDONLY)
write({"ready": ""}); recognise(Gated(), sys.stdin.buffer.read1, write)
"""


@contextmanager
def gate(folder: Path) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Its path as a literal, and what lets a child pass it once."""
    os.mkfifo(folder / "gate")
    handle = os.open(folder / "gate", os.O_RDWR)  # nobody who opens it waits for the other
    try:
        yield repr(str(folder / "gate")), lambda: os.write(handle, b"1")
    finally:
        os.close(handle)


@asynccontextmanager
async def session(ear: ProcessEar) -> AsyncIterator[MemoryTransport]:
    """The client's end of a session that finds turns and answers none."""
    near, far = MemoryTransport.pair()
    voices = LocalVoices()

    async def companion() -> Answerer:
        return Companion()

    answerer = asyncio.create_task(companion())
    made = EngineSession(far, ear, answerer, voices, "companion", PLAIN_VOICE, asyncio.Queue())
    running = asyncio.create_task(made.run())
    try:
        detection = commands.TurnDetection(create_response=False)
        config = commands.SessionConfig(voice=PLAIN_VOICE, turn_detection=detection)
        await near.send(commands.Configure(config))
        async with asyncio.timeout(30):
            yield near
    finally:
        await near.close()
        await running
        await voices.close()
        await ear.close()


async def hear(near: MemoryTransport, spoken_ms: int, quiet_ms: int) -> list[Any]:
    """Send it as a microphone does, and return what was told until all of it was taken."""
    for _ in range(spoken_ms // 10):
        await near.send(commands.AppendAudio(LOUD, speech=True))
    for _ in range(quiet_ms // 10):
        await near.send(commands.AppendAudio(bytes(10 * MS), speech=False))
    await near.send(commands.RetrieveItem("none"))  # the refusal tells that everything before it was taken
    return [event async for event in until(near, events.ServiceError)]


async def until(near: MemoryTransport, kind: type[Any]) -> AsyncIterator[Any]:
    while True:
        event = await near.receive()
        yield event
        if isinstance(event, kind):
            return


def test_what_is_understood_of_a_pause_that_is_over_does_not_end_the_turn(tmp_path: Path) -> None:
    """The recogniser is at the first pause, and says of it that a sentence is whole, when the second one has begun."""

    async def main(path: str, let_pass: Callable[[], Any]) -> None:
        ear = ProcessEar(lambda line: None, ("-c", CHILD + GATED.replace("GATE", path)))
        async with session(ear) as near:
            told = await hear(near, 600, 300)
            told += await hear(near, 600, 320)
            assert not any(isinstance(event, events.SpeechStopped) for event in told)
            let_pass()
            told = [event async for event in until(near, events.UserTranscript)]
            told += await hear(near, 0, 40)
            assert not any(isinstance(event, events.SpeechStopped) for event in told), "the turn was cut"
            let_pass()
            told = [event async for event in until(near, events.UserTranscript)]
            assert told[-1].text == "We went there. and then We went there. and"
            told = await hear(near, 0, 1000)
            assert not any(isinstance(event, events.SpeechStopped) for event in told), "nobody ends with 'and'"
            told = await hear(near, 0, 200)
            assert any(isinstance(event, events.SpeechStopped) for event in told)

    with gate(tmp_path) as (path, let_pass):
        asyncio.run(main(path, let_pass))


COUNTS = """
class Counts(Echo):
    "Says how much was spoken to it, when the gate has been opened."
    def begin(self):
        os.read(gate, 1)
        self.spoken_ms = 0
    def accept(self, pcm, quiet_ms):
        self.spoken_ms += max(0, len(pcm) / 32 - quiet_ms)
        return Hypothesis()
    def finish(self): return f"{round(self.spoken_ms, -2):.0f} ms"
gate = os.open(GATE, os.O_RDONLY)
write({"ready": ""}); recognise(Counts(), sys.stdin.buffer.read1, write)
"""


def test_a_recogniser_that_is_three_turns_behind_hears_every_word_of_each(tmp_path: Path) -> None:
    async def main(path: str, let_pass: Callable[[], Any]) -> None:
        ear = ProcessEar(lambda line: None, ("-c", CHILD + COUNTS.replace("GATE", path)))
        async with session(ear) as near:
            told = []
            for spoken_ms in (600, 900, 300):
                told += await hear(near, spoken_ms, 1600)
            assert [
                type(event) for event in told if isinstance(event, events.SpeechStarted | events.SpeechStopped)
            ] == [
                events.SpeechStarted,
                events.SpeechStopped,
            ] * 3, "the sound alone says where turns end"
            texts = []
            for _ in range(3):
                let_pass()
                texts += [event.text async for event in until(near, events.UserTranscript)]
            assert texts == ["600 ms", "1000 ms", "400 ms"], "with 100 ms of the silence before the later ones"

    with gate(tmp_path) as (path, let_pass):
        asyncio.run(main(path, let_pass))


def packed(*frames: tuple[bytes, int, bytes]) -> bytes:
    return b"".join(HEADER.pack(kind, quiet_ms, len(pcm)) + pcm for kind, quiet_ms, pcm in frames)


class Notes:
    """A recogniser that writes down what it is given."""

    def __init__(self) -> None:
        self.given: list[Any] = []

    def begin(self) -> None:
        self.given.append("begin")

    def accept(self, pcm: bytes, quiet_ms: int) -> Hypothesis:
        self.given.append((len(pcm) // 32, quiet_ms))
        return Hypothesis(f"{len(self.given)}", quiet_ms >= SETTLE_MS)

    def finish(self) -> str:
        self.given.append("end")
        return "text"


def serve(*reads: bytes) -> tuple[list[Any], list[dict[str, Any]]]:
    """What the recogniser was given, and what was written, when so much waits at each look."""
    waiting: Iterator[bytes] = iter((*reads, b""))
    notes, written = Notes(), list[dict[str, Any]]()

    def read(size: int) -> bytes:
        assert size == READ_BYTES
        return next(waiting)

    recognise(notes, read, written.append)
    return notes.given, written


def test_what_has_waited_is_looked_at_once_and_gives_the_same_words() -> None:
    step = bytes(20 * 32)
    speech, pause = (b"A", 0, step), [(b"A", quiet_ms, step) for quiet_ms in range(20, 220, 20)]
    behind = packed((b"B", 0, b""), *[speech] * 5, *pause, *[speech] * 3, (b"E", 0, b""))
    given, written = serve(behind)
    assert given == ["begin", (100, 0), (160, 160), (40, 200), (60, 0), "end"]
    assert [line.get("at") for line in written] == [3200, 8320, 9600, 11_520, None]
    assert [line.get("settled") for line in written] == [False, True, True, False, None]
    empty, _ = serve(packed((b"B", 0, b""), speech, *pause, (b"A", 0, b""), speech))
    assert empty == ["begin", (20, 0), (160, 160), (40, 200), (20, 0)], (
        "somebody speaks again, though no sample came of it yet"
    )
    one_by_one, _ = serve(*(packed(frame) for frame in ((b"B", 0, b""), speech, speech, pause[0])))
    assert one_by_one == ["begin", (20, 0), (20, 0), (20, 20)]
    torn, _ = serve(*(behind[at : at + 7] for at in range(0, len(behind), 7)))
    assert torn == ["begin", *[(20, 0)] * 5, *[(20, quiet_ms) for _, quiet_ms, _ in pause], *[(20, 0)] * 3, "end"]


@pytest.mark.parametrize(("work_s", "most_s", "told"), [(1.6, 60.0, 0), (60.0, 0.5, 1)])
def test_a_child_that_works_is_waited_for_unless_it_never_ends(
    work_s: float, most_s: float, told: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ears, "ANSWER_TIMEOUT_S", 0.7)
    monkeypatch.setattr(ears, "MOST_WORK_S", most_s)
    works = f"""
class Works(Echo):
    def finish(self):
        while not os.path.exists({str(tmp_path / "tried")!r}) and time.process_time() < {work_s}: pass
        open({str(tmp_path / "tried")!r}, "w").close()
        return "the end"
write({{"ready": ""}}); recognise(Works(), sys.stdin.buffer.read1, write)
"""

    async def main() -> list[str]:
        lines: list[str] = []

        def tell(line: str) -> None:
            lines.append(line)
            (tmp_path / "tried").touch()

        ear = ProcessEar(tell, ("-c", CHILD + works))
        try:
            async with asyncio.timeout(60):
                utterance = ear.listen(lambda hypothesis: None)
                utterance.finish()
                assert await utterance.text() == "the end"
        finally:
            await ear.close()
        return lines

    assert len(asyncio.run(main())) == told
