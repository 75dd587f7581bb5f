"""Text-to-speech services against their scripted servers: what is asked, what is heard, and what goes wrong."""

import asyncio
import struct
from contextlib import aclosing
from typing import Any

import pytest

from tests.doubao_server import DoubaoServer, Faults
from tests.speech_servers.cosyvoice import CosyVoiceServer
from tests.speech_servers.qwen import QwenTtsServer
from tests.speech_servers.rest import KEY, RestServer
from tests.speech_servers.sound import Fault, encoded, heard, voice
from voicechat.errors import ConnectionFailed, Refused, UsageError, VoicechatError
from voicechat.providers.base import ProviderOptions
from voicechat.providers.registry import create
from voicechat.speech import inference, rest, tts_realtime
from voicechat.speech.base import Interrupted, SpeechService, SpeechSettings
from voicechat.speech.dialogue import DialogueSpeech
from voicechat.speech.inference import InferenceTts
from voicechat.speech.promised import Promised
from voicechat.speech.reading import Reader
from voicechat.speech.rest import RestSpeech
from voicechat.speech.tts_realtime import TtsRealtime

MODELS = {RestServer: "tts-1", QwenTtsServer: "qwen3-tts-flash-realtime", CosyVoiceServer: "cosyvoice-v2"}
VOICES = {RestServer: "alloy", QwenTtsServer: "Cherry", CosyVoiceServer: "longxiaochun_v2"}
SERVERS = pytest.mark.parametrize("server_type", [RestServer, QwenTtsServer, CosyVoiceServer])


def service(server: Any, *, key: str = KEY, model: str = "", **settings: Any) -> SpeechService:
    kind = type(server)
    model = model or MODELS[kind]
    options = ProviderOptions(api_key=key, url=server.url, model=model)
    settings = {"voice": VOICES[kind], **settings}
    if kind is RestServer:
        return RestSpeech(create("openai", options), SpeechSettings(model=model, **settings))  # type: ignore[arg-type]
    make = TtsRealtime if kind is QwenTtsServer else InferenceTts
    return make(create("qwen", options), SpeechSettings(model=model, **settings))  # type: ignore[arg-type]


class Ear:
    """A sink that keeps the sound of each piece; with `plays`, what was heard cannot be taken back."""

    def __init__(self, plays: bool = False):
        self.plays = plays
        self.pieces: list[bytes] = []
        self._current = b""

    async def write(self, sound: bytes) -> None:
        self._current += sound

    def rewind(self) -> int:
        if self.plays:
            return len(self._current)
        self._current = b""
        return 0

    async def piece_done(self) -> None:
        self.pieces.append(self._current)
        self._current = b""

    @property
    def text(self) -> list[str]:
        return [heard(piece) for piece in self.pieces]


def read(made: SpeechService, texts: list[str], sink: Ear, waits: list[float] | None = None) -> int:
    async def wait(pause_s: float) -> None:
        if waits is not None:
            waits.append(pause_s)

    async def each() -> Any:
        for text in texts:
            yield text

    async def run() -> int:
        try:
            return await Reader(made, sink, wait=wait).read(each())
        finally:
            await made.close()

    return asyncio.run(run())


@SERVERS
def test_every_piece_is_heard_once_and_in_order(server_type: Any) -> None:
    texts = ["Hello there.", "How are you?", "今天天气很好。", "Good."]
    with server_type() as server:
        sink = Ear()
        assert read(service(server), texts, sink) == 4
        assert sink.text == texts


@SERVERS
@pytest.mark.parametrize("plays", [False, True])
def test_a_piece_that_is_cut_is_asked_for_again_and_heard_once(server_type: Any, plays: bool) -> None:
    texts = ["Hello there.", "This one is cut in the middle.", "And on."]
    with server_type(faults={"is cut": Fault(cut_after=7001)}) as server:
        sink, waits = Ear(plays), list[float]()
        read(service(server), texts, sink, waits)
        assert sink.text == texts
        assert waits == [0.5]
        asked = server.inputs() if server_type is RestServer else server.texts
        assert sorted(asked) == sorted([*texts, texts[1]])


