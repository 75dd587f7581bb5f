"""`voicechat serve`: who reads slowly, goes away, sends half a request or waits too long costs nobody else anything."""

import asyncio
import contextlib
import json
import logging
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.test_serve_dialogue import WAV, ask
from tests.e2e.test_serve_refusals import LONG, bearer, dial, ending, event, gateway, token
from tests.gateway import Served, served
from tests.realtime_server import Faults, Reply, Script
from tests.speech_servers.rest import KEY, RestServer
from tests.speech_servers.sound import Fault
from voicechat.engine.ear import ProcessEar
from voicechat.serve import speech, transcription
from voicechat.serve.budget import revocation
from voicechat.serve.connections import Connection
from voicechat.serve.ears import Ears
from voicechat.serve.gateway import Limits
from voicechat.serve.places import MOST_WAITING
from voicechat.serve.refusals import Refusal

ENDLESS = Fault(content=bytes(16_000_000), content_type="audio/pcm")
"""More than the system keeps of a connection that nobody reads."""
HEAD = "POST {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n"
FORM = 'multipart/form-data; boundary="x"'


async def raw(server: Served, sent: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection that takes little by itself."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", server.port))
    reader, writer = await asyncio.open_connection(sock=connection, limit=1024)
    writer.write(sent)
    await writer.drain()
    return reader, writer


async def rest_of(reader: asyncio.StreamReader) -> bytes:
    """Everything until the end, which may be an abrupt one."""
    got = b""
    async with asyncio.timeout(10):
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(65_536):
                got += piece
    return got


