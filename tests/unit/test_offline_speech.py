"""Speech in, speech out: the real recogniser, the real voice, recordings of people and the shipped questions."""

import asyncio
import base64
import codecs
import re
from pathlib import Path

import pytest

from tests.recordings import GO_FORWARD
from tests.unit.offline_client import NOBODY, QUESTIONS, recording, session, spoken_text
from tests.wire.brackets import check
from voicechat.engine import espeak
from voicechat.engine.hearing import presentable
from voicechat.engine.provider import Offline
from voicechat.engine.recogniser import Hypothesis
from voicechat.engine.voices import DEFAULT_VOICE
from voicechat.providers.base import ProviderOptions
from voicechat.realtime import commands, events

TRANSCRIPTION = {"input": {"transcription": {"model": "any"}}}


def test_a_persons_voice_becomes_a_turn() -> None:
    async def main() -> None:
        async with session() as client:
            await client.update(audio=TRANSCRIPTION)
            await client.speak(recording(GO_FORWARD))
            await client.until("response.done")
            kinds = [kind for kind in client.kinds()[2:] if "transcription" not in kind]
            assert kinds[:6] == [
                "input_audio_buffer.speech_started",
                "input_audio_buffer.speech_stopped",
                "input_audio_buffer.committed",
                "conversation.item.added",
                "conversation.item.done",
                "response.created",
            ]
            started = client.of("input_audio_buffer.speech_started")[0]
            stopped = client.of("input_audio_buffer.speech_stopped")[0]
            assert 0 <= started["audio_start_ms"] < 500
            assert 2300 < stopped["audio_end_ms"] < 4300  # sent faster than it sounds, it ends later
            completed = client.of("conversation.item.input_audio_transcription.completed")
            assert [event["transcript"] for event in completed] == ["Go forward ten meters."]
            assert completed[0]["item_id"] == started["item_id"] == stopped["item_id"]
            deltas = client.of("conversation.item.input_audio_transcription.delta")
            assert "".join(event["delta"] for event in deltas).startswith("Go")

    asyncio.run(main())


def test_on_windows_the_library_is_given_its_data_in_the_systems_code_page(monkeypatch: pytest.MonkeyPatch) -> None:
    def code_page(name: str) -> codecs.CodecInfo | None:
        return codecs.lookup("cp1252") if name == "mbcs" else None

    path = Path("/data/someone/espeak")
    monkeypatch.setattr(espeak, "_short_path", lambda path: "C:/PROGRA~1/ESPEAK~1")
    codecs.register(code_page)
    try:
        monkeypatch.setattr(espeak, "_WINDOWS", True)
        assert espeak._c_path(Path("/data/Zoë/espeak")) == "/data/Zoë/espeak".encode("cp1252")
        assert espeak._c_path(Path("/data/王/espeak")) == b"C:/PROGRA~1/ESPEAK~1"
    finally:
        codecs.unregister(code_page)
    monkeypatch.undo()
    assert espeak._c_path(path) == bytes(path)


@pytest.mark.parametrize(
    ("name", "text", "answer"),
    [
        ("what-time-is-it.wav", "What time is it?", r"It is \d+:\d\d [AP]M\."),
        ("what-is-twelve-times-seven.wav", "What is twelve times seven?", r"12 times 7 is 84\."),
    ],
)
def test_the_shipped_questions_are_understood_and_answered(name: str, text: str, answer: str) -> None:
    async def main() -> None:
        async with session() as client:
            await client.update(audio=TRANSCRIPTION)
            await client.speak(recording(QUESTIONS / name))
            done = await client.until("response.done")
            completed = client.of("conversation.item.input_audio_transcription.completed")
            assert [event["transcript"] for event in completed] == [text]
            assert re.fullmatch(answer, spoken_text(done["response"]))

    asyncio.run(main())


def test_a_manual_turn_is_understood_and_answered_on_request() -> None:
    async def main() -> None:
        async with session() as client:
            await client.update(audio={"input": {"turn_detection": None, **TRANSCRIPTION["input"]}})
            await client.speak(recording(QUESTIONS / "what-is-twelve-times-seven.wav", silence_ms=0))
            await client.send("input_audio_buffer.commit")
            await client.until("input_audio_buffer.committed")
            await client.until("conversation.item.input_audio_transcription.completed")
            assert "response.created" not in client.kinds()
            assert "input_audio_buffer.speech_started" not in client.kinds()
            await client.send("response.create")
            assert spoken_text((await client.until("response.done"))["response"]) == "12 times 7 is 84."

    asyncio.run(main())


def test_a_turn_without_words_is_admitted_not_guessed() -> None:
    async def main() -> None:
        async with session() as client:
            await client.update(audio={"input": {"turn_detection": None}})
            await client.say("what is two plus two")
            await client.speak(bytes(48 * 1500))
            await client.send("input_audio_buffer.commit")
            await client.send("response.create")
            assert spoken_text((await client.until("response.done"))["response"]) == "Sorry, I did not catch that."
            await client.speak(bytes(48 * 300))  # a noise: nothing to answer
            await client.send("input_audio_buffer.commit")
            await client.send("response.create")
            done = (await client.until("response.done"))["response"]
            assert (done["status"], done["output"]) == ("completed", [])

    asyncio.run(main())


