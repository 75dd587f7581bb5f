"""`voicechat demo`: two recorded questions, asked and answered through everything a real conversation goes through."""

import os
import shutil
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from voicechat.cli.options import TalkOptions
from voicechat.cli.telling import tell

if TYPE_CHECKING:
    from voicechat.audio.files import FileInput
    from voicechat.conversation.notices import Notice
    from voicechat.conversation.recording import Recording
    from voicechat.conversation.talk import Talk
    from voicechat.ui.base import View

QUESTIONS = ("what-time-is-it.wav", "what-is-twelve-times-seven.wav")
PAUSE_MS = 700
"""Between an answer and the next question."""
PATIENCE_MS = 15_000
"""An answer that does not come is not waited for longer than this."""
SILENCE_MS = 500


def demo(
    save: Annotated[
        str, typer.Option("--save", help="Folder for the sound and the transcript.", metavar="DIR")
    ] = "voicechat-recordings",
    plain: Annotated[bool, typer.Option("--plain", help="One line per turn, no live view.", show_default=False)] = (
        False
    ),
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object per line on stdout.", show_default=False)
    ] = False,
) -> None:
    """Hear a conversation: no key, no microphone and no network needed.

    Two recorded questions take the place of the microphone; detection of speech, recognition, answer and voice are
    real and run on this machine.
    """
    import asyncio

    from voicechat.cli.talking import start_logging

    start_logging(TalkOptions())
    code = asyncio.run(_converse(save, "json" if as_json else "plain" if plain else "auto"))
    if code:
        raise typer.Exit(code)


async def _converse(save: str, kind: Literal["auto", "plain", "json"]) -> int:
    from voicechat.audio.devices import private_stderr
    from voicechat.audio.engine import AudioPlan
    from voicechat.cli.slash import Controls
    from voicechat.config.choose import COMPANION
    from voicechat.conversation.plan import TalkPlan
    from voicechat.conversation.recording import Keep
    from voicechat.conversation.talk import Talk
    from voicechat.conversation.turn_taking import TurnTaking
    from voicechat.engine.engine import OfflineSettings
    from voicechat.engine.provider import Offline
    from voicechat.realtime.commands import SessionConfig, TurnDetection
    from voicechat.ui.factory import make_view

    # The companion, not a chat model that may run here: the demonstration is the same on every machine.
    service = Offline(settings=OfflineSettings(ollama_url=""))
    service.request()  # tells at once when the offline extra is missing
    questions = Questions()
    plan = TalkPlan(
        SessionConfig(voice=service.voice, turn_detection=TurnDetection(silence_ms=SILENCE_MS)),
        TurnTaking(silence_ms=SILENCE_MS),
        AudioPlan(make_input=questions.open, speaker_optional=True, keep_reference=True),
        assistant=COMPANION,
        keep=Keep(save),
    )
    talk = Talk(service, service.connect, plan)
    with private_stderr():
        watcher = Watcher(make_view(kind, talk.sound, Controls(talk), interactive=False), talk, questions)
        code = await talk.run(watcher)
    for line in summary(talk.saved, watcher.latencies_ms):
        tell(line)
    if code == 0:
        tell(_what_next())
    return code


class Questions:
    """The recordings as a microphone in a quiet room: each is heard when `go_on` has been called for it."""

    def __init__(self) -> None:
        self._go_on = threading.Event()

    def go_on(self) -> None:
        """The floor is free. Called on the loop, while the recorder thread reads."""
        self._go_on.set()

    def open(self, rate_hz: int) -> "FileInput":
        """The questions at `rate_hz`, paced in real time."""
        from voicechat.audio.files import FileInput

        recordings = [read_question(name) for name in QUESTIONS]
        return FileInput("recorded questions", self._sound(recordings), recordings[0][1], rate_hz)

    def _sound(self, recordings: Sequence[tuple[bytes, int]]) -> Iterator[bytes]:
        for pcm, rate_hz in recordings:
            size = rate_hz // 100 * 2
            silence = bytes(size)
            waited_ms = 0
            while not self._go_on.is_set() and waited_ms < PATIENCE_MS:
                yield silence
                waited_ms += 10
            for _ in range(0, PAUSE_MS, 10):
                yield silence
            self._go_on.clear()
            for start in range(0, len(pcm), size):
                yield pcm[start : start + size]


def read_question(name: str) -> tuple[bytes, int]:
    """(s16le mono, rate in Hz) of a recording in the package."""
    import wave
    from importlib import resources

    with resources.files("voicechat.engine").joinpath("questions", name).open("rb") as file, wave.open(file) as sound:
        return sound.readframes(sound.getnframes()), sound.getframerate()


class Watcher:
    """The view of the demonstration: shows as any, lets the next question begin, and remembers the latencies."""

    def __init__(self, view: "View", talk: "Talk", questions: Questions):
        self.latencies_ms: list[float] = []
        self._view = view
        self._talk = talk
        self._questions = questions

    def show(self, notice: "Notice") -> None:
        from voicechat.conversation import notices as note

        self._view.show(notice)
        match notice:
            case note.SessionNotice():
                if notice.output == "none":
                    self._talk.warn(
                        "speaker", "No speaker can be opened here: read along, and listen to the recording."
                    )
                self._questions.go_on()
            case note.StateNotice("idle"):
                self._questions.go_on()
            case note.LatencyNotice() if notice.voice_to_voice_ms is not None:
                self.latencies_ms.append(notice.voice_to_voice_ms)

    async def run(self) -> None:
        await self._view.run()

    def close(self) -> None:
        self._view.close()


def summary(saved: "Recording | None", latencies_ms: Sequence[float]) -> list[str]:
    """Where it was kept, and how fast it was: lines to print."""
    import statistics

    lines = []
    if latencies_ms:
        each = ", ".join(f"{value:.0f} ms" for value in latencies_ms)
        median = statistics.median(latencies_ms)
        lines.append(f"From the end of a question to the first sound of its answer: {each}; median {median:.0f} ms")
        lines.append("  (a third of a second or more of that is the silence that tells a question has ended)")
    if saved is not None:
        lines.append(f"Sound:      {saved.sound}  (left: the questions, right: the answers)")
        lines.append(f"Transcript: {saved.transcript}  (and .jsonl, for programs)")
    return lines


def _what_next() -> str:
    from voicechat.audio.devices import Backend
    from voicechat.errors import AudioError

    try:
        backend = Backend()
    except AudioError:
        found = []
    else:
        found = backend.devices()
        backend.close()
    command = _command()
    if any(device.inputs for device in found) and any(device.outputs for device in found):
        return f"Now talk yourself: {command} vad   ({command} setup: talk with a real model)"
    return f"On a machine with microphone and speaker, talk yourself: {command} vad"


def _command() -> str:
    """How the user can call this program from where they are."""
    if shutil.which("voicechat"):
        return "voicechat"
    if sys.argv[0].endswith("__main__.py"):
        return "python -m voicechat"
    near = os.path.relpath(sys.argv[0])
    return sys.argv[0] if near.startswith(os.pardir) else near
