"""The options that the conversation commands share: defined once, added to each command's own."""

import dataclasses
import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer
from typer.core import TyperCommand

from voicechat.cli import complete

VOICE, TURNS, TOOLS, SOUND, OUTPUT = "Voice and service", "Turn taking", "Tools", "Sound", "Output"
TURN_TAKING = ("turn", "silence_ms", "threshold", "barge_in")
MICROPHONE = ("input_device", "input", "aec")
"""What means nothing to a command without them is no option of it: silently it would be a false promise."""


def _option(*names: str, panel: str, help: str, **more: Any) -> Any:
    """An option without a default to show. `metavar` is what the value is called in the help."""
    return typer.Option(*names, rich_help_panel=panel, help=help, show_default=False, **more)


ApiKeyFile = Annotated[
    Path | None, _option("--api-key-file", panel=VOICE, metavar="FILE", help="File that holds the service's key alone.")
]
Insecure = Annotated[bool, _option("--insecure", panel=VOICE, help="Send a key to another machine unencrypted too.")]


@dataclass(frozen=True, slots=True)
class TalkOptions:
    """What was given on the command line; None is "not given", so that files and environment may decide."""

    provider: Annotated[
        str | None,
        _option(
            "--provider",
            panel=VOICE,
            metavar="NAME",
            autocompletion=complete.providers,
            help="Service: qwen, openai, azure, doubao, newapi, offline; auto chooses.",
        ),
    ] = None
    model: Annotated[
        str | None,
        _option(
            "--model",
            panel=VOICE,
            metavar="NAME",
            autocompletion=complete.models,
            help="Model, or deployment on Azure.",
        ),
    ] = None
    voice: Annotated[
        str | None,
        _option(
            "--voice",
            panel=VOICE,
            metavar="NAME",
            autocompletion=complete.voices,
            help="Voice; `voicechat voices` lists them.",
        ),
    ] = None
    instructions: Annotated[
        str | None,
        _option("--instructions", "-i", panel=VOICE, metavar="TEXT", help="What the assistant is and how it talks."),
    ] = None
    persona: Annotated[
        str | None,
        _option(
            "--persona",
            panel=VOICE,
            metavar="NAME",
            autocompletion=complete.personas,
            help="A named set of instructions from the configuration.",
        ),
    ] = None
    greeting: Annotated[
        str | None,
        _option("--greeting", panel=VOICE, metavar="TEXT", help="Words the assistant begins the conversation with."),
    ] = None
    context: Annotated[
        str,
        _option("--context", panel=VOICE, metavar="FILE", help="Text file with background knowledge for the answers."),
    ] = ""
    image: Annotated[
        list[str] | None,
        _option("--image", panel=VOICE, metavar="FILE", help="A picture to show; - is stdin. May be repeated."),
    ] = None
    language: Annotated[
        str | None, _option("--language", panel=VOICE, help="The language that you speak (en, zh), as a hint.")
    ] = None
    url: Annotated[
        str | None, _option("--url", panel=VOICE, metavar="URL", help="Address of the service, for gateways and tests.")
    ] = None
    config: Annotated[
        Path | None,
        _option("--config", panel=VOICE, metavar="FILE", help="Configuration file instead of the usual one."),
    ] = None
    api_key_file: ApiKeyFile = None
    insecure: Insecure = False
    turn: Annotated[
        str | None,
        _option(
            "--turn",
            panel=TURNS,
            metavar="WHO",
            autocompletion=complete.turn_kinds,
            help="Who finds the turns: server, semantic or local.",
        ),
    ] = None
    silence_ms: Annotated[
        int | None,
        _option("--silence-ms", panel=TURNS, metavar="MS", help="Silence that ends a turn (200 to 6000)."),
    ] = None
    threshold: Annotated[
        float | None,
        _option("--threshold", panel=TURNS, metavar="NUMBER", help="The service's speech threshold, mostly 0 to 1."),
    ] = None
    barge_in: Annotated[
        bool | None, _option("--barge-in/--no-barge-in", panel=TURNS, help="Speaking interrupts the answer (it does).")
    ] = None
    tool_sources: Annotated[
        list[str] | None,
        _option("--tools", panel=TOOLS, metavar="FILE|MODULE", help="Python functions the model may call; repeatable."),
    ] = None
    mcp_sources: Annotated[
        list[str] | None,
        _option("--mcp", panel=TOOLS, metavar="NAME|FILE", help="MCP server of the configuration, or a file of some."),
    ] = None
    confirm_tools: Annotated[
        str | None,
        _option("--confirm-tools", panel=TOOLS, help="Which tools you are asked about: never, writes (it is), always."),
    ] = None
    input_device: Annotated[
        str | None,
        _option(
            "--input-device",
            panel=SOUND,
            metavar="NAME",
            autocompletion=complete.microphones,
            help="Microphone, by a part of its name.",
        ),
    ] = None
    output_device: Annotated[
        str | None,
        _option(
            "--output-device",
            panel=SOUND,
            metavar="NAME",
            autocompletion=complete.speakers,
            help="Speaker, by a part of its name.",
        ),
    ] = None
    input: Annotated[
        str,
        _option(
            "--input",
            panel=SOUND,
            metavar="FILE",
            help="Sound file instead of the microphone; - is raw 16 kHz on stdin.",
        ),
    ] = ""
    output: Annotated[
        str,
        _option(
            "--output",
            "-o",
            panel=SOUND,
            metavar="FILE",
            autocompletion=complete.sound_files,
            help="Sound file instead of the speaker: wav, mp3, flac, opus, aac, pcm; - is raw PCM on stdout.",
        ),
    ] = ""
    aec: Annotated[
        bool | None, _option("--aec/--no-aec", panel=SOUND, help="Cancel the echo of the speaker (it does).")
    ] = None
    save: Annotated[
        str | None, _option("--save", panel=OUTPUT, metavar="DIR", help="Keep sound and transcript in this folder.")
    ] = None
    continues: Annotated[
        str | None,
        _option("--continue", panel=OUTPUT, metavar="[ID]", help="Go on with a kept conversation, or the last one."),
    ] = None
    max_cost: Annotated[
        float | None, _option("--max-cost", panel=OUTPUT, help="End when it has cost so much, in the price's currency.")
    ] = None
    json: Annotated[bool, _option("--json", panel=OUTPUT, help="One JSON object per line on stdout.")] = False
    plain: Annotated[bool, _option("--plain", panel=OUTPUT, help="One line per turn, no live view.")] = False
    verbose: Annotated[bool, _option("--verbose", "-v", panel=OUTPUT, help="Say what happens inside, on stderr.")] = (
        False
    )
    log_file: Annotated[
        Path | None, _option("--log-file", panel=OUTPUT, metavar="FILE", help="Write that into a file.")
    ] = None

    def settings(self) -> dict[str, object]:
        """The flags that are settings, by their names there; None where they were not given."""
        names = (
            "provider", "model", "voice", "instructions", "persona", "url", "turn", "silence_ms", "threshold",
            "barge_in", "language", "input_device", "output_device", "aec", "save", "max_cost",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names}


