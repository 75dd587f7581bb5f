"""Push to talk, voices and personas on the page of `voicechat serve`, in a real browser."""

import asyncio
from pathlib import Path

from tests.browser import browser
from tests.e2e.test_serve_page import QUIET, recorded
from tests.gateway import served
from tests.realtime_server import RealtimeServer, Reply, Script

PERSONAS = """
instructions = "be kind"
[personas.teacher]
instructions = "teach"
[personas.pirate]
instructions = "talk like a pirate"
"""
HOLD = "Hold to talk"


def test_nothing_leaves_the_page_but_while_the_button_is_held(tmp_path: Path) -> None:
    """The microphone hears a voice all the time. The button is a mouse's and the space bar's."""
    config = tmp_path / "config.toml"
    config.touch(0o600)
    script = Script(
        replies=(Reply("All right.", seconds=0.3), Reply("A long answer.", pcm=QUIET), Reply("Good.", seconds=0.3)),
        heard=("Go forward.", "And further.", "Stop."),
    )

    async def main() -> None:
        async with RealtimeServer("ga", script=script) as service:
            config.write_text(f'{PERSONAS}[providers.openai]\nurl = "{service.url}"\napi_key = "sk-x"\n')
            microphone = recorded(tmp_path / "microphone.wav")
            async with (
                served(config, aliases={"any": "openai/gpt-realtime-2.1"}) as server,
                browser(f"http:{server.here}/", microphone) as page,
            ):

                def sent(kind: str) -> int:
                    return len(service.received_of(f"input_audio_buffer.{kind}"))

                async def state(name: str) -> None:
                    await page.until(f"document.querySelector('#state').dataset.state === '{name}'")

                async def heard_on_the_page(blocks: int = 10) -> None:
                    """So many blocks of the microphone have been worked off by now."""
                    await page.run(
                        f"new Promise((done) => {{ let left = {blocks}; const meter = document.querySelector('#level');"
                        "new MutationObserver(() => (left -= 1) || done()).observe(meter, { attributes: true }); })"
                    )

                await page.until("document.querySelector('#model option')")
                await page.press("Settings")
                await page.choose("model", "any")
                await page.until("[...document.querySelector('#voice').options].some(({ value }) => value === 'cedar')")
                await page.choose("voice", "cedar")
                await page.choose("persona", "teacher")
                await page.choose("turns", "push")
                await page.press("Start talking")
                await state("listening")
                await heard_on_the_page()
                assert sent("append") == 0

                await page.mouse("mousePressed", HOLD)
                await state("hearing")
                await service.wait_for("input_audio_buffer.append", 30)
                await page.mouse("mouseReleased", HOLD)
                await service.wait_for("response.create")
                await page.until("document.querySelectorAll('.assistant').length === 1")
                await state("listening")
                said = sent("append")
                await heard_on_the_page()
                assert (sent("append"), sent("commit")) == (said, 1)

                await page.mouse("mousePressed", HOLD)  # a slip of the finger
                await page.mouse("mouseReleased", HOLD)
                await state("listening")

                await page.run("document.activeElement.blur()")
                await page.space("keyDown")
                await state("hearing")
                await service.wait_for("input_audio_buffer.append", said + 30)
                await page.space("keyUp")
                await state("speaking")
                await heard_on_the_page(40)
                await page.space("keyDown")  # and it is silent
                await service.wait_for("conversation.item.truncate")
                said = sent("append")
                await service.wait_for("input_audio_buffer.append", said + 30)
                await page.space("keyUp")
                await page.until("document.querySelectorAll('.assistant').length === 3")
                await state("listening")
                assert (sent("commit"), len(service.received_of("response.create"))) == (3, 3)
                turns = await page.run("[...document.querySelectorAll('#transcript li')].map((one) => one.innerText)")
                assert [words in turn for words, turn in zip(script.heard, turns[::2], strict=True)] == [True] * 3

                session = service.received_of("session.update")[-1]["session"]
                assert session["instructions"] == "teach"
                assert session["audio"]["input"]["turn_detection"] is None
                assert session["audio"]["output"]["voice"] == "cedar"
                updates = len(service.received_of("session.update"))
                await page.choose("persona", "pirate")
                changed = (await service.wait_for("session.update", updates + 1)).event["session"]
                assert changed["instructions"] == "talk like a pirate"
                await page.choose("turns", "free")
                changed = (await service.wait_for("session.update", updates + 2)).event["session"]
                assert changed["audio"]["input"]["turn_detection"]["type"] == "server_vad"
                said = sent("append")
                await service.wait_for("input_audio_buffer.append", said + 10)
                assert page.complaints == []

    asyncio.run(main())