async def half(server: Served, path: str, kind: str = FORM) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A request whose body does not come to its end."""
    body = '--x\r\nContent-Disposition: form-data; name="audio_file"; filename="a"\r\n\r\nabc'
    return await raw(server, (HEAD.format(path, server.port, kind, 5000) + body).encode())


async def nobody_asks(server: Served) -> None:
    async with asyncio.timeout(10):
        while server.gateway._answers:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.01)


def read_aloud(text: str = "Hello there.", **more: Any) -> dict[str, Any]:
    return {"model": "newapi/tts-1", "voice": "alloy", "input": text, "response_format": "pcm"} | more


def test_who_does_not_read_holds_up_no_other_speech(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    config = tmp_path / "config.toml"

    async def main(service: RestServer) -> None:
        config.touch(0o600)
        config.write_text(f'[providers.newapi]\nurl = "{service.url}"\napi_key = "{KEY}"\n')
        async with (
            served(config, limits=Limits(drain_s=0)) as server,
            httpx.AsyncClient(base_url=f"http:{server.here}", timeout=30) as http,
        ):
            body = json.dumps(read_aloud()).encode()
            head = HEAD.format("/v1/audio/speech", server.port, "application/json", len(body)).encode()
            _, writer = await raw(server, head + body)
            await asyncio.to_thread(service.wait_for, 1)
            assert (await http.post("/v1/audio/speech", json=read_aloud())).status_code == 200  # its turn comes

            monkeypatch.setattr(speech, "MOST_OPEN", 1)
            refused = await http.post("/v1/audio/speech", json=read_aloud())
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "server_busy")
            writer.transport.abort()
            await nobody_asks(server)

            monkeypatch.setattr(Connection, "reading_s", 0.2)
            reader, writer = await raw(server, head + body)
            await asyncio.to_thread(service.wait_for, 3)
            await nobody_asks(server)  # who reads nothing for too long is let go
            assert len(await rest_of(reader)) < len(ENDLESS.content or b"")
            writer.close()

    with RestServer(faults={1: ENDLESS, 3: ENDLESS}) as service:
        asyncio.run(main(service))


def test_whoever_goes_leaves_the_recogniser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hears, left = asyncio.Event(), asyncio.Event()

    async def endless(*_: object) -> str:
        hears.set()
        try:
            await asyncio.Event().wait()
        finally:
            left.set()
        return ""

    monkeypatch.setattr(transcription, "understood", endless)

    async def main() -> None:
        async with (
            served(tmp_path / "config.toml", limits=Limits(drain_s=0)) as server,
            httpx.AsyncClient(base_url=f"http:{server.here}", timeout=30) as http,
        ):
            for stream in ("false", "true"):
                hears.clear()
                left.clear()
                fields = {"model": "offline", "stream": stream}
                asking = asyncio.create_task(
                    http.post("/v1/audio/transcriptions", data=fields, files={"file": ("a.wav", WAV)})
                )
                async with asyncio.timeout(10):
                    await hears.wait()
                    asking.cancel()
                    await left.wait()

    asyncio.run(main())


def test_recordings_leave_an_ear_to_those_who_talk() -> None:
    async def main() -> None:
        ears = Ears(1)

        async def recording() -> None:
            async with ears.for_a_recording():
                pass

        async with ears.for_a_recording():
            waiting = [asyncio.create_task(recording()) for _ in range(MOST_WAITING)]
            await asyncio.sleep(0)
            with pytest.raises(Refusal):
                await recording()
            async with asyncio.timeout(30):
                assert await ears.understand(bytes(32_000)) == ""
            assert not any(task.done() for task in waiting)
        await asyncio.gather(*waiting)
        async with ears._one() as back_last, ears._one() as back_first:
            pass
        async with ears._one() as next_one:
            assert next_one is back_first is not back_last

        begun: list[ProcessEar] = []

        async def endless() -> None:
            async with ears.for_a_recording() as ear:
                ear.start()
                begun.append(ear)
                await asyncio.Event().wait()

        left = asyncio.create_task(endless())
        await asyncio.sleep(0)
        left.cancel()
        await asyncio.wait((left,))
        assert begun[0].pid is None
        async with ears._one() as one, ears._one() as other:
            assert begun[0] not in (one, other)
        await ears.close()

    asyncio.run(main())


def test_a_dialogue_and_sound_use_the_minutes_of_a_day(tmp_path: Path) -> None:
    keys = ("vc-a", "vc-b", "vc-c")
    tokens = "".join(token(f"t{key[-1]}", key, "minutes_per_day = 0.0001") for key in keys)

    async def main() -> None:
        async with (
            gateway(tmp_path, tokens) as server,
            httpx.AsyncClient(base_url=f"http:{server.here}", timeout=30) as http,
        ):
            said = {"model": "offline", "voice": "alloy", "input": "Hi.", "response_format": "wav"}
            requests: list[tuple[str, dict[str, Any]]] = [
                ("/api/dialog/audio", {"files": {"audio_file": ("a.wav", WAV)}, "data": {"model": "newapi/any"}}),
                ("/v1/audio/speech", {"json": said}),
                ("/v1/audio/transcriptions", {"files": {"file": ("a.wav", WAV)}, "data": {"model": "offline"}}),
            ]
            for key, (path, how) in zip(keys, requests, strict=True):
                headers = bearer(key)["additional_headers"]
                answers = [await http.post(path, headers=headers, timeout=30, **how) for _ in range(2)]
                assert [answer.status_code for answer in answers] == [200, 429], path
                assert answers[1].json()["error"]["code"] == "rate_limit_exceeded"

    asyncio.run(main())


def test_minutes_that_end_let_the_answer_end(tmp_path: Path) -> None:
    """Those of a session alone, when they are over, and not at the next beat."""

    async def main() -> None:
        async with (
            gateway(tmp_path, token("anna", "vc-a", "minutes_per_day = 0.005"), LONG, lease_s=90.0) as server,
            dial(server, **bearer("vc-a")) as one,
        ):
            await event(one, "session.created")
            await one.send('{"type":"response.create"}')
            events, code, _ = await ending(one)
            done = next(told for told in events if told["type"] == "response.done")
            assert done["response"]["status"] == "completed"
            assert (events[-1]["error"]["code"], code) == ("rate_limit_exceeded", 1013)

    asyncio.run(main())


def test_whoever_does_not_finish_a_request_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Connection, "head_s", 0.3)
    monkeypatch.setattr(Connection, "body_s", 0.3)

    async def main() -> None:
        async with (
            gateway(tmp_path, limits=Limits(sessions=2, more_connections=3)) as server,
            httpx.AsyncClient(base_url=f"http:{server.here}", timeout=30) as http,
            dial(server) as session,
        ):
            await event(session, "session.created")
            assert (await http.get("/api/health")).status_code == 200
            idle = [
                await raw(server, b""),
                await raw(server, b"GET /api/health HTTP/1.1\r\nHost: 127.0."),
                await half(server, "/v1/audio/speech", "application/json"),
            ]
            reader, writer = await raw(server, b"GET /api/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            answer = await rest_of(reader)
            assert b" 503 " in answer
            assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "server_busy"
            writer.close()
            for reader, writer in idle:
                assert await rest_of(reader) == b""
                writer.close()
            first = f"GET /api/health HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n"
            second = HEAD.format("/v1/audio/speech", server.port, "application/json", 5000)
            reader, writer = await raw(server, (first + second).encode())
            assert (await rest_of(reader)).count(b"HTTP/1.1 ") == 1
            writer.close()
            assert (await http.get("/api/health")).status_code == 200
            await session.send('{"type":"input_audio_buffer.clear"}')
            await event(session, "input_audio_buffer.cleared")

    asyncio.run(main())


def test_an_upload_that_breaks_off_is_no_failure(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    async def main() -> None:
        async with gateway(tmp_path) as server, httpx.AsyncClient(base_url=f"http:{server.here}", timeout=30) as http:
            for path in ("/v1/audio/transcriptions", "/api/dialog/audio"):
                _, writer = await half(server, path)
                writer.close()
                await writer.wait_closed()
            count = 'voicechat_refused_total{code="request_broken_off"} 2.0'
            async with asyncio.timeout(10):
                while count not in (await http.get("/metrics")).text:  # noqa: ASYNC110 - nothing tells
                    await asyncio.sleep(0.01)

    asyncio.run(main())
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_speech_that_fails_behind_breaks_off_in_order(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = tmp_path / "config.toml"
    wish = read_aloud("It is a sunny day in the mountains. But not tomorrow, when it is going to rain.")
    no = Fault(400, '{"error":{"message":"no","type":"invalid_request_error","param":null,"code":"invalid_value"}}')

    async def main(service: RestServer) -> None:
        config.touch(0o600)
        config.write_text(f'[providers.newapi]\nurl = "{service.url}"\napi_key = "{KEY}"\n')
        async with served(config) as server, httpx.AsyncClient(base_url=f"http:{server.here}", timeout=30) as http:
            events = (await http.post("/v1/audio/speech", json=wish | {"stream_format": "sse"})).text.split("\n\n")
            assert '"speech.audio.delta"' in events[0]
            assert json.loads(events[-2].removeprefix("data: "))["error"]["code"] == "upstream_failed"
            service.faults = {"tomorrow": no}
            with pytest.raises(httpx.RemoteProtocolError):
                await http.post("/v1/audio/speech", json=wish)

    with RestServer(faults={"tomorrow": no}) as service:
        asyncio.run(main(service))
    assert sum("breaks off" in record.message for record in caplog.records) == 2
    assert not any(record.exc_info for record in caplog.records)


def test_a_server_that_stops_waits_for_http_answers_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def drained(tmp_path: Path, script: Script, drain_s: float, faults: Faults | None = None) -> httpx.Response:
        async with (
            gateway(tmp_path, script=script, limits=Limits(drain_s=drain_s)) as server,
            httpx.AsyncClient(base_url=f"http:{server.here}", timeout=30) as http,
        ):
            asking = asyncio.create_task(ask(http, model="newapi/any"))
            async with asyncio.timeout(10):
                while not server.gateway._sessions:  # noqa: ASYNC110 - nothing tells
                    await asyncio.sleep(0.01)
            await server.gateway.drain()
            assert not server.gateway._answers
            return await asking

    slow = Script(replies=(Reply("It is sunny.", seconds=0.5, pace=1.0),))
    whole = asyncio.run(drained(tmp_path, slow, 30))
    assert whole.json()["assistant_text"] == "It is sunny."
    endless = Script(replies=(Reply("It is sunny.", seconds=60, pace=1.0),))
    late = asyncio.run(drained(tmp_path, endless, 0.2))
    assert (late.status_code, late.json()["error"]["code"]) == (503, "server_shutting_down")
    assert not any(record.exc_info for record in caplog.records)


def test_what_http_requests_do_is_counted_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "voicechat.serve")

    async def main() -> None:
        tokens = token("anna", "vc-a")
        async with (
            gateway(tmp_path, tokens) as server,
            httpx.AsyncClient(base_url=f"http:{server.here}", timeout=30) as http,
        ):
            headers = bearer("vc-a")["additional_headers"]
            said = {"model": "offline", "voice": "alloy", "input": "Hi.", "response_format": "wav"}
            assert (await http.post("/v1/audio/speech", headers=headers, json=said)).status_code == 200
            wrong = await http.post("/v1/audio/speech", headers=headers, json=said | {"model": "nobody"})
            assert wrong.status_code == 404
            assert (await http.post("/v1/audio/speech", json=said)).status_code == 401
            text = (await http.get("/metrics", headers=headers)).text
            for code in ("invalid_model", "no_key"):
                assert f'voicechat_refused_total{{code="{code}"}} 1.0' in text
            assert 'voicechat_http_requests_total{path="/v1/audio/speech",status="200"} 1.0' in text
            assert 'voicechat_latency_seconds_count{model="offline",stage="speech"} 1.0' in text
            await server.gateway.store.put(revocation(server.gateway.tokens.grant("vc-a").digest), "1", None)
            assert (await http.get("/metrics", headers=headers)).status_code == 401

    asyncio.run(main())
    told = [record.facts for record in caplog.records if record.message == "request"]  # type: ignore[attr-defined]
    assert [(one["path"], one["status"], one.get("code")) for one in told] == [
        ("/v1/audio/speech", 200, None), ("/v1/audio/speech", 404, "invalid_model"), ("/v1/audio/speech", 401, "no_key")
    ]  # fmt: skip
    assert (told[0]["token"], told[0]["behind"]) == ("anna", "offline")
