"""The end of a turn by its melody: what the model is given, when it is asked, and what its word changes."""

import asyncio
import struct
import threading
from pathlib import Path

import numpy as np
import pytest

from tests.recordings import GO_FORWARD, speech
from tests.unit.test_offline_ending import ToldEar
from voicechat.engine.answerer import Answerer
from voicechat.engine.companion import Companion
from voicechat.engine.ending import wait_ms
from voicechat.engine.session import EngineSession
from voicechat.engine.smart_turn import ASK_MS, Melody, SmartTurn, log_mel
from voicechat.engine.voices import PLAIN_VOICE, LocalVoices
from voicechat.realtime import commands, events
from voicechat.wire.memory import MemoryTransport


def coded(number: int, value: "int | bytes") -> bytes:
    """A field of a protocol buffer."""
    if isinstance(value, int):
        return bytes([number << 3, value])
    length = bytes([len(value) & 0x7F | 0x80, len(value) >> 7])
    return bytes([number << 3 | 2]) + length + value


def always(probability: float) -> bytes:
    """A model in ONNX's form that takes what Smart Turn takes, and always says the same."""

    def tensor_of(name: bytes, *dimensions: int) -> bytes:
        shape = b"".join(coded(1, coded(3, name) if size < 0 else coded(1, size)) for name, size in named(*dimensions))
        return coded(1, name) + coded(2, coded(1, coded(1, 1) + coded(2, shape)))

    def named(*sizes: int) -> "list[tuple[bytes, int]]":
        return [(f"d{place}".encode(), size) for place, size in enumerate(sizes)]

    value = coded(1, 1) + coded(2, 1) + coded(9, struct.pack("<f", probability))
    attribute = coded(1, b"value") + coded(5, value) + bytes([20 << 3 & 0x7F | 0x80, 20 >> 4, 4])
    node = coded(2, b"logits") + coded(4, b"Constant") + coded(5, attribute)
    graph = coded(1, node) + coded(2, b"g") + coded(11, tensor_of(b"input_features", -1, 80, -1))
    graph += coded(12, tensor_of(b"logits", 1))
    return coded(1, 8) + coded(8, coded(2, 13)) + coded(7, graph)


def model(folder: Path, data: bytes) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "smart-turn-v3.2-cpu.onnx").write_bytes(data)
    return str(folder)


def test_the_features_are_whispers() -> None:
    """Against what the extractor computes that the model's authors ship (transformers', in numpy)."""
    at = np.arange(128_000) / 16_000
    tone = 0.3 * np.sin(2 * np.pi * (100 + 450 * at) * at) * (at > 1)
    bands = log_mel((tone + 0.05 * np.random.default_rng(3).normal(size=128_000)).astype(np.float32))
    assert bands.shape == (80, 800)
    assert bands.dtype == np.float32
    places = {(0, 0): 0.770, (5, 150): 0.890, (20, 200): 0.763, (30, 400): 0.794, (40, 500): 0.612, (79, 799): 0.841}
    assert {place: round(float(bands[place]), 3) for place in places} == pytest.approx(places, abs=0.002)
    assert (bands.min(), bands.max(), bands.mean()) == pytest.approx((0.0401, 1.6687, 0.8239), abs=0.001)


@pytest.mark.parametrize(
    ("text", "finished", "waited_ms"),
    [
        ("Go forward ten meters.", 0.95, 300),
        ("Go forward ten meters.", 0.5, 300),
        ("Go forward ten meters.", 0.1, 1500),
        ("My sister", 0.95, 300),
        ("My sister", 0.5, 500),
        ("My sister", 0.1, 1500),
        ("我明天想去北京", 0.95, 300),
        ("我明天想去", 0.1, 1500),
        ("I went there and", 0.99, 1500),  # a speaker who closes every word is not cut off
        ("Seven, eight", 0.99, 1500),
        ("", 0.99, 500),
        ("", 0.01, 500),
    ],
)
def test_what_it_says_is_weighed_with_the_words(text: str, finished: float, waited_ms: int) -> None:
    assert wait_ms(text, 500, finished) == waited_ms


