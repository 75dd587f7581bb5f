"""The page of `voicechat serve` in a real browser: its microphone hears a recording, and a sound card what it says."""

import asyncio
import os
import time
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests.browser import browser
from tests.gateway import served
from tests.realtime_server import RealtimeServer, Reply, Script, ToolUse
from tests.realtime_server.script import buzz
from tests.recordings import GO_FORWARD, pcm, speech
from tests.soundcard import SoundCard
from voicechat.serve.refusals import going_away
from voicechat.serve.tokens import hash_of

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
                    assert cut["audio_end_ms"] == pytest.approx(1000 * (stopped - began), abs=800)
                    assert page.complaints == []

    asyncio.run(main())


def test_a_voice_pauses_an_answer_and_a_line_that_drops_loses_nothing(tmp_path: Path, soundcard: SoundCard) -> None:
    """The service hears no voice: whatever is silent was silenced by the page, and goes on."""
    long = Reply(ANSWER, pcm=QUIET[: 5 * 48_000])
    script = Script(replies=(long, Reply("All right.", seconds=0.3)), onset_blocks=1_000_000)
    config = tmp_path / "config.toml"
    config.touch(0o600)
    prices = '[prices."any"]\ninput_text = 0\ninput_audio = 0\noutput_text = 1000\noutput_audio = 0\n'

    async def main() -> None:
        async with RealtimeServer("ga", script=script) as service:
            config.write_text(f'[providers.newapi]\nurl = "{service.url}"\ndialect = "ga"\nmodel = "any"\n{prices}')
            microphone = recorded(tmp_path / "microphone.wav")
            env = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ} | soundcard.variables
            async with (
                served(config, aliases={"any": "newapi/any"}) as server,
                browser(f"http:{server.here}/", microphone, env) as page,
            ):
                await page.until("document.querySelector('#model option')")
                await page.run("document.querySelector('#model').value = 'any'")
                with soundcard.record("speaker.monitor") as speaker:
                    await page.press("Start talking")
                    await page.until("document.querySelector('#state').dataset.state === 'listening'")
                    await page.write("How will it be?")
                    began = await asyncio.to_thread(speaker.wait_for_sound, level=AUDIBLE)
                    paused = await asyncio.to_thread(speaker.wait_for_silence, after=began, level=AUDIBLE)
                    await asyncio.to_thread(speaker.wait_for_sound, after=paused, level=AUDIBLE)
                await page.until("document.querySelector('#state').dataset.state === 'listening'", 20)
                assert await page.run("document.querySelector('.assistant').innerText") == f"Assistant:\n{ANSWER}"

                server.gateway.stopping = True
                (relay,) = server.gateway.relays
                dropped = time.monotonic()
                relay.end(going_away())
                await page.until("!document.querySelector('#down').hidden")
                await page.write("And then?")
                assert len(service.received_of("response.create")) == 1
                server.gateway.stopping = False
                await page.press("Try now")
                await page.until("document.querySelectorAll('.assistant').length === 2", 15)
                cost = f"cost ${(len(ANSWER.split()) + 2) / 1000:.3f}"
                await page.until(f"document.querySelector('#figures').innerText.includes('{cost}')")
                turns = await page.run("[...document.querySelectorAll('#transcript li')].map((one) => one.className)")
                assert turns == ["user", "assistant", "user", "assistant"]
                assert await page.run("[...document.querySelectorAll('.banner')].every((one) => one.hidden)")
                assert service.received_of("conversation.item.truncate") == []
                late = [one for one in service.received if one.connection == 2 and "audio" in one.event]
                burst = [one.event["audio"] for one in late if one.at < late[0].at + 0.1]
                assert sum(map(len, burst)) * 3 / 4 / 48_000 > 0.7 * (late[0].at - dropped)  # said while it was down
                told = [one["item"]["content"][0] for one in service.received_of("conversation.item.create")]
                question, again, answer, next_one = [part["text"] for part in told]
                assert (question, again, answer, next_one) == (question, question, ANSWER, "And then?")
                assert page.complaints == []

    asyncio.run(main())


STATES = {"en": "reconnecting", "zh-CN": "听到你说话"}
"""The longest."""
REFUSALS = {
    "NotAllowedError": "Allow it beside the address",
    "NotFoundError": "No microphone was found",
    "NotReadableError": "another program may be using it",
}