@SERVERS
def test_a_wrong_key_is_refused_and_not_tried_again(server_type: Any) -> None:
    with server_type() as server, pytest.raises(Refused) as caught:
        read(service(server, key="sk-canary-5512aa77"), ["Hello."], Ear())
    assert caught.value.exit_code == 6
    assert "key" in caught.value.message
    assert "canary" not in str(caught.value)


@SERVERS
def test_a_wrong_voice_is_refused_with_the_services_words(server_type: Any) -> None:
    with server_type() as server, pytest.raises(Refused):
        read(service(server, voice="Nobody"), ["Hello."], Ear())


@SERVERS
def test_an_unknown_model_is_said_to_be_unknown(server_type: Any) -> None:
    with server_type() as server, pytest.raises(VoicechatError) as caught:
        read(service(server, model="no-such-model"), ["Hello."], Ear())
    assert "model" in str(caught.value)


@SERVERS
def test_nobody_there_is_said_at_once(server_type: Any) -> None:
    server = server_type()
    with server:
        pass
    with pytest.raises(ConnectionFailed, match="Nothing listens") as caught:
        read(service(server), ["Hello."], Ear())
    assert caught.value.exit_code == 5


@SERVERS
def test_what_was_spoken_before_a_failure_stays(server_type: Any) -> None:
    fault = Fault(status=400, body="{}") if server_type is RestServer else Fault(code="InvalidParameter", message="no")
    with server_type(faults={"Two": fault}) as server:
        sink = Ear()
        with pytest.raises(Refused):
            read(service(server), ["One.", "Two.", "Three."], sink)
        assert sink.text == ["One."]


@SERVERS
def test_closing_the_sound_stops_it(server_type: Any) -> None:
    async def run(made: SpeechService) -> None:
        async with aclosing(made.speak("A long text. " * 100)) as stream:
            assert await anext(stream)
        await made.close()

    with server_type() as server:
        asyncio.run(run(service(server)))


@SERVERS
def test_the_rate_and_the_manner_are_asked_for(server_type: Any) -> None:
    with server_type() as server:
        settings: dict[str, Any] = {"speed": 1.5}
        if server_type is not RestServer:
            settings |= {"pitch": 0.8, "volume": 70, "rate_hz": 16_000}
        sink = Ear()
        made = service(server, **settings)
        read(made, ["Hello."], sink)
        if server_type is RestServer:
            assert server.requests == [
                {"model": "tts-1", "input": "Hello.", "voice": "alloy", "response_format": "pcm", "speed": 1.5}
            ]
        elif server_type is QwenTtsServer:
            assert server.received[0]["session"] == {
                "voice": "Cherry", "mode": "server_commit", "response_format": "pcm", "sample_rate": 16_000,
                "speech_rate": 1.5, "pitch_rate": 0.8, "volume": 70,
            }  # fmt: skip
        else:
            assert server.received[0]["payload"]["parameters"] == {
                "text_type": "PlainText", "voice": "longxiaochun_v2", "format": "pcm", "sample_rate": 16_000,
                "rate": 1.5, "pitch": 0.8, "volume": 70,
            }  # fmt: skip
        assert heard(sink.pieces[0], made.rate_hz) == "Hello."


def test_one_piece_ahead_and_no_more() -> None:
    async def run(server: RestServer) -> None:
        made, going = service(server), asyncio.Event()

        class Slow(Ear):
            async def write(self, sound: bytes) -> None:
                await going.wait()
                await super().write(sound)

        async def each() -> Any:
            for text in ("One.", "Two.", "Three.", "Four."):
                yield text

        sink = Slow()
        reading = asyncio.ensure_future(Reader(made, sink).read(each()))
        await asyncio.to_thread(server.wait_for, 2)
        await asyncio.sleep(0.1)
        assert len(server.requests) == 2
        going.set()
        assert await reading == 4
        assert sink.text == ["One.", "Two.", "Three.", "Four."]
        await made.close()

    with RestServer() as server:
        asyncio.run(run(server))
        assert server.most_at_once <= 2


