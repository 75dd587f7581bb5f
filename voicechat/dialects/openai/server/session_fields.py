"""The fields of a session: one table for both dialects, with the check of each (reference, section 5)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from voicechat.dialects.fields import Json
from voicechat.dialects.openai.server import turn_detection
from voicechat.dialects.openai.server.checks import (
    Rejected,
    as_flag,
    as_list,
    as_number,
    as_object,
    as_text,
    as_whole,
    invalid,
    known,
    one_of,
    required,
)
from voicechat.dialects.openai.server.profile import Dialect
from voicechat.dialects.openai.server.session import Session

MAX_TOKENS = 4096
TOOL_CHOICES = ("auto", "none", "required")
_BETA_MODALITIES = (["text"], ["text", "audio"], ["audio", "text"], ["audio"])
_PCM: Json = {"type": "audio/pcm", "rate": 24_000}
_GA_FORMATS: dict[str, Json] = {
    "pcm16": _PCM,
    "g711_ulaw": {"type": "audio/pcmu"},
    "g711_alaw": {"type": "audio/pcma"},
}
_TRANSCRIPTION = ("model", "language", "prompt", "languages", "keywords", "delay")

Check = Callable[[object, str, Session], Any]


def spoken(value: object, where: str, session: Session) -> bool:
    if session.dialect == "ga":
        if value not in (["audio"], ["text"]):
            raise invalid(where, value, "['audio'] and ['text']")
    elif value not in _BETA_MODALITIES:
        raise invalid(where, value, "['text'] and ['text', 'audio']")
    return value != ["text"]


def _text(value: object, where: str, session: Session) -> str:
    return as_text(value, where)


def voice(value: object, where: str, session: Session) -> str:
    if isinstance(value, dict):  # a custom voice
        where, value = f"{where}.id", required(value, "id", where)
    name = as_text(value, where)
    if not session.profile.knows_voice(name):
        raise invalid(where, name, session.profile.voices)
    if session.voice_locked and name != session.values["voice"]:
        message = "Cannot update a conversation's voice if assistant audio is present."
        raise Rejected("cannot_update_voice", message, where)
    return name


def audio_format(value: object, where: str, session: Session) -> str:
    """The Beta name of the format."""
    if session.dashscope and value in ("pcm", "pcm24"):  # labels: the rates are what they are
        return "pcm16"
    if session.dialect == "beta":
        return one_of(value, where, _GA_FORMATS)
    form = as_object(value, where)
    kinds = {shape["type"]: name for name, shape in _GA_FORMATS.items()}
    kind = one_of(required(form, "type", where), f"{where}.type", kinds)
    known(form, ("type", "rate") if kind == _PCM["type"] else ("type",), where)
    if kind == _PCM["type"]:
        as_whole(form.get("rate", 24_000), f"{where}.rate", 24_000, 24_000)
    return kinds[kind]


def _speed(value: object, where: str, session: Session) -> float:
    return as_number(value, where, 0.25, 1.5)


def _temperature(value: object, where: str, session: Session) -> float:
    return as_number(value, where, 0.0, 2.0)


def _transcription(value: object, where: str, session: Session) -> Json | None:
    if value is None:
        return None
    wanted = as_object(value, where)
    if session.strict:
        known(wanted, _TRANSCRIPTION, where)
    for key in ("model", "language", "prompt"):
        if wanted.get(key) is not None:  # a model of null is what DashScope's own client sends: it is on all the same
            as_text(wanted[key], f"{where}.{key}")
    return {key: wanted[key] for key in _TRANSCRIPTION if wanted.get(key) is not None}


def _turn_detection(value: object, where: str, session: Session) -> Json | None:
    return turn_detection.checked(value, session.values["turn_detection"], where, strict=session.strict)


def _optional_object(value: object, where: str, session: Session) -> Json | None:
    return None if value is None else as_object(value, where)


def tools(value: object, where: str, session: Session) -> list[Json]:
    """Function tools in the flat form."""
    checked: list[Json] = []
    for index, entry in enumerate(as_list(value, where)):
        at = f"{where}[{index}]"
        tool = as_object(entry, at)
        one_of(required(tool, "type", at), f"{at}.type", ("function",))
        if session.dialect == "beta" and "function" in tool:
            tool = as_object(tool["function"], f"{at}.function")
        name = as_text(required(tool, "name", at), f"{at}.name")
        about = tool.get("description")
        about = "" if about is None else as_text(about, f"{at}.description")
        parameters = tool.get("parameters")
        parameters = {} if parameters is None else as_object(parameters, f"{at}.parameters")
        checked.append({"type": "function", "name": name, "description": about, "parameters": parameters})
    return checked


def tool_choice(value: object, where: str, session: Session) -> str:
    """One of TOOL_CHOICES, or the name of a function."""
    if isinstance(value, str):
        return one_of(value, where, TOOL_CHOICES)
    choice = as_object(value, where)
    one_of(required(choice, "type", where), f"{where}.type", ("function",))
    if "function" in choice:  # the Beta form; the reference advises to take both
        where, choice = f"{where}.function", as_object(choice["function"], f"{where}.function")
    return as_text(required(choice, "name", where), f"{where}.name")


def max_tokens(value: object, where: str, session: Session) -> int | None:
    return None if value == "inf" else as_whole(value, where, 1, MAX_TOKENS)


def _tracing(value: object, where: str, session: Session) -> object:
    if value is None or value == "auto":
        return value
    return as_object(value, where)


def _include(value: object, where: str, session: Session) -> object:
    if value is None:
        return None
    for index, entry in enumerate(as_list(value, where)):
        one_of(entry, f"{where}[{index}]", ("item.input_audio_transcription.logprobs",))
    return value


def _truncation(value: object, where: str, session: Session) -> object:
    return as_object(value, where) if isinstance(value, dict) else one_of(value, where, ("auto", "disabled"))


def _flag(value: object, where: str, session: Session) -> bool:
    return as_flag(value, where)


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its place in each dialect's session object ("": it has none), and its check."""

    ga: str
    beta: str
    check: Check
    default: Any = None
    optional: bool = False
    """Shown only once it was set."""


