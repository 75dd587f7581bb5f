"""`voicechat speak`: text read aloud, word for word."""

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from voicechat.cli import complete
from voicechat.cli.options import OUTPUT, VOICE, TalkOptions, with_options
from voicechat.cli.program import one_text

READING = "Reading"
_SHARED = ("model", "voice", "url", "config", "output_device", "api_key_file", "insecure", "verbose", "log_file")


@with_options(*_SHARED)
def speak(
    options: TalkOptions,
    ctx: typer.Context,
    text: Annotated[
        str | None,
        typer.Argument(metavar="TEXT", help="What to read; - reads stdin, as it comes.", show_default=False),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", rich_help_panel=READING, help="Text file to read.", show_default=False),
    ] = None,
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            rich_help_panel=OUTPUT,
            metavar="FILE",
            autocompletion=complete.sound_files,
            help="Sound file instead of the speaker: wav, mp3, flac, opus, aac, pcm; - is raw PCM on stdout.",
            show_default=False,
        ),
    ] = "",
    format: Annotated[
        str,
        typer.Option(
            "--format",
            rich_help_panel=OUTPUT,
            metavar="NAME",
            autocompletion=complete.formats,
            help="Format of the file, when its ending does not say.",
            show_default=False,
        ),
    ] = "",
    rate: Annotated[
        int | None,
        typer.Option("--rate", rich_help_panel=OUTPUT, metavar="HZ", help="Sample rate in Hz.", show_default=False),
    ] = None,
    provider: Annotated[
        str | None,
        typer.Option(
            "--provider",
            rich_help_panel=VOICE,
            metavar="NAME",
            autocompletion=complete.providers,
            help="Service, as everywhere (auto chooses), or one that only reads aloud: `voicechat voices`.",
            show_default=False,
        ),
    ] = None,
    instructions: Annotated[
        str,
        typer.Option(
            "--instructions",
            "-i",
            rich_help_panel=READING,
            help="How to read, where the model takes it.",
            show_default=False,
        ),
    ] = "",
    language: Annotated[
        str,
        typer.Option(
            "--language",
            rich_help_panel=READING,
            metavar="LANGUAGE",
            autocompletion=complete.languages,
            help="Language of the text (de, German), for services that want to know.",
            show_default=False,
        ),
    ] = "",
    speed: Annotated[
        float | None, typer.Option("--speed", rich_help_panel=READING, help="1 is the voice's own.", show_default=False)
    ] = None,
    pitch: Annotated[
        float | None, typer.Option("--pitch", rich_help_panel=READING, help="1 is the voice's own.", show_default=False)
    ] = None,
    volume: Annotated[
        int | None, typer.Option("--volume", rich_help_panel=READING, help="0 to 100, usually 50.", show_default=False)
    ] = None,
    mode: Annotated[
        str,
        typer.Option(
            "--mode",
            rich_help_panel=READING,
            metavar="NAME",
            autocompletion=complete.modes,
            help="server_commit or commit, for services that have both.",
            show_default=False,
        ),
    ] = "",
) -> None:
    """Read a text aloud, word for word, to the speaker or into a file. The space bar pauses, Ctrl-C stops."""
    from voicechat.cli.speaking import Order, read_aloud
    from voicechat.speech.base import SpeechSettings

    options = dataclasses.replace(options, provider=provider)
    settings = SpeechSettings(
        model="",
        instructions=instructions,
        language=language,
        speed=speed,
        pitch=pitch,
        volume=volume,
        rate_hz=rate,
        mode=mode,
    )
    code = read_aloud(options, Order(one_text(ctx, text), file, output, format, settings))
    if code:
        raise typer.Exit(code)