def test_an_endless_refusal_ends_after_four_attempts() -> None:
    faults: dict[int | str, Fault] = {n: Fault(status=503, body="<html>busy</html>") for n in range(1, 9)}
    with RestServer(faults=faults) as server:
        waits: list[float] = []
        with pytest.raises(ConnectionFailed, match="HTTP 503"):
            read(service(server), ["Hello."], Ear(), waits)
        assert (waits, len(server.requests)) == ([0.5, 1.0, 2.0], 4)


def test_retry_after_is_respected_and_bounded() -> None:
    limit = '{"error":{"message":"Rate limit reached","type":"requests","param":null,"code":"rate_limit_exceeded"}}'
    with RestServer(faults={1: Fault(status=429, body=limit, headers={"Retry-After": "7"})}) as server:
        waits: list[float] = []
        sink = Ear()
        read(service(server), ["Hello."], sink, waits)
        assert (waits, sink.text) == ([7.0], ["Hello."])
    with RestServer(faults={1: Fault(status=429, body=limit, headers={"Retry-After": "3600"})}) as server:
        with pytest.raises(ConnectionFailed, match="3600 s"):
            read(service(server), ["Hello."], Ear())
        assert len(server.requests) == 1


def test_an_empty_account_is_not_asked_again() -> None:
    body = '{"error":{"message":"You exceeded your current quota","code":"insufficient_quota"}}'
    with RestServer(faults={1: Fault(status=429, body=body)}) as server:
        with pytest.raises(Refused, match="quota"):
            read(service(server), ["Hello."], Ear())
        assert len(server.requests) == 1


def wav(sound: bytes, *chunks: bytes, size: int | None = None, after: bytes = b"") -> bytes:
    """A 24 kHz WAV file; `size` is what its header says of the sound."""
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 24_000, 48_000, 2, 16)
    data = struct.pack("<4sI", b"data", len(sound) if size is None else size)
    return b"RIFF" + bytes(4) + b"WAVE" + form + b"".join(chunks) + data + sound + after


SOUND = struct.pack("<600h", *range(600))
LIST = struct.pack("<4sI", b"LIST", 12) + b"INFOdata\x7f\x7f\x7f\x7f"


@pytest.mark.parametrize("piece", [1, 7, 50, 5000])
@pytest.mark.parametrize(
    "file",
    [
        wav(SOUND, after=LIST),  # what follows the sound is none
        wav(SOUND, after=b"\0" + LIST),
        wav(SOUND, LIST),  # nor is the word `data` in what comes before it
        wav(SOUND, size=0),
        wav(SOUND, size=0xFFFFFFFF),
        wav(SOUND, size=0x7FFFFFFF - 36),
        wav(SOUND, size=5000),  # broken off
    ],
)
def test_of_a_wav_its_sound_is_heard_and_nothing_else(file: bytes, piece: int) -> None:
    promised = Promised("Service", "pcm", 24_000)
    heard_of = b"".join(promised.feed(file[at : at + piece]) for at in range(0, len(file), piece))
    assert heard_of + promised.feed(b"", last=True) == SOUND


@pytest.mark.parametrize("encoding", ["wav", "mp3", "flac", "opus"])
def test_another_format_than_pcm_is_understood(encoding: str) -> None:
    text = "Not quite what was asked for."
    fault = Fault(content=encoded(text, encoding), content_type="application/octet-stream")
    if encoding == "mp3":
        fault = Fault(content=fault.content, content_type="audio/mpeg")
    with RestServer(faults={1: fault}) as server:
        sink = Ear()
        read(service(server), [text], sink)
    if encoding in ("wav", "flac"):
        assert sink.text == [text]
    else:
        assert abs(len(sink.pieces[0]) - len(voice(text))) < 4800


@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"<!doctype html><p>hello", "text/html"), (b'{"audio_url": "x"}', "application/json"), (b'{"error":{}}' * 9, "")],
)
def test_text_in_place_of_sound_is_an_error(content: bytes, kind: str) -> None:
    with (
        RestServer(faults={1: Fault(content=content, content_type=kind)}) as server,
        pytest.raises(Refused, match="asked for PCM and sent text"),
    ):
        read(service(server), ["Hello."], Ear())