FIELDS: dict[str, Field] = {
    "speak": Field("output_modalities", "modalities", spoken, True),
    "instructions": Field("instructions", "instructions", _text, ""),
    "input_format": Field("audio.input.format", "input_audio_format", audio_format, "pcm16"),
    "transcription": Field("audio.input.transcription", "input_audio_transcription", _transcription),
    "noise_reduction": Field("audio.input.noise_reduction", "input_audio_noise_reduction", _optional_object),
    "turn_detection": Field("audio.input.turn_detection", "turn_detection", _turn_detection, turn_detection.SERVER_VAD),
    "output_format": Field("audio.output.format", "output_audio_format", audio_format, "pcm16"),
    "voice": Field("audio.output.voice", "voice", voice, ""),
    "speed": Field("audio.output.speed", "speed", _speed, 1.0),
    "tools": Field("tools", "tools", tools, []),
    "tool_choice": Field("tool_choice", "tool_choice", tool_choice, "auto"),
    "max_tokens": Field("max_output_tokens", "max_response_output_tokens", max_tokens),
    "temperature": Field("", "temperature", _temperature, 0.8),
    "tracing": Field("tracing", "tracing", _tracing),
    "truncation": Field("truncation", "", _truncation, "auto"),
    "prompt": Field("prompt", "prompt", _optional_object),
    "include": Field("include", "include", _include),
    "reasoning": Field("reasoning", "", _optional_object, optional=True),
    "parallel_tool_calls": Field("parallel_tool_calls", "", _flag, optional=True),
}


def shown(name: str, value: Any, dialect: Dialect) -> Any:
    """One value of FIELDS in the form of the dialect."""
    if name == "speak":
        return modalities(value, dialect)
    if name in ("input_format", "output_format"):
        return _GA_FORMATS[value] if dialect == "ga" else value
    if name == "max_tokens":
        return "inf" if value is None else value
    if name == "turn_detection" and dialect == "beta":
        return turn_detection.beta_form(value)
    if name == "tool_choice" and value not in TOOL_CHOICES:
        forced = {"name": value}
        return {"type": "function", **(forced if dialect == "ga" else {"function": forced})}
    return value


def modalities(speak: bool, dialect: Dialect) -> list[str]:
    if not speak:
        return ["text"]
    return ["audio"] if dialect == "ga" else ["text", "audio"]
