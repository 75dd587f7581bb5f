"""The configuration: StartSession (100) and UpdateConfig (201), from the settings that every service gets."""

import json
from bisect import bisect_right
from dataclasses import dataclass

from voicechat.dialects.doubao.audio import FORMS
from voicechat.dialects.fields import Json
from voicechat.realtime.commands import SessionConfig

DEFAULT_MODEL = "1.2.1.1"
DEFAULT_SPEAKER = "zh_female_vv_jupiter_bigtts"
_ROLE_PLAY_SPEAKERS = {
    "2": "saturn_zh_female_wenrouwenya_tob",
    "S": "ICL_zh_female_wenrouwenya_tob",
}
MAX_NAME = 20
CONTEXT_CHARS = 4000
"""Of external knowledge in one ChatRAGText, with its JSON around it."""
_INPUT_MODES = {"push_to_talk": "push_to_talk", "file": "audio_file", "text": "text"}
_DIALECTS = {"zh-dongbei": "dongbei", "zh-sichuan": "sichuan", "zh-shaanxi": "shaanxi"}
DEFAULT_SILENCE_MS = 500


@dataclass(frozen=True, slots=True)
class DialogueProfile:
    """What a codec is told about the service. `audio_format` is one of `audio.FORMS`."""

    model: str = DEFAULT_MODEL
    voice: str = ""
    audio_format: str = "pcm16"
    location: str = ""


def plays_roles(model: str) -> bool:
    """The SC models: one `character_manifest` instead of name, role and style."""
    return model.startswith(("SC", "2."))


def second_generation(model: str) -> bool:
    """The 2.0 models know truncation, speech rate and dialects."""
    return model.startswith(("1.2.1.", "2."))


def default_speaker(model: str) -> str:
    return _ROLE_PLAY_SPEAKERS[model[0]] if plays_roles(model) else DEFAULT_SPEAKER


def speaker(config: SessionConfig, profile: DialogueProfile, *, refused: bool = False) -> str:
    """The voice to ask for; `refused` when the one asked for was not accepted."""
    asked = "" if refused else config.voice or profile.voice
    return asked or default_speaker(profile.model)


def start_session(config: SessionConfig, profile: DialogueProfile, voice: str) -> Json:
    extra: Json = {"model": profile.model}
    if mode := _INPUT_MODES.get(config.source):
        extra["input_mod"] = mode
    if second_generation(profile.model):
        extra["enable_conversation_truncate"] = True
    return {
        "asr": {
            "audio_info": {"format": "pcm", "sample_rate": 16_000, "channel": 1},
            "extra": _end_of_speech(config),
        },
        "tts": _tts(config, profile, voice),
        "dialog": _dialog(config, profile) | {"extra": extra},
    }


def update_config(config: SessionConfig, profile: DialogueProfile, voice: str) -> Json:
    """For a running session. It replaces everything, so it says everything that may be said again."""
    tts: Json = {"speaker": voice}
    if rate := _speech_rate(config, profile):
        tts["audio_config"] = rate
    return {"tts": tts, "dialog": _dialog(config, profile)}


def external_rag(context: str) -> str:
    """The knowledge as ChatRAGText wants it: a string that holds JSON, cut to what the service takes."""

    def shape(length: int) -> str:
        return json.dumps([{"title": "参考资料", "content": context[:length]}], ensure_ascii=False)

    # Escapes make the JSON longer than the text by an amount that depends on the text.
    longest = bisect_right(range(min(len(context), CONTEXT_CHARS) + 1), CONTEXT_CHARS, key=lambda n: len(shape(n))) - 1
    return shape(longest)


def _end_of_speech(config: SessionConfig) -> Json:
    silence_ms = config.turn_detection.silence_ms if config.turn_detection else None
    window_ms = DEFAULT_SILENCE_MS if silence_ms is None else silence_ms
    return {"end_smooth_window_ms": min(max(window_ms, 500), 50_000), "enable_custom_vad": True}


def _audio_config(config: SessionConfig, profile: DialogueProfile) -> Json:
    shape: Json = {"channel": 1, "format": FORMS[profile.audio_format], "sample_rate": 24_000}
    return shape | _speech_rate(config, profile)


def _speech_rate(config: SessionConfig, profile: DialogueProfile) -> Json:
    if config.speed is None or not second_generation(profile.model):
        return {}
    return {"speech_rate": min(max(round((config.speed - 1) * 100), -50), 100)}


def _tts(config: SessionConfig, profile: DialogueProfile, voice: str) -> Json:
    shape: Json = {"speaker": voice}
    if audio := _audio_config(config, profile):
        shape["audio_config"] = audio
    dialect = _DIALECTS.get(config.language.lower())
    if dialect and second_generation(profile.model):
        shape["extra"] = {"explicit_dialect": dialect}
    return shape


def _dialog(config: SessionConfig, profile: DialogueProfile) -> Json:
    shape: Json = {}
    if plays_roles(profile.model):
        parts = [f"你的名字是{config.name}。" if config.name else "", config.instructions, config.style]
        if manifest := "\n".join(filter(None, map(_clean, parts))):
            shape["character_manifest"] = manifest
    else:
        named = {
            "bot_name": _clean(config.name)[:MAX_NAME],
            "system_role": _clean(config.instructions),
            "speaking_style": _clean(config.style),
        }
        shape = {key: value for key, value in named.items() if value}
    if profile.location:
        shape["location"] = {"city": profile.location}
    return shape


def _clean(words: str) -> str:
    """Without control characters and backslashes: the service reads roles as YAML and refuses them."""
    spaced = ("\n" if c == "\n" else " " if c.isspace() else c for c in words)
    return "".join(c for c in spaced if c == "\n" or (c.isprintable() and c != "\\")).strip()
