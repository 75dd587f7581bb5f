"""`voicechat serve` and the offline engine: the unmodified client talks to them."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_serve_refusals import dial, event
from tests.gateway import served, until
from tests.unit.offline_client import QUESTIONS, recording
from voicechat.serve.gateway import Limits


def test_the_official_client_holds_a_spoken_turn(tmp_path: Path) -> None:
    async def main() -> None:
        one_place = Limits(offline_sessions=1)
        async with served(tmp_path / "config.toml", limits=one_place) as server, server.official() as client:
            assert [model.id async for model in client.models.list()] == ["offline"]
            async with client.realtime.connect(model="offline") as connection:
                async with client.realtime.connect(model="offline") as late:  # there is no place for it on this machine
                    (refused,) = await until(late, "error", errors=True)
                    assert refused.error.code == "server_busy"
                (created,) = await until(connection, "session.created")
                assert (created.session.type, created.session.model) == ("realtime", "offline")
                wanted: Any = {
                    "type": "realtime",
                    "audio": {"input": {"transcription": {"model": "any"}}, "output": {"voice": "marin"}},
                }
                await connection.session.update(session=wanted)
                updated = (await until(connection, "session.updated"))[-1].session
                assert updated.audio.output.voice == "marin"  # nobody is called so here: the engine's own voice answers

                pcm = recording(QUESTIONS / "what-is-twelve-times-seven.wav")
                for start in range(0, len(pcm), 960):
                    audio = base64.b64encode(pcm[start : start + 960]).decode()
                    await connection.input_audio_buffer.append(audio=audio)
                seen = await until(connection, "response.done")
                heard = next(event for event in seen if event.type.endswith("input_audio_transcription.completed"))
                assert heard.transcript == "What is twelve times seven?"
                done = seen[-1].response
                assert done.status == "completed"
                assert done.output[0].content[0].transcript == "12 times 7 is 84."
                deltas = [event.delta for event in seen if event.type.endswith("audio.delta")]
                assert sum(len(base64.b64decode(delta)) for delta in deltas) > 48_000

    asyncio.run(main())


@pytest.mark.parametrize(
    ("path", "headers", "response", "param"),
    [
        ("/v1/realtime", {}, {"audio": {"output": {"voice": "nobody"}}}, "response.audio.output.voice"),
        ("/v1/realtime", {"OpenAI-Beta": "realtime=v1"}, {"voice": "nobody"}, "response.voice"),
        ("/api-ws/v1/realtime", {}, {"voice": "nobody"}, "response.voice"),
    ],
)
def test_nobody_answers_in_another_voice(
    path: str, headers: dict[str, str], response: dict[str, Any], param: str, tmp_path: Path
) -> None:
    async def main() -> None:
        async with (
            served(tmp_path / "config.toml") as server,
            dial(server, "?model=offline", path, additional_headers=headers) as socket,
        ):
            await event(socket, "session.created")
            await socket.send(json.dumps({"type": "response.create", "response": response}))
            error = (await event(socket, "error"))["error"]
            assert (error["code"], error["param"]) == ("invalid_value", param)

    asyncio.run(main())


def test_the_engine_answers_beside_the_conversation(tmp_path: Path) -> None:
    def wish(words: str) -> dict[str, Any]:
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": words}]}
        return {"conversation": "none", "input": [item], "metadata": {"words": words}, "output_modalities": ["text"]}

    async def main() -> None:
        async with (
            served(tmp_path / "config.toml") as server,
            server.official() as client,
            client.realtime.connect(model="offline") as connection,
        ):
            aside: Any = wish("what is two plus two")
            await connection.response.create(response=aside)
            part: Any = {"type": "input_text", "text": "what is three plus three"}
            await connection.conversation.item.create(item={"type": "message", "role": "user", "content": [part]})
            await connection.response.create()
            (first, second) = [(await until(connection, "response.done"))[-1].response for _ in range(2)]
            beside, answer = (first, second) if first.conversation_id is None else (second, first)
            assert beside.metadata == {"words": "what is two plus two"}
            assert beside.output[0].content[0].text == "2 plus 2 is 4."
            assert answer.output[0].content[0].transcript == "3 plus 3 is 6."
            await connection.conversation.item.retrieve(item_id=beside.output[0].id)
            assert (await until(connection, "error", errors=True))[-1].error.code == "item_not_found"

            # one that is cancelled by its name
            aside = wish("what is two plus two") | {"output_modalities": ["audio"]}
            await connection.response.create(response=aside)
            begun = (await until(connection, "response.output_audio.delta"))[-1].response_id
            await connection.response.cancel(response_id=begun)
            assert (await until(connection, "response.done"))[-1].response.status == "cancelled"

    asyncio.run(main())
