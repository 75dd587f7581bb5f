"""`voicechat serve token create | list | revoke`: who may use the server."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voicechat.cli.tables import print_json, print_table
from voicechat.errors import UsageError

if TYPE_CHECKING:
    from voicechat.config.settings import ServeToken

app = typer.Typer(help="Who may use the server.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Whose it is: letters, digits, - and _.", metavar="NAME")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="Configuration file.", metavar="FILE")]


@app.command("create")
def create(
    name: Name,
    models: Annotated[list[str], typer.Option("--models", help="Model it opens; * stands for anything.")] = ["*"],  # noqa: B006
    sessions: Annotated[int | None, typer.Option(help="Sessions at once.", min=1, show_default=False)] = None,
    requests_per_minute: Annotated[int | None, typer.Option(help="Requests.", min=1, show_default=False)] = None,
    minutes_per_day: Annotated[float | None, typer.Option(help="Talking time.", min=0.1, show_default=False)] = None,
    spend_per_day: Annotated[float | None, typer.Option(help="Money.", min=0.0, show_default=False)] = None,
    currency: Annotated[str, typer.Option(help="Of that money, as the prices have it.")] = "USD",
    config: ConfigFile = None,
) -> None:
    """Make a token and print it: this once, for the configuration keeps only its hash."""
    from voicechat.config.edit import put_table
    from voicechat.serve.tokens import hash_of, new_token

    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
        raise UsageError(f"{name!r} is no name for a token.", "Letters, digits, - and _, 64 at most.")
    if name in _tokens(config):
        raise UsageError(f"There is a token {name!r} already.", f"`voicechat serve token revoke {name}` ends it.")
    token = new_token()
    limits = {"sessions": sessions, "requests_per_minute": requests_per_minute, "minutes_per_day": minutes_per_day}
    given: dict[str, object] = {key: value for key, value in limits.items() if value is not None}
    if spend_per_day is not None:
        if spend_per_day <= 0 or not re.fullmatch(r"[A-Z]{3}", currency):
            raise UsageError(f"{spend_per_day:g} {currency} is no limit.", "--spend-per-day 5 --currency USD")
        given |= {"spend_per_day": spend_per_day, "currency": currency}
    path = _path(config)
    put_table(path, ("serve", "tokens", name), {"hash": hash_of(token), "models": models, **given})
    typer.echo(token)
    typer.echo(f"Keep it: it is not shown again. Its hash is in {path}.", err=True)


@app.command("list")
def list_tokens(
    config: ConfigFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array on stdout.")] = False,
) -> None:
    """Show whose tokens there are, and what they allow."""
    entries = [{"name": name, **token.model_dump(exclude={"hash"})} for name, token in _tokens(config).items()]
    if as_json:
        print_json(entries)
        return
    columns = ["name", "models", "sessions", "requests_per_minute", "minutes_per_day"]
    rows = [[*(_shown(entry[column]) for column in columns), _money(entry)] for entry in entries]
    print_table(["name", "models", "sessions", "requests/min", "minutes/day", "spend/day"], rows)
    if not entries:
        typer.echo("There is none; `voicechat serve token create NAME` makes one.", err=True)


@app.command("revoke")
def revoke(name: Name, config: ConfigFile = None) -> None:
    """End a token. A server that runs takes no more sessions of it; those that are open go on."""
    import asyncio

    from voicechat.config.edit import remove_table

    path = _path(config)
    asyncio.run(_tell_all(config, name))
    if not remove_table(path, ("serve", "tokens", name)):
        known = ", ".join(_tokens(config))
        raise UsageError(f"There is no token {name!r}.", f"Known: {known}." if known else "There is none at all.")
    typer.echo(f"{name} is revoked.", err=True)


async def _tell_all(config: Path | None, name: str) -> None:
    """Other gateways have files of their own: they are told by what they share. Raises ConfigError when they cannot."""
    from voicechat.config import load
    from voicechat.errors import ConfigError
    from voicechat.serve.shared import revoke_everywhere
    from voicechat.serve.store import Unreachable

    if name not in _tokens(config):
        return
    settings = load(config).settings.serve
    try:
        await revoke_everywhere(settings.redis.get_secret_value(), settings.tokens[name].hash)
    except Unreachable as error:
        raise ConfigError(f"{name} is not revoked: {error}.", "Try again when [serve] redis can be reached.") from error


def _path(config: Path | None) -> Path:
    from voicechat.config import default_path

    return config or default_path()


def _tokens(config: Path | None) -> "dict[str, ServeToken]":
    from voicechat.config import load

    if config is not None and not config.exists():  # it will be made
        return {}
    return load(config).settings.serve.tokens


def _money(entry: "dict[str, Any]") -> str:
    spend = entry["spend_per_day"]
    return "–" if spend is None else f"{spend:g} {entry['currency']}"


def _shown(value: object) -> str:
    if isinstance(value, list):
        return " ".join(value)
    return "–" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
