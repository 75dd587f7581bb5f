"""`voicechat voices`: the voices of a service and model, for talking and for reading aloud, and how they sound."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voicechat.cli import complete
from voicechat.cli.tables import print_json, print_table
from voicechat.cli.telling import tell

if TYPE_CHECKING:
    from voicechat.providers.catalogue import ProviderInfo, Voice

SAMPLES = {
    "zh": "你好，很高兴认识你。今天天气不错，我们出去走走吧。",
    "ja": "こんにちは。はじめまして。今日はいい天気ですね。",
    "ko": "안녕하세요. 만나서 반갑습니다.",
    "de": "Guten Tag! Schön, Sie kennenzulernen.",
    "fr": "Bonjour ! Ravi de faire votre connaissance.",
    "es": "¡Hola! Encantado de conocerte.",
    "it": "Ciao! Piacere di conoscerti.",
    "pt": "Olá! Prazer em conhecer você.",
    "ru": "Здравствуйте! Приятно познакомиться.",
}
SAMPLE = "Hello! It is nice to meet you. This is how I sound."


@dataclass(frozen=True, slots=True)
class Listing:
    """The voices of one model."""

    info: "ProviderInfo"
    model: str
    aloud: bool
    voices: "tuple[Voice, ...]"


def voices(
    provider: Annotated[
        str | None,
        typer.Option(
            "--provider",
            metavar="NAME",
            autocompletion=complete.providers,
            help="Service; the configured one by default.",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", metavar="NAME", autocompletion=complete.models, help="Model; the configured one by default."
        ),
    ] = None,
    language: Annotated[
        str | None,
        typer.Option(
            "--language",
            metavar="LANGUAGE",
            autocompletion=complete.languages,
            help="Only voices whose own language it is (de, zh-sichuan, Cantonese).",
        ),
    ] = None,
    aloud: Annotated[bool, typer.Option("--speak", help="The voices of `voicechat speak`.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Every service and model of the catalogue.")] = False,
    play: Annotated[
        str | None,
        typer.Option(
            "--play",
            help="Let this voice read a sentence.",
            metavar="NAME",
            autocompletion=complete.voices,
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            autocompletion=complete.sound_files,
            help="With --play: a sound file instead of the speaker.",
            show_default=False,
        ),
    ] = "",
    config: Annotated[Path | None, typer.Option("--config", help="Configuration file.", metavar="FILE")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array on stdout.")] = False,
) -> None:
    """List the voices of a service and model. Other names, cloned voices for instance, are passed through."""
    if play is not None:
        _play(play, provider, model, config, output)
        return
    notes: list[str] = []
    listings = _everything() if everything else [_chosen(provider, model, config, aloud, notes)]
    found = [
        (listing, voice)
        for listing in listings
        for voice in listing.voices
        if language is None or voice.speaks(language)
    ]
    if language is not None and not found:
        _check_language(language)
    if as_json:
        print_json([_entry(listing, voice) for listing, voice in found])
    elif found:
        rows = [_row(listing, voice, everything) for listing, voice in found]
        print_table([*(["model"] if everything else []), "voice", "", "", "language", "description"], rows)
    for note in notes:
        tell(note)
    if everything:
        tell(f"{len(found)} voices of {len(listings)} models (* is the default).")
    else:
        tell(_summary(listings[0], len(found), language))


def _chosen(provider: str | None, model: str | None, config: Path | None, aloud: bool, notes: list[str]) -> Listing:
    from voicechat.config import choose_provider, load
    from voicechat.config.speech import choose_speech
    from voicechat.providers.catalogue import providers as catalogue
    from voicechat.providers.catalogue import speech_providers

    loaded = load(config, {"provider": provider, "model": model})
    only_aloud = provider in speech_providers() and provider not in catalogue()
    reads = any(info.model(model) for info in speech_providers().values()) if model else False
    talks = any(info.model(model) for info in catalogue().values()) if model else False
    if aloud or only_aloud or (reads and not talks):
        owners = [info.name for info in speech_providers().values() if model and info.model(model)]
        if provider is None and owners and loaded.settings.provider not in owners:
            loaded = load(config, {"provider": owners[0], "model": model})
        spoken = choose_speech(loaded)
        notes += spoken.notes
        return _listing(spoken.info, spoken.options.model, True)
    chosen = choose_provider(loaded)
    notes += chosen.notes
    return _listing(catalogue()[chosen.name], chosen.options.model, False)


def _everything() -> list[Listing]:
    """Each group of voices once, under the first model that speaks with it."""
    from voicechat.providers.catalogue import providers as catalogue
    from voicechat.providers.catalogue import speech_providers

    listings = []
    for aloud, table in ((False, catalogue()), (True, speech_providers())):
        for info in table.values():
            groups: dict[str, str] = {}
            for model in info.models:
                if not model.retired(date.today()):
                    groups.setdefault(model.group, model.id)
            listings += [_listing(info, model_id, aloud) for model_id in groups.values()]
    return listings


def _listing(info: "ProviderInfo", model: str, aloud: bool) -> Listing:
    from voicechat.errors import ConfigError
    from voicechat.providers.catalogue import Voice

    listed = info.voices(model)
    entry = info.model(model)
    if aloud and entry is not None and entry.protocol == "local":
        from voicechat.engine.espeak import installed_voices

        try:
            installed = installed_voices()
        except ConfigError:  # the extra is not there: what it would have is not known
            installed = []
        known = {voice.name for voice in listed}
        own = (Voice(tag, languages=(tag,), description=name) for tag, name in installed if tag not in known)
        listed = (*listed, *own)
    if info.kind == "local":
        from voicechat.engine.kokoro import installed_voices as added_voices

        added = (
            Voice(name, gender=gender, languages=(language,), description="added by you (Kokoro)")
            for name, language, gender in added_voices()
        )
        listed = (*listed, *added)
    return Listing(info, model, aloud, listed)


def _check_language(language: str) -> None:
    """Raise UsageError for a language that no voice of any service has: then it is the word that is wrong."""
    from voicechat.errors import UsageError
    from voicechat.providers.catalogue import languages
    from voicechat.text.language import nearest, tag_named

    dialect = len(language.replace("_", "-").partition("-")[2]) > 2
    if (tag_named(language) and not dialect) or any(
        voice.speaks(language) for listing in _everything() for voice in listing.voices
    ):
        return
    raise UsageError(f"Unknown language {language!r}.", nearest(language, languages()))


def _entry(listing: Listing, voice: "Voice") -> dict[str, Any]:
    return {
        "use": "speak" if listing.aloud else "talk",
        "provider": listing.info.name,
        "model": listing.model,
        "name": voice.name,
        "local_name": voice.local,
        "gender": voice.gender,
        "languages": list(voice.languages),
        "description": voice.description,
        "default": voice.name == listing.info.default_voice(listing.model),
    }


def _row(listing: Listing, voice: "Voice", with_model: bool) -> list[str]:
    default = voice.name == listing.info.default_voice(listing.model)
    name = f"{voice.name} *" if default else voice.name
    model = [f"{listing.info.name} · {listing.model}"] if with_model else []
    return [*model, name, voice.local, voice.gender, " ".join(voice.languages), voice.description]


def _summary(listing: Listing, count: int, language: str | None) -> str:
    info, model_id = listing.info, listing.model
    if info.model(model_id) is None:
        served = ", ".join(m.id for m in info.models if not m.retired(date.today()))
        unknown = f"{model_id} is not in the catalogue: any voice name is passed to {info.name} as it is."
        return f"{unknown}\n  Known models: {served}"
    besides = f"; each speaks {spoken}" if (spoken := info.languages(model_id)) else ""
    voices_found = f"{count or 'no'} voice{'' if count == 1 else 's'}{f' for {language}' if language else ''}"
    summary = f"{info.name} · {model_id}: {voices_found} (* is the default){besides}."
    if not count and language:
        summary += f"\nOther services may have some: voicechat voices --all --language {language}"
    others = [entry for entry in info.models if entry.id != model_id and not entry.retired(date.today())]
    width = max((len(entry.id) for entry in others), default=0)
    lines = [f"  {entry.id:{width}}  {entry.note}".rstrip() for entry in others]
    return "\n".join([summary, *(["Other models (--model):"] if lines else []), *lines])


def _play(name: str, provider: str | None, model: str | None, config: Path | None, output: str) -> None:
    """A sentence in the voice's own language, by the service that has it."""
    from voicechat.cli.options import TalkOptions
    from voicechat.cli.speaking import Order, read_aloud
    from voicechat.config import load
    from voicechat.config.speech import choose_speech
    from voicechat.providers.catalogue import speech_providers
    from voicechat.speech.base import SpeechSettings

    chosen = choose_speech(load(config, {"provider": provider, "model": model, "voice": name}))
    having = [
        (info.name, entry.id)
        for info in sorted(speech_providers().values(), key=lambda info: info.kind == "gateway")
        for entry in info.models
        if not entry.retired(date.today()) and name in [voice.name for voice in info.voices(entry.id)]
    ]
    if provider is None and model is None and having and chosen.info.name not in [owner for owner, _ in having]:
        provider, model = having[0]
    elif model is None and having and (chosen.info.name, chosen.options.model) not in having:
        model = next((entry for owner, entry in having if owner == chosen.info.name), None)
    listed = [voice for info in speech_providers().values() for voice in info.all_voices if voice.name == name]
    tag = (listed[0].languages or ("",))[0] if listed else name
    text = SAMPLES.get(tag.partition("-")[0], SAMPLE)
    options = TalkOptions(provider=provider, model=model, voice=name, config=config)
    if code := read_aloud(options, Order(text, None, output, "", SpeechSettings(model=""))):
        raise typer.Exit(code)
