"""What `--save` keeps of a conversation: both sides as one stereo WAV, and the transcript as text and as JSON."""

import contextlib
import dataclasses
import json
import re
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from voicechat.audio.encode import WavFile
from voicechat.audio.frames import Frame
from voicechat.audio.resample import Resampler
from voicechat.backlog import Backlog
from voicechat.conversation.notices import AssistantTurn, LatencyNotice, Notice, SessionNotice, ToolNotice, UserTurn
from voicechat.errors import UsageError

_HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Commands to a terminal and what reorders a line: somebody will read the files with `cat`. Not the line's end."""
_ESCAPED = "backslashreplace"
"""A lone surrogate (an argument that is no UTF-8) cannot be encoded; as `\\udce9` it is right in JSON, too."""


MOST_WAITING = 600
"""Pieces of half a second, and lines, that may wait for the disk."""
PATIENCE_S = 5.0
"""At the end: how long the disk may take for one of them."""


class Recording:
    """Left is the user as sent, right is the assistant as played, on one time line; s16le at `output_hz`.

    Every file is valid at any moment: the WAV's header is kept true, the transcript is written line by line. A thread
    writes, so nobody waits for the disk. When it is full, or does not answer, the conversation goes on:
    `warn(code, message)` is told once, and no more is kept.
    """

    def __init__(self, folder: str | Path, input_hz: int, output_hz: int, warn: Callable[[str, str], None]):
        self.folder = Path(folder).expanduser()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            stamp = self._free_name(datetime.now().strftime("%Y%m%d-%H%M%S"))
            self.sound = self.folder / f"{stamp}.wav"
            self.transcript = self.folder / f"{stamp}.md"
            self._wav = WavFile(self.sound, output_hz, channels=2)
            self._text = self.transcript.open("w", encoding="utf-8", errors=_ESCAPED)
            self._json = (self.folder / f"{stamp}.jsonl").open("w", encoding="utf-8", errors=_ESCAPED)
        except OSError as error:
            raise UsageError(
                f"{str(folder)!r} cannot be written: {error.strerror}.", "--save takes a folder."
            ) from error
        self._resampler = Resampler(input_hz, output_hz, "HQ")
        self._left = bytearray()
        self._right = bytearray()
        self._flush_bytes = output_hz  # half a second of one channel
        self._began = time.monotonic()
        self._assistant = "assistant"
        self._warn = warn
        self._backlog = Backlog("recording", MOST_WAITING)
        self._broken = ""
        self._told = False

    def _free_name(self, stamp: str) -> str:
        """`stamp`, or with a number where another conversation began within the same second."""
        name, number = stamp, 1
        while (self.folder / f"{name}.wav").exists():
            number += 1
            name = f"{stamp}-{number}"
        return name

    def hear(self, frame: Frame) -> None:
        self._tell()
        if self._broken:
            return
        self._left += self._resampler.feed(frame.pcm)
        self._right += frame.reference
        if len(self._right) >= self._flush_bytes:
            self._write()

    def _later(self, write: Callable[[], object]) -> None:
        """Have the thread write, after all that waits."""
        if len(self._backlog) >= MOST_WAITING:
            self._broken = self._broken or "the disk does not answer"
        self._backlog.add(lambda: self._safely(write))

    def _safely(self, write: Callable[[], object]) -> None:
        """On the thread."""
        if self._broken:
            return
        try:
            write()
        except OSError as error:
            self._broken = error.strerror or str(error)

    def _tell(self) -> None:
        if self._broken and not self._told:
            self._told = True
            self._warn("save", f"Nothing more is kept in {self.folder}: {self._broken}. The conversation goes on.")

    def _write(self) -> None:
        import numpy as np

        size = min(len(self._left), len(self._right)) // 2 * 2
        both = np.empty((size // 2, 2), "<i2")
        both[:, 0] = np.frombuffer(self._left, "<i2", size // 2)
        both[:, 1] = np.frombuffer(self._right, "<i2", size // 2)
        pcm = both.tobytes()
        self._later(lambda: self._wav.write(pcm))
        del self._left[:size], self._right[:size]

    def show(self, notice: Notice) -> None:
        words = ""
        if isinstance(notice, SessionNotice):
            self._assistant = notice.voice or notice.provider
            words = f"# {datetime.now():%Y-%m-%d %H:%M} · {notice.provider} · {notice.model}\n\n"
        elif isinstance(notice, UserTurn):
            words = f"**you:** {notice.text or '(not understood)'}\n\n"
        elif isinstance(notice, AssistantTurn):
            unheard = notice.text[len(notice.heard) :] if notice.interrupted else ""
            words = f"**{self._assistant}:** {notice.heard}{f' ~~{unheard.strip()}~~' if unheard else ''}\n\n"
        if isinstance(notice, SessionNotice | UserTurn | AssistantTurn | LatencyNotice | ToolNotice):
            at = round(time.monotonic() - self._began, 3)
            line = {"t": at, "type": notice.kind, **dataclasses.asdict(notice)}
            data = json.dumps(line, ensure_ascii=False)
            self._later(lambda: self._put(_inert(words), _inert(data) + "\n"))

    def _put(self, words: str, line: str) -> None:
        self._text.write(words)
        self._json.write(line)
        self._text.flush()
        self._json.flush()

    def close(self) -> None:
        """Complete the files, as far as the disk takes them."""
        if not self._broken:
            self._write()
        self._backlog.add(self._close_files)
        if not self._backlog.end(PATIENCE_S):
            self._broken = self._broken or "the disk does not answer"
        self._tell()

    def _close_files(self) -> None:
        for file in (self._wav, self._text, self._json):
            with contextlib.suppress(OSError):  # what could not be written is told
                file.close()


def _inert(text: str) -> str:
    """`text` with harmful characters written as `\\uXXXX`, which in JSON leaves its value the same."""
    return _HARMFUL.sub(lambda found: f"\\u{ord(found.group()):04x}", text)
