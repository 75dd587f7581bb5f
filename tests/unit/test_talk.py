"""What breaks on the loop ends the conversation, whoever called: a frame, the player, a line that was typed."""

import asyncio
import base64
import json
import wave
from pathlib import Path

import numpy as np
import pytest

from tests.unit.test_line import Scripted
from voicechat.audio.engine import AudioPlan
from voicechat.audio.files import FileInput
from voicechat.cli.slash import Controls
from voicechat.conversation import notices as note
from voicechat.conversation.plan import TalkPlan
from voicechat.conversation.talk import Talk
from voicechat.conversation.turn_taking import TurnTaking
from voicechat.providers.base import ProviderOptions
from voicechat.providers.openai import OpenAI
from voicechat.realtime.codec import WireFrame
from voicechat.realtime.commands import SessionConfig

SOUND = base64.b64encode(bytes(24_000)).decode()


class Eyes:
    """A view that waits for the session."""

    def __init__(self) -> None:
        self.ready = asyncio.Event()

    def show(self, notice: note.Notice) -> None:
        if isinstance(notice, note.SessionNotice):
            self.ready.set()

    async def run(self) -> None:
        await asyncio.Event().wait()

    def close(self) -> None:
        """Nothing to put back."""


def breaks(*_: object) -> None:
    raise ZeroDivisionError("a bug")


@pytest.mark.parametrize("callback", ["hear", "played", "say"])
def test_a_fault_on_the_loop_does_not_leave_a_program_that_is_deaf(callback: str, tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "quiet.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(bytes(2 * 16_000 * 30))

    async def main() -> None:
        connection = Scripted()
        audio = AudioPlan(input_file=str(tmp_path / "quiet.wav"), output_file=str(tmp_path / "out.wav"))
        provider = OpenAI(ProviderOptions(api_key="k" * 20))
        talk = Talk(provider, lambda: connection, TalkPlan(SessionConfig(), TurnTaking(), audio))
        setattr(talk.session, callback, breaks)
        view = Eyes()
        run = asyncio.create_task(talk.run(view))
        waiting = asyncio.create_task(view.ready.wait())
        await asyncio.wait((run, waiting), timeout=10, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if callback == "played":
            connection.frames.put_nowait('{"type": "response.created", "response": {"id": "r"}}')
            delta = f'{{"type": "response.output_audio.delta", "response_id": "r", "item_id": "i", "delta": "{SOUND}"}}'
            connection.frames.put_nowait(delta)
        elif callback == "say":
            Controls(talk).submit("hello")
        with pytest.raises(ZeroDivisionError):
            await asyncio.wait_for(run, 10)

    asyncio.run(main())


class Late(Scripted):
    """A connection whose session takes its time, and which keeps the sound that it was sent."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on, self.heard, self.all_heard = asyncio.Event(), b"", asyncio.Event()

    async def receive(self) -> WireFrame:
        await self.go_on.wait()
        return await super().receive()

    async def send(self, frame: WireFrame) -> None:
        event = json.loads(frame)
        if event["type"] == "input_audio_buffer.append":
            self.heard += base64.b64decode(event["audio"])
            if len(self.heard) >= len(RECORDING):
                self.all_heard.set()


RECORDING = np.arange(1, 12_001, dtype="<i2").tobytes()
"""Half a second of which no two samples are the same."""


def test_a_recording_waits_for_the_session_and_is_sent_from_its_first_sample(tmp_path: Path) -> None:
    """On a slow machine, or over a slow network, its first words would be said to nobody."""

    async def main() -> None:
        connection = Late()
        read_in_time: list[bool] = []

        class Watched(FileInput):
            def read(self) -> bytes:
                read_in_time.append(talk.session.ready)
                return super().read()

        def source(rate_hz: int) -> FileInput:
            return Watched("recording", iter([RECORDING]), rate_hz, rate_hz)

        audio = AudioPlan(make_input=source, output_file=str(tmp_path / "out.wav"))
        provider = OpenAI(ProviderOptions(api_key="k" * 20))
        talk = Talk(provider, lambda: connection, TalkPlan(SessionConfig(), TurnTaking(), audio))
        opened, open_sound = asyncio.Event(), talk.sound.open

        async def tell_when_open() -> None:
            await open_sound()
            opened.set()

        talk.sound.open = tell_when_open  # type: ignore[method-assign]
        run = asyncio.create_task(talk.run(Eyes()))
        await asyncio.wait_for(opened.wait(), 10)
        assert talk.sound.input_name == "recording"
        connection.go_on.set()
        await asyncio.wait_for(connection.all_heard.wait(), 10)
        talk.quit()
        await asyncio.wait_for(run, 10)
        assert all(read_in_time)
        assert connection.heard[: len(RECORDING)] == RECORDING

    asyncio.run(main())
