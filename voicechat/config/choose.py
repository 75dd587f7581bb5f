"""Which service to talk to, and with what: settings, persona and catalogue become one `Choice`."""

from dataclasses import dataclass, field
from datetime import date
from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from voicechat.config.load import Loaded, did_you_mean
from voicechat.config.trust import check_reach, kept_of, origins_of
from voicechat.errors import CredentialsError, UsageError
from voicechat.providers.base import ProviderOptions
from voicechat.providers.catalogue import ProviderInfo, providers
from voicechat.wire.network import Network

if TYPE_CHECKING:
    from voicechat.config.settings import Persona

OFFLINE_MODULES = (("moonshine_voice", "pocketsphinx"), ("espeakng_loader",))
"""One of each is needed: a recogniser, a voice."""
COMPANION = "companion"
FILE, FLAG = 1, 3


@dataclass(frozen=True, slots=True)
class Chat:
    """The chat endpoint behind the offline companion; empty when none is configured."""

    url: str = ""
    model: str = ""
    key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Local:
    """What the offline engine hears with and finds the ends of turns with, when the user added a model, and the
    language that is spoken."""

    ears: str = ""
    turns: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """One service, ready to be built. `notes` are lines for the user: why this one, and what to know about it."""

    name: str
    options: ProviderOptions
    instructions: str
    greeting: str = ""
    persona: str = ""
    assistant: str = ""
    """What the assistant is called, where the persona gives it a name."""
    called: str = ""
    """The same on the screen, where a voice's name would say nothing: by the persona, or what it is."""
    style: str = ""
    notes: list[str] = field(default_factory=list)
    origins: list[str] = field(default_factory=list)
    """Those of the notes that say where words go because of a file in this folder."""
    fallback: str = ""
    """Why the companion answers although nobody asked for it: a line for conversations."""
    chat: Chat = field(default_factory=Chat)
    local: Local = field(default_factory=Local)
    network: Network = field(default_factory=Network)


@dataclass(frozen=True, slots=True)
class Missing:
    """A setting without which a service cannot be used, and where it was looked for."""

    what: str
    looked_in: tuple[str, ...]


def missing_settings(loaded: Loaded, info: ProviderInfo) -> list[Missing]:
    """What is still needed before a service can be used; nothing when it is configured."""

    def there(name: str) -> bool:
        value = getattr(loaded.settings.provider_settings(info.name), name)
        return bool(value if isinstance(value, str) else value.get_secret_value().strip())

    def missing(*names: str) -> Missing:
        variables = [info.environment[name] for name in names if name in info.environment]
        tables = [f"[providers.{info.name}] {name}" for name in names]
        return Missing(" or ".join(names).replace("api_key", "key"), (*variables, *tables))

    found = []
    if info.any_of and not any(there(name) for name in info.any_of):
        found.append(missing(*info.any_of))
    for setting, companion in info.companions.items():
        suffices = any(there(name) for name in info.any_of if name != setting)
        if there(setting) and not there(companion) and not suffices:
            found.append(missing(companion))
    needs_url = "url" in info.all_of and not loaded.settings.url
    found += [missing(name) for name in info.all_of if not there(name) and (name != "url" or needs_url)]
    if info.kind == "local" and not all(any(map(find_spec, either)) for either in OFFLINE_MODULES):
        found.append(Missing("extra", ("in voicechat's folder: pip install '.[offline]'",)))
    return found


