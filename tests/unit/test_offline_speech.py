"""Speech in, speech out: the real recogniser, the real voice, recordings of people and the shipped questions."""

import asyncio
import base64
import codecs
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from tests.recordings import GO_FORWARD, INTERRUPTION, read_pcm
from tests.unit.chat_server import HANG, chat_server, chunk, words
from tests.unit.offline_client import NOBODY, QUESTIONS, recording, session, spoken_text
from tests.wire.brackets import check
from voicechat.audio.vad import VoiceDetector
from voicechat.engine import espeak
from voicechat.engine.engine import OfflineSettings
from voicechat.engine.hearing import presentable
from voicechat.engine.provider import Offline
from voicechat.engine.recogniser import Hypothesis
from voicechat.engine.response import NOT_HEARD
from voicechat.engine.turns import Sound, Turn, TurnDetector
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


def test_speech_interrupts_the_answer_at_once() -> None:
    async def main() -> None:
        async with (
            chat_server([chunk("Let me think about it. "), HANG], words("Forward it is.")) as chat,
            session(OfflineSettings(chat_url=chat.url, chat_model="m")) as client,
        ):
            await client.update(audio=TRANSCRIPTION)
            part = {"type": "input_text", "text": "where to"}
            await client.send("conversation.item.create", item={"type": "message", "role": "user", "content": [part]})
            await client.send("response.create")
            await client.until("response.output_audio.delta")
            await client.speak(recording(GO_FORWARD))
            await client.until("input_audio_buffer.speech_started")
            interrupted = client.kinds().index("input_audio_buffer.speech_started")
            done = (await client.until("response.done"))["response"]
            assert (done["status"], done["status_details"]["reason"]) == ("cancelled", "turn_detected")
            assert client.kinds()[interrupted:] == [
                "input_audio_buffer.speech_started",
                "response.output_audio.done",
                "response.output_audio_transcript.done",
                "response.content_part.done",
                "conversation.item.done",
                "response.output_item.done",
                "response.done",
            ]
            async with asyncio.timeout(5):
                await chat.gone.wait()
            second = (await client.until("response.done"))["response"]
            assert spoken_text(second) == "Forward it is."
            assert chat.requests[1]["messages"][-1] == {"role": "user", "content": "Go forward ten meters."}

    asyncio.run(main())


@pytest.mark.parametrize(
    ("conversation", "said", "requests"),
    [
        ([("user", "What is two plus two?")], "It is four.", 2),
        ([("user", "What is two plus two?"), ("assistant", "Four.")], NOT_HEARD, 1),  # an answer to nothing
        ([], NOT_HEARD, 1),
    ],
)
def test_a_noise_does_not_cost_the_answer_that_is_being_thought_about(
    conversation: list[tuple[Literal["user", "assistant"], str]], said: str, requests: int
) -> None:
    async def main() -> None:
        async with chat_server([HANG], words("It is four.")) as chat:
            transport = Offline(settings=OfflineSettings(chat_url=chat.url, chat_model="m")).connect()
            await transport.connect()
            try:
                await transport.send(commands.Configure(commands.SessionConfig()))
                for number, (role, text) in enumerate(conversation):
                    await transport.send(commands.SendText(text, role, f"item_{number}"))
                await transport.send(commands.CreateResponse(speak=False))
                await chat.asked.wait()
                await transport.send(commands.AppendAudio(noise(0.2, 300), speech=True))
                await transport.send(commands.AppendAudio(bytes(48 * 2000), speech=False))
                ends, text = [], ""
                async with asyncio.timeout(20):
                    while len(ends) < 2:
                        event = await transport.receive()
                        if isinstance(event, events.ResponseFinished):
                            ends.append(event.status)
                        elif isinstance(event, events.AssistantText):
                            text += event.delta
            finally:
                await transport.close()
        assert (ends, text.strip(), len(chat.requests)) == (["cancelled", "completed"], said, requests)

    asyncio.run(main())


def stopped_recogniser() -> int:
    """The recogniser's process of the one session that runs, which takes in nothing from now on."""
    found = subprocess.run(
        ["pgrep", "-P", str(os.getpid()), "-f", "voicechat.engine.child"], capture_output=True, text=True, check=True
    )
    process = int(found.stdout)
    os.kill(process, signal.SIGSTOP)
    return process


def test_a_cancel_never_waits_behind_the_recogniser() -> None:
    async def main() -> None:
        async with (
            chat_server([chunk("Let me think about it. "), HANG]) as chat,
            session(OfflineSettings(chat_url=chat.url, chat_model="m")) as client,
        ):
            await client.update(audio={"input": {"turn_detection": None}})
            await client.send("response.create")
            await client.until("response.output_audio.delta")
            recogniser = stopped_recogniser()
            try:
                await client.speak(bytes(48_000 * 20), step_ms=200)  # far more than a pipe holds
                await client.send("response.cancel")
                async with asyncio.timeout(5):
                    done = await client.until("response.done")
                assert done["response"]["status_details"]["reason"] == "client_cancelled"
            finally:
                os.kill(recogniser, signal.SIGCONT)

    asyncio.run(main())


def test_an_answer_that_may_not_be_interrupted_goes_on() -> None:
    async def main() -> None:
        async with (
            chat_server([chunk("Let me think about it. "), HANG]) as chat,
            session(OfflineSettings(chat_url=chat.url, chat_model="m")) as client,
        ):
            turn = {"type": "server_vad", "interrupt_response": False}
            await client.update(audio={"input": {"turn_detection": turn}})
            await client.send("response.create")
            await client.until("response.output_audio.delta")
            await client.speak(recording(GO_FORWARD))
            error = await client.until("error")
            assert error["error"]["code"] == "conversation_already_has_active_response"
            await client.send("response.cancel")
            assert (await client.until("response.done"))["response"]["status_details"]["reason"] == "client_cancelled"

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


