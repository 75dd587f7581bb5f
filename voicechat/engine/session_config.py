"""The session object of the GA dialect: its defaults here, and `session.update` merged all or nothing."""

import copy
from typing import Any

from voicechat.engine.turns import EAGERNESS_SILENCE_MS

Json = dict[str, Any]

PCM = {"type": "audio/pcm", "rate": 24_000}

_TOP = {
    "type",
    "model",
    "instructions",
    "tools",
    "tool_choice",
    "max_output_tokens",
    "output_modalities",
    "audio",
    "tracing",
    "include",
    "prompt",
    "truncation",
    "reasoning",
    "parallel_tool_calls",
}
_INPUT = {"format", "noise_reduction", "transcription", "turn_detection"}
_OUTPUT = {"format", "speed", "voice"}
_SERVER_VAD: Json = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 500,
    "idle_timeout_ms": None,
    "create_response": True,
    "interrupt_response": True,
}
_SEMANTIC_VAD: Json = {
    "type": "semantic_vad",
    "eagerness": "auto",
    "create_response": True,
    "interrupt_response": True,
}
"""Key by key what each kind of turn detection takes, with its defaults."""


class Rejected(Exception):
    """A client event cannot be done: becomes an `error` event with this code and parameter."""

    def __init__(self, code: str | None, message: str, param: str | None = None):
        super().__init__(message)
        self.code = code
        self.param = param


def default_session(session_id: str, model: str, voice: str) -> Json:
    return {
        "type": "realtime",
        "object": "realtime.session",
        "id": session_id,
        "model": model,
        "output_modalities": ["audio"],
        "instructions": "",
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "include": None,
        "audio": {
            "input": {
                "format": dict(PCM),
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": dict(_SERVER_VAD),
            },
            "output": {"format": dict(PCM), "voice": voice, "speed": 1.0},
        },
    }


def silence_ms(turn_detection: Json) -> int:
    """How long a pause ends the turn, whatever the kind of detection."""
    if turn_detection["type"] == "semantic_vad":
        return EAGERNESS_SILENCE_MS[turn_detection["eagerness"]]
    return int(turn_detection["silence_duration_ms"])


def merged(session: Json, update: object) -> Json:
    """A new session object: `session` with the fields of `update`. Raises Rejected and changes nothing."""
    if not isinstance(update, dict):
        raise Rejected("missing_required_parameter", "Missing required parameter: 'session'.", "session")
    if "type" not in update:
        raise Rejected("missing_required_parameter", "Missing required parameter: 'session.type'.", "session.type")
    if update["type"] != "realtime":
        raise _invalid("session.type", update["type"], "'realtime'")
    _known(update, _TOP, "session")
    new = copy.deepcopy(session)
    for key, value in update.items():
        if key == "audio":
            _merge_audio(new["audio"], _object(value, "session.audio"))
        elif key == "model":
            if value != session["model"]:
                raise _invalid("session.model", value, "the model of this session, which cannot change")
        else:
            if key in _CHECKS:
                _CHECKS[key](value, f"session.{key}")
            new[key] = value
    return new


def _merge_audio(audio: Json, update: Json) -> None:
    _known(update, {"input", "output"}, "session.audio")
    here = _object(update.get("input", {}), "session.audio.input")
    _known(here, _INPUT, "session.audio.input")
    for key, value in here.items():
        where = f"session.audio.input.{key}"
        if key == "format":
            value = _format(value, where)
        elif key == "turn_detection":
            value = _turn_detection(value, audio["input"]["turn_detection"], where)
        elif value is not None:
            _object(value, where)
        audio["input"][key] = value
    there = _object(update.get("output", {}), "session.audio.output")
    _known(there, _OUTPUT, "session.audio.output")
    for key, value in there.items():
        where = f"session.audio.output.{key}"
        if key == "format":
            value = _format(value, where)
        elif key == "speed":
            _number(value, where, 0.25, 1.5)
        elif not isinstance(value, str):
            raise _invalid(where, value, "the name of a voice")
        audio["output"][key] = value


def _turn_detection(value: object, old: Json | None, where: str) -> Json | None:
    if value is None:
        return None
    update = _object(value, where)
    kind = update.get("type", (old or _SERVER_VAD)["type"])
    if kind == "none":
        return None  # the first Azure preview and some gateways say it like this
    if kind not in ("server_vad", "semantic_vad"):
        raise _invalid(f"{where}.type", kind, "'server_vad' and 'semantic_vad'")
    defaults = _SERVER_VAD if kind == "server_vad" else _SEMANTIC_VAD
    _known(update, set(defaults), where)
    new = {**defaults, **(old if old and old["type"] == kind else {}), **update}
    for flag in ("create_response", "interrupt_response"):
        if not isinstance(new[flag], bool):
            raise _invalid(f"{where}.{flag}", new[flag], "true and false")
    if kind == "semantic_vad":
        if new["eagerness"] not in EAGERNESS_SILENCE_MS:
            raise _invalid(f"{where}.eagerness", new["eagerness"], "'low', 'medium', 'high' and 'auto'")
        return new
    _number(new["threshold"], f"{where}.threshold", 0.0, 1.0)
    _number(new["prefix_padding_ms"], f"{where}.prefix_padding_ms", 0, 5_000, whole=True)
    _number(new["silence_duration_ms"], f"{where}.silence_duration_ms", 50, 60_000, whole=True)
    if new["idle_timeout_ms"] is not None:
        raise _invalid(f"{where}.idle_timeout_ms", new["idle_timeout_ms"], "null: this engine never speaks first")
    return new


def modalities(value: object, where: str) -> None:
    if value not in (["audio"], ["text"]):
        raise _invalid(where, value, "['audio'] and ['text']")


def instructions(value: object, where: str) -> None:
    if not isinstance(value, str):
        raise _invalid(where, value, "a text")


def _list(value: object, where: str) -> None:
    if not isinstance(value, list):
        raise _invalid(where, value, "a list")


_CHECKS = {"output_modalities": modalities, "instructions": instructions, "tools": _list}


def _format(value: object, where: str) -> Json:
    form = _object(value, where)
    if form.get("type") != "audio/pcm":
        raise _invalid(f"{where}.type", form.get("type"), "'audio/pcm'")
    rate = form.get("rate", 24_000)
    if rate != 24_000:
        code = "integer_below_min_value" if isinstance(rate, int) and rate < 24_000 else "invalid_value"
        raise Rejected(code, f"Invalid '{where}.rate': expected 24000.", f"{where}.rate")
    return dict(PCM)


def _object(value: object, where: str) -> Json:
    if not isinstance(value, dict):
        raise Rejected("invalid_type", f"Invalid type for '{where}': expected an object.", where)
    return value


def _number(value: object, where: str, low: float, high: float, whole: bool = False) -> None:
    fits = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    if not fits:
        raise Rejected("invalid_type", f"Invalid type for '{where}': expected a number.", where)
    assert isinstance(value, (int, float))
    if not low <= value <= high:
        raise _invalid(where, value, f"{low} to {high}")


def _known(update: Json, keys: set[str], where: str) -> None:
    for key in update:
        if key not in keys:
            raise Rejected("unknown_parameter", f"Unknown parameter: '{where}.{key}'.", f"{where}.{key}")


def _invalid(where: str, value: object, supported: str) -> Rejected:
    return Rejected("invalid_value", f"Invalid value: {value!r}. Supported values are: {supported}.", where)
