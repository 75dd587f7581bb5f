"""What Tab offers for a value: providers, models, voices, personas, devices, formats, languages.

Each key press that is a Tab starts the program anew, so nothing heavy is imported here: the settings are read as
they stand in the file, without being checked. Whatever goes wrong offers nothing; it must never write on the line.
"""

import os
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from voicechat.providers.catalogue import ProviderInfo

Offers = Iterable[tuple[str, str]]
"""Each value with a few words about it, which zsh, fish and PowerShell show."""
Completer = Callable[[typer.Context, str], list[tuple[str, str]]]

_SHORTEST_WORD = 3


def _completer(offer: Callable[[typer.Context], Offers]) -> Completer:
    """What Typer asks: everything `offer` has that begins with what is typed."""

    def complete(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
        try:
            return [(value, words) for value, words in offer(ctx) if value.startswith(incomplete)]
        except Exception:  # noqa: BLE001 - a traceback on the line that is being typed helps nobody
            return []

    return complete


def _provider_names(ctx: typer.Context) -> Offers:
    table = _catalogue(ctx)
    if ctx.info_name not in ("login", "logout"):
        yield "auto", "the first service that is set up"
    for info in table.values():
        yield info.name, info.title


def _model_names(ctx: typer.Context) -> Offers:
    for info in _chosen(ctx):
        for model in info.models:
            if not model.retired(date.today()):
                yield model.id, model.note


def _voice_names(ctx: typer.Context) -> Offers:
    offered = set()
    for info in _chosen(ctx):
        model = str(ctx.params.get("model") or "")
        for voice in info.voices(model) or info.all_voices:
            if voice.name not in offered:
                offered.add(voice.name)
                yield voice.name, ", ".join(filter(None, (voice.local, voice.description)))


def _persona_names(ctx: typer.Context) -> Offers:
    for name, persona in _settings(ctx).get("personas", {}).items():
        yield name, str(persona.get("instructions", "")).partition("\n")[0]


def _languages(ctx: typer.Context) -> Offers:
    from voicechat.providers.catalogue import languages

    for tag in languages():
        yield tag, ""


def _added_models(ctx: typer.Context) -> Offers:
    from voicechat.models.catalogue import catalogue

    for model in catalogue().values():
        yield model.name, model.title


def _devices(*, output: bool) -> Callable[[typer.Context], Offers]:
    def offer(ctx: typer.Context) -> Offers:
        from voicechat.audio.devices import Backend

        backend = Backend()
        try:
            names = [device.name for device in backend.devices() if (device.outputs if output else device.inputs)]
        finally:
            backend.close()
        return telling_words(list(dict.fromkeys(names)))

    return offer


def telling_words(names: Sequence[str]) -> list[tuple[str, str]]:
    """For each device the words of its name that no other name holds, and the name: a part of it is enough for
    --input-device, and a word needs no quotes in any shell. A name without such a word stands for itself."""
    offers = []
    for name in names:
        others = [other.casefold() for other in names if other != name]
        words = [
            word
            for word in dict.fromkeys(re.findall(r"[\w.-]+", name))
            if len(word) >= _SHORTEST_WORD and not any(word.casefold() in other for other in others)
        ]
        offers += [(word, name) for word in words or [name]]
    return offers


def _turn_kinds(ctx: typer.Context) -> Offers:
    yield "server", "the service finds them"
    yield "semantic", "by what was said, where the service can"
    yield "local", "this machine finds them"


def _modes(ctx: typer.Context) -> Offers:
    yield "server_commit", "the service cuts the text"
    yield "commit", "we do"


def _format_names(ctx: typer.Context) -> Offers:
    from voicechat.audio.encode import ENCODINGS

    for encoding in ENCODINGS:
        yield encoding, ""


def sound_files(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """After `hello.` the endings that are written; before it the shell offers its files."""
    from voicechat.audio.encode import ENDINGS

    name, dot, _ = incomplete.rpartition(".")
    return [(f"{name}.{ending}", "") for ending in ENDINGS] if dot and not name.endswith(("/", ".")) and name else []


providers = _completer(_provider_names)
models = _completer(_model_names)
voices = _completer(_voice_names)
personas = _completer(_persona_names)
languages = _completer(_languages)
added_models = _completer(_added_models)
microphones = _completer(_devices(output=False))
speakers = _completer(_devices(output=True))
turn_kinds = _completer(_turn_kinds)
modes = _completer(_modes)
formats = _completer(_format_names)


def _catalogue(ctx: typer.Context) -> "dict[str, ProviderInfo]":
    """The services that the command can use."""
    from voicechat.providers.catalogue import providers as talking
    from voicechat.providers.catalogue import speech_providers

    aloud = ctx.info_name == "speak" or ctx.params.get("aloud")
    return speech_providers() if aloud else talking()


def _chosen(ctx: typer.Context) -> "list[ProviderInfo]":
    """The service of the line, else of the environment or the file, else the first with a key; all when none is."""
    table = _catalogue(ctx)
    settings = _settings(ctx)
    persona = settings.get("personas", {}).get(ctx.params.get("persona") or settings.get("persona", ""), {})
    named = ctx.params.get("provider") or persona.get("provider")
    named = named or os.environ.get("VOICECHAT_PROVIDER") or settings.get("provider")
    if named in table:
        return [table[named]]
    sections = settings.get("providers", {})
    for info in table.values():
        section = sections.get(info.name, {})
        if any(section.get(name) or os.environ.get(info.environment.get(name, "")) for name in info.any_of):
            return [info]
    return list(table.values())


def _settings(ctx: typer.Context) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(Path(ctx.params.get("config") or usual_file()).read_text("utf-8-sig"))
    except (OSError, ValueError):
        return {}


def usual_file() -> Path:
    """`config.default_path`, whose package imports the half of this program."""
    import platformdirs

    return platformdirs.user_config_path("voicechat", appauthor=False) / "config.toml"