def choose_provider(loaded: Loaded, today: date | None = None) -> Choice:
    """The service of the settings, or for `auto` the first one that is set up, else the offline companion.

    Raises UsageError for a provider or persona nobody knows, CredentialsError for a key that cannot be one.
    """
    settings = loaded.settings
    persona = _persona(loaded)
    persona_rank = loaded.rank("persona")
    name = named_provider(loaded)
    notes: list[str] = []
    automatic = name == "auto"
    if automatic:
        name = _first_configured(loaded)
    if name not in providers():
        raise UsageError(f"Unknown provider {name!r}.", did_you_mean(name, ["auto", *providers()]))
    info = providers()[name]
    section = settings.provider_settings(name)

    # What the file says was meant for the provider of the file, and what the environment says for a real service:
    # for another one it is a foreign word. A flag is meant for this very run.
    fell_back = automatic and name == "offline"
    foreign = loaded.file_provider not in (name, "auto")

    def top_level(key: str) -> str:
        rank = loaded.rank(key)
        if rank < FLAG and (fell_back or (rank == FILE and foreign)):
            return ""
        return str(getattr(settings, key))

    url_at = "url" if top_level("url") else f"providers.{name}.url"
    url = top_level("url") or section.url
    check_reach(loaded, name, url, url_at)
    origins = origins_of(loaded, name, url, url_at)
    notes += [*origins, *kept_of(loaded)]
    model = top_level("model") or section.model or _model_in(url) or info.default_model
    voice = top_level("voice") or section.voice
    if persona.voice and persona.provider in ("", name) and not _beats(loaded.rank("voice"), persona_rank):
        voice = persona.voice
    owner = _owner(voice) if fell_back else None
    if owner is not None:
        voice = ""
    instructions = settings.instructions
    if persona.instructions and not _beats(loaded.rank("instructions"), persona_rank):
        instructions = persona.instructions
    language = settings.language
    if not _beats(loaded.rank("language"), FILE):
        language = section.language or language
    known = info.model(model)
    if known is not None and known.retires is not None and known.retired(today or date.today()):
        notes.append(f"{model} was to retire on {known.retires}; {info.default_model} is the current default.")
    return Choice(
        name=name,
        options=ProviderOptions(
            api_key=_header_safe(section.api_key.get_secret_value(), loaded, name, "api_key"),
            token=_header_safe(section.token.get_secret_value(), loaded, name, "token"),
            url=url,
            model=model,
            voice=voice or info.default_voice(model),
            dialect=section.dialect,
            audio_format=(not loaded.rank("audio_format") and section.audio_format) or settings.audio_format,
            region=section.region,
            workspace=section.workspace,
            api_version=section.api_version,
            organization=section.organization,
            project=section.project,
            app_id=_header_safe(section.app_id, loaded, name, "app_id"),
            access_key=_header_safe(section.access_key.get_secret_value(), loaded, name, "access_key"),
            app_key=_header_safe(section.app_key, loaded, name, "app_key"),
            location=section.location,
        ),
        instructions=instructions,
        greeting=persona.greeting,
        persona=settings.persona,
        assistant=persona.name,
        called=persona.name or settings.persona or (COMPANION if info.kind == "local" else ""),
        style=persona.style,
        notes=notes,
        origins=origins,
        fallback=_why_offline(loaded, owner) if fell_back else "",
        local=Local(section.ears, section.turns, language),
        chat=Chat(section.chat_url, section.chat_model, section.chat_key.get_secret_value().strip()),
        network=Network(settings.ca_file, settings.log_audio),
    )


def named_provider(loaded: Loaded) -> str:
    """The service that settings and persona name, known or not; `auto` when they leave it open.

    Raises UsageError for a persona nobody knows.
    """
    persona = _persona(loaded)
    if persona.provider and not _beats(loaded.rank("provider"), loaded.rank("persona")):
        return persona.provider
    return loaded.settings.provider


def _persona(loaded: Loaded) -> "Persona":
    from voicechat.config.settings import Persona

    personas = loaded.settings.personas
    name = loaded.settings.persona
    if not name:
        return Persona()
    if name not in personas:
        hint = did_you_mean(name, list(personas)) if personas else f"{loaded.path} has no [personas.NAME] yet."
        if personas and hint.startswith("Did"):
            hint += f" Known: {', '.join(personas)}."
        raise UsageError(f"Unknown persona {name!r}.", hint)
    return personas[name]


def _beats(rank: int, persona_rank: int) -> bool:
    """Whether a value given by itself wins over the persona's: a flag always, else what is closer to the user."""
    return rank == FLAG or rank > persona_rank


def _first_configured(loaded: Loaded) -> str:
    for info in providers().values():
        if info.kind != "local" and not missing_settings(loaded, info):
            return info.name
    # Someone who names an address wants that address, with or without a key.
    return "newapi" if loaded.settings.url else "offline"


def _owner(voice: str) -> ProviderInfo | None:
    """The service whose voice that is, where it is not the companion's."""
    if voice in (known.name for known in providers()["offline"].all_voices):
        return None
    services = (info for info in providers().values() if info.kind == "cloud")
    return next((info for info in services if voice in (known.name for known in info.all_voices)), None)


def _why_offline(loaded: Loaded, owner: ProviderInfo | None) -> str:
    """One line; with the way to the voice that was asked for, where it is a service's."""
    if owner is None:
        return "No key: the companion answers (see `voicechat providers`)."
    voice = loaded.settings.voice or _persona(loaded).voice
    variables = " or ".join(owner.environment[name] for name in owner.any_of if name in owner.environment)
    return (
        f"{voice} is a voice of {owner.name}, and there is no key for it: the companion answers, in its own voice. "
        f"To talk with {voice}: `voicechat setup {owner.name}`, or set {variables}; keys: {owner.key_url}"
    )


def _model_in(url: str) -> str:
    """The model that an address names itself (`…/realtime?model=…`)."""
    try:
        return next(iter(parse_qs(urlsplit(url).query).get("model", [])), "")
    except ValueError:  # no address at all: connecting to it will say so
        return ""


def _header_safe(key: str, loaded: Loaded, provider: str, setting: str) -> str:
    """The key without surrounding blanks. Raises CredentialsError when it could not even be sent in a header."""
    key = key.strip()
    if key.isascii() and key.isprintable() and " " not in key:
        return key
    origin = loaded.origins.get(f"providers.{provider}.{setting}", "the settings")
    raise CredentialsError(
        f"The {setting} of {provider} (from {origin}) holds characters that no key has.",
        "Copy it again: without quotes, spaces or line breaks.",
    )
