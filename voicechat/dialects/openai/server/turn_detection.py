"""`turn_detection` of a session: what each kind of it takes, with its defaults (reference, section 5.3)."""

from typing import Any

from voicechat.dialects.fields import Json
from voicechat.dialects.openai.server.checks import Rejected, as_flag, as_number, as_object, as_whole, known, one_of
from voicechat.realtime.commands import TurnDetection

SERVER_VAD: Json = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 500,
    "idle_timeout_ms": None,
    "create_response": True,
    "interrupt_response": True,
}
SEMANTIC_VAD: Json = {
    "type": "semantic_vad",
    "eagerness": "auto",
    "create_response": True,
    "interrupt_response": True,
}
EAGERNESS = ("low", "medium", "high", "auto")


def checked(value: object, old: Json | None, where: str, *, strict: bool) -> Json | None:
    """The whole object: `value` over what was in force, over the defaults. Raises Rejected."""
    if value is None:
        return None
    update = as_object(value, where)
    kind = update.get("type", (old or SERVER_VAD)["type"])
    if kind == "none":
        return None  # the first Azure preview and some gateways say it like this
    one_of(kind, f"{where}.type", ("server_vad", "semantic_vad"))
    defaults = SERVER_VAD if kind == "server_vad" else SEMANTIC_VAD
    if strict:
        known(update, defaults, where)
    new = {**defaults, **(old if old and old["type"] == kind else {})}
    new |= {key: value for key, value in update.items() if key in defaults}
    for flag in ("create_response", "interrupt_response"):
        as_flag(new[flag], f"{where}.{flag}")
    if kind == "semantic_vad":
        one_of(new["eagerness"], f"{where}.eagerness", EAGERNESS)
        return new
    as_number(new["threshold"], f"{where}.threshold", 0.0, 1.0)
    as_whole(new["prefix_padding_ms"], f"{where}.prefix_padding_ms", 0, 5_000)
    as_whole(new["silence_duration_ms"], f"{where}.silence_duration_ms", 50, 60_000)
    if new["idle_timeout_ms"] is not None:
        as_whole(new["idle_timeout_ms"], f"{where}.idle_timeout_ms", 5_000, 30_000)
        message = f"Unsupported value: '{where}.idle_timeout_ms' must be null: this service never speaks first."
        raise Rejected("invalid_value", message, f"{where}.idle_timeout_ms")
    return new


def beta_form(turn: Json | None) -> Json | None:
    return None if turn is None else {key: value for key, value in turn.items() if key != "idle_timeout_ms"}


def command(turn: Json | None) -> TurnDetection | None:
    if turn is None:
        return None
    flags: dict[str, Any] = {key: turn[key] for key in ("create_response", "interrupt_response")}
    if turn["type"] == "semantic_vad":
        return TurnDetection("semantic", eagerness=turn["eagerness"], **flags)
    return TurnDetection(
        threshold=turn["threshold"],
        silence_ms=turn["silence_duration_ms"],
        prefix_ms=turn["prefix_padding_ms"],
        **flags,
    )
