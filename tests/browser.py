"""A real Chromium without a window, driven over its DevTools protocol: no driver, no library but `websockets`."""

import asyncio
import base64
import itertools
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

PROGRAMS = (
    "chromium", "chromium-browser", "google-chrome", "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)  # fmt: skip
OPTIONS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-extensions", "--lang=en-US",
    "--remote-debugging-port=0", "--use-fake-ui-for-media-stream",
)  # fmt: skip


class Page:
    """One tab. `complaints` is what its console said, and what it failed at; `loaded_bytes` what came by HTTP."""

    def __init__(self, socket: ClientConnection):
        self.complaints: list[str] = []
        self.loaded_bytes = 0
        self.loaded = asyncio.Event()
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}

    async def call(self, method: str, **parameters: Any) -> Any:
        number = next(self._numbers)
        self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        return await self._answers[number]

    async def run(self, script: str) -> Any:
        """The value of an expression, awaited. Raises AssertionError for what it throws."""
        told = await self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    async def until(self, script: str, timeout_s: float = 10.0) -> Any:
        """The first true value of an expression, looked at in every frame of the page."""
        wait = f"new Promise((done) => {{ const look = () => {{ const found = ({script}); found ? done(found) : "
        wait += "setTimeout(look, 10); }; look(); })"
        try:
            async with asyncio.timeout(timeout_s):
                return await self.run(wait)
        except TimeoutError:
            seen = await self.run("document.body.innerText")
            raise AssertionError(f"not within {timeout_s} s: {script}; {self.complaints}\n{seen}") from None

    async def press(self, name: str) -> None:
        """Click the button of that name as a mouse does, which is what lets a page make sound."""
        for kind in ("mousePressed", "mouseReleased"):
            await self.mouse(kind, name)

    async def mouse(self, kind: str, name: str) -> None:
        """One half of a click: `mousePressed` or `mouseReleased`, in the middle of the button of that name."""
        find = f"[...document.querySelectorAll('button')].find((one) => one.textContent === {json.dumps(name)})"
        box = await self.run(f"(({find}).getBoundingClientRect()).toJSON()")
        where = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2, "button": "left", "clickCount": 1}
        await self.call("Input.dispatchMouseEvent", type=kind, **where)

    async def choose(self, id: str, value: str) -> None:
        """Another entry of a list, which must have it."""
        chosen = f"document.querySelector('#{id}')"
        await self.run(f"{chosen}.value = {json.dumps(value)}, {chosen}.dispatchEvent(new Event('change'))")
        assert await self.run(f"{chosen}.value") == value

    async def write(self, text: str) -> None:
        """Type into the field at the bottom, and Enter."""
        await self.run("document.querySelector('#text').focus()")
        await self.call("Input.insertText", text=text)
        await self._key("Enter", 13, "\r")

    async def tab(self) -> str:
        """Go on by the Tab key; the id of what has the focus then."""
        await self._key("Tab", 9)
        return str(await self.run("document.activeElement.id"))

    async def space(self, kind: str) -> None:
        """One half of a stroke: `keyDown` or `keyUp`."""
        await self.call("Input.dispatchKeyEvent", type=kind, key=" ", code="Space", windowsVirtualKeyCode=32)

    async def _key(self, name: str, code: int, text: str = "") -> None:
        what = {"key": name, "code": name, "windowsVirtualKeyCode": code}
        await self.call("Input.dispatchKeyEvent", type="keyDown", **what, **({"text": text} if text else {}))
        await self.call("Input.dispatchKeyEvent", type="keyUp", **what)

    async def picture(self, width: int, height: int, scheme: str = "light") -> bytes:
        """A PNG of the page on a screen of that size."""
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )
        await self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        return base64.b64decode((await self.call("Page.captureScreenshot"))["data"])

    async def read(self) -> None:
        async for frame in self._socket:
            told = json.loads(frame)
            if "id" in told:
                answer = self._answers.pop(told["id"])
                if "error" in told:
                    answer.set_exception(AssertionError(told["error"]))
                else:
                    answer.set_result(told["result"])
            else:
                self._note(told["method"], told["params"])

    def _note(self, method: str, told: Any) -> None:
        match method:
            case "Runtime.consoleAPICalled" if told["type"] in ("error", "warning", "assert"):
                self.complaints.append(" ".join(str(one.get("value", one)) for one in told["args"]))
            case "Runtime.exceptionThrown":
                self.complaints.append(str(told["exceptionDetails"].get("exception", told)))
            case "Log.entryAdded" if told["entry"]["level"] in ("error", "warning"):
                self.complaints.append(f"{told['entry']['text']} {told['entry'].get('url', '')}")
            case "Page.loadEventFired":
                self.loaded.set()
            case "Network.loadingFinished":
                self.loaded_bytes += int(told["encodedDataLength"])


@asynccontextmanager
async def browser(
    address: str, microphone: Path | None = None, env: Mapping[str, str] = {}, *, devices: bool = False
) -> AsyncIterator[Page]:
    """A tab at the address. `microphone`: a WAV file that is heard from the moment it is opened, again and again;
    `devices`: it is the environment's own."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    assert program, "no Chromium is installed; script/setup says how"
    with tempfile.TemporaryDirectory(prefix="voicechat-browser-", ignore_cleanup_errors=True) as home:
        options = [*OPTIONS, f"--user-data-dir={home}"]
        if not devices:
            options.append("--use-fake-device-for-media-stream")
        if microphone is not None:
            options.append(f"--use-file-for-fake-audio-capture={microphone}")
        process = await asyncio.create_subprocess_exec(
            program, *options, "about:blank", env={**env, "HOME": home},
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stderr is not None
        draining = None
        try:
            async with asyncio.timeout(20):
                while b"DevTools listening on " not in (line := await process.stderr.readline()):
                    assert line, "Chromium ended at once"
            draining = asyncio.create_task(process.stderr.read())
            port = line.decode().split("://")[1].split("/")[0]
            async with connect(f"ws://{port}/devtools/page/{await _tab(port)}", max_size=None, proxy=None) as socket:
                page = Page(socket)
                reading = asyncio.create_task(page.read())
                for domain in ("Runtime", "Log", "Network", "Page"):
                    await page.call(f"{domain}.enable")
                await page.call("Page.navigate", url=address)
                try:
                    async with asyncio.timeout(10):
                        await page.loaded.wait()
                    yield page
                finally:
                    await page.call("Browser.close")
                    await asyncio.wait({reading}, timeout=5)
                    reading.cancel()
        finally:
            try:
                await asyncio.wait_for(process.wait(), 5)
            except TimeoutError:
                process.kill()
                await process.wait()
            if draining is not None:
                await draining


async def _tab(port: str) -> str:
    import httpx

    async with httpx.AsyncClient(trust_env=False) as http:
        tabs = (await http.get(f"http://{port}/json/list")).json()
    return str(next(tab["id"] for tab in tabs if tab["type"] == "page"))
