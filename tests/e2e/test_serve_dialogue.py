"""`voicechat serve`: the voice-dialogue application, before the engine and before services."""

import asyncio
import io
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile

from tests.gateway import served
from tests.realtime_server import Faults, RealtimeServer, Reply, Script
from tests.recordings import GO_FORWARD, pcm, speech
from tests.unit.offline_client import QUESTIONS
from voicechat.audio.encoded import wav_header
from voicechat.serve.dialogue import Outputs

SOUND = pcm(speech(GO_FORWARD, 16_000))
WAV = wav_header(16_000, len(SOUND)) + SOUND


async def ask(http: httpx.AsyncClient, wav: bytes = WAV, **fields: Any) -> httpx.Response:
    files = {"audio_file": ("evil/name.wav", wav, "audio/wav")}
    return await http.post("/api/dialog/audio", files=files, data=fields, timeout=30)


def test_the_engine_answers_a_recording(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            served(tmp_path / "config.toml") as server,
            httpx.AsyncClient(base_url=f"http:{server.here}") as http,
        ):
            answer = await ask(http, (QUESTIONS / "what-is-twelve-times-seven.wav").read_bytes(), recv_timeout="30")
            told = answer.json()
            assert (answer.status_code, told["success"], told["audio_received"]) == (200, True, True)
            assert told["user_text"] == "What is twelve times seven?"
            assert told["assistant_text"] == "12 times 7 is 84."
            sound = await http.get(told["output_audio_url"])
            assert len(sound.content) > 48_000
            assert (await http.get("/api/dialog/output/%2e%2e%2f%2e%2e%2fetc%2fpasswd")).status_code == 404
            assert (await http.get("/api/dialog/output/nobody.pcm")).status_code == 404
            assert (await http.get("/api/health")).json() == {"status": "ok"}

            silence = io.BytesIO()  # two minutes and five seconds in a megabyte
            soundfile.write(silence, np.zeros(8000 * 125, np.int16), 8000, "PCM_U8", format="WAV")
            for wav, status in ((b"ID3 no wav", 400), (WAV[:30], 400), (silence.getvalue(), 413), (b"", 400)):
                refused = await ask(http, wav)
                told = refused.json()
                assert (refused.status_code, told["error"]["param"]) == (status, "audio_file")
                assert (told["success"], told["message"]) == (False, told["error"]["message"])
                assert (told["audio_received"], told["output_audio_url"]) == (False, None)
            assert (await ask(http, recv_timeout="soon")).status_code == 400
            assert (await ask(http, model="nobody")).status_code == 404
            assert (await http.post("/api/dialog/audio", data={"recv_timeout": "3"})).status_code == 400
            for path in ("/api/dialog/audio", "/v1/audio/transcriptions"):
                for kind in ("multipart/form-data", "multipart/form-data; boundary=x"):
                    form = await http.post(path, content=b"--y\r\n: :\r\n", headers={"Content-Type": kind})
                    assert form.status_code == 400
                    assert form.json()["error"]["type"] == "invalid_request_error"
                    assert ("success" in form.json()) == (path == "/api/dialog/audio")
            for path in ("/page/..%2fapp.py", "/page/%2e%2e/app.py", "/page/..%5capp.py", "/page//etc/passwd"):
                assert (await http.get(path)).status_code == 404
            big = await ask(http, bytes(26 * 1024 * 1024))
            assert (big.status_code, big.json()["error"]["code"]) == (413, "request_too_large")

    asyncio.run(main())


@pytest.mark.parametrize("dialect", ["ga", "qwen"])
def test_a_service_answers_a_recording(dialect: str, tmp_path: Path) -> None:
    config, provider = tmp_path / "config.toml", {"ga": "newapi", "qwen": "qwen"}[dialect]

    async def main() -> None:
        async with RealtimeServer(dialect, script=Script(replies=(Reply("It is sunny."),))) as service:
            config.touch(0o600)
            config.write_text(f'[providers.{provider}]\nurl = "{service.url}"\napi_key = "sk-x"\n')
            async with (
                served(config) as server,
                httpx.AsyncClient(base_url=f"http:{server.here}") as http,
            ):
                told = (await ask(http, model=f"{provider}/any", system_role="You teach music.")).json()
                assert (told["user_text"], told["assistant_text"]) == ("hello there", "It is sunny.")
                assert len((await http.get(told["output_audio_url"])).content) == 48_000
                assert "You teach music." in str(service.received_of("session.update"))
                service.faults = Faults(silent="turn")
                late = await ask(http, model=f"{provider}/any", recv_timeout="1")
                assert (late.status_code, late.json()["success"]) == (504, False)
                service.faults = Faults(close_at="input_audio_buffer.committed", close_code=1011)
                dropped = await ask(http, model=f"{provider}/any")
                assert (dropped.status_code, dropped.json()["success"]) == (502, False)

    asyncio.run(main())


def test_answers_are_kept_for_a_while() -> None:
    now = [0.0]
    outputs = Outputs(most=3, keep_s=60, clock=lambda: now[0])
    names = [outputs.keep(b"12")]
    folder = outputs.find(names[0]).parent  # type: ignore[union-attr]
    names += [outputs.keep(b"12") for _ in range(3)]
    assert [outputs.find(name) is not None for name in names] == [False, True, True, True]
    now[0] = 61.0
    assert outputs.find(names[3]) is None
    assert not list(folder.iterdir())
    asyncio.run(outputs.close())
    assert not folder.exists()
