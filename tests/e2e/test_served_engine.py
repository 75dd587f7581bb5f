"""The engine behind the server codec on a real WebSocket: unmodified official clients talk to it."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from openai import AsyncOpenAI
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tests.served_engine import served_engine
from tests.unit.offline_client import QUESTIONS, recording
from voicechat.dialects.openai.client import ClientProfile, RealtimeCodec
from voicechat.dialects.openai.server import chosen_dialect
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev


async def answer(connection: ServerConnection) -> None:
    request = connection.request
    assert request is not None
    headers = {name.lower(): value for name, value in request.headers.raw_items()}
    async with served_engine(dialect=chosen_dialect(headers, [connection.subprotocol or ""], request.path)) as served:

        async def say() -> None:
            while True:
                await connection.send(await served.frames.get())

        saying = asyncio.create_task(say())
        try:
            async for frame in connection:
                await served.take(frame)
        except ConnectionClosed:
            pass
        finally:
            saying.cancel()
            await asyncio.wait({saying})


@asynccontextmanager
async def official() -> AsyncIterator[AsyncOpenAI]:
    async with serve(answer, "127.0.0.1", 0) as server:
        here = f"//127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        async with AsyncOpenAI(api_key="none", base_url=f"http:{here}", websocket_base_url=f"ws:{here}") as client:
            yield client


async def until(connection: Any, kind: str) -> list[Any]:
    """The events up to the first of that kind."""
    seen = []
    async with asyncio.timeout(30):
        async for event in connection:
            assert event.type != "error", event
            seen.append(event)
            if event.type == kind:
                break
    return seen


@pytest.mark.parametrize("generation", ["ga", "beta"])
def test_the_official_client_speaks_and_types(generation: str) -> None:
    async def main() -> None:
        async with official() as client:
            realtime = client.realtime if generation == "ga" else client.beta.realtime
            async with realtime.connect(model="companion") as connection:
                (created,) = await until(connection, "session.created")
                if generation == "ga":
                    assert created.session.type == "realtime"
                    transcription: Any = {"audio": {"input": {"transcription": {"model": "any"}}}, "type": "realtime"}
                else:
                    assert created.session.modalities == ["text", "audio"]
                    transcription = {"input_audio_transcription": {"model": "any"}}
                await connection.session.update(session=transcription)
                await until(connection, "session.updated")

                pcm = recording(QUESTIONS / "what-is-twelve-times-seven.wav")
                for start in range(0, len(pcm), 960):
                    await connection.input_audio_buffer.append(
                        audio=base64.b64encode(pcm[start : start + 960]).decode()
                    )
                seen = await until(connection, "response.done")
                heard = next(event for event in seen if event.type.endswith("input_audio_transcription.completed"))
                assert heard.transcript == "What is twelve times seven?"
                assert seen[-1].response.status == "completed"
                assert seen[-1].response.output[0].content[0].transcript == "12 times 7 is 84."
                deltas = [event.delta for event in seen if event.type.endswith("audio.delta")]
                assert sum(len(base64.b64decode(delta)) for delta in deltas) > 48_000

                await connection.conversation.item.create(
                    item={
                        "type": "message",
                        "role": "user",
                        "content": [{"type": "input_text", "text": "what is two plus two"}],
                    }
                )
                modalities: Any = {"output_modalities": ["text"]} if generation == "ga" else {"modalities": ["text"]}
                await connection.response.create(response=modalities)
                done = (await until(connection, "response.done"))[-1].response
                assert done.output[0].content[0].text == "2 plus 2 is 4."

    asyncio.run(main())


@pytest.mark.parametrize("dialect", ["ga", "beta"])
def test_our_own_client_half_hears_what_the_engine_says(dialect: Any) -> None:
    """Engine, server half, client half: what arrives is what was told, in its order, bracketed as promised."""

    async def main() -> None:
        from tests.wire.brackets import check

        codec = RealtimeCodec(ClientProfile(dialect=dialect))
        async with served_engine(dialect=dialect) as served:
            seen: list[ev.Event] = []

            async def until(kind: type) -> None:
                async with asyncio.timeout(20):
                    while not seen or not isinstance(seen[-1], kind):
                        seen.extend(codec.decode(await served.frames.get()))

            async def send(command: cmd.Command) -> None:
                for frame in codec.encode(command):
                    await served.take(frame)

            await until(ev.SessionCreated)
            await send(cmd.Configure(cmd.SessionConfig(voice="en-gb")))
            await until(ev.SessionConfigured)
            assert isinstance(seen[-1], ev.SessionConfigured)
            assert seen[-1].voice == "en-gb"
            await send(cmd.SendText("what is two plus two", item_id="turn-1"))
            await send(cmd.CreateResponse())
            await until(ev.ResponseFinished)
            assert isinstance(seen[-1], ev.ResponseFinished)
            assert seen[-1].status == "completed"
            assert seen[-1].usage is not None
            assert not [event for event in seen if isinstance(event, ev.Ignored | ev.ServiceError)]
            started = next(event for event in seen if isinstance(event, ev.ResponseStarted))
            assert started.answers == "turn-1"
            (pieces,) = check(seen).values()
            words = "".join(event.delta for event in pieces if isinstance(event, ev.AssistantText))
            assert words == "2 plus 2 is 4."

    asyncio.run(main())
