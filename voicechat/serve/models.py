"""What is served: each model's name, whoever stands behind it, and what its clients may ask for."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from voicechat.config import choose_provider, missing_settings
from voicechat.config.choose import FLAG
from voicechat.config.load import Loaded
from voicechat.dialects.openai.server import ServerProfile
from voicechat.dialects.openai.server.profile import Manner
from voicechat.errors import VoicechatError
from voicechat.providers.catalogue import ProviderInfo, providers, speech_providers
from voicechat.serve import refusals
from voicechat.wire.retry import RetryPolicy

if TYPE_CHECKING:
    from voicechat.engine.forks import ForkServer
    from voicechat.services import Service

OFFLINE = "offline"
FOREIGN_VOICES = (
    "alloy", "ash", "ballad", "coral", "echo", "fable", "onyx", "nova", "sage", "shimmer", "verse", "marin", "cedar"
)  # fmt: skip
"""What stock clients ask for wherever they are: where nobody is called so, the model's own voice answers."""


@dataclass(frozen=True, slots=True)
class Model:
    """One model as a session needs it. `name` is what its clients call it."""

    name: str
    behind: str
    """What it is behind an alias."""
    label: str
    """The same for the metrics: one of a few, whatever names clients make up."""
    service: "Service"
    policy: RetryPolicy
    voices: tuple[str, ...] = ()
    """Those that are known; none: whatever the service says."""
    transcription_model: str = ""
    local: bool = False
    """It runs on this machine, which has so many places."""
    turns_here: bool = False
    """This machine finds the user's turns, as `turn = "local"` wants it."""

    def profile(self, manner: Manner) -> ServerProfile:
        """For the codec before it. Voices are refused by whoever knows them all."""
        voice = self.service.provider.voice or "default"
        voices = "those of GET /v1/voices"
        return ServerProfile("", voice, self._knows_voice, voices, manner, asides=self.local)

    def _knows_voice(self, name: str) -> bool:
        """A service says no itself; this machine's engine lets another voice answer, without a word."""
        asked = self.voice(name)
        if not self.local or not asked:
            return True
        from voicechat.engine.voices import LocalVoices

        return LocalVoices().knows(asked)

    def voice(self, asked: str) -> str:
        """The voice to ask for behind; "" is the model's own."""
        stranger = asked in FOREIGN_VOICES and asked not in self.voices
        return "" if asked == "default" or (stranger and (self.voices or self.local)) else asked


@dataclass
class Models:
    """Finds a model by the name that a client gives. `aliases` are patterns: `{"gpt-*": "offline"}`."""

    loaded: Loaded
    aliases: Mapping[str, str] = field(default_factory=dict)
    insecure: bool = False
    forks: "ForkServer | None" = None
    """Where the engine's recognisers come from."""
    _opened: dict[str, Model] = field(default_factory=dict)

    def behind(self) -> list[str]:
        """What is served for sure, by its own names; services take other models of theirs, too."""
        found = [OFFLINE] if _ready(self.loaded, providers()[OFFLINE]) else []
        for info in self._services():
            found += [f"{info.name}/{model.id}" for model in info.models] or [f"{info.name}/{info.default_model}"]
        return found

    def origins(self) -> list[str]:
        """Lines for whoever starts this: where words go because of a file in this folder."""
        found = [choose_provider(chosen(self.loaded, info.name, "")).origins for info in self._services()]
        return list(dict.fromkeys(line for lines in found for line in lines))

    def names(self) -> list[str]:
        """The same, and what other names there are for them."""
        own = self.behind()
        named = [alias for alias, target in self.aliases.items() if "*" not in alias and self._serves(target)]
        return [*own, *(name for name in named if name not in own)]

    def resolve(self, name: str, *, aloud: bool = False) -> str:
        """The name behind an alias, or the same again. `aloud`: of what reads texts aloud.

        Raises Refusal for one that nobody serves.
        """
        target = self.aliases.get(name) or next(
            (target for pattern, target in self.aliases.items() if fnmatchcase(name, pattern)), name
        )
        if not self._serves(target, aloud=aloud):
            raise refusals.unknown_model(name)
        return target

    def open(self, name: str) -> Model:
        """The model of that name, for one more session. Raises Refusal when it is not served, or cannot be."""
        if not name:
            raise refusals.no_model()
        target = self.resolve(name)
        if target not in self._opened:
            if len(self._opened) > 256:  # names are the clients' choice
                self._opened.clear()
            try:
                self._opened[target] = self._open(target)
            except VoicechatError as error:
                raise refusals.failed(error.message) from error
        return replace(self._opened[target], name=name)

    def _services(self) -> list[ProviderInfo]:
        cloud = [info for info in providers().values() if info.kind != "local"]
        return [info for info in cloud if _ready(self.loaded, info)]

    def _serves(self, target: str, *, aloud: bool = False) -> bool:
        provider, slash, model = target.partition("/")
        if target == OFFLINE:
            return _ready(self.loaded, providers()[OFFLINE])
        known = speech_providers() if aloud else providers()
        info = known.get(provider)
        return bool(slash and model) and info is not None and info.kind != "local" and _ready(self.loaded, info)

    def _open(self, target: str) -> Model:
        from voicechat.engine.provider import Offline
        from voicechat.services import open_service

        provider, _, model = target.partition("/")
        choice = choose_provider(chosen(self.loaded, provider, model))
        settings = self.loaded.settings
        service = open_service(choice, settings.connection, insecure=self.insecure)
        if self.forks is not None and isinstance(service.provider, Offline):
            service.provider.share(self.forks)
        watch = settings.connection
        known = target in self.behind() or target in self.aliases.values()
        return Model(
            target,
            target,
            target if known else f"{provider}/other",
            service,
            RetryPolicy(tuple(watch.retry_delays_s), watch.retry_jitter, watch.retries_per_session),
            tuple(voice.name for voice in providers()[provider].voices(service.provider.model)),
            settings.transcription_model,
            provider == OFFLINE,
            settings.turn == "local" and provider != OFFLINE,
        )


def chosen(loaded: Loaded, provider: str, model: str) -> Loaded:
    """The settings as if the two had been given as flags, without what was meant for one's own conversations."""
    update = {"provider": provider, "model": model, "voice": "", "url": "", "persona": ""}
    ranks = {key: rank for key, rank in loaded.ranks.items() if key not in update}
    ranks |= {key: FLAG for key in ("provider", "model") if update[key]}
    return replace(loaded, settings=loaded.settings.model_copy(update=update), ranks=ranks)


def _ready(loaded: Loaded, info: ProviderInfo) -> bool:
    """Whether its key is there; a service that reads aloud may use another one's, a gateway may need none."""
    owner = providers().get(info.settings_of, info)
    if owner.kind == "gateway" and loaded.settings.provider_settings(owner.name).url:
        return True
    return not missing_settings(loaded, owner)