def samples(path: Path) -> bytes:
    return np.fromfile(path, "<i2").tobytes()


def borders(detector: TurnDetector, pcm: bytes) -> list[tuple[str, int]]:
    found = [event for start in range(0, len(pcm), 640) for event in detector.feed(pcm[start : start + 640])]
    return [(event.kind, event.at_ms) for event in found if isinstance(event, Turn)]


def test_turns_begin_with_their_pre_roll_and_end_after_the_silence() -> None:
    lead = bytes(32 * 1000)
    pcm = lead + samples(GO_FORWARD) + bytes(32 * 1000)
    started, stopped = borders(TurnDetector(prefix_ms=300), pcm)
    onset = 1000 + next(i for i in range(0, 2700, 10) if abs_level(samples(GO_FORWARD), i) > 1000)
    assert started[0] == "started"
    assert onset - 400 < started[1] <= onset - 200
    later = borders(TurnDetector(silence_ms=800), pcm)[1]
    assert (stopped[0], later[0]) == ("stopped", "stopped")
    assert later[1] - stopped[1] == 300
    sound = sum(len(event.pcm) for event in TurnDetector(prefix_ms=300).feed(pcm) if isinstance(event, Sound))
    assert abs(sound / 32 - (stopped[1] - started[1])) <= 20


def test_who_asked_the_detector_before_is_believed_and_nobody_asks_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    pcm = read_pcm(GO_FORWARD)[0] + bytes(32 * 1500)
    microphone, judged = VoiceDetector(16_000), []
    for start in range(0, len(pcm) - 639, 640):
        for block in (pcm[start : start + 320], pcm[start + 320 : start + 640]):
            microphone.voiced(block)
        judged.append((pcm[start : start + 640], microphone.speech))
    expected = borders(TurnDetector(), pcm)
    monkeypatch.setattr("voicechat.engine.turns.VoiceDetector", None)
    detector = TurnDetector()
    found = [event for block, speech in judged for event in detector.feed(block, speech) if isinstance(event, Turn)]
    assert [event.kind for event in found] == ["started", "stopped"]
    assert [abs(event.at_ms - at_ms) <= 20 for event, (_, at_ms) in zip(found, expected, strict=True)] == [True, True]


def abs_level(pcm: bytes, at_ms: int) -> float:
    return float(np.abs(np.frombuffer(pcm[at_ms * 32 : at_ms * 32 + 320], "<i2").astype(float)).max())


def noise(seconds: float, amplitude: float) -> bytes:
    steady = np.random.default_rng(7).normal(0, amplitude, int(16_000 * seconds))
    return steady.clip(-32768, 32767).astype("<i2").tobytes()


def test_loud_steady_noise_is_no_turn_and_a_click_is_none() -> None:
    detector = TurnDetector()
    found = borders(detector, noise(12, 2000))
    assert found == []
    assert not detector.speaking
    quiet = bytearray(bytes(32 * 1000))
    quiet[16_000:16_160] = (np.ones(80, "<i2") * 20_000).tobytes()
    assert borders(TurnDetector(), bytes(quiet)) == []


def test_speech_is_found_over_noise() -> None:
    voice = np.frombuffer(samples(GO_FORWARD), "<i2").astype(float)
    hum = np.frombuffer(noise(8, 60), "<i2").astype(float)
    hum[64_000 : 64_000 + len(voice)] += voice
    pcm = hum.clip(-32768, 32767).astype("<i2").tobytes()
    assert [kind for kind, _ in borders(TurnDetector(), pcm)] == ["started", "stopped"]


def test_speech_is_one_turn_in_noise_that_hides_most_of_it() -> None:
    voice = np.frombuffer(read_pcm(INTERRUPTION)[0], "<i2").astype(float)
    levels = np.sqrt(np.mean(voice[: len(voice) // 160 * 160].reshape(-1, 160) ** 2, axis=1))
    loud = np.sqrt(np.mean(levels[levels > levels.max() / 10] ** 2))
    mixed = np.frombuffer(noise(12, loud * 10 ** (-5 / 20)), "<i2").astype(float)
    mixed[64_000 : 64_000 + len(voice)] += voice
    found = borders(TurnDetector(), mixed.clip(-32768, 32767).astype("<i2").tobytes())
    assert [kind for kind, _ in found] == ["started", "stopped"]
    assert 3600 < found[0][1] < 4300
    assert 0 < found[1][1] - (4000 + len(voice) / 16) < 700


def test_breath_and_tones_are_no_turn() -> None:
    t = np.arange(16_000 * 10) / 16_000
    breath = np.frombuffer(noise(10, 400), "<i2") * np.clip(np.sin(2 * np.pi * t / 3.5), 0, None)
    whistle = np.sin(2 * np.pi * np.cumsum(900 + 400 * np.sign(np.sin(2 * np.pi * 0.9 * t))) / 16_000) * 1500
    for sound in (breath, whistle * (np.sin(2 * np.pi * 0.45 * t) > -0.5)):
        assert borders(TurnDetector(), (sound + np.frombuffer(noise(10, 3), "<i2")).astype("<i2").tobytes()) == []


def test_a_higher_threshold_wants_louder_speech() -> None:
    quiet = (np.frombuffer(samples(GO_FORWARD), "<i2") * 10 ** (-20 / 20)).astype("<i2").tobytes() + bytes(32_000)
    assert [kind for kind, _ in borders(TurnDetector(threshold=0.5), quiet)] == ["started", "stopped"]
    assert borders(TurnDetector(threshold=1.0), quiet) == []


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
