"""`voicechat config init | path | show`: write, find and read the settings."""

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from voicechat.cli.tables import print_json, print_table
from voicechat.cli.telling import tell
from voicechat.errors import ConfigError, UsageError, VoicechatError

app = typer.Typer(help="Write, find and show the settings.", no_args_is_help=True)

ConfigFile = Annotated[Path | None, typer.Option("--config", help="Configuration file.", metavar="FILE")]
MASK = "********"
_OPEN_NAMES = ("model", "deployment", "api-version")


@app.command("init")
def init(
    config: ConfigFile = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write a commented configuration file that only you can read."""
    from importlib import resources

    from voicechat.config import default_path
    from voicechat.config.keep import write_private

    path = config or default_path()
    text = resources.files("voicechat.config").joinpath("example.toml").read_text("utf-8")
    if path.exists() and not force:
        raise UsageError(f"{path} is there already.", "--force replaces it.")
    if sys.stdin.isatty() and typer.confirm("Keep your conversations on this machine, sound and words?", err=True):
        text = with_history(text)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(path, text)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.", "Choose another with --config.") from error
    typer.echo(path)
    tell("Written, everything commented out. Uncomment what you want to change.")


def with_history(text: str) -> str:
    """The example in which conversations are kept."""
    return text.replace("#[history]\n#enabled = false", "[history]\nenabled = true", 1)


@app.command("path")
def path(config: ConfigFile = None) -> None:
    """Print where the configuration file is, or would be."""
    from voicechat.config import default_path

    found = config or default_path()
    typer.echo(found)
    if not found.is_file():
        option = f" --config {shlex.quote(str(config))}" if config else ""
        tell(f"It is not there yet; `voicechat config init{option}` writes it.")


@app.command("show")
def show(
    config: ConfigFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Show every setting with its value and where it comes from. Keys are masked."""
    from voicechat.config import choose_provider, load

    loaded = load(config)
    entries = {key: {"value": _shown(loaded.settings, key), "origin": origin} for key, origin in loaded.origins.items()}
    try:
        choose_provider(loaded)
    except VoicechatError as error:
        tell(f"These settings cannot be used as they are. {error.message}\n  {error.hint}")
    if as_json:
        print_json({"path": str(loaded.path), "found": loaded.found, "settings": entries})
        return
    print_table(["setting", "origin", "value"], [[k, str(e["origin"]), _text(e["value"])] for k, e in entries.items()])
    tell(f"{'Read' if loaded.found else 'Not there'}: {loaded.path}")


def _shown(settings: Any, key: str) -> Any:
    value = settings
    table, _, rest = key.partition(".")
    if rest:
        value = getattr(settings, table)
        for part in rest.split("."):
            value = value[part] if isinstance(value, dict) else getattr(value, part)
    else:
        value = getattr(settings, key)
    if hasattr(value, "get_secret_value"):
        return MASK if value.get_secret_value() else ""
    if isinstance(value, dict):
        return dict.fromkeys(value, MASK)
    return mask_address(value) if key.endswith("url") else value


def mask_address(url: str) -> str:
    """An address without what may be a secret: a password before the host, a fragment, and what its query tells but
    the model's name."""
    from voicechat.wire.urls import shown

    bare, hashed, _ = url.partition("#")
    place, asked, query = bare.partition("?")
    scheme, slashes, rest = shown(url).rpartition("://")
    user = f"{MASK}@" if "@" in place else ""
    told = "&".join(_masked(pair) for pair in query.split("&")) if query else ""
    return f"{scheme}{slashes}{user}{rest}{asked}{told}{f'#{MASK}' if hashed else ''}"


def _masked(pair: str) -> str:
    """One part of a query: a value without a name may be a key, too."""
    name, equals, _ = pair.partition("=")
    if name in _OPEN_NAMES:
        return pair
    return f"{name}={MASK}" if equals else MASK


def _text(value: object) -> str:
    if value is None or value == "":
        return "–"
    return str(value).lower() if isinstance(value, bool) else str(value)
