"""The scripted server is faithful: OpenAI's own client holds conversations with it, its types accept every event."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from openai import AsyncOpenAI
from pydantic import TypeAdapter

from tests.realtime_server import RealtimeServer, Reply, Script, ToolUse, buzz
from tests.soundcard import tone

FRAME_MS = 20
RATE_HZ = 24_000
LOUD = tone(0.6, 300, RATE_HZ)
QUIET = bytes(int(0.6 * RATE_HZ) * 2)
SPEECH = QUIET + LOUD + QUIET
SCRIPT = Script(
    replies=(Reply("Tomorrow will be cloudy."), Reply("No rain at all.")), heard=("what is the weather", "stop that")
)
VAD = {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 300}
LADDER = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
    "rate_limits.updated",
]
BETA_LADDER = [
    name.replace("item.added", "item.created")
    .replace("output_item.created", "output_item.added")
    .replace("output_audio", "audio")
    for name in LADDER
    if name != "conversation.item.done"
]

Session = Callable[[Any, RealtimeServer], Awaitable[None]]


def ga_session(turn_detection: dict[str, Any] | None, **fields: Any) -> dict[str, Any]:
    listen = {"transcription": {"model": "gpt-4o-mini-transcribe"}, "turn_detection": turn_detection}
    return {"type": "realtime", "audio": {"input": listen, "output": {"voice": "marin"}}, **fields}


def beta_session(turn_detection: dict[str, Any] | None, **fields: Any) -> dict[str, Any]:
    return {"input_audio_transcription": {"model": "whisper-1"}, "turn_detection": turn_detection, **fields}


SESSIONS = {"ga": ga_session, "beta": beta_session}


@asynccontextmanager
async def connected(server: RealtimeServer) -> AsyncIterator[Any]:
    """OpenAI's client, connected: the GA resource or the one for Beta."""
    base = f"ws://127.0.0.1:{server.port}/v1"
    async with AsyncOpenAI(api_key="sk-test", base_url=base.replace("ws", "http"), websocket_base_url=base) as client:
        resource = client.realtime if server.dialect == "ga" else client.beta.realtime
        async with resource.connect(model="gpt-realtime") as connection:
            yield connection


def hold(dialect: str, talk: Session, script: Script = SCRIPT) -> RealtimeServer:
    """Run a conversation, and then let the package's types check every event that was sent."""

    async def main() -> RealtimeServer:
        async with RealtimeServer(dialect, script=script) as server, connected(server) as connection:
            await until(connection, "session.created")
            await talk(connection, server)
        return server

    server = asyncio.run(main())
    if dialect == "ga":
        from openai.types.realtime import RealtimeServerEvent
    else:
        from openai.types.beta.realtime import RealtimeServerEvent
    types: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
    for timed in server.sent:
        types.validate_python(timed.event)
    return server


async def until(connection: Any, type: str) -> Any:
    async def read() -> Any:
        while (event := await connection.recv()).type != type:
            assert event.type != "error", event.error
        return event

    return await asyncio.wait_for(read(), 10)


async def speak(connection: Any, pcm: bytes) -> None:
    step = RATE_HZ * FRAME_MS // 1000 * 2
    for start in range(0, len(pcm), step):
        await connection.input_audio_buffer.append(audio=base64.b64encode(pcm[start : start + step]).decode())


def order(server: RealtimeServer, ladder: list[str]) -> list[str]:
    return [timed.type for timed in server.sent if timed.type in ladder]


@pytest.mark.parametrize("dialect", ["ga", "beta"])
def test_a_text_turn(dialect: str) -> None:
    async def talk(connection: Any, server: RealtimeServer) -> None:
        text = {"output_modalities": ["text"]} if dialect == "ga" else {"modalities": ["text"]}
        await connection.session.update(session=SESSIONS[dialect](VAD, **text))
        await until(connection, "session.updated")
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "And tomorrow?"}]}
        await connection.conversation.item.create(item=item)
        await connection.response.create()
        done = await until(connection, "response.done")
        assert done.response.status == "completed"
        assert done.response.output[0].content[0].text == "Tomorrow will be cloudy."

    server = hold(dialect, talk)
    deltas = server.sent_of("response.output_text.delta" if dialect == "ga" else "response.text.delta")
    assert "".join(event["delta"] for event in deltas) == "Tomorrow will be cloudy."


