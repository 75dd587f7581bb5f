"""Checking a client's JSON strictly: every fault is a `Rejected` with the code and the parameter that the reference
gives it (sections 5 and 10). The other half of the dialect reads leniently, with `dialects.fields`.
"""

import math
from collections.abc import Collection

from voicechat.dialects.fields import Json

MAX_ID_CHARS = 512
_SHOWN_CHARS = 80


class Rejected(Exception):
    """A client event cannot be done: becomes an `error` event with this code and parameter."""

    def __init__(self, code: str | None, message: str, param: str | None = None):
        super().__init__(message)
        self.code = code
        self.param = param


def invalid(where: str, value: object, supported: str) -> Rejected:
    return Rejected("invalid_value", f"Invalid value: {shown(value)}. Supported values are: {supported}.", where)


def missing(where: str) -> Rejected:
    return Rejected("missing_required_parameter", f"Missing required parameter: '{where}'.", where)


def wrong_type(where: str, expected: str) -> Rejected:
    return Rejected("invalid_type", f"Invalid type for '{where}': expected {expected}.", where)


def shown(value: object) -> str:
    """A value as an error quotes it: not at any length."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits
        text = type(value).__name__
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"


def known(fields: Json, keys: Collection[str], where: str = "") -> None:
    for key in fields:
        if key not in keys:
            path = f"{where}.{key}" if where else key
            raise Rejected("unknown_parameter", f"Unknown parameter: {shown(path)}.", path[:MAX_ID_CHARS])


def as_object(value: object, where: str) -> Json:
    if not isinstance(value, dict):
        raise wrong_type(where, "an object")
    return value


def as_list(value: object, where: str) -> list[object]:
    if not isinstance(value, list):
        raise wrong_type(where, "an array")
    return value


def as_text(value: object, where: str) -> str:
    """Lone surrogates are replaced: they could not be printed, spoken or sent on."""
    if not isinstance(value, str):
        raise wrong_type(where, "a string")
    return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")


def as_flag(value: object, where: str) -> bool:
    if not isinstance(value, bool):
        raise wrong_type(where, "a boolean")
    return value


def as_whole(value: object, where: str, low: int, high: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise wrong_type(where, "an integer")
    if value < low:
        raise Rejected("integer_below_min_value", f"Invalid '{where}': expected a value >= {low}.", where)
    if value > high:
        raise Rejected("integer_above_max_value", f"Invalid '{where}': expected a value <= {high}.", where)
    return value


def as_number(value: object, where: str, low: float, high: float) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise wrong_type(where, "a number")
    if not low <= value <= high or not math.isfinite(value):
        raise invalid(where, value, f"{low} to {high}")
    return value


def one_of(value: object, where: str, supported: Collection[str]) -> str:
    if not isinstance(value, str) or value not in supported:
        raise invalid(where, value, ", ".join(repr(name) for name in supported))
    return value


def required(fields: Json, key: str, where: str = "") -> object:
    path = f"{where}.{key}" if where else key
    if fields.get(key) is None:
        raise missing(path)
    return fields[key]


def as_id(value: object, where: str) -> str:
    name = as_text(value, where)
    if not name or len(name) > MAX_ID_CHARS:
        raise invalid(where, name, f"1 to {MAX_ID_CHARS} characters")
    return name