def test_a_promised_format_that_is_another_one_is_an_error() -> None:
    fault = Fault(content=encoded("x", "wav"), content_type="audio/mpeg")
    with RestServer(faults={1: fault}) as server, pytest.raises(Refused, match="asked for MP3 and sent WAV"):
        read(service(server, encoding="mp3"), ["Hello."], Ear())


def test_no_sound_at_all_is_an_error() -> None:
    faults: dict[int | str, Fault] = {n: Fault(content=b"", content_type="audio/pcm") for n in range(1, 9)}
    with RestServer(faults=faults) as server, pytest.raises(ConnectionFailed, match="no sound"):
        read(service(server), ["Hello."], Ear())


def test_commit_mode_speaks_all_pieces_in_as_few_sessions_as_run_at_once() -> None:
    with QwenTtsServer() as server:
        sink = Ear()
        texts = [f"Piece {n}." for n in range(8)]
        read(service(server, mode="commit"), texts, sink)
        assert sink.text == texts
        assert server.connections == 2
        kinds = [event["type"] for event in server.received]
        assert kinds.count("input_text_buffer.commit") == 8
        assert kinds.count("session.update") == 2


def test_server_commit_may_answer_in_several_responses() -> None:
    with QwenTtsServer() as server:
        sink = Ear()
        read(service(server), ["One. Two. Three."], sink)
        assert sink.text == ["One. Two. Three."]


def test_instructions_reach_the_models_that_take_them() -> None:
    with QwenTtsServer() as server:
        read(service(server, model="qwen3-tts-instruct-flash-realtime", instructions="Whisper."), ["Hush."], Ear())
        assert server.received[0]["session"]["instructions"] == "Whisper."
    with RestServer() as server:
        read(service(server, model="gpt-4o-mini-tts", instructions="Whisper."), ["Hush."], Ear())
        assert server.requests[0]["instructions"] == "Whisper."


def test_a_task_reuses_the_connection_and_finishes_at_once() -> None:
    with CosyVoiceServer() as server:
        sink = Ear()
        texts = [f"Piece {n}." for n in range(6)]
        read(service(server), texts, sink)
        assert sink.text == texts
        assert server.connections == 2
        actions = [event["header"]["action"] for event in server.received]
        assert actions.count("finish-task") == 6
        assert len({event["header"]["task_id"] for event in server.received}) == 6


def test_the_wrong_voice_of_another_generation_is_explained() -> None:
    with CosyVoiceServer() as server, pytest.raises(Refused) as caught:
        read(service(server, voice="longanyang"), ["Hello."], Ear())
    assert "418" in caught.value.message
    assert "no voice of cosyvoice-v2" in caught.value.hint


def test_a_used_up_quota_at_close_is_final() -> None:
    reason = "Allocated quota exceeded, please increase your quota limit."
    with QwenTtsServer(faults={1: Fault(status=1007, body=reason)}) as server, pytest.raises(Refused, match="quota"):
        read(service(server), ["Hello."], Ear())
    assert server.texts == ["Hello."]


def test_throttling_is_waited_for() -> None:
    with CosyVoiceServer(
        faults={1: Fault(code="Throttling.RateQuota", message="Requests rate limit exceeded")}
    ) as server:
        sink, waits = Ear(), list[float]()
        read(service(server), ["Hello."], sink, waits)
        assert (sink.text, waits) == (["Hello."], [0.5])


def test_what_a_service_cannot_do_is_said_before_it_is_asked() -> None:
    for abilities, settings in (
        (rest.ABILITIES, SpeechSettings("m", speed=5.0)),
        (rest.ABILITIES, SpeechSettings("m", pitch=1.0)),
        (tts_realtime.ABILITIES, SpeechSettings("m", speed=0.4)),
        (tts_realtime.ABILITIES, SpeechSettings("m", mode="both")),
        (inference.ABILITIES, SpeechSettings("m", volume=101)),
        (inference.ABILITIES, SpeechSettings("m", mode="commit")),
    ):
        with pytest.raises(UsageError):
            abilities.check(settings, "It")
    tts_realtime.ABILITIES.check(SpeechSettings("m", speed=2.0, pitch=0.5, volume=0, mode="commit"), "It")


