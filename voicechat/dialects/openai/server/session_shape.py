"""The session object: what a `session.update` makes of it, all or nothing, and how clients are shown it."""

from collections.abc import Iterator
from typing import Any

from voicechat.dialects.fields import Json
from voicechat.dialects.openai.server import turn_detection
from voicechat.dialects.openai.server.checks import as_object, as_text, known, missing, one_of, required
from voicechat.dialects.openai.server.profile import Dialect, ServerProfile
from voicechat.dialects.openai.server.session import Session
from voicechat.dialects.openai.server.session_fields import FIELDS, shown
from voicechat.realtime.commands import SessionConfig, Tool

_NULLABLE = {"transcription", "noise_reduction", "turn_detection", "tracing", "prompt", "include"}
_GA_NAMES = {field.ga: name for name, field in FIELDS.items() if field.ga}
_BETA_NAMES = {field.beta: name for name, field in FIELDS.items() if field.beta}
_GA_TOP = {path.partition(".")[0] for path in _GA_NAMES} | {"type", "model"}
_FLAT_ONLY = _BETA_NAMES.keys() - _GA_NAMES.keys()


def fresh(profile: ServerProfile, dialect: Dialect) -> Session:
    """The session before its first update."""
    values: Json = {name: field.default for name, field in FIELDS.items()}
    return Session(profile, dialect, values | {"voice": profile.voice})


def dialect_of(update: object) -> Dialect | None:
    """Which dialect the shape of a `session.update` shows, if any."""
    if not isinstance(update, dict) or "type" in update or "audio" in update or "output_modalities" in update:
        return None
    return "beta" if update.keys() & _FLAT_ONLY else None


def merged(session: Session, value: object) -> Json:
    """New values: those of `session` under the update `value`. Raises Rejected; the session itself is not changed."""
    if value is None:
        raise missing("session")
    update = as_object(value, "session")
    leaves = _ga_leaves(update) if session.strict else _beta_leaves(update)
    new = dict(session.values)
    for name, where, given in leaves:
        new[name] = FIELDS[name].check(given, where, session)
    if update.get("model") is not None:  # stock clients name their own default, whichever model they dialled
        as_text(update["model"], "session.model")
    return new


def _ga_leaves(update: Json) -> Iterator[tuple[str, str, object]]:
    kind = required(update, "type", "session")
    one_of(kind, "session.type", ("realtime",))
    known(update, _GA_TOP, "session")
    for key, value in update.items():
        if key in _GA_NAMES:
            yield _GA_NAMES[key], f"session.{key}", value
    audio = as_object(update.get("audio", {}), "session.audio")
    known(audio, ("input", "output"), "session.audio")
    for side, given in audio.items():
        fields = as_object(given, f"session.audio.{side}")
        paths = [path for path in _GA_NAMES if path.startswith(f"audio.{side}.")]
        known(fields, [path.rpartition(".")[2] for path in paths], f"session.audio.{side}")
        for key, value in fields.items():
            path = f"audio.{side}.{key}"
            yield _GA_NAMES[path], f"session.{path}", value


def _beta_leaves(update: Json) -> Iterator[tuple[str, str, object]]:
    """Beta clients send all kinds of things: what is unknown is left aside, unless it is GA's form."""
    for key in ("type", "audio", "output_modalities"):
        if key in update:
            known(update, update.keys() - {key}, "session")
    for key, value in update.items():
        name = _BETA_NAMES.get(key)
        if name is not None and (value is not None or name in _NULLABLE):
            yield name, f"session.{key}", value


def named(param: str, dialect: Dialect) -> str:
    """The parameter of a complaint as this dialect calls it, whichever the one who complains speaks."""
    head, _, path = param.partition(".")
    name = _GA_NAMES.get(path) or _BETA_NAMES.get(path)
    if head != "session" or name is None:
        return param
    path = FIELDS[name].ga if dialect == "ga" else FIELDS[name].beta
    return f"session.{path}" if path else param


def shape(values: Json, dialect: Dialect) -> Json:
    """The fields of the session object, as clients are shown it; whose session it is the codec adds."""
    whole: Json = {}
    for name, field in FIELDS.items():
        path = field.ga if dialect == "ga" else field.beta
        if not path or (field.optional and values[name] is None):
            continue
        place = whole
        *outer, key = path.split(".")
        for part in outer:
            place = place.setdefault(part, {})
        place[key] = shown(name, values[name], dialect)
    return whole


def config(values: Json) -> SessionConfig:
    """The session as a command configures it. What stands at its default is left to whoever is behind."""
    transcription = values["transcription"]
    return SessionConfig(
        instructions=values["instructions"],
        voice=values["voice"],
        turn_detection=turn_detection.command(values["turn_detection"]),
        transcribe=transcription is not None,
        transcription_model=(transcription or {}).get("model", ""),
        language=(transcription or {}).get("language", ""),
        speak=values["speak"],
        speed=_unless_default(values, "speed"),
        temperature=_unless_default(values, "temperature"),
        max_tokens=values["max_tokens"],
        tools=commanded(values["tools"]),
        tool_choice=values["tool_choice"],
    )


def commanded(shapes: list[Json]) -> tuple[Tool, ...]:
    return tuple(Tool(tool["name"], tool["description"], tool["parameters"]) for tool in shapes)


def _unless_default(values: Json, name: str) -> Any:
    return None if values[name] == FIELDS[name].default else values[name]
