"""How long is waited after what was said, by value; that the turn detector waits so long, and the session tells it."""

import asyncio
from collections.abc import Callable

import pytest

from tests.recordings import GO_FORWARD, speech
from tests.unit.test_offline_turns import borders, samples
from voicechat.engine.answerer import Answerer
from voicechat.engine.companion import Companion
from voicechat.engine.ending import wait_ms
from voicechat.engine.recogniser import SETTLE_MS, Hypothesis
from voicechat.engine.session import EngineSession
from voicechat.engine.turns import Sound, Turn, TurnDetector
from voicechat.engine.voices import PLAIN_VOICE, LocalVoices
from voicechat.realtime import commands, events
from voicechat.wire.memory import MemoryTransport


@pytest.mark.parametrize(
    "text",
    [
        "What time is it?",
        "Go forward ten meters.",
        "What is twelve times seven?",
        "What is twelve times seven.",
        "How much is three plus four?",
        "My name is Anna.",
        "Tell me something about the weather in Paris.",
        "Hello.",
        "Thanks.",
        "Who are you?",
        "He was not an ill-disposed young man.",
        "Can you hear me?",
        "I need a new pair of shoes.",
        "What is the time?",
        "What is it worth?",
        "What do you want?",
        "What can I ask you?",
        "How many do you need?",
        "When is your birthday?",
        "When does it begin?",
        "Tell me what you like to see there.",
    ],
)
def test_a_whole_sentence_is_answered_sooner(text: str) -> None:
    assert wait_ms(text, 500) == 300


@pytest.mark.parametrize(
    "text",
    [
        "Seven.",
        "Seven. Eight.",
        "Seven, eight,",
        "My number is five five.",
        "It costs twenty",
        "What is twenty?",
        "How much is two hundred?",
        "What is twelve times",
        "I would like to order a",
        "I went to the market and",
        "Well, um.",
        "The thing is that",
        "I think because",
        "Go to the…",
        "I would like,",
        "It was 1984.",
        "I would like to know.",
        "Can you tell me?",
        "I wanted to ask you.",
        "What is twelve times?",
        "How much is nineteen?",
        "Could you please?",
        "Please remind me.",
        "Do you know?",
        "I was wondering.",
        "Well, let me think.",
        "I have two questions.",
        "Is it true that?",
        "If it rains.",
        "Could you explain?",
        "Where can I find?",
        "I would rather have.",
    ],
)
def test_what_cannot_end_there_is_waited_for(text: str) -> None:
    assert wait_ms(text, 500) == 1500
    assert wait_ms(text, 2000) == 2000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "...",
        "what time is it",
        "Anna.",
        "What is it for?",
        "Yes, I am.",
        "Is it ten?",
        "Twelve times seven.",
        "我想买",
        "Я думаю, что",
    ],
)
def test_of_the_rest_nothing_is_known(text: str) -> None:
    assert wait_ms(text, 500) == 500


def test_the_detector_waits_as_long_as_it_was_told_and_forgets_it_when_somebody_speaks() -> None:
    speech = samples(GO_FORWARD)
    usual = stop_ms(speech + bytes(32 * 3000), 0)
    assert stop_ms(speech + bytes(32 * 3000), 350) == usual - 150
    assert stop_ms(speech + bytes(32 * 3000), 1500) == usual + 1000
    # Told in the first pause, spoken to again: the second pause is judged anew.
    twice = speech + bytes(32 * 200) + speech + bytes(32 * 3000)
    both = borders_when(twice, 1500, only_at_ms=2350)  # the voice ends at 2210 ms
    assert [kind for kind, _ in both] == ["started", "stopped"]
    assert both[1][1] > usual + 1000 + 200


def stop_ms(pcm: bytes, expected_ms: int) -> int:
    return borders_when(pcm, expected_ms)[1][1] if expected_ms else borders(TurnDetector(), pcm)[1][1]


def borders_when(pcm: bytes, expected_ms: int, only_at_ms: int | None = None) -> list[tuple[str, int]]:
    """The borders, when `expect` is called in each pause (or in the one after `only_at_ms`) as it grows to 200 ms."""
    detector = TurnDetector(grace_ms=300)
    found: list[tuple[str, int]] = []
    quiet = told = False
    for start in range(0, len(pcm), 640):
        for event in detector.feed(pcm[start : start + 640]):
            if isinstance(event, Turn):
                found.append((event.kind, event.at_ms))
            elif isinstance(event, Sound):
                if event.quiet_ms >= 200 and not quiet and only_at_ms is None:
                    detector.expect(expected_ms)
                if event.quiet_ms >= 200 and only_at_ms is not None and detector.now_ms > only_at_ms and not told:
                    detector.expect(expected_ms)
                    told = True
                quiet = event.quiet_ms >= 200
    return found


def test_a_detector_that_nobody_tells_anything_waits_a_little_longer() -> None:
    pcm = samples(GO_FORWARD) + bytes(32 * 2000)
    assert borders(TurnDetector(grace_ms=300), pcm)[1][1] == borders(TurnDetector(), pcm)[1][1] + 300


class ToldEar:
    """An `Ear` for which every utterance is the same words, understood in every pause."""

    def __init__(self, words: str):
        self._words = words

    def start(self) -> None:
        """There is nothing to load."""

    def listen(self, on_partial: Callable[[Hypothesis], None]) -> "ToldUtterance":
        return ToldUtterance(self._words, on_partial)

    async def close(self) -> None:
        """There is nothing to end."""


class ToldUtterance:
    def __init__(self, words: str, on_partial: Callable[[Hypothesis], None]):
        self._words, self._on_partial = words, on_partial
        self._ended = asyncio.Event()

    def feed(self, pcm: bytes, quiet_ms: int) -> None:
        self._on_partial(Hypothesis(self._words, settled=quiet_ms >= SETTLE_MS))

    def finish(self) -> None:
        self._ended.set()

    abandon = finish

    async def text(self) -> str:
        await self._ended.wait()
        return self._words


@pytest.mark.parametrize(
    ("words", "turns"),
    [("Seven.", 1), ("I went there and", 1), ("Go forward ten meters.", 2), ("Sir, yes", 2), ("", 2)],
)
def test_a_pause_of_a_second_in_the_middle_of_a_number_does_not_end_the_turn(words: str, turns: int) -> None:
    said = speech(GO_FORWARD, 24_000).astype("<i2").tobytes()
    pcm = said + bytes(48 * 200) + said + bytes(48 * 3000)  # with the recording's own silence the pause is 1.2 s

    async def main() -> list[str]:
        near, far = MemoryTransport.pair()
        voices = LocalVoices()

        async def companion() -> Answerer:
            return Companion()

        answerer = asyncio.create_task(companion())
        session = EngineSession(far, ToldEar(words), answerer, voices, "companion", PLAIN_VOICE, asyncio.Queue())
        running = asyncio.create_task(session.run())
        try:
            detection = commands.TurnDetection(create_response=False)
            await near.send(commands.Configure(commands.SessionConfig(voice=PLAIN_VOICE, turn_detection=detection)))
            for at in range(0, len(pcm), 960):
                await near.send(commands.AppendAudio(pcm[at : at + 960]))
            await near.send(commands.RetrieveItem("none"))  # its refusal comes when all the sound was taken
            ends: list[str] = []
            async with asyncio.timeout(20):
                while not isinstance(event := await near.receive(), events.ServiceError):
                    ends += [event.item_id] if isinstance(event, events.SpeechStopped) else []
            return ends
        finally:
            await near.close()
            await running
            await voices.close()

    assert len(asyncio.run(main())) == turns