def test_an_interruption_carries_what_to_say() -> None:
    assert Interrupted(ConnectionFailed("Gone.")).error.message == "Gone."


@pytest.mark.parametrize(
    ("name", "options", "url"),
    [
        ("openai", {}, "https://api.openai.com/v1/audio/speech"),
        ("openai", {"url": "http://localhost:8000/v1"}, "http://localhost:8000/v1/audio/speech"),
        ("openai", {"url": "localhost:8000"}, "http://localhost:8000/v1/audio/speech"),
        ("newapi", {"url": "ws://host:3000/v1/realtime?model=x"}, "http://host:3000/v1/audio/speech"),
        ("newapi", {"url": "https://host/api/v1/audio/speech"}, "https://host/api/v1/audio/speech"),
        ("azure", {"url": "https://r.openai.azure.com"}, "https://r.openai.azure.com/openai/v1/audio/speech"),
        (
            "azure",
            {"url": "https://r.openai.azure.com/", "api_version": "2025-04-01-preview", "model": "tts"},
            "https://r.openai.azure.com/openai/deployments/tts/audio/speech?api-version=2025-04-01-preview",
        ),
    ],
)
def test_where_the_speech_endpoint_is(name: str, options: dict[str, str], url: str) -> None:
    assert create(name, ProviderOptions(api_key="k", **options)).speech_url() == url  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("options", "url"),
    [
        ({}, "wss://dashscope.aliyuncs.com/api-ws/v1/inference"),
        ({"workspace": "ws-1"}, "wss://ws-1.cn-beijing.maas.aliyuncs.com/api-ws/v1/inference"),
        ({"url": "ws://127.0.0.1:9/api-ws/v1/inference/"}, "ws://127.0.0.1:9/api-ws/v1/inference"),
        ({"url": "ws://127.0.0.1:9"}, "ws://127.0.0.1:9/api-ws/v1/inference"),
    ],
)
def test_where_tasks_are_served(options: dict[str, str], url: str) -> None:
    request = create("qwen", ProviderOptions(api_key="k", model="m", **options)).inference_request()  # type: ignore[attr-defined]
    assert request.url == url
    assert request.headers["Authorization"] == "Bearer k"


def dialogue_service(server: DoubaoServer, **settings: Any) -> DialogueSpeech:
    options = ProviderOptions(app_id="1234", access_key=KEY, url=server.url)
    return DialogueSpeech(create("doubao", options), SpeechSettings("1.2.1.1", **settings))  # type: ignore[arg-type]


def test_a_dialogue_is_given_its_words() -> None:
    with DoubaoServer() as server:
        sink = Ear()
        read(dialogue_service(server, voice="zh_male_yunzhou_jupiter_bigtts", speed=1.2), ["你好。", "再见。"], sink)
        assert [len(piece) for piece in sink.pieces] == [24_000, 24_000]  # half a second each, s16le
        supplied = [timed.fields for timed in server.received if timed.event == 500]
        assert supplied == [
            {"start": True, "content": "你好。", "end": False},
            {"start": False, "content": "", "end": True},
            {"start": True, "content": "再见。", "end": False},
            {"start": False, "content": "", "end": True},
        ]
        start = next(timed.fields for timed in server.received if timed.event == 100)
        assert start["tts"]["speaker"] == "zh_male_yunzhou_jupiter_bigtts"
        assert start["tts"]["audio_config"]["speech_rate"] == 20
        assert start["dialog"]["extra"]["input_mod"] == "text"
        assert len(server.connections) == 1


def test_a_dialogue_that_is_cut_is_begun_again() -> None:
    with DoubaoServer(faults=Faults(close_at=352, close_code=1006, connections=1)) as server:
        sink, waits = Ear(), list[float]()
        read(dialogue_service(server), ["你好。"], sink, waits)
        assert [len(piece) for piece in sink.pieces] == [24_000]
        assert waits == [0.5]


def test_a_dialogue_without_its_voice_is_refused() -> None:
    with DoubaoServer() as server, pytest.raises(Refused, match="InvalidSpeaker"):
        read(dialogue_service(server, voice="ICL_zh_female_wenrouwenya_tob"), ["你好。"], Ear())
