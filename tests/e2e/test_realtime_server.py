"""What OpenAI's client cannot show of the scripted server: Qwen, strictness, keys, faults, a thread of its own."""

import asyncio
import base64
import json
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect as connect_sync

from tests.realtime_server import Auth, Faults, RealtimeServer, Reply, Script, ToolUse, buzz
from tests.realtime_server.vad import decode, encode
from tests.soundcard import tone

GA_MANUAL = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}


class Client:
    """JSON over a socket, nothing more."""

    def __init__(self, socket: Any):
        self.socket = socket

    async def send(self, type: str, **fields: Any) -> None:
        await self.socket.send(json.dumps({"type": type, "event_id": "mine", **fields}))

    async def receive(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(await asyncio.wait_for(self.socket.recv(), 10))
        return event

    async def until(self, type: str) -> dict[str, Any]:
        while (event := await self.receive())["type"] != type:
            pass
        return event

    async def update(self, **session: Any) -> dict[str, Any]:
        """The answer to a session.update: `session.updated` or `error`."""
        await self.send("session.update", session=session)
        return await self.receive()

    async def say(self, pcm: bytes, frame: int = 640) -> None:
        for start in range(0, len(pcm), frame):
            audio = base64.b64encode(pcm[start : start + frame]).decode()
            await self.send("input_audio_buffer.append", audio=audio)

    async def closed(self) -> tuple[int, str]:
        try:
            while True:
                await self.receive()
        except ConnectionClosed as closed:
            return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")


@asynccontextmanager
async def talking(server: RealtimeServer, query: str = "?model=m", **headers: str) -> Any:
    async with server, connect(server.url + query, additional_headers=headers) as socket:
        yield Client(socket)


def test_a_qwen_turn_with_text_and_stash_then_a_polite_end() -> None:
    async def main() -> RealtimeServer:
        server = RealtimeServer("qwen", script=Script(replies=(Reply("你好，世界。"),), heard=("今天 好",)))
        async with talking(server, "?model=qwen3.5-omni-flash-realtime") as client:
            created = (await client.receive())["session"]
            assert (created["voice"], created["input_audio_format"]) == ("Tina", "pcm")
            vad = {"type": "server_vad", "threshold": -0.2, "silence_duration_ms": 300}
            assert (await client.update(turn_detection=vad, voice="Cherry"))["type"] == "session.updated"
            await client.say(bytes(16_000) + tone(0.5) + bytes(16_000))
            await client.until("response.done")
            await client.send("session.finish")
            await client.until("session.finished")
            assert (await client.closed())[0] == 1000
        return server

    server = asyncio.run(main())
    partials = server.sent_of("conversation.item.input_audio_transcription.delta")
    assert [(event["text"], event["stash"]) for event in partials] == [
        ("", "今"),
        ("今", "天"),
        ("今天", " "),
        ("今天 ", "好"),
    ]
    assert server.sent_of("input_audio_buffer.speech_stopped")[0]["audio_end_ms"] == 1300
    assert [timed.type for timed in server.sent][-4:-1] == [
        "response.content_part.done",
        "response.output_item.done",
        "response.done",
    ]
    assert "input_tokens_details" in server.sent_of("response.done")[0]["response"]["usage"]
    assert not server.sent_of("rate_limits.updated")
    assert "".join(event["delta"] for event in server.sent_of("response.audio_transcript.delta")) == "你好，世界。"


@pytest.mark.parametrize(
    ("dialect", "session", "code", "param"),
    [
        ("ga", {}, "missing_required_parameter", "session.type"),
        ("ga", {"type": "realtime", "voice": "alloy"}, "unknown_parameter", "session.voice"),
        ("ga", {"type": "realtime", "temperature": 0.8}, "unknown_parameter", "session.temperature"),
        (
            "ga",
            {"type": "realtime", "output_modalities": ["text", "audio"]},
            "invalid_value",
            "session.output_modalities",
        ),
        (
            "ga",
            {"type": "realtime", "audio": {"input": {"format": {"type": "audio/pcm", "rate": 16_000}}}},
            "integer_below_min_value",
            "session.audio.input.format.rate",
        ),
        (
            "ga",
            {"type": "realtime", "audio": {"output": {"voice": "Cherry"}}},
            "invalid_value",
            "session.audio.output.voice",
        ),
        ("beta", {"type": "realtime"}, "unknown_parameter", "session.type"),
        ("beta", {"modalities": ["audio"]}, "invalid_value", "session.modalities"),
        ("beta", {"temperature": 0.2}, "decimal_below_min_value", "session.temperature"),
        ("qwen", {"type": "realtime"}, "invalid_value", "session.type"),
        ("qwen", {"voice": "Nobody"}, "invalid_value", "session.voice"),
        (
            "qwen",
            {"turn_detection": {"type": "server_vad", "threshold": 1.5}},
            "invalid_value",
            "session.turn_detection.threshold",
        ),
        ("qwen", {"tools": [{"type": "function", "name": "f"}]}, "invalid_value", "session.tools[0].name"),
    ],
)
def test_an_update_that_breaks_the_rules_is_refused_whole(
    dialect: str, session: dict[str, Any], code: str, param: str
) -> None:
    async def main() -> None:
        async with talking(RealtimeServer(dialect)) as client:
            before = (await client.receive())["session"]
            if dialect == "beta":
                await client.until("conversation.created")
            error = (await client.update(instructions="new", **session))["error"]
            assert (error["code"], error["param"], error["event_id"]) == (code, param, "mine")
            good = {"type": "realtime"} if dialect == "ga" else {}
            after = (await client.update(**good))["session"]
            assert after == before

    asyncio.run(main())


@pytest.mark.parametrize(
    ("dialect", "event", "code", "words"),
    [
        ("ga", {"type": "input_audio_buffer.commit"}, "input_audio_buffer_commit_empty", "0.00ms"),
        ("ga", {"type": "response.cancel"}, "response_cancel_not_active", "no active response"),
        ("ga", {"type": "input_audio_buffer.append", "audio": "***"}, "invalid_value", "base64"),
        ("ga", {"type": "session.finish"}, "invalid_value", "session.finish"),
        ("ga", {"type": "input_audio_buffer.append", "audio": "", "x": 1}, "unknown_parameter", "'x'"),
        (
            "ga",
            {"type": "conversation.item.truncate", "item_id": "no", "content_index": 0, "audio_end_ms": 1},
            "item_truncate_invalid_item_id",
            "not found",
        ),
        (
            "qwen",
            {"type": "conversation.item.truncate", "item_id": "no", "content_index": 0, "audio_end_ms": 1},
            "invalid_value",
            "conversation.item.truncate",
        ),
        ("qwen", {"type": "input_audio_buffer.commit"}, "invalid_value", "too small"),
        (
            "beta",
            {
                "type": "conversation.item.create",
                "item": {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "x"}]},
            },
            "invalid_value",
            "output_text",
        ),
    ],
)
def test_events_that_earn_an_error_and_no_more(dialect: str, event: dict[str, Any], code: str, words: str) -> None:
    async def main() -> None:
        async with talking(RealtimeServer(dialect)) as client:
            await client.send(**event)
            error = (await client.until("error"))["error"]
            assert error["code"] == code
            assert words in error["message"]
            await client.send("input_audio_buffer.clear")
            await client.until("input_audio_buffer.cleared")

    asyncio.run(main())


