"""Text-to-speech over a WebSocket, each protocol by itself: sessions, tasks, and a dialogue that reads."""

from typing import Any

import pytest

from tests.doubao_server import DoubaoServer, Faults
from tests.speech_servers.cosyvoice import CosyVoiceServer
from tests.speech_servers.qwen import QwenTtsServer
from tests.speech_servers.rest import KEY, RestServer
from tests.speech_servers.sound import Fault
from tests.wire.speech_reader import Ear, read, service
from voicechat.errors import Refused
from voicechat.providers.base import ProviderOptions
from voicechat.providers.registry import create
from voicechat.speech.base import SpeechSettings
from voicechat.speech.dialogue import DialogueSpeech


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
