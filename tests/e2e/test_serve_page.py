"""The page of `voicechat serve` in a real browser: its microphone hears a recording, and a sound card what it says."""

import asyncio
import os
import wave
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.browser import browser
from tests.gateway import served
from tests.realtime_server import RealtimeServer, Reply, Script, ToolUse
from tests.realtime_server.script import buzz
from tests.recordings import GO_FORWARD, pcm, speech
from tests.soundcard import SoundCard

ANSWER = "Tomorrow will be cloudy, with a chance of rain in the evening and some wind from the sea, at night."
RATE_HZ = 48_000
# Quiet, or a canceller that has no echo to learn from takes the words on top of it for one.
QUIET = (np.frombuffer(buzz(8.0), "<i2") // 10).astype("<i2").tobytes()
AUDIBLE = 60.0


def recorded(path: Path) -> Path:
    """Words, and after a pause, while the answer is given, the same words again."""
    words = speech(GO_FORWARD, RATE_HZ)
    sound = pcm(np.concatenate([np.zeros(RATE_HZ // 4), words, np.zeros(int(2.5 * RATE_HZ))]))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(sound)
    return path


def test_one_talks_and_interrupts_in_a_browser(tmp_path: Path, soundcard: SoundCard) -> None:
    call = Reply(tools=(ToolUse("current_time"),))
    script = Script(
        replies=(Reply(ANSWER, pcm=QUIET), call, Reply("All right.", seconds=0.3)),
        heard=("Go forward ten meters.", "Stop, what time is it?"),
    )
    config = tmp_path / "config.toml"
    config.touch(0o600)

    async def main() -> None:
        async with RealtimeServer("ga", script=script) as service:
            config.write_text(f'[providers.newapi]\nurl = "{service.url}"\ndialect = "ga"\nmodel = "any"\n')
            microphone = recorded(tmp_path / "microphone.wav")
            env = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ} | soundcard.variables
            async with served(config, aliases={"any": "newapi/any"}) as server:
                address = f"http:{server.here}/"
                async with browser(address, microphone, env) as page:
                    await page.until("document.querySelector('#model option')")
                    assert page.loaded_bytes <= 150_000
                    await page.run("document.querySelector('#model').value = 'any'")
                    with soundcard.record("speaker.monitor") as speaker:
                        await page.press("Start talking")
                        await page.until("document.querySelector('.assistant s.unheard')", 15)
                        began = await asyncio.to_thread(speaker.wait_for_sound, level=AUDIBLE)
                        stopped = await asyncio.to_thread(speaker.wait_for_silence, after=began, level=AUDIBLE)
                        turns = "[...document.querySelectorAll('#transcript li')].map((one) => one.innerText)"
                        await page.until(f"{turns}.some((one) => one.includes('All right.'))", 15)
                        await page.press("End")
                        said = await page.run(turns)
                        struck = await page.run("document.querySelector('s.unheard').textContent")
                    assert len(said) == 5
                    assert said[1].startswith("Assistant:")
                    assert ["Go forward ten meters." in said[0], "what time is it?" in said[2]] == [True, True]
                    assert said[3].startswith("⚙ current_time() → ")
                    assert struck.endswith("at night.")
                    assert "Tomorrow will" not in struck
                    (cut,) = service.received_of("conversation.item.truncate")
                    assert cut["audio_end_ms"] == pytest.approx(1000 * (stopped - began), abs=400)
                    assert page.complaints == []

    asyncio.run(main())


def test_the_page_is_a_few_files_that_nothing_else_may_join(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.touch(0o600)
    config.write_text('instructions = "be kind"\n[personas.teacher]\nvoice = "en-gb"\ninstructions = "teach"\n')

    async def main() -> None:
        async with served(config) as server, httpx.AsyncClient(base_url=f"http:{server.here}") as http:
            index = await http.get("/")
            assert index.headers["content-type"].startswith("text/html")
            assert {"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"} <= set(
                index.headers["content-security-policy"].split("; ")
            )
            again = await http.get("/", headers={"If-None-Match": index.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")
            script = await http.get("/page/app.js")
            assert script.headers["content-type"].startswith("text/javascript")
            for path in ("/page/no.js", "/page/..%2fapp.py", "/page/%2e%2e/page.py", "/page/"):
                assert (await http.get(path)).status_code == 404, path
            personas = (await http.get("/v1/personas")).json()
            assert personas["instructions"] == "be kind"
            teacher = {"id": "teacher", "name": "teacher", "voice": "en-gb", "instructions": "teach"}
            assert personas["data"] == [teacher]

    asyncio.run(main())