def test_frames_that_are_no_events_are_complained_about_and_survived() -> None:
    async def main() -> None:
        server = RealtimeServer()
        async with talking(server) as client:
            await client.receive()
            codes = []
            for frame in (b"\x00", "{", "[]", '{"x": 1}'):
                await client.socket.send(frame)
                codes.append((await client.receive())["error"]["code"])
            assert codes == ["invalid_event", "invalid_json", "invalid_event", "invalid_event"]
            assert server.connections[0].broken_frames == 4

    asyncio.run(main())


def test_truncate_beyond_what_was_said_is_an_error_and_a_second_response_too() -> None:
    async def main() -> None:
        async with talking(RealtimeServer(script=Script(replies=(Reply(seconds=30, late_deltas=2),)))) as client:
            await client.receive()
            await client.update(**GA_MANUAL)
            await client.send("response.create")
            item_id = (await client.until("response.output_audio.delta"))["item_id"]
            await client.send("response.create")
            error = (await client.until("error"))["error"]
            assert error["code"] == "conversation_already_has_active_response"
            await client.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=29_000)
            error = (await client.until("error"))["error"]
            assert (error["code"], error["param"]) == ("invalid_value", "audio_end_ms")
            await client.send("response.cancel")
            done = (await client.until("response.done"))["response"]
            assert done["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}

    asyncio.run(main())


@pytest.mark.parametrize(
    ("auth", "query", "headers", "code", "close"),
    [
        (Auth("sk-1"), "?model=m", {"Authorization": "Bearer sk-2"}, "invalid_api_key", 3000),
        (Auth("sk-1"), "?model=m", {}, None, 3000),
        (Auth(), "", {}, "missing_model", 4000),
        (Auth(models=frozenset(["a"])), "?model=m", {}, "invalid_model", 4000),
        (Auth(), "?model=m", {"OpenAI-Beta": "realtime=v1"}, "beta_api_shape_disabled", 4000),
    ],
)
def test_openai_upgrades_first_and_refuses_then(
    auth: Auth, query: str, headers: dict[str, str], code: str | None, close: int
) -> None:
    async def main() -> None:
        async with talking(RealtimeServer(auth=auth), query, **headers) as client:
            assert (await client.receive())["error"]["code"] == code
            assert (await client.closed())[0] == close

    asyncio.run(main())


@pytest.mark.parametrize(("dialect", "auth"), [("ga", Auth("sk-1", refuse="http")), ("qwen", Auth("sk-1"))])
def test_a_wrong_key_refused_at_the_handshake(dialect: str, auth: Auth) -> None:
    async def main() -> None:
        with pytest.raises(InvalidStatus) as caught:
            async with talking(RealtimeServer(dialect, auth=auth), Authorization="Bearer sk-2"):
                pass
        assert caught.value.response.status_code == 401
        async with talking(RealtimeServer(dialect, auth=auth), Authorization="Bearer sk-1") as client:
            assert (await client.receive())["type"] == "session.created"

    asyncio.run(main())


def test_a_key_in_the_subprotocol_is_taken_and_not_echoed() -> None:
    async def main() -> None:
        offered: list[Any] = ["realtime", "openai-insecure-api-key.sk-1"]
        async with (
            RealtimeServer(auth=Auth("sk-1")) as server,
            connect(server.url + "?model=m", subprotocols=offered) as socket,
        ):
            assert socket.subprotocol == "realtime"
            assert (await Client(socket).receive())["type"] == "session.created"

    asyncio.run(main())


def test_an_unknown_qwen_model_is_accepted_and_closed_in_silence() -> None:
    async def main() -> None:
        async with talking(RealtimeServer("qwen", auth=Auth(models=frozenset(["a"])))) as client:
            assert (await client.receive())["type"] == "session.created"
            assert await client.closed() == (1000, "")

    asyncio.run(main())


@pytest.mark.parametrize(
    ("faults", "close"),
    [
        (Faults(close_at=1, close_code=1012, close_reason="restart"), (1012, "restart")),
        (Faults(close_at="session.updated", close_code=1006), (1006, "")),
        (Faults(expire_at=2), (1001, "Your session hit the maximum duration of 60 minutes.")),
    ],
)
def test_it_closes_when_told_to_and_only_on_the_chosen_connections(faults: Faults, close: tuple[int, str]) -> None:
    async def main() -> None:
        async with RealtimeServer(faults=replace(faults, connections=1)) as server:
            for number in (1, 2):
                async with connect(server.url + "?model=m") as socket:
                    client = Client(socket)
                    await client.receive()
                    with suppress(ConnectionClosed):  # it may be gone already
                        await client.send("session.update", session=GA_MANUAL)
                    if number == 1:
                        assert await client.closed() == close
                    else:
                        assert (await client.receive())["type"] == "session.updated"
        assert bool(server.sent_of("error")) == (faults.expire_at is not None)

    asyncio.run(main())


def test_rubbish_silence_and_odd_pieces_on_demand() -> None:
    async def main() -> None:
        faults = Faults(inject={"response.created": ["not json", b"\x00\x01"]}, bad_base64=True)
        reply = Reply(seconds=0.2, delta_bytes=4801, pace=1000)
        server = RealtimeServer(script=Script(replies=(reply,)), faults=faults)
        async with talking(server) as client:
            await client.receive()
            await client.update(**GA_MANUAL)
            await client.send("response.create")
            await client.until("response.created")
            assert [await client.socket.recv() for _ in range(2)] == ["not json", b"\x00\x01"]
            await client.until("response.done")
        deltas = [event["delta"] for event in server.sent_of("response.output_audio.delta")]
        assert deltas[1].startswith("***")
        assert base64.b64decode(deltas[0]) == buzz(0.2)[:4801]
        server = RealtimeServer(faults=Faults(silent="turn"))
        async with talking(server) as client:
            await client.send("response.create")
            await client.send("input_audio_buffer.clear")
            await client.until("input_audio_buffer.cleared")
            assert not server.sent_of("response.created")

    asyncio.run(main())


def test_a_function_result_needs_its_call() -> None:
    async def main() -> None:
        server = RealtimeServer(script=Script(replies=(Reply(tools=(ToolUse("f", "not json"),)),)))
        async with talking(server) as client:
            output = {"type": "function_call_output", "call_id": "unknown", "output": ""}
            await client.send("conversation.item.create", item=output)
            assert (await client.until("error"))["error"]["param"] == "item.call_id"
            await client.send("response.create")
            call = await client.until("response.function_call_arguments.done")
            assert call["arguments"] == "not json"
            await client.send("conversation.item.create", item={**output, "call_id": call["call_id"]})
            added = await client.until("conversation.item.done")
            while added["item"]["type"] != "function_call_output":
                added = await client.until("conversation.item.done")

    asyncio.run(main())


@pytest.mark.parametrize("encoding", ["pcmu", "pcma"])
def test_g711_both_ways(encoding: str) -> None:
    async def main() -> bytes:
        reply = Reply(pcm=tone(0.5, 400, 24_000), pace=1000)
        server = RealtimeServer(script=Script(replies=(reply,)))
        async with talking(server) as client:
            await client.receive()
            wire = {"format": {"type": f"audio/{encoding}"}}
            vad = {"type": "server_vad", "silence_duration_ms": 300}
            await client.update(type="realtime", audio={"input": {**wire, "turn_detection": vad}, "output": wire})
            silence, speech = (
                encode(np.frombuffer(pcm, "<i2"), encoding) for pcm in (bytes(8000), tone(0.5, 400, 8000))
            )
            await client.say(silence + speech + silence, 160)
            await client.until("response.done")
        assert server.sent_of("input_audio_buffer.speech_stopped")[0]["audio_end_ms"] == 1300
        return b"".join(base64.b64decode(event["delta"]) for event in server.sent_of("response.output_audio.delta"))

    heard = decode(asyncio.run(main()), encoding).astype(float)
    assert len(heard) == 4000
    assert np.sqrt(np.mean(heard**2)) == pytest.approx(0.1 * 32767, rel=0.03)
    assert decode(bytes([0xFF, 0x80] if encoding == "pcmu" else [0xD5, 0xAA]), encoding).tolist() == (
        [0, 32124] if encoding == "pcmu" else [8, 32256]
    )


def test_it_serves_a_synchronous_test_from_a_thread_of_its_own() -> None:
    with RealtimeServer() as server, connect_sync(server.url + "?model=m") as socket:
        assert json.loads(socket.recv(10))["type"] == "session.created"
        socket.send(json.dumps({"type": "input_audio_buffer.clear"}))
        assert server.wait("input_audio_buffer.clear").connection == 1
        server.run(server.send({"type": "future.event", "event_id": "e"}))
        assert json.loads(socket.recv(10))["type"] == "input_audio_buffer.cleared"
        assert json.loads(socket.recv(10))["type"] == "future.event"
        server.run(server.drop(4001, "enough"))
        with pytest.raises(ConnectionClosed, match="enough"):
            socket.recv(10)
