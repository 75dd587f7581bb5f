"""A client in the style of the vendors' samples, for comparison: everything it does is what their guides show.

One blocking microphone read of 3200 frames in the event loop, 50 ms of sleep after it; a player thread that writes
whole deltas from an unbounded queue; an interruption is a flag and an emptied queue. It sends no truncation, and has
no echo canceller and no local voice detection.

    python -m benchmarks.naive_client ws://HOST/v1/realtime?model=MODEL
"""

import asyncio
import base64
import contextlib
import json
import queue
import sys
import threading
from typing import Any

import pyaudio
from websockets.asyncio.client import ClientConnection, connect

RATE_HZ, CHUNK_FRAMES = 24_000, 3200
SETTINGS = {
    "modalities": ["text", "audio"],
    "voice": "alloy",
    "input_audio_format": "pcm16",
    "output_audio_format": "pcm16",
    "turn_detection": {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 500},
}

sounds: "queue.Queue[bytes | None]" = queue.Queue()
interrupted = threading.Event()
responding = False


def play(audio: pyaudio.PyAudio) -> None:
    stream = audio.open(format=pyaudio.paInt16, channels=1, rate=RATE_HZ, output=True, frames_per_buffer=CHUNK_FRAMES)
    while True:
        try:
            sound = sounds.get(timeout=0.5)
        except queue.Empty:
            interrupted.clear()
            continue
        if sound is None:
            break
        if interrupted.is_set():
            interrupted.clear()
            continue
        stream.write(sound)
    stream.close()


async def listen(socket: ClientConnection) -> None:
    global responding
    async for message in socket:
        event: dict[str, Any] = json.loads(message)
        match event["type"]:
            case "response.created":
                responding = True
            case "response.done":
                responding = False
            case "response.audio.delta":
                sounds.put(base64.b64decode(event["delta"]))
            case "input_audio_buffer.speech_started":
                if responding:
                    await socket.send(json.dumps({"type": "response.cancel"}))
                interrupted.set()
                with contextlib.suppress(queue.Empty):
                    while True:
                        sounds.get_nowait()


async def speak(socket: ClientConnection, audio: pyaudio.PyAudio) -> None:
    stream = audio.open(format=pyaudio.paInt16, channels=1, rate=RATE_HZ, input=True, frames_per_buffer=CHUNK_FRAMES)
    while True:
        chunk = stream.read(CHUNK_FRAMES, exception_on_overflow=False)
        event = {"type": "input_audio_buffer.append", "audio": base64.b64encode(chunk).decode()}
        await socket.send(json.dumps(event))
        await asyncio.sleep(0.05)


async def main(url: str) -> None:
    audio = pyaudio.PyAudio()
    player = threading.Thread(target=play, args=(audio,), daemon=True)
    player.start()
    async with connect(
        url, additional_headers={"Authorization": "Bearer none", "OpenAI-Beta": "realtime=v1"}
    ) as socket:
        await socket.send(json.dumps({"type": "session.update", "session": SETTINGS}))
        try:
            await asyncio.gather(listen(socket), speak(socket, audio))
        finally:
            sounds.put(None)
            player.join(timeout=1)
            audio.terminate()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(sys.argv[1]))
