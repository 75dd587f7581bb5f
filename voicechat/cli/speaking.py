"""What `speak` and `voices --play` share: from options to a text that is read aloud."""

import asyncio
import contextlib
import os
import stat
import sys
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from voicechat.cli.keys import Jobs, watch_keys
from voicechat.cli.options import TalkOptions
from voicechat.cli.talking import start_logging
from voicechat.cli.telling import tell
from voicechat.errors import UsageError
from voicechat.signals import endings, on_signals

if TYPE_CHECKING:
    from voicechat.config.speech import SpeechChoice
    from voicechat.speech.base import SpeechService, SpeechSettings
    from voicechat.speech.sinks import FileSink
    from voicechat.speech.source import TextSource

FIRST_CHARS = 30
SPEAKER_CHARS = 400
"""A piece for the ear: long enough that a seam is a sentence's end, short enough to be had again when it fails."""
FILE_CHARS = 1000
WHOLE_BYTES = 64_000
"""A text up to this size is read before it is spoken, so that its length is known."""
PROGRESS_CHARS = 500


@dataclass(frozen=True, slots=True)
class Order:
    """What to read, and into what. `output` "" is the speaker, `format` "" follows its ending."""

    text: str | None
    file: Path | None
    output: str
    format: str
    settings: "SpeechSettings"


def read_aloud(options: TalkOptions, order: Order) -> int:
    """Read a text; gives the exit code. Raises VoicechatError."""
    start_logging(options)
    from voicechat.audio.encode import check_rate, encoding_of, require
    from voicechat.config import load, with_key_file
    from voicechat.config.speech import choose_speech

    encoding = ""
    if order.output:
        encoding = encoding_of(order.output, order.format)
        require(encoding)
    elif order.format:
        raise UsageError("--format is the format of a file.", "Name one: -o hello.mp3.")
    if order.settings.rate_hz is not None:
        check_rate(encoding, order.settings.rate_hz)
    with _text(order) as (text, descriptor):
        loaded = with_key_file(load(options.config, options.settings()), options.api_key_file)
        choice = choose_speech(loaded)
        for line in choice.notes:
            tell(line)
        settings = replace(order.settings, model=choice.options.model, voice=choice.options.voice)
        reading = Reading(
            choice,
            settings,
            order.output,
            encoding,
            output_device=loaded.settings.output_device,
            insecure=options.insecure,
        )
        return asyncio.run(reading.run(text, descriptor))


@contextlib.contextmanager
def _text(order: Order) -> Iterator[tuple[str | None, int]]:
    """The text, or None and the descriptor to read it from."""
    if order.file is not None and order.text is not None:
        raise UsageError("A text and a file are two texts.", "Give one of them.")
    if order.file is not None:
        try:
            with order.file.open("rb") as file:
                if stat.S_ISREG(os.fstat(file.fileno()).st_mode) and os.fstat(file.fileno()).st_size <= WHOLE_BYTES:
                    yield file.read().decode("utf-8-sig", "replace"), -1
                else:
                    yield None, file.fileno()
        except OSError as error:
            raise UsageError(
                f"The file {str(order.file)!r} cannot be read: {error.strerror}.", "--file takes a text file."
            ) from error
    elif order.text == "-" or (order.text is None and not sys.stdin.isatty()):
        yield None, 0
    elif not (order.text or "").strip():
        raise UsageError("There is nothing to read aloud.", 'Try: voicechat speak "Hello!", or --file book.txt.')
    else:
        yield order.text, -1


