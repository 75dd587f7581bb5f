"""`voicechat doctor`: can a conversation be held here, and if not, what to do."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voicechat.cli import complete
from voicechat.cli.options import ApiKeyFile, Insecure
from voicechat.doctor.checks import Check, attempt, exit_code, failed, not_tested
from voicechat.doctor.terminal import TERMINAL, terminal_check
from voicechat.errors import VoicechatError

if TYPE_CHECKING:
    from voicechat.config import Loaded

Say = Callable[[str], None]
DEVICE_FLAGS = ("input_device", "output_device")
MARKS = {"ok": "✓", "failed": "✗", "not tested": "–"}
PLAIN_MARKS = {"ok": "ok", "failed": "FAIL", "not tested": "-"}
STYLES = {"ok": "green", "failed": "bold red", "not tested": "dim"}


def doctor(
    provider: Annotated[
        str | None,
        typer.Option(
            "--provider", metavar="NAME", autocompletion=complete.providers, help="Service to try.", show_default=False
        ),
    ] = None,
    url: Annotated[str | None, typer.Option("--url", metavar="URL", help="Its address.", show_default=False)] = None,
    config: Annotated[Path | None, typer.Option("--config", help="Configuration file.", metavar="FILE")] = None,
    api_key_file: ApiKeyFile = None,
    insecure: Insecure = False,
    input_device: Annotated[
        str | None,
        typer.Option(
            "--input-device",
            metavar="NAME",
            autocompletion=complete.microphones,
            help="Microphone, by a part of its name.",
            show_default=False,
        ),
    ] = None,
    output_device: Annotated[
        str | None,
        typer.Option(
            "--output-device",
            metavar="NAME",
            autocompletion=complete.speakers,
            help="Speaker, by a part of its name.",
            show_default=False,
        ),
    ] = None,
    sound: Annotated[bool, typer.Option("--sound/--no-sound", help="Try microphone and speaker aloud.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.", show_default=False)] = False,
) -> None:
    """Check everything a conversation needs: it records a second, plays a chirp and opens a session.

    Exit code 0 when a conversation can be held; else that of the first thing in the way.
    """
    flags = {"provider": provider, "url": url, "input_device": input_device, "output_device": output_device}
    checks = [attempt(TERMINAL, terminal_check, necessary=False)]  # before Rich puts its own file in stdout's place
    with _progress() as say:
        checks += _examine(config, flags, api_key_file, insecure, sound, say)
    code = exit_code(checks)
    if as_json:
        import json

        from voicechat.ui.text import escape_json

        report = {"ok": code == 0, "exit_code": code, "checks": [check.as_json() for check in checks]}
        typer.echo(escape_json(json.dumps(report, ensure_ascii=False, indent=2)))
    else:
        _print(checks, code)
    if code:
        raise typer.Exit(code)


def _examine(
    config: Path | None, flags: dict[str, str | None], key_file: Path | None, insecure: bool, sound: bool, say: Say
) -> list[Check]:
    """Every check, in the order of the exit codes: settings, sound, service. None prevents another."""
    from voicechat.config import load, with_key_file
    from voicechat.doctor import settings as setup
    from voicechat.doctor.detection import detection_check
    from voicechat.doctor.sound import NAMES as SOUND
    from voicechat.doctor.sound import sound_checks

    checks: list[Check] = []
    loaded: Loaded | None = None
    try:
        loaded = with_key_file(load(config, flags), key_file)
        checks.append(setup.configuration_check(loaded))
    except VoicechatError as error:
        checks.append(failed(setup.CONFIGURATION, error))
    key, service = _service(loaded, insecure, say)
    checks.append(key)
    if sound:
        devices = [getattr(loaded.settings, name) if loaded else flags[name] or "" for name in DEVICE_FLAGS]
        checks += sound_checks(devices[0], devices[1], say)
    else:
        checks += [not_tested(name, "--no-sound.") for name in SOUND]
    return [*checks, detection_check(), *service()]


def _service(loaded: "Loaded | None", insecure: bool, say: Say) -> tuple[Check, Callable[[], list[Check]]]:
    """The finding about the key, and the checks of the service, to be made later."""
    from voicechat.config import choose_provider
    from voicechat.doctor import settings as setup
    from voicechat.doctor.offline import OFFLINE, offline_check
    from voicechat.doctor.service import NAMES, service_checks
    from voicechat.services import open_service

    def nothing(why: str) -> Callable[[], list[Check]]:
        return lambda: [not_tested(name, why) for name in NAMES]

    if loaded is None:
        why = "The configuration must be right first."
        return not_tested(setup.KEYS, why), nothing(why)
    try:
        choice = choose_provider(loaded)
    except VoicechatError as error:
        return failed(setup.KEYS, error), nothing("No service was chosen.")
    try:
        service = open_service(choice, insecure=insecure)
    except VoicechatError as error:
        return setup.keys_check(loaded, choice.name, error), nothing(f"{choice.name} is not set up.")

    def examine() -> list[Check]:
        import asyncio

        say(f"Opening a session with {choice.name} …")
        parts = [attempt(OFFLINE, offline_check)] if choice.name == "offline" else []
        return parts + asyncio.run(service_checks(service.provider, service.connect(), choice.network.ca_file))

    return setup.keys_check(loaded, choice.name, None), examine


@contextlib.contextmanager
def _progress() -> Iterator[Say]:
    """What goes on at this moment: a line on stderr that disappears, where that is a terminal."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda text: None
        return
    with console.status("Looking around …") as status:
        yield status.update


def _print(checks: list[Check], code: int) -> None:
    """A table by Rich on a terminal, plain lines else; the texts of services and devices are inert in both."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from voicechat.ui.text import clean

    marks = MARKS if _can_write("".join(MARKS.values())) else PLAIN_MARKS
    verdict = "A conversation can be held." if code == 0 else f"No conversation can be held yet (exit code {code})."
    if code == 0 and all(check.passed is None for check in checks if check.name in ("microphone", "speaker")):
        verdict = "Nothing prevents a conversation; the sound was not tried."
    if sys.stdout.isatty():
        table = Table.grid(padding=(0, 2))
        for check in checks:
            finding = Text(clean(check.detail))
            if check.advice:
                finding.append(f"\n→ {clean(check.advice)}", style="yellow" if check.passed is False else "dim")
            table.add_row(Text(marks[check.status], style=STYLES[check.status]), Text(check.name), finding)
        Console().print(table, Text(f"\n{verdict}", style="bold"), sep="\n")
        return
    width = max(len(check.name) for check in checks)
    for check in checks:
        typer.echo(_writable(f"{marks[check.status]}  {check.name:<{width}}  {clean(check.detail)}"))
        if check.advice:
            typer.echo(_writable(f"{' ' * (len(marks[check.status]) + width + 4)}→ {clean(check.advice)}"))
    typer.echo(verdict)


def _can_write(text: str) -> bool:
    return _writable(text) == text


def _writable(text: str) -> str:
    """The text as this stdout can carry it."""
    encoding: Any = sys.stdout.encoding or "ascii"
    return text.encode(encoding, "backslashreplace").decode(encoding)
