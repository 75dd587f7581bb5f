"""`voicechat voices`: the voices of a service and model."""

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from voicechat.cli.tables import print_json, print_table


def voices(
    provider: Annotated[str | None, typer.Option("--provider", help="Service; the configured one by default.")] = None,
    model: Annotated[str | None, typer.Option("--model", help="Model; the configured one by default.")] = None,
    language: Annotated[
        str | None, typer.Option("--language", help="Only voices whose own language it is (de, zh-sichuan, Cantonese).")
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", help="Configuration file.", metavar="FILE")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array on stdout.")] = False,
) -> None:
    """List the voices of a service and model. Other names, cloned voices for instance, are passed through."""
    from voicechat.config import choose_provider, load
    from voicechat.providers.catalogue import providers as catalogue

    chosen = choose_provider(load(config, {"provider": provider, "model": model}))
    name, model_id = chosen.name, chosen.options.model
    info = catalogue()[name]
    default = info.default_voice(model_id)
    found = [voice for voice in info.voices(model_id) if language is None or voice.speaks(language)]
    if as_json:
        print_json(
            [
                {
                    "provider": name,
                    "model": model_id,
                    "name": voice.name,
                    "local_name": voice.local,
                    "gender": voice.gender,
                    "languages": list(voice.languages),
                    "description": voice.description,
                    "default": voice.name == default,
                }
                for voice in found
            ]
        )
    elif found:
        rows = [
            [
                f"{voice.name} *" if voice.name == default else voice.name,
                voice.local,
                voice.gender,
                " ".join(voice.languages),
                voice.description,
            ]
            for voice in found
        ]
        print_table(["voice", "", "", "language", "description"], rows)
    for note in chosen.notes:
        typer.echo(note, err=True)
    typer.echo(_summary(name, model_id, len(found), language), err=True)


def _summary(name: str, model_id: str, count: int, language: str | None) -> str:
    from voicechat.providers.catalogue import providers as catalogue

    info = catalogue()[name]
    if info.model(model_id) is None:
        served = ", ".join(m.id for m in info.models if not m.retired(date.today()))
        unknown = f"{model_id} is not in the catalogue: any voice name is passed to {name} as it is."
        return f"{unknown}\n  Known models: {served}"
    besides = f"; each speaks {spoken}" if (spoken := info.languages(model_id)) else ""
    voices_found = f"{count or 'no'} voice{'' if count == 1 else 's'}{f' for {language}' if language else ''}"
    return f"{name} · {model_id}: {voices_found} (* is the default){besides}."
