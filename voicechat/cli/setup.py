"""`voicechat setup`: from nothing to a first answer: a service, its key, a test, and how it sounds."""

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from voicechat.cli import complete
from voicechat.cli.login import ask_keys, check_keys, info_of, keep
from voicechat.cli.telling import tell
from voicechat.errors import ConnectionFailed, UsageError, VoicechatError

if TYPE_CHECKING:
    from voicechat.config import Loaded
    from voicechat.doctor.checks import Check
    from voicechat.providers.catalogue import ProviderInfo

NOTHING_CHANGED = "Nothing has been changed."
HELLO = "Hello!"


def setup(
    provider: Annotated[
        str | None,
        typer.Argument(help="Service; asked for when left out.", metavar="PROVIDER", autocompletion=complete.providers),
    ] = None,
) -> None:
    """Choose a service, paste its key, have it tested, and hear it say hello.

    Run it again to change the service. What it learns is kept as `voicechat login` and `config.toml` keep it.
    """
    if not sys.stdin.isatty():
        raise UsageError("setup asks questions, and stdin is no terminal.", "voicechat login PROVIDER reads a key.")
    try:
        _set_up(info_of(provider) if provider else _choose())
    except (EOFError, KeyboardInterrupt):
        typer.echo(f"\n{NOTHING_CHANGED}", err=True)
        raise typer.Exit(130) from None


def _set_up(info: "ProviderInfo") -> None:
    from voicechat.config import load
    from voicechat.config.keep import write_settings

    loaded = load(flags={"provider": info.name})
    places: dict[str, str] = {}
    keys: dict[str, str] = {}
    if info.kind == "local":
        _require_local(loaded, info)
    else:
        places = _ask_places(loaded, info)
        keys = _ask_until_accepted(loaded, info, places)
    if keys:
        keep(info, keys)
    values: dict[tuple[str, ...], str | None] = {("provider",): info.name}
    values |= {("providers", info.name, name): value for name, value in places.items()}
    path = write_settings(values)
    origin = load().origins["provider"]
    if origin == path.name:
        tell(f"{info.name} answers from now on.")
    else:
        tell(f"{info.name} answers with --provider {info.name}: {origin} goes before the settings.")
    _hear(info)
    tell("Now talk: voicechat vad")


def _choose() -> "ProviderInfo":
    from voicechat.cli.tables import aligned
    from voicechat.config import load, missing_settings
    from voicechat.providers.catalogue import providers

    loaded = load()
    infos = list(providers().values())
    rows = []
    for number, info in enumerate(infos, 1):
        has_key = info.kind != "local" and not missing_settings(loaded, info)
        rows.append([str(number), info.name, info.title, "has a key" if has_key else ""])
    typer.echo("Which service shall answer?\n\n" + aligned(rows) + "\n", err=True)
    while True:
        said = _ask("Number or name [1]: ") or "1"
        if said.isdecimal() and 1 <= int(said) <= len(infos):
            return infos[int(said) - 1]
        try:
            return info_of(said)
        except UsageError as error:
            tell(f"{error.message} {error.hint}")


def _require_local(loaded: "Loaded", info: "ProviderInfo") -> None:
    from voicechat.config import missing_settings

    if missing := missing_settings(loaded, info):
        raise UsageError(f"What {info.name} needs is not installed.", missing[0].looked_in[0])


def _ask_places(loaded: "Loaded", info: "ProviderInfo") -> dict[str, str]:
    """Where the service is, for those whose place is the user's own, and the region where keys belong to one."""
    section = loaded.settings.provider_settings(info.name)
    places = {}
    if "url" in info.all_of:
        known = section.url
        places["url"] = _ask(f"Its address (https://…){f' [{known}]' if known else ''}: ") or known
        if not places["url"]:
            raise UsageError(f"{info.title} cannot be found without its address.", NOTHING_CHANGED)
        places["model"] = _ask(f"Model, or deployment [{section.model or info.default_model}]: ") or section.model
    if "region" in info.environment:
        places["region"] = _ask(f"Region of the key [{section.region or 'the default'}]: ") or section.region
    return {name: value for name, value in places.items() if value}


def _ask_until_accepted(loaded: "Loaded", info: "ProviderInfo", places: Mapping[str, str]) -> dict[str, str]:
    """The key that the service accepted; none when one that was there already is right.

    Raises EOFError when the user gives up.
    """
    from voicechat.config import missing_settings
    from voicechat.config.keyfile import with_values
    from voicechat.doctor.checks import failed

    keys: dict[str, str] = {}
    tried = with_values(loaded, info.name, places, "setup")
    has_key = not missing_settings(tried, info)
    if has_key:
        tell(f"A key for {info.name} is there already ({_origin(tried, info)}).")
    else:
        keys = ask_keys(info)
    while True:
        try:
            check_keys(keys)
            values = (dict.fromkeys(info.any_of, "") if keys else {}) | dict(places) | keys
            check = _test(with_values(loaded, info.name, values, "setup"), info)
        except VoicechatError as error:
            check = failed(info.name, error)
        if check.passed:
            tell(f"✓ {check.detail}")
            return keys
        tell(f"✗ {check.detail}\n  {check.advice}".rstrip())
        unreachable = check.exit_code == ConnectionFailed.exit_code  # then it is not the key
        if not _yes("Try again? [Y/n] " if unreachable else "Try another key? [Y/n] "):
            raise EOFError
        if not unreachable:
            keys = ask_keys(info)


def _origin(loaded: "Loaded", info: "ProviderInfo") -> str:
    places = (loaded.origins.get(f"providers.{info.name}.{name}", "") for name in info.any_of)
    return next(filter(None, places), "the settings")


def _test(loaded: "Loaded", info: "ProviderInfo") -> "Check":
    """Whether the service holds a session with these settings. Raises VoicechatError when it cannot even be asked."""
    import asyncio

    from voicechat.config import choose_provider
    from voicechat.doctor.service import session_check
    from voicechat.services import open_service

    choice = choose_provider(loaded)
    service = open_service(choice)
    tell(f"Opening a session with {info.name} …")
    return asyncio.run(session_check(service.provider, service.connect()))


def _hear(info: "ProviderInfo") -> None:
    """One turn aloud. What is missing for it here, a speaker for instance, does not undo the rest."""
    from voicechat.cli.options import TalkOptions
    from voicechat.cli.talking import talk

    try:
        talk("say", TalkOptions(provider=info.name, plain=True), HELLO)
    except typer.Exit:
        tell("It is set up, and could not be heard: `voicechat doctor` looks for the reason.")
    except VoicechatError as error:
        tell(f"It is set up, and could not be heard: {error.message}\n  {error.hint}".rstrip())


def _ask(question: str) -> str:
    typer.echo(question, nl=False, err=True)
    return input().strip()


def _yes(question: str) -> bool:
    return not _ask(question).lower().startswith("n")