def test_everybody_can_use_the_page_and_is_told_what_to_do(tmp_path: Path) -> None:
    """Every name is there in both languages and for a screen reader, nothing hangs over a narrow screen, the keyboard
    does everything, and a microphone that cannot be had is said with its remedy."""

    async def main() -> None:
        async with served(tmp_path) as server, browser(f"http:{server.here}/") as page:
            await page.until("document.querySelector('#model option')")
            words = await page.run(
                "import('/page/words.js').then(({ WORDS }) => Object.fromEntries("
                "Object.entries(WORDS).map(([name, of]) => [name, Object.keys(of).sort()])))"
            )
            assert words["en"] == words["zh"]
            named = "[...document.querySelectorAll('[data-word], [data-label], [data-hint]')]"
            used = await page.run(f"{named}.flatMap((one) => Object.values(one.dataset))")
            assert set(used) - {"idle"} <= set(words["en"])

            await page.run("document.activeElement.blur()")
            names = []
            while (name := await page.tab()) not in names:
                names.append(name)
            assert names[:4] == ["options", "language", "talk", "text"]
            for language in ("en", "zh-CN"):
                assert await page.run("document.documentElement.lang") == language
                for shown in (True, False):
                    await page.run(f"document.querySelector('#settings').hidden = {str(not shown).lower()}")
                    await page.picture(360, 640)
                    await page.run(f"document.querySelector('#state').textContent = {STATES[language]!r}")
                    assert await page.run("document.documentElement.scrollWidth") == 360
                for node in (await page.call("Accessibility.getFullAXTree"))["nodes"]:
                    role = node.get("role", {}).get("value")
                    if role in ("button", "textbox", "combobox", "meter", "list") and not node["ignored"]:
                        assert node["name"]["value"], node
                await page.run("document.querySelector('#language').click()")

            for error, told in REFUSALS.items():
                await page.run(
                    f"navigator.mediaDevices.getUserMedia = async () => {{ throw new DOMException('', '{error}') }}"
                )
                await page.press("Start talking")
                await page.until(f"document.querySelector('#problem').innerText.includes({told!r})")
                await page.until("document.querySelector('#state').dataset.state === 'idle'")
            await page.run("void Object.defineProperty(AudioContext.prototype, 'state', { value: 'suspended' })")
            await page.run("void (navigator.mediaDevices.getUserMedia = () => new Promise(() => {}))")
            await page.press("Start talking")
            await page.until("document.querySelector('#problem').innerText.includes('Press anywhere')")
            await page.press("End")
            await page.run("Object.defineProperty(navigator, 'mediaDevices', { value: undefined })")
            await page.press("Start talking")
            await page.until("document.querySelector('#problem').innerText.includes('over https')")
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
            for path in ("/page/no.js", "/page/..%2fapp.py", "/page/%2e%2e/page.py", "/page/", "/v1/models/"):
                assert (await http.get(path)).status_code == 404, path
            personas = (await http.get("/v1/personas")).json()
            assert personas["instructions"] == "be kind"
            teacher = {"id": "teacher", "name": "teacher", "voice": "en-gb", "instructions": "teach"}
            assert personas["data"] == [teacher]

    asyncio.run(main())


@asynccontextmanager
async def forwarding(port: int) -> AsyncIterator[tuple[int, Callable[[], None]]]:
    """A port in front of another, and what makes the connections that there are swallow all that is sent."""
    frozen: set[asyncio.StreamWriter] = set()
    writers: set[asyncio.StreamWriter] = set()

    async def move(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        with suppress(OSError):
            while data := await reader.read(65_536):
                if writer not in frozen:
                    writer.write(data)
                    await writer.drain()
            writer.close()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, before = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(move(reader, before), move(behind, writer))

    server = await asyncio.start_server(forward, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], lambda: frozen.update(writers)
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()


def test_a_line_that_is_dead_without_a_word_is_made_again_with_a_new_key(tmp_path: Path) -> None:
    """Nothing is said meanwhile, so nothing that cannot leave tells either."""
    config = tmp_path / "config.toml"
    config.touch(0o600)

    async def main() -> None:
        async with RealtimeServer("ga", script=Script(replies=(Reply("All right.", seconds=0.3),))) as service:
            anna = f'[serve.tokens.anna]\nhash = "{hash_of("vc-anna")}"\n'
            config.write_text(f'[providers.newapi]\nurl = "{service.url}"\ndialect = "ga"\nmodel = "any"\n{anna}')
            async with (
                served(config, aliases={"any": "newapi/any"}) as server,
                forwarding(server.port) as (port, freeze),
                browser(f"http://127.0.0.1:{port}/") as page,
            ):
                await page.until("!document.querySelector('#key').hidden")
                await page.run("document.querySelector('#token').value = 'vc-anna'")
                await page.run("document.querySelector('#token').dispatchEvent(new Event('change'))")
                await page.until("document.querySelector('#model option')")
                await page.run("document.querySelector('#model').value = 'any'")
                made: list[str] = []
                create = server.gateway.secrets.create

                async def watched(*arguments: Any) -> Any:
                    made.append((await create(*arguments))["value"])
                    return {"value": made[-1]}

                server.gateway.secrets.create = watched  # type: ignore[method-assign]
                await page.write("How will it be?")
                await page.until("document.querySelectorAll('.assistant').length === 1")
                await page.until("document.querySelector('#state').dataset.state === 'listening'")
                freeze()
                await page.until("!document.querySelector('#down').hidden", 25)
                await page.write("And then?")
                await page.until("document.querySelectorAll('.assistant').length === 2", 25)
                assert len(made) == len(set(made)) == 2
                (unknown,) = page.complaints  # the first look, without a token
                assert "401" in unknown

    asyncio.run(main())
