"""Pipecat's OpenAI realtime service: a spoken turn that calls a tool, an interruption, speech to a file.

python -m venv pipecat && pipecat/bin/pip install 'pipecat-ai[openai]'
python -m benchmarks.clients pipecat/bin/python benchmarks/clients/pipecat_service.py
"""

import asyncio
import os
import sys
import time
import wave
from pathlib import Path
from typing import Any

from loguru import logger  # type: ignore[import-not-found,unused-ignore]

logger.remove()
logger.add(sys.stderr, level="WARNING")

from pipecat.adapters.llm.schemas.function_schema import FunctionSchema  # type: ignore # noqa: E402
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema  # type: ignore # noqa: E402
from pipecat.frames import frames  # type: ignore # noqa: E402
from pipecat.pipeline.pipeline import Pipeline  # type: ignore # noqa: E402
from pipecat.pipeline.runner import PipelineRunner  # type: ignore # noqa: E402
from pipecat.pipeline.task import PipelineParams, PipelineTask  # type: ignore # noqa: E402
from pipecat.processors.aggregators.llm_context import LLMContext  # type: ignore # noqa: E402
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair  # type: ignore # noqa: E402
from pipecat.processors.frame_processor import FrameProcessor  # type: ignore # noqa: E402
from pipecat.services.openai.realtime import events  # type: ignore # noqa: E402
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService  # type: ignore # noqa: E402
from pipecat.services.openai.tts import OpenAITTSService  # type: ignore # noqa: E402

GATEWAY = os.environ["GATEWAY"]
QUESTION = Path(os.environ["QUESTION"])
SOUND = QUESTION.read_bytes()
RATE_HZ, BLOCK = 24_000, 480
called: list[str] = []


class Listener(FrameProcessor):  # type: ignore[misc,unused-ignore]
    """What comes out at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.sound = b""
        self.answers = self.interruptions = 0
        self.problems: list[str] = []

    async def process_frame(self, frame: Any, direction: Any) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, frames.TTSAudioRawFrame):
            self.sound += frame.audio
        elif isinstance(frame, frames.TTSStoppedFrame):
            self.answers += 1
        elif isinstance(frame, frames.InterruptionFrame):
            self.interruptions += 1
        elif isinstance(frame, frames.ErrorFrame):
            self.problems.append(frame.error)
        await self.push_frame(frame, direction)


async def until(whether: Any, what: str) -> None:
    end = time.monotonic() + 20
    while not whether():
        if time.monotonic() > end:
            raise TimeoutError(what)
        await asyncio.sleep(0.05)


async def weather(params: Any) -> None:
    called.append(params.arguments["city"])
    await params.result_callback("sunny")


async def run(steps: list[Any], script: Any) -> None:
    task = PipelineTask(
        Pipeline(steps), params=PipelineParams(audio_in_sample_rate=RATE_HZ, audio_out_sample_rate=RATE_HZ)
    )
    runner = PipelineRunner(handle_sigint=False)
    running = asyncio.create_task(runner.run(task))
    try:
        await script(task)
    finally:
        await task.cancel()
        await running


async def talk() -> bool:
    detection = events.TurnDetection(type="server_vad", interrupt_response=True)
    audio = events.AudioConfiguration(
        input=events.AudioInput(transcription=events.InputAudioTranscription(), turn_detection=detection)
    )
    service = OpenAIRealtimeLLMService(
        api_key="none",
        base_url=f"ws://{GATEWAY}/v1/realtime",
        settings=OpenAIRealtimeLLMService.Settings(
            model="any", session_properties=events.SessionProperties(audio=audio)
        ),
    )
    service.register_function("weather", weather)
    about = {"city": {"type": "string"}}
    tools = ToolsSchema([FunctionSchema("weather", "The weather of a city.", about, ["city"])])
    pair = LLMContextAggregatorPair(LLMContext([], tools))
    listener = Listener()

    async def script(task: Any) -> None:
        async def speak() -> None:
            for start in range(0, len(SOUND), 2 * BLOCK):
                await task.queue_frame(frames.InputAudioRawFrame(SOUND[start : start + 2 * BLOCK], RATE_HZ, 1))
                await asyncio.sleep(BLOCK / RATE_HZ)

        await task.queue_frame(frames.LLMRunFrame())
        await asyncio.sleep(1)
        await speak()
        await until(lambda: listener.answers == 1, "no answer to a question")
        await speak()
        await until(lambda: len(listener.sound) > 4 * RATE_HZ, "no long answer")
        before = listener.interruptions
        await speak()
        await until(lambda: listener.interruptions > before, "no interruption")
        await until(lambda: listener.answers > 2, "no answer after it")

    try:
        await run([pair.user(), service, listener, pair.assistant()], script)
    finally:
        seconds = len(listener.sound) / 2 / RATE_HZ
        print(f"called {called}, {seconds:.1f} s of sound, {listener.interruptions} interruptions, {listener.problems}")
    return called == ["Paris"] and not listener.problems


async def read_aloud() -> bool:
    settings = OpenAITTSService.Settings(model="offline", voice="alloy")
    service = OpenAITTSService(api_key="none", base_url=f"http://{GATEWAY}/v1", settings=settings)
    listener = Listener()

    async def script(task: Any) -> None:
        await task.queue_frame(frames.TTSSpeakFrame("This is read aloud."))
        await until(lambda: listener.answers, "nothing was read")

    await run([service, listener], script)
    path = QUESTION.with_name("speech.wav")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(listener.sound)
    print(f"{len(listener.sound) / 2 / RATE_HZ:.1f} s of speech in a file, {listener.problems}")
    return len(listener.sound) > 2 * RATE_HZ


async def main() -> bool:
    return await talk() and await read_aloud()


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(main()) else "Something is missing.")
