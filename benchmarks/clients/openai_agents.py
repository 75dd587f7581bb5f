"""The Python `openai-agents` SDK: a spoken turn that calls a tool, an interruption, speech to a file.

python -m venv agents && agents/bin/pip install 'openai-agents[realtime]'
python -m benchmarks.clients agents/bin/python benchmarks/clients/openai_agents.py
"""

import asyncio
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

GATEWAY = os.environ["GATEWAY"]
QUESTION = Path(os.environ["QUESTION"])
SOUND = QUESTION.read_bytes()


async def speak(session: Any) -> None:
    for start in range(0, len(SOUND), 960):
        await session.send_audio(SOUND[start : start + 960])
        await asyncio.sleep(0.02)


async def talk() -> bool:
    from agents import function_tool  # type: ignore[import-not-found,unused-ignore]
    from agents.realtime import RealtimeAgent, RealtimeRunner  # type: ignore[import-not-found,unused-ignore]

    @function_tool  # type: ignore[untyped-decorator,unused-ignore]
    def weather(city: str) -> str:
        called.append(city)
        return "sunny"

    called: list[str] = []
    interrupted, sounds, after = False, 0, 0
    runner = RealtimeRunner(RealtimeAgent(name="assistant", instructions="Be brief.", tools=[weather]))
    url = f"ws://{GATEWAY}/v1/realtime?model=any"
    settings = {"turn_detection": {"type": "server_vad", "interrupt_response": True}}
    config = {"url": url, "api_key": "none", "initial_model_settings": settings}
    async with await runner.run(model_config=config) as session:
        speaking = [asyncio.create_task(speak(session))]  # one after the other: a question, another, "stop"
        async with asyncio.timeout(60):
            async for event in session:
                if event.type == "error":
                    print("error:", event.error)
                    return False
                if event.type == "audio":
                    sounds += len(event.audio.data)
                    after += interrupted
                    if len(speaking) == 2 and speaking[1].done():
                        speaking.append(asyncio.create_task(speak(session)))
                elif event.type == "audio_interrupted":
                    interrupted = True
                elif event.type == "audio_end" and len(speaking) == 1:
                    speaking.append(asyncio.create_task(speak(session)))
                elif event.type == "audio_end" and after:
                    break
        for task in speaking:
            task.cancel()
    print(
        f"called {called}, {sounds / 48_000:.1f} s of sound, interrupted: {interrupted}, answered after it: {after > 0}"
    )
    return called == ["Paris"] and interrupted and after > 0


async def read_aloud() -> bool:
    from openai import AsyncOpenAI

    client = AsyncOpenAI(api_key="none", base_url=f"http://{GATEWAY}/v1")
    path = Path(tempfile.mkdtemp()) / "speech.wav"
    async with client.audio.speech.with_streaming_response.create(
        model="offline", voice="alloy", input="This is read aloud.", response_format="wav"
    ) as answer:
        await answer.stream_to_file(path)
    print(f"{path.stat().st_size / 48_000:.1f} s of speech in a file")
    return path.stat().st_size > 48_000


if __name__ == "__main__":
    good = asyncio.run(talk()), asyncio.run(read_aloud())
    sys.exit(0 if all(good) else "Something is missing.")
