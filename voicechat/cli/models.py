"""`voicechat models list | install | remove | path`: models that make the offline engine understand and speak more."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voicechat.cli import complete
from voicechat.cli.tables import print_json, print_table
from voicechat.cli.telling import tell
from voicechat.errors import UsageError

if TYPE_CHECKING:
    from voicechat.models.catalogue import Model

app = typer.Typer(help="Models that you add to the offline engine.")

Name = Annotated[
    str,
    typer.Argument(
        help="Model; `voicechat models list` shows them.", metavar="NAME", autocompletion=complete.added_models
    ),
]


@app.callback(invoke_without_command=True)
def models(context: typer.Context) -> None:
    """Models that you add to the offline engine: they are fetched once and used without a network."""
    if context.invoked_subcommand is None:
        list_models()


@app.command("list")
def list_models(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array on stdout.")] = False,
) -> None:
    """Show the models that can be added, what each is for, its size and licence, which are here, and Ollama's."""
    from voicechat.models.catalogue import catalogue, size
    from voicechat.models.store import models_folder

    entries = [_entry(model) for model in catalogue().values()]
    if as_json:
        print_json(entries)
        return
    rows = [
        [e["name"], e["use"], e["state"], size(e["bytes"]), " ".join(e["languages"]), e["licence"], e["title"]]
        for e in entries
    ]
    print_table(["model", "use", "here", "size", "languages", "licence", "description"], rows)
    tell(f"They live in {models_folder()}; a folder of your own works by its path.")
    tell(_ollama())


@app.command("install")
def install(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    config: Annotated[
        Path | None, typer.Option("--config", help="Configuration file, for its ca_file.", metavar="FILE")
    ] = None,
) -> None:
    """Fetch a model from the Hugging Face hub, or from the mirror that HF_ENDPOINT names."""
    import asyncio

    from voicechat.config import load
    from voicechat.models.catalogue import size
    from voicechat.models.download import hub
    from voicechat.models.download import install as fetch
    from voicechat.models.store import begun, folder_bytes, home_of, lacking

    model = _model(name)
    lacks = lacking(model)
    if not lacks:
        typer.echo(home_of(name))
        tell(f"{name} is here already.")
        return
    ca_file = load(config).settings.ca_file
    here = begun(name)
    if folder_bytes(home_of(name)):
        here += sum(file.bytes for file in model.files if file not in lacks)
        tell(f"{name} is damaged: {len(lacks)} of its {len(model.files)} files are fetched again.")
    tell(f"{name}: {model.title}.")
    tell(f"  {size(model.bytes)}, licence {model.licence}, from {hub()}/{model.repository}")
    tell(f"  to {home_of(name)}{f'; {size(here)} of it are here already' if here else ''}")
    if not yes and not _agreed():
        return
    try:
        with _progress(name, model.bytes) as on_progress:
            path = asyncio.run(fetch(model, on_progress, ca_file=ca_file))
    except KeyboardInterrupt:
        kept = size(begun(name))
        tell(f"Interrupted. {kept} are kept: run the same command again to go on.")
        raise typer.Exit(130) from None
    typer.echo(path)
    _tell_use(model)


@app.command("remove")
def remove(name: Name) -> None:
    """Delete a model from this machine."""
    from voicechat.models.catalogue import size
    from voicechat.models.store import begun, home_of
    from voicechat.models.store import remove as delete

    if not home_of(_model(name).name).is_dir() and not begun(name):
        raise UsageError(f"{name} is not here.", "`voicechat models list` shows what is.")
    tell(f"Removed {name}; that frees {size(delete(name))}.")


@app.command("path")
def path(
    name: Annotated[str | None, typer.Argument(help="One model.", metavar="NAME", show_default=False)] = None,
) -> None:
    """Print where models live, or where one does."""
    from voicechat.models.store import home_of, lacking, models_folder

    if name is None:
        typer.echo(models_folder())
        return
    typer.echo(home_of(_model(name).name))
    if lacking(_model(name)):
        tell(f"It is not here yet; `voicechat models install {name}` fetches it.")


def _ollama() -> str:
    """What there is to think with: that is Ollama's own to keep."""
    import asyncio

    from voicechat.engine.chat import ollama_models

    found = asyncio.run(ollama_models())
    if not found:
        return "For a mind: Ollama does not run here, or has no model (`ollama pull NAME`)."
    return f"For a mind, Ollama has: {', '.join(found)} ([providers.offline] chat_model)."


def _model(name: str) -> "Model":
    from voicechat.config.load import did_you_mean
    from voicechat.models.catalogue import catalogue

    if name not in catalogue():
        raise UsageError(f"Unknown model {name!r}.", did_you_mean(name, list(catalogue())))
    return catalogue()[name]


def _entry(model: "Model") -> dict[str, Any]:
    from voicechat.models.store import begun, folder_bytes, home_of, lacking

    here = not lacking(model)
    some = begun(model.name) or folder_bytes(home_of(model.name))
    return {
        "name": model.name,
        "use": model.use,
        "state": "yes" if here else "in part" if some else "no",
        "bytes": model.bytes,
        "languages": list(model.languages),
        "licence": model.licence,
        "title": model.title,
        "repository": model.repository,
        "revision": model.revision,
        "path": str(home_of(model.name)) if here else None,
    }


def _agreed() -> bool:
    if not sys.stdin.isatty():
        raise UsageError("Nobody is here to agree to that.", "--yes fetches it without asking.")
    return typer.confirm("Fetch it?", err=True)


@contextmanager
def _progress(name: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal; elsewhere nothing."""
    if not sys.stderr.isatty():
        yield lambda here: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    columns = ("{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=total)
        yield lambda here: bar.update(task, completed=min(here, total))


def _tell_use(model: "Model") -> None:
    from voicechat.models.folder import missing_runtime

    tell(f'Use it with [providers.offline] {model.use} = "{model.name}" in config.toml.')
    if hint := missing_runtime(model.kind):
        tell(f"What runs it is not installed yet. {hint}")
