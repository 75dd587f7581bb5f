"""Text-to-speech services against their scripted servers: what is asked, what is heard, and what goes wrong."""

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from tests.speech_servers.cosyvoice import CosyVoiceServer
from tests.speech_servers.qwen import QwenTtsServer
from tests.speech_servers.rest import RestServer
from tests.speech_servers.sound import Fault, heard
from tests.wire.speech_reader import Ear, read, service
from voicechat.errors import ConnectionFailed, Refused, UsageError, VoicechatError
from voicechat.providers.base import ProviderOptions
from voicechat.providers.registry import create
from voicechat.speech import inference, rest, tts_realtime
from voicechat.speech.base import Interrupted, SpeechService, SpeechSettings
from voicechat.speech.reading import Reader

SERVERS = pytest.mark.parametrize("server_type", [RestServer, QwenTtsServer, CosyVoiceServer])


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
