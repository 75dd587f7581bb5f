"""`voicechat serve` before a service: the unmodified client on one side, the scripted service on the other."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.gateway import Served, served, until
from tests.realtime_server import RealtimeServer, Reply, Script, ToolUse
from tests.recordings import GO_FORWARD, pcm, speech

WEATHER: Any = {
    "type": "function",
    "name": "weather",
    "description": "",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
CONFIGS = {
    "ga": '[providers.newapi]\nurl = "{url}"\ndialect = "ga"',
    "beta": '[providers.newapi]\nurl = "{url}"',
    "qwen": '[providers.qwen]\napi_key = "sk-x"\nurl = "{url}"',
}
MODELS = {"ga": "newapi/any", "beta": "newapi/any", "qwen": "qwen/qwen3.5-omni-flash-realtime"}


@asynccontextmanager
async def before(dialect: str, tmp_path: Path, script: Script) -> AsyncIterator[tuple[Served, RealtimeServer]]:
    config = tmp_path / "config.toml"
    async with RealtimeServer(dialect, script=script) as service:
        config.touch(0o600)
        config.write_text(CONFIGS[dialect].format(url=service.url))
        async with served(config) as server:
            yield server, service


async def say(connection: Any, words: str) -> None:
    part: Any = {"type": "input_text", "text": words}
    await connection.conversation.item.create(item={"type": "message", "role": "user", "content": [part]})
    await connection.response.create()


async def speak(connection: Any, seconds_of_silence: float = 1.0) -> None:
    sound = pcm(speech(GO_FORWARD, 24_000)) + bytes(int(48_000 * seconds_of_silence))
    for start in range(0, len(sound), 4800):
        await connection.input_audio_buffer.append(audio=base64.b64encode(sound[start : start + 4800]).decode())


@pytest.mark.parametrize("dialect", ["ga", "beta", "qwen"])
def test_a_service_looks_like_the_protocol_itself(dialect: str, tmp_path: Path) -> None:
    long = Reply("One two three four five six seven eight nine ten.", seconds=4.0, pace=2.0)
    call = Reply(tools=(ToolUse("weather", '{"city":"Paris"}'),))
    script = Script(replies=(Reply("It is sunny."), call, Reply("Seventeen degrees."), long, Reply("All right.")))

    async def main() -> None:
        async with (
            before(dialect, tmp_path, script) as (server, service),
            server.official() as client,
            client.realtime.connect(model=MODELS[dialect]) as connection,
        ):
            (created,) = await until(connection, "session.created")
            assert created.session.model == MODELS[dialect]
            wanted: Any = {
                "type": "realtime",
                "tools": [WEATHER],
                "audio": {"input": {"transcription": {"model": "whisper-1"}}},
            }
            await connection.session.update(session=wanted)
            updated = (await until(connection, "session.updated"))[-1].session
            assert updated.audio.input.turn_detection.interrupt_response

            # a spoken turn, at the service's own rate
            await speak(connection)
            turn = await until(connection, "response.done")
            kinds = [event.type for event in turn]
            assert kinds.index("input_audio_buffer.speech_started") < kinds.index("input_audio_buffer.committed")
            heard = next(event for event in turn if event.type.endswith("transcription.completed"))
            assert heard.transcript == "hello there"
            assert turn[-1].response.output[0].content[0].transcript == "It is sunny."
            sound = sum(len(base64.b64decode(e.delta)) for e in turn if e.type == "response.output_audio.delta")
            assert sound == 48_000

            # a call and its result
            await say(connection, "What is it like in Paris?")
            called = (await until(connection, "response.done"))[-1].response.output[0]
            assert (called.name, called.arguments, called.status) == ("weather", '{"city":"Paris"}', "completed")
            result: Any = {"type": "function_call_output", "call_id": called.call_id, "output": "17"}
            await connection.conversation.item.create(item=result)
            await connection.response.create()
            told = await until(connection, "response.done")
            assert told[-1].response.output[0].content[0].transcript == "Seventeen degrees."
            given = [e["item"] for e in service.received_of("conversation.item.create") if "output" in e["item"]]
            made = next(e["item"] for e in service.sent_of("response.output_item.done") if "call_id" in e["item"])
            assert [(item["call_id"], item["output"]) for item in given] == [(made["call_id"], "17")]

            # an interruption by voice, and how much of the answer was heard
            await say(connection, "Count to ten.")
            item = (await until(connection, "response.output_audio.delta"))[-1].item_id
            await speak(connection)
            cut = (await until(connection, "response.done"))[-1].response
            assert (cut.status, cut.status_details.reason) == ("cancelled", "turn_detected")
            await connection.conversation.item.truncate(item_id=item, content_index=0, audio_end_ms=50)
            truncated = (await until(connection, "conversation.item.truncated"))[-1]
            assert (truncated.item_id, truncated.audio_end_ms) == (item, 50)
            await connection.conversation.item.retrieve(item_id=item)
            shown = (await until(connection, "conversation.item.retrieved"))[-1].item
            assert shown.id == item
            await connection.conversation.item.delete(item_id=item)
            await until(connection, "conversation.item.deleted")
            if dialect != "qwen":  # which has no word for either
                await service.wait_for("conversation.item.truncated")
                await service.wait_for("conversation.item.deleted")
            await connection.input_audio_buffer.clear()
            rest = [event.type for event in await until(connection, "input_audio_buffer.cleared")]
            assert not {"conversation.item.truncated", "conversation.item.deleted"} & set(rest)  # told once
            assert not service.sent_of("error")

    asyncio.run(main())


def test_a_client_of_the_beta_is_answered_in_its_own_words(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            before("ga", tmp_path, Script(replies=(Reply("It is sunny."),))) as (server, service),
            server.official() as client,
            client.beta.realtime.connect(model="newapi/any") as connection,
        ):
            (created,) = await until(connection, "session.created")
            assert created.session.modalities == ["text", "audio"]
            await until(connection, "conversation.created")
            await connection.session.update(session={"voice": "echo", "turn_detection": None})  # type: ignore[typeddict-item]
            updated = (await until(connection, "session.updated"))[-1].session
            assert (updated.voice, updated.turn_detection) == ("echo", None)
            await say(connection, "How is the weather?")
            answer = await until(connection, "response.done")
            assert "conversation.item.created" in [event.type for event in answer]
            assert sum(len(base64.b64decode(e.delta)) for e in answer if e.type == "response.audio.delta") == 48_000
            assert answer[-1].response.output[0].content[0].transcript == "It is sunny."
            assert service.received_of("session.update")[-1]["session"]["audio"]["output"]["voice"] == "echo"

    asyncio.run(main())


def test_a_drop_behind_is_a_pause(tmp_path: Path) -> None:
    script = Script(replies=(Reply("It is sunny.", seconds=0.2), Reply("Still sunny.", seconds=0.2)))

    async def main() -> None:
        async with (
            before("ga", tmp_path, script) as (server, service),
            server.official() as client,
            client.realtime.connect(model="newapi/any") as connection,
        ):
            await until(connection, "session.created")
            await say(connection, "How is the weather?")
            answer = (await until(connection, "response.done"))[-1].response.output[0]
            await service.drop()
            await say(connection, "And now?")
            again = await until(connection, "response.done")
            assert again[-1].response.output[0].content[0].transcript == "Still sunny."
            assert "session.created" not in [event.type for event in again]
            said = [
                timed.event["item"]["content"][0]["text"]
                for timed in service.received
                if timed.connection == 2 and timed.type == "conversation.item.create"
            ]
            assert said == ["How is the weather?", "It is sunny.", "And now?"]
            await connection.conversation.item.retrieve(item_id=answer.id)
            assert (await until(connection, "conversation.item.retrieved"))[-1].item.id == answer.id

    asyncio.run(main())
