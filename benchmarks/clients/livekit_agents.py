"""LiveKit Agents, without a room: a spoken turn that calls a tool, an interruption, speech to a file.

python -m venv livekit && livekit/bin/pip install livekit-agents livekit-plugins-openai
python -m benchmarks.clients livekit/bin/python benchmarks/clients/livekit_agents.py
"""

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Any

from livekit import rtc  # type: ignore[import-not-found,unused-ignore]
from livekit.agents import Agent, AgentSession, function_tool, io  # type: ignore[import-not-found,unused-ignore]
from livekit.plugins import openai  # type: ignore[import-not-found,unused-ignore]

GATEWAY = os.environ["GATEWAY"]
QUESTION = Path(os.environ["QUESTION"])
SOUND = QUESTION.read_bytes()
RATE_HZ, BLOCK = 24_000, 480
called: list[str] = []


class Microphone(io.AudioInput):  # type: ignore[misc,unused-ignore]
    """Silence, and what is said into it."""

    def __init__(self) -> None:
        super().__init__(label="microphone")
        self.sound = b""

    async def __anext__(self) -> Any:
        await asyncio.sleep(BLOCK / RATE_HZ)
        block, self.sound = self.sound[: 2 * BLOCK].ljust(2 * BLOCK, b"\0"), self.sound[2 * BLOCK :]
        return rtc.AudioFrame(block, RATE_HZ, 1, BLOCK)


class Speaker(io.AudioOutput):  # type: ignore[misc,unused-ignore]
    """Plays in real time, without a device."""

    def __init__(self) -> None:
        super().__init__(label="speaker", capabilities=io.AudioOutputCapabilities(pause=False), sample_rate=RATE_HZ)
        self.total_s = 0.0
        self._began_at = self._pushed_s = 0.0
        self._ending: asyncio.TimerHandle | None = None

    async def capture_frame(self, frame: Any) -> None:
        await super().capture_frame(frame)
        if not self._pushed_s:
            self._began_at = time.time()
            self.on_playback_started(created_at=self._began_at)
        self._pushed_s += frame.duration
        self.total_s += frame.duration

    def flush(self) -> None:
        super().flush()
        if self._pushed_s:
            left_s = max(0.0, self._began_at + self._pushed_s - time.time())
            self._ending = asyncio.get_running_loop().call_later(left_s, self._end, False)

    def clear_buffer(self) -> None:
        if self._pushed_s:
            self._end(True)

    @property
    def heard_s(self) -> float:
        return min(time.time() - self._began_at, self._pushed_s) if self._pushed_s else 0.0

    def _end(self, interrupted: bool) -> None:
        if self._ending is not None:
            self._ending.cancel()
        heard_s, self._pushed_s = self.heard_s, 0.0
        self.on_playback_finished(playback_position=heard_s, interrupted=interrupted)


@function_tool  # type: ignore[untyped-decorator,unused-ignore]
async def weather(city: str) -> str:
    """The weather of a city."""
    called.append(city)
    return "sunny"


async def until(whether: Any, what: str) -> None:
    end = time.monotonic() + 20
    while not whether():
        if time.monotonic() > end:
            raise TimeoutError(what)
        await asyncio.sleep(0.05)


async def talk() -> bool:
    model = openai.realtime.RealtimeModel(model="any", base_url=f"http://{GATEWAY}/v1", api_key="none")
    microphone, speaker = Microphone(), Speaker()
    ended: list[Any] = []
    problems: list[str] = []
    speaker.on("playback_finished", ended.append)
    async with AgentSession(llm=model) as session:
        session.on("error", lambda event: problems.append(str(event.error)))
        session.input.audio, session.output.audio = microphone, speaker
        await session.start(Agent(instructions="Be brief.", tools=[weather]))
        microphone.sound += SOUND
        await until(lambda: ended, "no answer to a question")
        microphone.sound += SOUND
        await until(lambda: speaker.heard_s > 1.0, "no long answer")
        microphone.sound += SOUND
        await until(lambda: any(one.interrupted for one in ended), "no interruption")
        await until(lambda: not ended[-1].interrupted and len(ended) > 2, "no answer after it")
    cut = [f"{one.playback_position:.2f} s" for one in ended if one.interrupted]
    print(f"called {called}, {speaker.total_s:.1f} s of sound, interrupted after {cut}, problems: {problems}")
    return called == ["Paris"] and not problems


async def read_aloud() -> bool:
    voice = openai.TTS(model="offline", voice="alloy", base_url=f"http://{GATEWAY}/v1", api_key="none")
    frame = await voice.synthesize("This is read aloud.").collect()
    await voice.aclose()
    path = QUESTION.with_name("speech.wav")
    path.write_bytes(frame.to_wav_bytes())
    print(f"{frame.duration:.1f} s of speech in a file")
    return bool(frame.duration > 1.0)


async def main() -> bool:
    return await talk() and await read_aloud()


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(main()) else "Something is missing.")