def test_the_client_side_of_the_program_holds_the_conversation() -> None:
    """Commands in, events out, and no wire between; the events keep what the vocabulary promises."""

    async def main() -> None:
        provider = Offline(ProviderOptions(voice="en-gb"), NOBODY)
        codec, transport = provider.codec(), provider.connect()
        assert codec.capabilities.supports_interruption
        assert codec.capabilities.supports_truncation
        await transport.connect()
        seen: list[events.Event] = []

        async def until(kind: type) -> events.Event:
            async with asyncio.timeout(20):
                while True:
                    seen.extend(new := codec.decode(await transport.receive()))
                    for event in new:
                        assert not isinstance(event, events.Ignored | events.ServiceError), event
                        if isinstance(event, kind):
                            return event

        async def send(command: commands.Command) -> None:
            for frame in codec.encode(command):
                await transport.send(frame)

        try:
            await until(events.SessionCreated)
            await send(commands.Configure(commands.SessionConfig(voice="en-gb")))
            assert await until(events.SessionConfigured) == events.SessionConfigured(voice="en-gb")
            pcm = recording(QUESTIONS / "what-time-is-it.wav")
            for start in range(0, len(pcm), 960):
                await send(commands.AppendAudio(pcm[start : start + 960]))
            finished = await until(events.ResponseFinished)
            assert isinstance(finished, events.ResponseFinished)
            assert finished.status == "completed"
            texts = [event for event in seen if isinstance(event, events.UserTranscript)]
            assert (texts[-1].text, texts[-1].final) == ("What time is it?", True)
            assert any(isinstance(event, events.AssistantAudio) for event in seen)
            started = [event for event in seen if isinstance(event, events.ResponseStarted)]
            assert [event.answers for event in started] == [texts[-1].item_id]
            await send(commands.Configure(commands.SessionConfig(turn_detection=None)))
            await until(events.SessionConfigured)
            await send(commands.AppendAudio(pcm))
            await send(commands.CommitAudio("turn-2"))  # the name is ours
            assert await until(events.InputCommitted) == events.InputCommitted("turn-2")
            await send(commands.CreateResponse())
            await until(events.ResponseFinished)
            await send(commands.CreateResponse("Greet the user.", words="Good day to you."))
            await until(events.ResponseFinished)
            told = check(seen)
            begun = [event.answers for event in seen if isinstance(event, events.ResponseStarted)]
            assert begun[1:] == ["turn-2", ""]
            greeting = [event.delta for event in [*told.values()][-1] if isinstance(event, events.AssistantText)]
            assert "".join(greeting) == "Good day to you."
            finals = [event for event in seen if isinstance(event, events.UserTranscript) and event.final]
            assert finals[-1] == events.UserTranscript("turn-2", "What time is it?", True)
        finally:
            await transport.close()

    asyncio.run(main())


def test_a_name_in_use_costs_neither_the_turn_nor_the_next_ones_words() -> None:
    async def main() -> None:
        transport = Offline(settings=NOBODY).connect()
        await transport.connect()

        async def until(kind: type) -> events.Event:
            async with asyncio.timeout(20):
                while True:
                    event: events.Event = await transport.receive()
                    if isinstance(event, kind) and getattr(event, "final", True):
                        return event

        try:
            await transport.send(commands.Configure(commands.SessionConfig(turn_detection=None)))
            await transport.send(commands.SendText("hello", item_id="turn-1"))
            await transport.send(commands.AppendAudio(recording(QUESTIONS / "what-time-is-it.wav")))
            await transport.send(commands.CommitAudio("turn-1"))
            refused = await until(events.ServiceError)
            assert isinstance(refused, events.ServiceError)
            assert (refused.code, refused.command) == ("item_create_duplicate_item_id", "CommitAudio")
            await transport.send(commands.CommitAudio("turn-2"))
            assert await until(events.UserTranscript) == events.UserTranscript("turn-2", "What time is it?", True)
        finally:
            await transport.close()

    asyncio.run(main())


def test_a_voice_that_the_engine_does_not_have_is_refused_once() -> None:
    async def main() -> None:
        transport = Offline(ProviderOptions(voice="nobody"), NOBODY).connect()
        await transport.connect()
        try:
            async with asyncio.timeout(20):
                assert isinstance(await transport.receive(), events.SessionCreated)
                await transport.send(commands.Configure(commands.SessionConfig()))
                assert (await transport.receive()).voice_dropped == "nobody"
                await transport.send(commands.Configure(commands.SessionConfig()))
                assert await transport.receive() == events.SessionConfigured(DEFAULT_VOICE)
        finally:
            await transport.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("text", "settled", "shown"),
    [
        ("Go.", False, "Go"),
        ("Go for.", False, "Go"),
        ("Go forward, ten met.", False, "Go forward, ten"),
        ("Go forward ten meters.", True, "Go forward ten meters."),
        ("hello 今天天气", False, "hello 今天天"),
        ("今天 hel", False, "今天"),
        ("", False, ""),
    ],
)
def test_a_word_that_is_still_being_spoken_is_not_shown(text: str, settled: bool, shown: str) -> None:
    assert presentable(Hypothesis(text, settled)) == shown


def test_sound_in_one_big_piece_with_a_split_sample_is_heard_too() -> None:
    async def main() -> None:
        async with session() as client:
            await client.update(audio=TRANSCRIPTION)
            pcm = recording(GO_FORWARD)
            for piece in (pcm[:48_001], pcm[48_001:]):
                await client.send("input_audio_buffer.append", audio=base64.b64encode(piece).decode())
            completed = await client.until("conversation.item.input_audio_transcription.completed")
            assert completed["transcript"] == "Go forward ten meters."

    asyncio.run(main())
