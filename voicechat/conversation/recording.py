"""What is kept of a conversation: both sides as one stereo WAV, and the transcript as text and as JSON lines.

The lines are the truth: archive/ reads nothing else.
"""

import contextlib
import dataclasses
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from voicechat.archive.folder import claim, close_to_others, make_folder, opener, sweep
from voicechat.archive.inert import inert
from voicechat.audio.encode import WavFile
from voicechat.audio.frames import Frame
from voicechat.audio.resample import Resampler
from voicechat.backlog import Backlog
from voicechat.conversation import notices as note
from voicechat.conversation.notices import AssistantTurn, Notice, PictureNotice, SessionNotice, UserTurn
from voicechat.errors import ConfigError, UsageError
from voicechat.redaction import redact

_ESCAPED = "backslashreplace"
"""A lone surrogate (an argument that is no UTF-8) cannot be encoded; as `\\udce9` it is right in JSON, too."""

FORMAT = 1
"""The version of the lines: it rises when one changes its meaning."""
KEPT = (
    note.SessionNotice, note.StateNotice, note.UserTurn, note.PictureNotice, note.AssistantTurn, note.ToolCallNotice,
    note.ToolNotice, note.UsageNotice, note.LatencyNotice, note.ConnectionNotice, note.ErrorNotice, note.EndNotice,
)  # fmt: skip
"""What becomes a line: all that lasts."""
PARTIAL_S = 1.0
"""How often the words so far of what is being said become one, too: where the program is killed they are the last."""

MOST_WAITING = 600
"""Pieces of half a second, and lines, that may wait for the disk."""
PATIENCE_S = 5.0
"""At the end: how long the disk may take for one of them."""


@dataclass(frozen=True, slots=True)
class Keep:
    """Where a conversation is kept, and how much of it."""

    folder: str | Path
    sound: bool = True
    ours: bool = False
    """It is the program's own folder: closed to others, and what is older than `keep_days` leaves it."""
    keep_days: int = 0
    head: Mapping[str, Any] = field(default_factory=dict)
    """What else the first line tells of the conversation."""


class Recording:
    """Left is the user as sent, right is the assistant as played, on one time line; s16le at `output_hz`.

    Every file is valid at any moment: the WAV's header is kept true, the transcript is written line by line. A thread
    writes, so nobody waits for the disk. When it is full, or does not answer, the conversation goes on:
    `warn(code, message)` is told once, and no more is kept. Raises UsageError when nothing can be kept at all.
    """

    def __init__(
        self,
        keep: Keep,
        input_hz: int,
        output_hz: int,
        warn: Callable[[str, str], None],
        clock: Callable[[], float] = time.monotonic,
    ):
        self.folder = Path(keep.folder).expanduser()
        began = datetime.now().astimezone()
        self._wav: WavFile | None = None
        try:
            make_folder(self.folder)
            if keep.ours:
                close_to_others(self.folder)
            self.id, self._json = claim(self.folder, began)
            self.transcript = self.folder / f"{self.id}.md"
            self._text = open(self.transcript, "w", encoding="utf-8", errors=_ESCAPED, opener=opener)  # noqa: SIM115
            self.sound = self.folder / f"{self.id}.wav"
            if keep.sound:
                self._wav = WavFile(self.sound, output_hz, 2, opener)
        except OSError as error:
            raise UsageError(
                f"{str(keep.folder)!r} cannot be written: {error.strerror}.", "--save takes a folder."
            ) from error
        self._resampler = Resampler(input_hz, output_hz, "HQ")
        self._left = bytearray()
        self._right = bytearray()
        self._flush_bytes = output_hz  # half a second of one channel
        self._clock = clock
        self._began = clock()
        self._partial_at = self._began - PARTIAL_S
        self._assistant = "assistant"
        self._warn = warn
        self._backlog = Backlog("recording", MOST_WAITING)
        self._broken = ""
        self._told = False
        self._later(lambda: self._put("", self._head(began, keep)))
        if keep.ours and keep.keep_days:
            self._later(lambda: self._sweep(keep.keep_days, began))

    def _head(self, began: datetime, keep: Keep) -> str:
        head = {
            "id": self.id,
            "began": began.isoformat(timespec="seconds"),
            "sound": self.sound.name if keep.sound else "",
        }
        return _line(0.0, "conversation", {"format": FORMAT, **head, **keep.head})

    def _sweep(self, keep_days: int, now: datetime) -> None:
        with contextlib.suppress(ConfigError):  # what cannot leave today leaves another day
            sweep(self.folder, keep_days, now)

    def hear(self, frame: Frame) -> None:
        self._tell()
        if self._broken or self._wav is None or not frame.reference:
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
        if (wav := self._wav) is not None:
            self._later(lambda: wav.write(pcm))
        del self._left[:size], self._right[:size]

    def show(self, notice: Notice) -> None:
        words = ""
        if isinstance(notice, SessionNotice):
            self._assistant = notice.assistant or notice.voice or notice.provider
            words = f"# {datetime.now():%Y-%m-%d %H:%M} · {notice.provider} · {notice.model}\n\n"
        elif isinstance(notice, PictureNotice):
            words = f"**you:** (a picture: {notice.name})\n\n"
        elif isinstance(notice, UserTurn):
            words = f"**you:** {notice.text or '(not understood)'}\n\n"
        elif isinstance(notice, AssistantTurn):
            unheard = notice.text[len(notice.heard) :] if notice.interrupted else ""
            words = f"**{self._assistant}:** {notice.heard}{f' ~~{unheard.strip()}~~' if unheard else ''}\n\n"
        if isinstance(notice, KEPT) or self._partial_is_due(notice):
            line = _line(self._clock() - self._began, notice.kind, dataclasses.asdict(notice))
            self._later(lambda: self._put(inert(redact(words)), line))

    def _partial_is_due(self, notice: Notice) -> bool:
        now = self._clock()
        if not isinstance(notice, note.UserPartial | note.AssistantPartial) or now - self._partial_at < PARTIAL_S:
            return False
        self._partial_at = now
        return True

    def _put(self, words: str, line: str) -> None:
        self._json.write(line)
        self._json.flush()
        if words:
            self._text.write(words)
            self._text.flush()

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
            if file is not None:
                with contextlib.suppress(OSError):  # what could not be written is told
                    file.close()


def begin_keeping(
    keep: Keep | None, input_hz: int, output_hz: int, warn: Callable[[str, str], None]
) -> Recording | None:
    """A recording, where one is wanted. Without a folder of our own the conversation goes on; without one that was
    asked for it does not begin (UsageError)."""
    if keep is None:
        return None
    try:
        return Recording(keep, input_hz, output_hz, warn)
    except UsageError as error:
        if not keep.ours:
            raise
        warn("save", f"{error.message} This conversation is not kept.")
        return None


def _line(at_s: float, kind: str, fields: Mapping[str, Any]) -> str:
    """A line of JSON in which no key stands: each word of it was looked at before it was quoted."""
    line = {"t": round(at_s, 3), "type": kind, **_redacted(fields)}
    return f"{inert(json.dumps(line, ensure_ascii=False))}\n"


def _redacted(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {key: _redacted(each) for key, each in value.items()}
    return [_redacted(each) for each in value] if isinstance(value, list | tuple) else value