class TalkCommand(TyperCommand):
    """A conversation command: its `--continue` may stand without an ID."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        takes_words = any(parameter.param_type_name == "argument" for parameter in self.params)
        return super().parse_args(ctx, with_last(args, takes_words))


def with_last(args: list[str], takes_words: bool) -> list[str]:
    """The arguments with `--continue=last` where no ID follows. `takes_words`: what follows may be the command's text,
    unless it has the shape of an ID."""
    from voicechat.archive.folder import is_id

    given = list(args)
    ends = given.index("--") if "--" in given else len(given)
    for place in range(ends):
        if given[place] == "--continue":
            after = given[place + 1] if place + 1 < ends else "-"
            if after.startswith("-") or (takes_words and not (is_id(after) or after == "last")):
                given[place] = "--continue=last"
    return given


def with_talk_options(*without: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give `command(options: TalkOptions, ...)` the fields of TalkOptions as options, except these."""
    return with_options(*(field.name for field in dataclasses.fields(TalkOptions) if field.name not in without))


def with_options(*wanted: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The same with these fields only; the others are as if they had not been given."""
    return functools.partial(_add_options, wanted=wanted)


def _add_options(command: Callable[..., None], wanted: tuple[str, ...]) -> Callable[..., None]:
    hints = get_type_hints(TalkOptions, include_extras=True)
    shared = [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
        )
        for field in dataclasses.fields(TalkOptions)
        if field.name in wanted
    ]
    names = {parameter.name for parameter in shared}
    own_hints = get_type_hints(command, include_extras=True)
    own = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=own_hints[name])
        for name, parameter in inspect.signature(command).parameters.items()
        if name != "options"
    ]

    @functools.wraps(command)
    def run(**values: Any) -> None:
        options = TalkOptions(**{name: values.pop(name) for name in names})
        command(options, **values)

    run.__signature__ = inspect.Signature(own + shared)  # type: ignore[attr-defined]  # what Typer reads
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in own + shared}
    return run
