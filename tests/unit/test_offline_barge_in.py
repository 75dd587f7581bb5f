"""The user talks into an answer of the offline engine: it stops at once, a noise does not stop it, nothing waits."""

import asyncio
import os
import signal
import subprocess
from typing import Literal

import pytest

from tests.recordings import GO_FORWARD
from tests.unit.chat_server import HANG, chat_server, chunk, words
from tests.unit.offline_client import recording, session, spoken_text
from tests.unit.test_offline_speech import TRANSCRIPTION
from tests.unit.test_offline_turns import noise
from voicechat.engine.engine import OfflineSettings
from voicechat.engine.provider import Offline
from voicechat.engine.response import NOT_HEARD
from voicechat.realtime import commands, events


def test_speech_interrupts_the_answer_at_once() -> None:
    async def main() -> None:
        async with (
            chat_server([chunk("Let me think about it. "), HANG], words("Forward it is.")) as chat,
            session(OfflineSettings(chat_url=chat.url, chat_model="m")) as client,
        ):
            await client.update(audio=TRANSCRIPTION)
            part = {"type": "input_text", "text": "where to"}
            await client.send("conversation.item.create", item={"type": "message", "role": "user", "content": [part]})
            await client.send("response.create")
            await client.until("response.output_audio.delta")
            await client.speak(recording(GO_FORWARD))
            await client.until("input_audio_buffer.speech_started")
            interrupted = client.kinds().index("input_audio_buffer.speech_started")
            done = (await client.until("response.done"))["response"]
            assert (done["status"], done["status_details"]["reason"]) == ("cancelled", "turn_detected")
            assert client.kinds()[interrupted:] == [
                "input_audio_buffer.speech_started",
                "response.output_audio.done",
                "response.output_audio_transcript.done",
                "response.content_part.done",
                "conversation.item.done",
                "response.output_item.done",
                "response.done",
            ]
            async with asyncio.timeout(5):
                await chat.gone.wait()
            second = (await client.until("response.done"))["response"]
            assert spoken_text(second) == "Forward it is."
            assert chat.requests[1]["messages"][-1] == {"role": "user", "content": "Go forward ten meters."}

    asyncio.run(main())


@pytest.mark.parametrize(
    ("conversation", "said", "requests"),
    [
        ([("user", "What is two plus two?")], "It is four.", 2),
        ([("user", "What is two plus two?"), ("assistant", "Four.")], NOT_HEARD, 1),  # an answer to nothing
        ([], NOT_HEARD, 1),
    ],
)
def test_a_noise_does_not_cost_the_answer_that_is_being_thought_about(
    conversation: list[tuple[Literal["user", "assistant"], str]], said: str, requests: int
) -> None:
    async def main() -> None:
        async with chat_server([HANG], words("It is four.")) as chat:
            transport = Offline(settings=OfflineSettings(chat_url=chat.url, chat_model="m")).connect()
            await transport.connect()
            try:
                await transport.send(commands.Configure(commands.SessionConfig()))
                for number, (role, text) in enumerate(conversation):
                    await transport.send(commands.SendText(text, role, f"item_{number}"))
                await transport.send(commands.CreateResponse(speak=False))
                await chat.asked.wait()
                await transport.send(commands.AppendAudio(noise(0.2, 300), speech=True))
                await transport.send(commands.AppendAudio(bytes(48 * 2000), speech=False))
                ends, text = [], ""
                async with asyncio.timeout(20):
                    while len(ends) < 2:
                        event = await transport.receive()
                        if isinstance(event, events.ResponseFinished):
                            ends.append(event.status)
                        elif isinstance(event, events.AssistantText):
                            text += event.delta
            finally:
                await transport.close()
        assert (ends, text.strip(), len(chat.requests)) == (["cancelled", "completed"], said, requests)

    asyncio.run(main())


def stopped_recogniser() -> int:
    """The recogniser's process of the one session that runs, which takes in nothing from now on."""
    found = subprocess.run(
        ["pgrep", "-P", str(os.getpid()), "-f", "voicechat.engine.child"], capture_output=True, text=True, check=True
    )
    process = int(found.stdout)
    os.kill(process, signal.SIGSTOP)
    return process


def test_a_cancel_never_waits_behind_the_recogniser() -> None:
    async def main() -> None:
        async with (
            chat_server([chunk("Let me think about it. "), HANG]) as chat,
            session(OfflineSettings(chat_url=chat.url, chat_model="m")) as client,
        ):
            await client.update(audio={"input": {"turn_detection": None}})
            await client.send("response.create")
            await client.until("response.output_audio.delta")
            recogniser = stopped_recogniser()
            try:
                await client.speak(bytes(48_000 * 20), step_ms=200)  # far more than a pipe holds
                await client.send("response.cancel")
                async with asyncio.timeout(5):
                    done = await client.until("response.done")
                assert done["response"]["status_details"]["reason"] == "client_cancelled"
            finally:
                os.kill(recogniser, signal.SIGCONT)

    asyncio.run(main())


def test_an_answer_that_may_not_be_interrupted_goes_on() -> None:
    async def main() -> None:
        async with (
            chat_server([chunk("Let me think about it. "), HANG]) as chat,
            session(OfflineSettings(chat_url=chat.url, chat_model="m")) as client,
        ):
            turn = {"type": "server_vad", "interrupt_response": False}
            await client.update(audio={"input": {"turn_detection": turn}})
            await client.send("response.create")
            await client.until("response.output_audio.delta")
            await client.speak(recording(GO_FORWARD))
            error = await client.until("error")
            assert error["error"]["code"] == "conversation_already_has_active_response"
            await client.send("response.cancel")
            assert (await client.until("response.done"))["response"]["status_details"]["reason"] == "client_cancelled"

    asyncio.run(main())