@pytest.mark.parametrize(("dialect", "ladder"), [("ga", LADDER), ("beta", BETA_LADDER)])
def test_a_spoken_turn_found_by_the_server(dialect: str, ladder: list[str]) -> None:
    async def talk(connection: Any, server: RealtimeServer) -> None:
        await connection.session.update(session=SESSIONS[dialect](VAD))
        await speak(connection, SPEECH)
        await until(connection, "rate_limits.updated")

    server = hold(dialect, talk)
    assert order(server, ladder) == ladder
    audio = server.sent_of("response.output_audio.delta" if dialect == "ga" else "response.audio.delta")
    assert b"".join(base64.b64decode(event["delta"]) for event in audio) == buzz(1.0)
    heard = "conversation.item.input_audio_transcription"
    assert "".join(event["delta"] for event in server.sent_of(f"{heard}.delta")) == "what is the weather"
    assert server.sent_of(f"{heard}.completed")[0]["transcript"] == "what is the weather"
    started, stopped = (server.sent_of(f"input_audio_buffer.speech_{kind}")[0] for kind in ("started", "stopped"))
    assert started["item_id"] == stopped["item_id"] == server.sent_of("input_audio_buffer.committed")[0]["item_id"]
    assert started["audio_start_ms"] == 300  # speech from 600 ms on, less the prefix
    assert stopped["audio_end_ms"] == 1500  # speech until 1200 ms, and the silence


@pytest.mark.parametrize("dialect", ["ga", "beta"])
def test_a_manual_turn(dialect: str) -> None:
    async def talk(connection: Any, server: RealtimeServer) -> None:
        await connection.session.update(session=SESSIONS[dialect](None))
        await until(connection, "session.updated")
        await speak(connection, LOUD)
        await connection.input_audio_buffer.commit()
        committed = await until(connection, "input_audio_buffer.committed")
        assert committed.previous_item_id is None
        assert not server.sent_of("response.created")
        await connection.response.create()
        await until(connection, "response.done")

    server = hold(dialect, talk)
    assert not server.sent_of("input_audio_buffer.speech_started")


@pytest.mark.parametrize("dialect", ["ga", "beta"])
def test_the_user_talks_over_the_answer_and_it_is_truncated(dialect: str) -> None:
    audio = "response.output_audio" if dialect == "ga" else "response.audio"

    async def talk(connection: Any, server: RealtimeServer) -> None:
        await connection.session.update(session=SESSIONS[dialect](VAD))
        await speak(connection, SPEECH)
        delta = await until(connection, f"{audio}.delta")
        await speak(connection, SPEECH)
        cancelled = await until(connection, "response.done")
        assert (cancelled.response.status, cancelled.response.status_details.reason) == ("cancelled", "turn_detected")
        assert cancelled.response.output[0].status == "incomplete"
        await connection.conversation.item.truncate(item_id=delta.item_id, content_index=0, audio_end_ms=40)
        truncated = await until(connection, "conversation.item.truncated")
        assert truncated.audio_end_ms == 40
        assert (await until(connection, "response.done")).response.status == "completed"

    server = hold(dialect, talk, Script(replies=(Reply("One two three four.", seconds=20), Reply("Done."))))
    kinds = [timed.type for timed in server.sent]
    second = kinds.index("input_audio_buffer.speech_started", kinds.index(f"{audio}.delta"))
    assert f"{audio}.delta" not in kinds[second : kinds.index("response.done", second)]


@pytest.mark.parametrize("dialect", ["ga", "beta"])
def test_a_function_call_and_its_result(dialect: str) -> None:
    async def talk(connection: Any, server: RealtimeServer) -> None:
        tool = {"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}}
        await connection.session.update(session=SESSIONS[dialect](None, tools=[tool]))
        await connection.response.create()
        call = await until(connection, "response.function_call_arguments.done")
        assert call.arguments == '{"city": "Wien"}'
        await until(connection, "response.done")
        output = {"type": "function_call_output", "call_id": call.call_id, "output": "cloudy"}
        await connection.conversation.item.create(item=output)
        await connection.response.create()
        done = await until(connection, "response.done")
        assert done.response.output[0].content[0].transcript == "It is cloudy."

    hold(
        dialect, talk, Script(replies=(Reply(tools=(ToolUse("weather", '{"city": "Wien"}'),)), Reply("It is cloudy.")))
    )


def test_late_and_failed_transcriptions_and_retrieved_items_are_events_the_package_knows() -> None:
    async def talk(connection: Any, server: RealtimeServer) -> None:
        await connection.session.update(session=ga_session(VAD))
        await speak(connection, SPEECH)
        done = await until(connection, "response.done")
        late = await until(connection, "conversation.item.input_audio_transcription.completed")
        assert late.transcript == "what is the weather"
        await connection.conversation.item.retrieve(item_id=done.response.output[0].id)
        retrieved = await until(connection, "conversation.item.retrieved")
        assert base64.b64decode(retrieved.item.content[0].audio) == buzz(1.0)
        server.script = Script(replies=(Reply(failure="server_error"),), transcription="failed")
        await speak(connection, SPEECH)
        await until(connection, "conversation.item.input_audio_transcription.failed")
        assert (await until(connection, "response.done")).response.status_details.error.code == "server_error"

    hold("ga", talk, Script(replies=SCRIPT.replies, heard=SCRIPT.heard, transcription="late"))


def test_the_packages_types_would_refuse_a_wrong_event() -> None:
    from openai.types.realtime import RealtimeServerEvent

    types: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
    with pytest.raises(ValueError, match=r"delta"):
        types.validate_python({"type": "response.output_audio.delta", "event_id": "e"})
