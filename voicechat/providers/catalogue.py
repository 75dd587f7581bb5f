"""What is known of each service: its settings' environment names, its models and its voices.

The facts are in `catalogue.toml`, and for reading aloud in `speech.toml`, beside this module. The catalogue advises
and never forbids: a model or a voice that is not listed is passed through to the service.
"""

import logging
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache
from importlib import resources
from typing import Any

from voicechat.errors import ConfigError
from voicechat.providers.registry import load, registered

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice of a service. `languages` are its own tongue or accent as tags (`zh-sichuan`); most speak more."""

    name: str
    local: str = ""
    """The name in the service's own language."""
    gender: str = ""
    languages: tuple[str, ...] = ()
    description: str = ""
    groups: tuple[str, ...] = ()

    def speaks(self, language: str) -> bool:
        """Whether `language` (a tag, or a word of the description such as `German`) is this voice's own."""
        wanted, _, region = language.strip().lower().replace("_", "-").partition("-")
        if len(region) > 2:  # a dialect of the catalogue; a country (`ja-JP`, `en-US`) says nothing about a voice
            wanted = f"{wanted}-{region}"
        if any(tag == wanted or tag.startswith(wanted + "-") for tag in self.languages):
            return True
        return len(wanted) > 3 and wanted in f"{' '.join(self.languages)} {self.description}".lower()


@dataclass(frozen=True, slots=True)
class Model:
    id: str
    group: str = ""
    """Which group of the service's voices it speaks with."""
    default_voice: str = ""
    note: str = ""
    retires: date | None = None
    """The last day the vendor announced for it."""
    protocol: str = ""
    """How a model that reads aloud is spoken to: `rest`, `realtime`, `inference`, `dialogue` or `local`."""

    def retired(self, today: date) -> bool:
        return self.retires is not None and self.retires <= today


@dataclass(frozen=True, slots=True)
class ProviderInfo:
    """One service. `environment` maps a setting of `[providers.NAME]` to the variable it is read from."""

    name: str
    title: str
    kind: str
    """`cloud`, `gateway` or `local`."""
    default_model: str
    environment: dict[str, str]
    any_of: tuple[str, ...]
    """Settings of which one must be there for the service to be usable; none for a local one."""
    all_of: tuple[str, ...]
    companions: dict[str, str]
    """Settings that are of no use without another one."""
    aliases: dict[str, str]
    """More variables, and the setting that each gives: it wins over the one in `environment`."""
    key_url: str
    models: tuple[Model, ...]
    all_voices: tuple[Voice, ...]
    group_languages: dict[str, str]
    settings_of: str = ""
    """The service whose key, address and settings it uses; its own when empty."""
    voice_aliases: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By group of voices: what other names stand for."""

    def model(self, model_id: str = "") -> Model | None:
        """The model of that id, or the one whose dated snapshot it is; "" is the default. None when unknown."""
        wanted = model_id or self.default_model
        known = {model.id: model for model in self.models}
        if wanted in known:
            return known[wanted]
        parents = [model for model in self.models if wanted.startswith(f"{model.id}-2")]
        return max(parents, key=lambda model: len(model.id), default=None)

    def default_voice(self, model_id: str = "") -> str:
        """The voice to use with a model when none is asked for; "" leaves the choice to the service."""
        model = self.model(model_id)
        return model.default_voice if model else ""

    def voices(self, model_id: str = "") -> tuple[Voice, ...]:
        """The voices known for a model ("" is the default model); none for a model the catalogue does not know."""
        model = self.model(model_id)
        return tuple(voice for voice in self.all_voices if model and model.group in voice.groups)

    def voice_named(self, name: str, model_id: str = "") -> str:
        """The service's own name for a voice that is called `name`, which may be an alias."""
        model = self.model(model_id)
        return self.voice_aliases.get(model.group if model else "", {}).get(name, name)

    def languages(self, model_id: str = "") -> str:
        """In words, what all voices of a model speak besides their own tongue."""
        model = self.model(model_id)
        return self.group_languages.get(model.group, "") if model else ""


@cache
def providers() -> dict[str, ProviderInfo]:
    """Every service by name, in the order in which `--provider auto` looks for credentials."""
    text = resources.files("voicechat.providers").joinpath("catalogue.toml").read_text("utf-8")
    ours = {name: _provider(name, entry) for name, entry in tomllib.loads(text).items()}
    added = (_added(name) for name in registered() if name not in ours)
    return ours | {info.name: info for info in added if info is not None}


def _added(name: str) -> ProviderInfo | None:
    """What another package says of its provider; None, and a warning, when it cannot be used."""
    try:
        return _provider(name, getattr(load(name), "catalogue"))  # noqa: B009 - not every callable has one
    except ConfigError as error:
        log.warning("%s", error.message)
    except (AttributeError, KeyError, TypeError) as error:
        log.warning("The provider %s is left out: its `catalogue` is not as in catalogue.toml (%s).", name, error)
    return None


@cache
def speech_providers() -> dict[str, ProviderInfo]:
    """Every service that reads aloud, by name, with its text-to-speech models and voices (`speech.toml`)."""
    text = resources.files("voicechat.providers").joinpath("speech.toml").read_text("utf-8")
    return {name: _speech_provider(name, entry) for name, entry in tomllib.loads(text).items()}


def languages() -> list[str]:
    """The tags of every language or accent that some voice has as its own, sorted."""
    infos = (*providers().values(), *speech_providers().values())
    return sorted({tag for info in infos for voice in info.all_voices for tag in voice.languages})


def _speech_provider(name: str, entry: dict[str, Any]) -> ProviderInfo:
    """Title, environment and what else is not said are those of the service whose settings it uses."""
    conversation = providers().get(entry.get("settings_of", name))
    if conversation is None:
        return _provider(name, entry)
    info = _provider(name, {"title": conversation.title, "kind": conversation.kind, "environment": {}} | entry)
    groups = {model.group for model in info.models}
    own = {voice.name for voice in info.all_voices}
    shared = [voice for voice in conversation.all_voices if groups & set(voice.groups) and voice.name not in own]
    return replace(
        info,
        environment=conversation.environment,
        any_of=conversation.any_of,
        all_of=conversation.all_of,
        companions=conversation.companions,
        key_url=conversation.key_url,
        all_voices=(*shared, *info.all_voices),
        group_languages=dict(conversation.group_languages) | info.group_languages,
    )


def _provider(name: str, entry: dict[str, Any]) -> ProviderInfo:
    return ProviderInfo(
        name=name,
        title=entry["title"],
        kind=entry["kind"],
        default_model=entry["default_model"],
        environment=entry.get("environment", {}),
        any_of=tuple(entry.get("any_of", ())),
        all_of=tuple(entry.get("all_of", ())),
        companions=entry.get("companions", {}),
        aliases=entry.get("aliases", {}),
        key_url=entry.get("key_url", ""),
        models=tuple(
            Model(
                id=model["id"],
                group=model["voices"],
                default_voice=model["default_voice"],
                note=model.get("note", ""),
                retires=model.get("retires"),
                protocol=model.get("protocol", ""),
            )
            for model in entry.get("models", ())
        ),
        all_voices=tuple(
            Voice(
                name=voice["name"],
                local=voice.get("local", ""),
                gender=voice.get("gender", ""),
                languages=tuple(voice.get("languages", ())),
                description=voice.get("description", ""),
                groups=tuple(voice["groups"]),
            )
            for voice in entry.get("voices", ())
        ),
        group_languages=entry.get("speaks", {}),
        settings_of=entry.get("settings_of", ""),
        voice_aliases=entry.get("voice_aliases", {}),
    )
