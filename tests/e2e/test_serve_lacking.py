"""`voicechat serve` before services that lack something, or go away: whoever is in front notices nothing of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.doubao_server import DoubaoServer
from tests.e2e.test_serve_upstream import say, speak
from tests.gateway import Served, served, until
from tests.realtime_server import Faults, RealtimeServer, Reply, Script

BACK_AT_ONCE = "[connection]\nretry_delays_s = [0.05]\n"
TRANSCRIBED: Any = {"type": "realtime", "audio": {"input": {"transcription": {"model": "whisper-1"}}}}
MANUAL: Any = {"type": "realtime", "audio": {"input": {"transcription": {"model": "any"}, "turn_detection": None}}}
LONG = Reply("One two three four five six seven eight.", seconds=4.0, pace=2.0)


@asynccontextmanager
async def before(
    tmp_path: Path, script: Script, settings: str = "", faults: Faults = Faults()
) -> AsyncIterator[tuple[Served, RealtimeServer]]:
    config = tmp_path / "config.toml"
    async with RealtimeServer("ga", script=script, faults=faults) as service:
        config.write_text(f'{settings}\n[providers.newapi]\nurl = "{service.url}"\ndialect = "ga"\n')
        async with served(config) as server:
            yield server, service


def of(seen: list[Any], kind: str) -> list[Any]:
    return [event for event in seen if event.type == kind]


def test_turns_are_found_here_for_a_model_that_finds_none(tmp_path: Path) -> None:
    script = Script(replies=(LONG, Reply("All right.", seconds=0.2)))

    async def main() -> None:
        async with (
            before(tmp_path, script, 'turn = "local"') as (server, service),
            server.official() as client,
            client.realtime.connect(model="newapi/any") as connection,
        ):
            await until(connection, "session.created")
            await connection.session.update(session=TRANSCRIBED)
            updated = (await until(connection, "session.updated"))[-1].session
            assert updated.audio.input.turn_detection.type == "server_vad"
            await speak(connection)
            turn = await until(connection, "response.output_audio.delta")
            (started,), (stopped,) = (of(turn, f"input_audio_buffer.speech_{step}") for step in ("started", "stopped"))
            (committed,) = of(turn, "input_audio_buffer.committed")
            assert started.item_id == stopped.item_id == committed.item_id
            assert stopped.audio_end_ms - started.audio_start_ms > 1000
            (words,) = of(turn, "conversation.item.input_audio_transcription.completed")
            assert (words.item_id, words.transcript) == (started.item_id, "hello there")

            await speak(connection)  # into the answer
            assert (await until(connection, "response.done"))[-1].response.status == "cancelled"
            answer = (await until(connection, "response.done"))[-1].response
            assert answer.output[0].content[0].transcript == "All right."
            told = [
                update["session"]["audio"]["input"]["turn_detection"]
                for update in service.received_of("session.update")
            ]
            assert told == [None, None]
            assert not service.sent_of("input_audio_buffer.speech_started")
            assert not service.sent_of("error")

    asyncio.run(main())


def test_words_are_written_down_here_for_a_model_that_does_not(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            before(tmp_path, Script(transcription="failed", replies=(Reply(seconds=0.2),))) as (server, service),
            server.official() as client,
            client.realtime.connect(model="newapi/any") as connection,
        ):
            await until(connection, "session.created")
            await connection.session.update(session=TRANSCRIBED)
            await speak(connection)
            seen = await until(connection, "conversation.item.input_audio_transcription.completed")
            assert seen[-1].transcript.lower().startswith("go forward ten meters")
            assert service.sent_of("conversation.item.input_audio_transcription.failed")
            assert not of(seen, "conversation.item.input_audio_transcription.failed")

    asyncio.run(main())


COMPLETED = "conversation.item.input_audio_transcription.completed"


@pytest.mark.parametrize(
    "gone_at", ["input_audio_buffer.speech_started", "input_audio_buffer.committed", COMPLETED, "response.created"]
)
@pytest.mark.parametrize("session", [TRANSCRIBED, MANUAL], ids=["found", "manual"])
def test_a_turn_survives_a_drop_behind(session: Any, gone_at: str, tmp_path: Path) -> None:
    """Wherever in it: it is told once, under one name, and answered."""
    if session is MANUAL and gone_at.endswith("speech_started"):
        gone_at = "session.updated"  # while it is spoken, and nobody has heard of it
    script = Script(replies=(Reply("It is sunny.", seconds=0.2),))
    faults = Faults(connections=1, close_at=gone_at, close_code=1006)

    async def main() -> None:
        async with (
            before(tmp_path, script, BACK_AT_ONCE, faults) as (server, service),
            server.official() as client,
            client.realtime.connect(model="newapi/any") as connection,
        ):
            await until(connection, "session.created")
            await connection.session.update(session=session)
            await speak(connection)
            if session is MANUAL:
                await connection.input_audio_buffer.commit()
                await connection.response.create()
            seen = await until(connection, "response.done")
            if gone_at == "response.created":  # an answer that had begun ends, and nobody waits for it
                assert seen[-1].response.status_details.reason == "connection_lost"
                await say(connection, "And now?")
                seen += await until(connection, "response.done")
            assert seen[-1].response.output[0].content[0].transcript == "It is sunny."
            once = ["input_audio_buffer.committed", COMPLETED]
            if session is TRANSCRIBED:
                once += ["input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped"]
            named = [of(seen, kind) for kind in once]
            assert [len(found) for found in named] == [1] * len(once)
            assert len({found[0].item_id for found in named}) == 1
            assert not of(seen, "session.created")
            assert {timed.connection for timed in service.received} == {1, 2}

    asyncio.run(main())


def test_what_a_running_session_does_not_take_begins_it_anew(tmp_path: Path) -> None:
    """Doubao is told with the session's beginning who ends the turns."""
    config = tmp_path / "config.toml"

    async def main(service: DoubaoServer) -> None:
        config.touch(0o600)
        config.write_text(f'[providers.doubao]\napp_id = "a"\naccess_key = "k"\nurl = "{service.url}"\n')
        async with (
            served(config) as server,
            server.official() as client,
            client.realtime.connect(model="doubao/1.2.1.1") as connection,
        ):
            await until(connection, "session.created")
            await connection.session.update(session=MANUAL)
            updated = (await until(connection, "session.updated"))[-1].session
            assert updated.audio.input.turn_detection is None
            await speak(connection)
            await connection.input_audio_buffer.commit()
            await connection.response.create()
            seen = await until(connection, "response.done")
            (words,) = of(seen, COMPLETED)
            assert words.transcript == "今天适合去爬山吗"
            assert not of(seen, "input_audio_buffer.speech_started")
            await connection.input_audio_buffer.clear()
            await until(connection, "input_audio_buffer.cleared")
        modes = [timed.fields["dialog"]["extra"].get("input_mod") for timed in service.events(100)]
        assert modes == [None, "push_to_talk"]

    with DoubaoServer() as service:
        asyncio.run(main(service))