def test_it_is_asked_once_in_a_silence_and_what_it_says_holds_until_somebody_speaks(tmp_path: Path) -> None:
    async def main() -> None:
        told: list[str] = []
        turns = SmartTurn(model(tmp_path / "m", always(0.25)), told.append)
        judged = asyncio.Event()
        times: list[float | None] = []

        def said() -> None:
            times.append(melody.finished)
            judged.set()

        melody = Melody(turns, said)
        melody.feed(bytes(640), 0)
        melody.feed(bytes(640), ASK_MS - 20)
        assert not melody.known
        for quiet_ms in range(ASK_MS, ASK_MS + 200, 20):
            melody.feed(bytes(640), quiet_ms)
        await judged.wait()
        await turns.finished(b"")  # whatever was asked before this is answered
        assert (times, melody.known) == ([0.25], True)
        melody.feed(bytes(640), 0)
        assert not melody.known, "somebody speaks again"
        melody.feed(bytes(640), ASK_MS)
        melody.feed(bytes(640), 0)  # and again before it has answered
        await turns.finished(b"")
        await asyncio.sleep(0)
        assert (times, melody.known) == ([0.25], False)
        melody.close()
        await turns.close()
        assert told == []

    asyncio.run(main())


@pytest.mark.parametrize("data", [b"no model at all", always(0.5).replace(b"input_features", b"input_feathers")])
def test_one_that_does_not_work_is_told_once_and_not_missed(tmp_path: Path, data: bytes) -> None:
    async def main() -> None:
        told: list[str] = []
        turns = SmartTurn(model(tmp_path / "m", data), told.append)
        await turns.load()
        assert [await turns.finished(b""), await turns.finished(b"")] == [None, None]
        (line,) = told
        assert line.startswith(f"Ends of turns are found by the words alone: {tmp_path / 'm'} does not work (")
        assert "\n" not in line
        assert len(line) < 400
        await turns.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("words", "says", "late", "turns"),
    [
        ("Go forward ten meters.", 0.95, False, 2),
        ("Go forward ten meters.", 0.05, False, 1),
        ("Go forward ten meters.", 0.05, True, 1),
        ("去北京", 0.05, False, 1),
        ("去北京", 0.95, False, 2),
        ("Seven.", 0.95, False, 1),
        ("Go forward ten meters.", None, False, 2),
    ],
)
def test_a_turn_ends_by_both(tmp_path: Path, words: str, says: float | None, late: bool, turns: int) -> None:
    """A pause of a second and more between twice the same words; `late`, nothing is said of it until it is over."""
    said = speech(GO_FORWARD, 24_000).astype("<i2").tobytes()
    pause, rest = bytes(48 * 200), said + bytes(48 * 3000)

    async def main() -> int:
        near, far = MemoryTransport.pair()
        voices, troubles = LocalVoices(), asyncio.Queue[str]()
        ends = SmartTurn(model(tmp_path / "m", b"" if says is None else always(says)), troubles.put_nowait)

        async def companion() -> Answerer:
            return Companion()

        answerer = asyncio.create_task(companion())
        session = EngineSession(far, ToldEar(words), answerer, voices, "companion", PLAIN_VOICE, troubles, ends)
        running = asyncio.create_task(session.run())
        stopped = 0
        busy = threading.Event()
        if late:
            ends._worker.submit(busy.wait)

        async def all_taken() -> None:
            """The session has taken all sound, and the model has said what it was asked meanwhile."""
            nonlocal stopped
            await near.send(commands.RetrieveItem("none"))
            while not (isinstance(event := await near.receive(), events.ServiceError) and "none" in event.message):
                stopped += isinstance(event, events.SpeechStopped)
            if not late or busy.is_set():
                await ends.finished(b"")
                await asyncio.sleep(0)

        try:
            detection = commands.TurnDetection(create_response=False)
            await near.send(commands.Configure(commands.SessionConfig(voice=PLAIN_VOICE, turn_detection=detection)))
            async with asyncio.timeout(20):
                for sound in (said, pause, rest):
                    for at in range(0, len(sound), 960):
                        await near.send(commands.AppendAudio(sound[at : at + 960]))
                        if sound is said and at % 9600 == 0:
                            await all_taken()
                    await all_taken()
                    if sound is pause:
                        busy.set()
            return stopped
        finally:
            busy.set()
            await near.close()
            await running
            await voices.close()
            await ends.close()

    assert asyncio.run(main()) == turns
