"""The Python `openai-agents` SDK talks to `voicechat serve`: a spoken turn, then a typed one.

    python -m venv agents && agents/bin/pip install 'openai-agents[realtime]' soxr
    voicechat serve                                              # in another terminal
    agents/bin/python benchmarks/clients/openai_agents.py [URL]  # ws://127.0.0.1:8765/v1/realtime?model=offline

It prints what was understood and answered, and says so when anything is missing. Tried with openai-agents 0.24.0.
"""

import asyncio
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np
import soxr

URL = "ws://127.0.0.1:8765/v1/realtime?model=offline"
QUESTION = Path(__file__).parents[2] / "voicechat" / "engine" / "questions" / "what-is-twelve-times-seven.wav"
SILENCE_S = 3.0
"""Its turn detection is `semantic_vad`, which waits longer than a mere pause."""


def question() -> bytes:
    with wave.open(str(QUESTION)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        sound: bytes = soxr.resample(samples, file.getframerate(), 24_000).astype("<i2").tobytes()
    return sound + bytes(int(48_000 * SILENCE_S))


async def speak(session: Any) -> None:
    sound = question()
    for start in range(0, len(sound), 960):
        await session.send_audio(sound[start : start + 960])
        await asyncio.sleep(0.02)


async def talk(url: str) -> bool:
    from agents.realtime import RealtimeAgent, RealtimeRunner  # type: ignore[import-not-found,unused-ignore]

    runner = RealtimeRunner(RealtimeAgent(name="assistant", instructions="Be brief."))
    audio_bytes, turns = 0, 0
    async with await runner.run(model_config={"url": url, "api_key": "none"}) as session:
        speaking = asyncio.create_task(speak(session))
        async with asyncio.timeout(60):
            async for event in session:
                if event.type == "audio":
                    audio_bytes += len(event.audio.data)
                elif event.type == "error":
                    print("error:", event.error)
                    return False
                elif event.type == "agent_end":
                    turns += 1
                    if turns == 2:
                        break
                    await session.send_message("what is two plus two")
        await speaking
        said = [
            (item.role, getattr(part, "transcript", None) or getattr(part, "text", None))
            for item in session._history
            for part in item.content
        ]
    print(*(f"{role}: {words}" for role, words in said), sep="\n")
    print(f"{audio_bytes / 48_000:.1f} s of sound")
    return turns == 2 and audio_bytes > 48_000


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(talk((sys.argv[1:] or [URL])[0])) else "Something is missing.")