class Reading:
    """One text on its way through a service to a sink."""

    def __init__(
        self,
        choice: "SpeechChoice",
        settings: "SpeechSettings",
        output: str,
        encoding: str,
        *,
        output_device: str = "",
        insecure: bool = False,
    ):
        self._choice = choice
        self._settings = settings
        self._output = output
        self._encoding = encoding
        self._output_device = output_device
        self._insecure = insecure
        self._stopped = 0
        self._jobs = Jobs()
        self._on_terminal = sys.stderr.isatty()
        self._task: asyncio.Task[object] | None = None
        self._began = time.monotonic()

    async def run(self, text: str | None, descriptor: int = -1) -> int:
        """Read all of it; gives the exit code."""
        from voicechat.services import open_speech
        from voicechat.speech.protocols import abilities_of
        from voicechat.speech.source import StreamedText, WholeText

        abilities = abilities_of(self._choice.protocol)
        most = FILE_CHARS if self._output else SPEAKER_CHARS
        source: TextSource = WholeText(text) if text is not None else StreamedText(descriptor)
        pieces = self._pieces(source, most)
        single = False
        if text is not None and len(text) <= most:
            few = [piece async for piece in pieces]
            single, pieces = len(few) == 1, _each(few)
            if not few:
                raise _nothing()
        kept = self._output and self._encoding in abilities.encodings - {"wav", "pcm"}
        rate_hz = self._settings.rate_hz
        # Of MP3 and AAC frames many answers make one file, of Ogg and FLAC only one does.
        kept = kept and (single or self._encoding in ("mp3", "aac")) and (not rate_hz or rate_hz in abilities.rates_hz)
        settings = replace(self._settings, encoding=self._encoding if kept else "pcm")
        service = open_speech(self._choice, settings, insecure=self._insecure)
        try:
            self._task = asyncio.current_task()
            stops = {number: partial(self._stop, code) for number, code in endings().items()}
            with on_signals(stops), self._jobs.watched():
                async with aclosing(pieces):
                    if self._output:
                        await self._write(service, pieces, bool(kept), len(text or ""))
                    else:
                        await self._play(service, pieces, len(text or ""))
        except asyncio.CancelledError:
            if not self._stopped:
                raise
        finally:
            await service.close()
        return self._stopped

    async def _pieces(self, source: "TextSource", most: int) -> AsyncGenerator[str, None]:
        from voicechat.speech.source import pieces

        first = most if self._output and self._output != "-" else FIRST_CHARS
        async with aclosing(pieces(source, first, most)) as found:
            async for piece in found:
                yield piece

    async def _write(self, service: "SpeechService", pieces: AsyncGenerator[str, None], kept: bool, chars: int) -> None:
        from voicechat.speech.reading import Reader
        from voicechat.speech.sinks import FileSink

        rate_hz = service.rate_hz if kept else self._settings.rate_hz or service.rate_hz
        sink = FileSink(self._output, self._encoding, rate_hz, 0 if kept else service.rate_hz)
        with _progress(chars, self._jobs) as progress:
            try:
                count = await Reader(service, sink, progress.spoken).read(pieces)
            finally:
                await asyncio.shield(sink.close())
        if not count:
            raise _nothing()
        if self._output != "-":
            tell(_written(sink, kept))

    async def _play(self, service: "SpeechService", pieces: AsyncGenerator[str, None], chars: int) -> None:
        from voicechat.audio.devices import private_stderr
        from voicechat.speech.reading import Reader
        from voicechat.speech.sinks import SpeakerSink

        sink = SpeakerSink(service.rate_hz, self._output_device, self._sounds)
        with private_stderr(), _progress(chars, self._jobs) as progress:
            try:
                await sink.open()
                keys = {" ": lambda: progress.pause(sink.pause_or_resume()), "c-c": lambda: self._stop(130)}
                with watch_keys(keys, self._jobs):
                    count = await Reader(service, sink, progress.spoken).read(pieces)
                    await sink.finish()
            finally:
                await asyncio.shield(sink.close())
        if not count:
            raise _nothing()

    def _sounds(self) -> None:
        import logging

        elapsed_ms = (time.monotonic() - self._began) * 1000
        logging.getLogger(__name__).debug("first sound after %.0f ms", elapsed_ms)

    def _stop(self, code: int) -> None:
        self._stopped = code
        if self._on_terminal and not sys.stderr.isatty():  # its window is closed
            _forget_the_terminal()
        if self._task is not None:
            self._task.cancel()


def _forget_the_terminal() -> None:
    """What is still said goes nowhere: the bar's last words would fail, and what of them is left in the buffer would
    change the exit code."""
    with contextlib.suppress(OSError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stderr.fileno())
        os.close(nothing)


async def _each(pieces: list[str]) -> AsyncGenerator[str, None]:
    for piece in pieces:
        yield piece


def _nothing() -> UsageError:
    return UsageError("There is nothing to read aloud: no letter and no digit in the text.")


def _written(sink: "FileSink", kept: bool) -> str:
    if kept:
        return f"{sink.path}: {sink.written} bytes of {sink.encoding}."
    return f"{sink.path}: {sink.written / 2 / sink.rate_hz:.1f} s of {sink.encoding}, {sink.rate_hz} Hz."


class _Progress:
    """Tells nobody."""

    def spoken(self, piece: str) -> None:
        """A piece is done."""

    def pause(self, paused: bool) -> None:
        if sys.stderr.isatty():
            tell("paused: space goes on" if paused else "going on")


@contextlib.contextmanager
def _progress(chars: int, jobs: Jobs) -> Iterator[_Progress]:
    """A bar on stderr for a long text and a person; `chars` 0 is a text whose length nobody knows."""
    if not sys.stderr.isatty() or 0 < chars < PROGRESS_CHARS:
        yield _Progress()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = [TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed} characters")]
    times = TimeRemainingColumn() if chars else TimeElapsedColumn()
    bar = Progress(*columns, times, console=Console(file=sys.stderr), transient=True)
    task = bar.add_task("reading", total=chars or None)

    class _Bar(_Progress):
        def spoken(self, piece: str) -> None:
            bar.advance(task, len(piece) + 1)

        def pause(self, paused: bool) -> None:
            bar.update(task, description="paused (space)" if paused else "reading")

    with jobs.holding(bar.start, bar.stop):
        yield _Bar()
