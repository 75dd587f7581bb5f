"""`voicechat history list | show | search | play | export | delete | path | stats`: what was kept of conversations."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voicechat.cli.tables import print_table

if TYPE_CHECKING:
    from voicechat.archive.lines import Kept


class Format(StrEnum):
    md = "md"
    srt = "srt"
    json = "json"
    txt = "txt"
    html = "html"


class By(StrEnum):
    day = "day"
    provider = "provider"
    model = "model"


app = typer.Typer(help="Find, read, hear and export the conversations that were kept.", no_args_is_help=True)

Folder = Annotated[
    Path | None, typer.Option("--dir", metavar="DIR", help="A folder that --save was given, instead of the usual one.")
]
ConfigFile = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Configuration file.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object per line.", show_default=False)]
Id = Annotated[str, typer.Argument(metavar="ID", help="Of a conversation, or its beginning; last is the newest.")]


def _folder(given: Path | None, config: Path | None) -> Path:
    from voicechat.cli.keeping import folder_of
    from voicechat.config import load

    return given.expanduser() if given else folder_of(load(config).settings)


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many, the newest first.")] = 20,
    every: Annotated[bool, typer.Option("--all", help="All of them.", show_default=False)] = False,
    as_json: AsJson = False,
    directory: Folder = None,
    config: ConfigFile = None,
) -> None:
    """List the conversations, the newest first."""
    from voicechat.archive.index import opened
    from voicechat.ui import wording

    folder = _folder(directory, config)
    with opened(folder) as index:
        entries = index.conversations(-1 if every or as_json else limit)
    if as_json:
        for entry in entries:
            _print_line(entry)
        return
    rows = [
        [
            entry["id"],
            wording.clock(entry["seconds"]) if entry["ended"] else f"{wording.clock(entry['seconds'])} …",
            str(entry["turns"]),
            entry["provider"],
            _cut(entry["first"], 48),
        ]
        for entry in entries
    ]
    if not rows:
        typer.echo(f"No conversation is kept in {folder}.", err=True)
        return
    print_table(["id", "length", "turns", "service", "begins"], rows)


@app.command("show")
def show(conversation: Id, as_json: AsJson = False, directory: Folder = None, config: ConfigFile = None) -> None:
    """Print what was said, or with --json the lines as they were kept."""
    from voicechat.archive.folder import LINES, find
    from voicechat.archive.lines import read, read_lines
    from voicechat.ui.text import clean

    folder = _folder(directory, config)
    name = find(folder, conversation)
    if as_json:
        for line in read_lines(folder / f"{name}{LINES}")[0]:
            _print_line(line)
        return
    kept = read(folder, name)
    typer.echo(clean(_head(kept)), err=True)
    for said in kept.said:
        rest = f" [not heard: {said.unheard.strip()}]" if said.unheard.strip() else ""
        typer.echo(f"{clean(kept.name(said.who))}: {clean(said.text) or '(not understood)'}{clean(rest)}")


def _head(kept: "Kept") -> str:
    from voicechat.ui import wording

    parts = [kept.id, kept.began.replace("T", " ")[:16], kept.provider, kept.model, kept.voice]
    parts += [f"{kept.turns} turns in {wording.clock(kept.seconds)}"]
    parts += [f"goes on with {kept.continues}"] if kept.continues else []
    parts += [f"{kept.broken} broken lines"] if kept.broken else []
    return " · ".join(part for part in parts if part)


@app.command("search")
def search(
    words: Annotated[list[str], typer.Argument(metavar="WORDS", help="All must be there; a passage stands in quotes.")],
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many, the newest first.")] = 20,
    as_json: AsJson = False,
    directory: Folder = None,
    config: ConfigFile = None,
) -> None:
    """Find what was said, by either side."""
    from voicechat.archive.index import opened

    wanted = [f'"{word}"' if " " in word and '"' not in word else word for word in words]
    with opened(_folder(directory, config)) as index:
        hits = index.search(" ".join(wanted), limit)
    if as_json:
        for hit in hits:
            _print_line({"id": hit.id, "turn": hit.turn, "who": hit.who, "at_s": round(hit.at_s, 3), "text": hit.text})
    elif hits:
        print_table(["id", "turn", "who", "words"], [[h.id, str(h.turn), h.who, _around(h.text, words)] for h in hits])
    else:
        typer.echo("Nothing like it was said.", err=True)


@app.command("path")
def path(directory: Folder = None, config: ConfigFile = None) -> None:
    """Print where the conversations are, or would be."""
    folder = _folder(directory, config)
    typer.echo(folder)
    if not folder.is_dir():
        typer.echo("It is not there yet: `[history] enabled = true` in the configuration keeps them.", err=True)


@app.command("export")
def export(
    conversation: Id,
    form: Annotated[Format, typer.Option("--format", "-f", help="What to make of it.")] = Format.md,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Instead of stdout.")] = None,
    directory: Folder = None,
    config: ConfigFile = None,
) -> None:
    """Write a conversation as Markdown, subtitles for its recording, JSON, text or a page."""
    from voicechat.archive.export import FORMATS
    from voicechat.archive.folder import find
    from voicechat.archive.lines import read
    from voicechat.errors import UsageError

    folder = _folder(directory, config)
    words = FORMATS[form.value](read(folder, find(folder, conversation)))
    if output is None:
        typer.echo(words, nl=False)
        return
    try:
        output.write_text(words, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise UsageError(f"{output} cannot be written: {error.strerror}.") from error


@app.command("delete")
def delete(
    conversations: Annotated[list[str], typer.Argument(metavar="ID...", help="The conversations, by their ids.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.", show_default=False)] = False,
    directory: Folder = None,
    config: ConfigFile = None,
) -> None:
    """Remove conversations with all that was kept of them."""
    import sys

    from voicechat.archive import folder as folders
    from voicechat.errors import UsageError

    folder = _folder(directory, config)
    names = list(dict.fromkeys(folders.find(folder, each) for each in conversations))
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError("Nobody can be asked here.", "--yes removes without asking.")
        if not typer.confirm(f"Remove {', '.join(names)} with sound and words?", err=True):
            raise typer.Exit(1)
    for name in names:
        freed = folders.delete(folder, name)
        typer.echo(f"{name} removed, {freed / 1e6:.1f} MB.", err=True)


@app.command("play")
def play(
    conversation: Id,
    turn: Annotated[int | None, typer.Option("--turn", min=0, help="Begin with this turn.")] = None,
    output_device: Annotated[
        str | None, typer.Option("--output-device", metavar="NAME", help="Speaker, by a part of its name.")
    ] = None,
    directory: Folder = None,
    config: ConfigFile = None,
) -> None:
    """Play the recording of a conversation; Ctrl-C ends."""
    import asyncio

    from voicechat.archive.folder import find
    from voicechat.archive.lines import read
    from voicechat.audio.devices import private_stderr
    from voicechat.cli.playing import play_recording
    from voicechat.config import load
    from voicechat.errors import UsageError

    settings = load(config, {"output_device": output_device}).settings
    folder = _folder(directory, config)
    name = find(folder, conversation)
    begin_s = 0.0
    if turn is not None:
        times = [said.at_s for said in read(folder, name).said if said.turn == turn]
        if not times:
            raise UsageError(f"{name} has no turn {turn}.", f"`voicechat history show {name}` shows them.")
        begin_s = min(times)
    with private_stderr():
        asyncio.run(play_recording(folder, name, settings.output_device, begin_s))


@app.command("stats")
def stats(
    by: Annotated[By, typer.Option("--by", help="What makes a line.")] = By.day,
    as_json: AsJson = False,
    directory: Folder = None,
    config: ConfigFile = None,
) -> None:
    """Sum up what was kept: conversations, time, tokens and what they cost."""
    from voicechat.archive.index import opened
    from voicechat.ui import wording

    folder = _folder(directory, config)
    with opened(folder) as index:
        entries = index.stats(by.value)
    if as_json:
        for entry in entries:
            _print_line(entry)
        return
    if not entries:
        typer.echo(f"No conversation is kept in {folder}.", err=True)
        return
    rows = [
        [
            entry[by.value],
            str(entry["conversations"]),
            str(entry["turns"]),
            wording.clock(entry["seconds"]),
            wording.count(entry["input_tokens"]),
            wording.count(entry["output_tokens"]),
            _sum(entry),
        ]
        for entry in entries
    ]
    print_table([by.value, "talks", "turns", "length", "tokens in", "out", "cost"], rows)


def _sum(entry: dict[str, Any]) -> str:
    """`$0.0123 + ¥1.50`, and how many responses are not in it."""
    from voicechat.ui import wording

    known = " + ".join(wording.cost(amount, currency) for currency, amount in sorted(entry["cost"].items()))
    unknown = f"{entry['unpriced']} unpriced" if entry["unpriced"] else ""
    return f"{known} ({unknown})" if known and unknown else known or unknown


def _print_line(value: object) -> None:
    from voicechat.ui.text import escape_json

    typer.echo(escape_json(json.dumps(value, ensure_ascii=False)))


def _cut(text: str, length: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1] + "…"


def _around(text: str, words: list[str], length: int = 60) -> str:
    """A line of `text` with the first of the words in the middle."""
    text = " ".join(text.split())
    places = [text.lower().find(word.strip('"').lower()) for word in words]
    at = min((place for place in places if place >= 0), default=0)
    start = max(min(at - length // 3, len(text) - length), 0)
    return ("…" if start else "") + _cut(text[start:], length)
