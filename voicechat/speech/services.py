"""From a choice to an open service: which class speaks which protocol, and what it may be asked for."""

from typing import Any

from voicechat.config.speech import SpeechChoice
from voicechat.errors import ConfigError
from voicechat.providers.catalogue import speech_providers
from voicechat.speech import dialogue, inference, local, rest, tts_realtime
from voicechat.speech.base import Abilities, Manner, SpeechService
from voicechat.wire.network import tls_context

_ABILITIES = {
    "rest": rest.ABILITIES,
    "realtime": tts_realtime.ABILITIES,
    "inference": inference.ABILITIES,
    "dialogue": dialogue.ABILITIES,
    "local": local.ABILITIES,
}


def abilities_of(choice: SpeechChoice) -> Abilities:
    """What the chosen service can be asked for."""
    return _ABILITIES[choice.protocol]


def open_service(choice: SpeechChoice, manner: Manner, *, insecure: bool = False) -> SpeechService:
    """The service in that manner; nothing is connected yet.

    Raises UsageError for what it cannot do, CredentialsError without a key or when one would travel unencrypted to
    another machine (unless `insecure`), ConfigError for an address of no use.
    """
    title = choice.info.title or speech_providers()[choice.name].title
    abilities_of(choice).check(manner, title)
    if choice.protocol == "local":
        from voicechat.engine.engine import require

        require()
        return local.LocalSpeech(manner)
    from voicechat.providers.registry import create
    from voicechat.wire.urls import refuse_plain

    provider = create(choice.service, choice.options)
    request = provider.request()  # tells what is missing before anything else does
    options = choice.options
    if (options.api_key or options.token or options.access_key) and not insecure:
        refuse_plain(request.url)
    service: dict[str, Any] = {
        "rest": rest.RestSpeech,
        "realtime": tts_realtime.TtsRealtime,
        "inference": inference.InferenceTts,
        "dialogue": dialogue.DialogueSpeech,
    }
    kind = service.get(choice.protocol)
    if kind is None:
        raise ConfigError(f"{choice.name} does not read aloud.", "Choose another service with --provider.")
    if choice.network.ca_file:
        tls_context(choice.network.ca_file)  # a file that cannot be used is told at once
    made: SpeechService = kind(provider, manner, choice.network)
    return made
