"""`voicechat serve` as DashScope's clients dial it: their unmodified SDK talks to the gateway."""

import asyncio
import base64
import json
import queue
from pathlib import Path
from typing import Any

import pytest
from dashscope.audio.qwen_omni import AudioFormat, MultiModality, OmniRealtimeCallback, OmniRealtimeConversation
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.gateway import served
from tests.realtime_server import RealtimeServer, Reply, Script
from tests.recordings import GO_FORWARD, pcm, speech
from voicechat.serve.tokens import hash_of

SCRIPT = Script(replies=(Reply("It is sunny."), Reply("Still sunny.")))


class Heard(OmniRealtimeCallback):
    def __init__(self) -> None:
        self.events: queue.Queue[dict[str, Any]] = queue.Queue()

    def on_event(self, message: Any) -> None:
        self.events.put(message)

    def until(self, kind: str) -> list[dict[str, Any]]:
        seen: list[dict[str, Any]] = []
        while not seen or seen[-1]["type"] != kind:
            seen.append(self.events.get(timeout=10))
            assert seen[-1]["type"] != "error", seen[-1]
        return seen


def converse(url: str) -> None:
    heard = Heard()
    talk = OmniRealtimeConversation(
        model="newapi/any", callback=heard, url=url, headers={"Authorization": "Bearer vc-a"}
    )
    talk.connect()
    line = talk.ws.sock.sock
    heard.until("session.created")
    talk.update_session(
        output_modalities=[MultiModality.AUDIO, MultiModality.TEXT],
        voice="alloy",
        input_audio_format=AudioFormat.PCM_16000HZ_MONO_16BIT,
        output_audio_format=AudioFormat.PCM_24000HZ_MONO_16BIT,
        enable_input_audio_transcription=True,
        enable_turn_detection=True,
        turn_detection_type="server_vad",
    )
    heard.until("session.updated")
    sound = pcm(speech(GO_FORWARD, 16_000)) + bytes(32_000)
    for start in range(0, len(sound), 3200):
        talk.append_audio(base64.b64encode(sound[start : start + 3200]).decode())
    turn = heard.until("response.done")
    partial = [event for event in turn if event["type"].endswith("input_audio_transcription.delta")]
    assert [event["text"] + event["stash"] for event in partial] == ["hello ", "hello there"]
    done = turn[-1]["response"]
    assert done["output"][0]["content"][0]["transcript"] == "It is sunny."
    assert done["usage"]["input_tokens_details"]["audio_tokens"] >= 0
    assert sum(len(base64.b64decode(e["delta"])) for e in turn if e["type"] == "response.audio.delta") == 48_000
    started = next(event for event in turn if event["type"] == "input_audio_buffer.speech_started")
    stopped = next(event for event in turn if event["type"] == "input_audio_buffer.speech_stopped")
    assert 1500 < stopped["audio_end_ms"] - started["audio_start_ms"] < 3500  # at 16 kHz, not at 24
    talk.append_video(base64.b64encode(b"\xff\xd8\xff\xe0 a picture").decode())
    talk.create_response()
    heard.until("response.done")
    talk.end_session()
    heard.until("session.finished")
    talk.thread.join(10)  # the gateway has closed the connection
    assert not talk.thread.is_alive()
    line.close()  # which the SDK leaves to the garbage collector


def test_the_vendors_own_client_talks_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashscope.api_key", "vc-a")
    config = tmp_path / "config.toml"

    async def main() -> None:
        async with RealtimeServer("ga", script=SCRIPT) as service:
            known = f'[serve.tokens.a]\nhash = "{hash_of("vc-a")}"\n'
            config.write_text(f'[providers.newapi]\nurl = "{service.url}"\ndialect = "ga"\n{known}')
            async with served(config) as server:
                url = f"ws:{server.here}/api-ws/v1/realtime"
                await asyncio.to_thread(converse, url)
                pictures = [
                    part["type"]
                    for event in service.received_of("conversation.item.create")
                    for part in event["item"]["content"]
                ]
                assert pictures == ["input_image"]
                with pytest.raises(InvalidStatus) as caught:
                    async with connect(f"{url}?model=newapi/any", proxy=None):
                        pass
                assert caught.value.response.status_code == 401

                # the end is answered when the answer is over, and then the connection is closed
                key = {"Authorization": "Bearer vc-a"}
                async with connect(f"{url}?model=newapi/any", proxy=None, additional_headers=key) as socket:
                    await socket.send('{"type":"input_image_buffer.append","image":"AAAA"}')
                    await socket.send('{"type":"response.create","response":{"instructions":null}}')
                    await socket.send('{"type":"session.finish"}')
                    kinds = []
                    async for frame in socket:
                        kinds.append(json.loads(frame)["type"])
                    assert socket.close_code == 1000
                    assert kinds[-1] == "session.finished"
                    assert kinds.index("response.done") < kinds.index("session.finished")
                    assert "error" in kinds  # a picture before any sound

    asyncio.run(main())
