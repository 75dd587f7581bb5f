"""Which class speaks which protocol (as speech.toml names them), and what each may be asked for."""

from collections.abc import Callable
from typing import Any

from voicechat.errors import ConfigError
from voicechat.speech import dialogue, inference, local, rest, tts_realtime
from voicechat.speech.base import Abilities, SpeechService, SpeechSettings
from voicechat.wire.network import Network

_ABILITIES = {
    "rest": rest.ABILITIES,
    "realtime": tts_realtime.ABILITIES,
    "inference": inference.ABILITIES,
    "dialogue": dialogue.ABILITIES,
    "local": local.ABILITIES,
}
_CLASSES: dict[str, Callable[[Any, SpeechSettings, Network], SpeechService]] = {
    "rest": rest.RestSpeech,
    "realtime": tts_realtime.TtsRealtime,
    "inference": inference.InferenceTts,
    "dialogue": dialogue.DialogueSpeech,
}


def abilities_of(protocol: str) -> Abilities:
    """What a service of that protocol can be asked for. Raises ConfigError as `service_class`."""
    if protocol not in _ABILITIES:
        raise _silent(protocol)
    return _ABILITIES[protocol]


def service_class(protocol: str) -> Callable[[Any, SpeechSettings, Network], SpeechService]:
    """Makes the service from its provider, the settings and the network. Raises ConfigError for an unknown protocol."""
    if protocol not in _CLASSES:
        raise _silent(protocol)
    return _CLASSES[protocol]


def _silent(protocol: str) -> ConfigError:
    return ConfigError(f"Nothing here reads aloud by {protocol!r}.", "Choose another service with --provider.")
