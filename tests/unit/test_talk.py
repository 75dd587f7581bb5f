"""What breaks on the loop ends the conversation, whoever called: a frame, the player, a line that was typed."""

import asyncio
import base64
import wave
from pathlib import Path

import pytest

from tests.unit.test_line import Scripted
from voicechat.audio.engine import AudioPlan
from voicechat.cli.slash import Controls
from voicechat.conversation import notices as note
from voicechat.conversation.plan import TalkPlan
from voicechat.conversation.talk import Talk
from voicechat.conversation.turn_taking import TurnTaking
from voicechat.providers.base import ProviderOptions
from voicechat.providers.openai import OpenAI
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
