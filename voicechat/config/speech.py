"""Which service reads aloud, and with what model and voice.

It is the service of the conversation, by the same rules, with its text-to-speech model: `model` and `voice` of the
settings are the conversation's, so only flags, `speech_model` and `speech_voice` choose here.
"""

from dataclasses import dataclass, field, replace

from voicechat.config.choose import FLAG, choose_provider
from voicechat.config.load import Loaded, did_you_mean
from voicechat.errors import UsageError
from voicechat.providers.base import ProviderOptions
from voicechat.providers.catalogue import ProviderInfo, providers, speech_providers
from voicechat.wire.network import Network


@dataclass(frozen=True, slots=True)
class SpeechChoice:
    """A text-to-speech service, ready to be opened. `service` is whose key and address `options` hold."""

    name: str
    service: str
    protocol: str
    options: ProviderOptions
    info: ProviderInfo
    notes: list[str] = field(default_factory=list)
    network: Network = field(default_factory=Network)


def choose_speech(loaded: Loaded) -> SpeechChoice:
    """The service of the settings, or the first one that is set up, else this machine's voices.

    Raises UsageError for a provider nobody knows or that does not read aloud, CredentialsError for a key that cannot
    be one.
    """
    known = speech_providers()
    settings = loaded.settings
    asked = known.get(settings.provider)
    if asked is not None and asked.settings_of:
        loaded = replace(loaded, settings=settings.model_copy(update={"provider": asked.settings_of}))
    choice = choose_provider(loaded)
    info = asked if asked is not None and asked.settings_of else known.get(choice.name)
    if info is None:
        raise UsageError(f"{choice.name} does not read aloud here.", did_you_mean(choice.name, ["auto", *known]))
    section = settings.provider_settings(choice.name)
    model = settings.model if loaded.rank("model") == FLAG else section.speech_model
    if model and info.model(model) is None:
        # The vendor's other protocol: its models are told by their names.
        family = [entry for entry in known.values() if choice.name in (entry.name, entry.settings_of)]
        info = next((entry for entry in family if entry.model(model)), info)
    model = model or info.default_model
    voices = {voice.name for voice in info.voices(model)}
    if loaded.rank("voice") == FLAG:
        voice = settings.voice
    else:
        talks = providers()[choice.name].default_voice(choice.options.model)
        configured = choice.options.voice if choice.options.voice in voices - {talks} else ""
        voice = section.speech_voice or configured or info.default_voice(model) or info.default_voice()
    entry = info.model(model) or info.model()
    return SpeechChoice(
        name=info.name,
        service=choice.name,
        protocol=entry.protocol if entry else "",
        options=replace(choice.options, model=model, voice=info.voice_named(voice, model)),
        info=info,
        notes=choice.notes if choice.name == "offline" else choice.origins,
        network=choice.network,
    )
