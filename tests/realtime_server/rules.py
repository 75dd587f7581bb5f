"""The rules for what a client may send: shapes, keys and ranges, and the errors for everything else.

A rule is a function `check(value, path)` that raises `ClientError`; the codes and messages are those of the references.
"""

from collections.abc import Callable
from typing import Any

Check = Callable[[Any, str], None]


class ClientError(Exception):
    """An `error` event to be: non-fatal, the offending event has no effect."""

    def __init__(self, code: str | None, message: str, param: str | None = None, type: str = "invalid_request_error"):
        super().__init__(message)
        self.code, self.message, self.param, self.type = code, message, param, type


def invalid(path: str, value: Any, expected: str) -> ClientError:
    return ClientError("invalid_value", f"Invalid value: {value!r}. Supported values are: {expected}.", path)


def one_of(*values: Any) -> Check:
    def check(value: Any, path: str) -> None:
        if value not in values or isinstance(value, bool) not in {isinstance(known, bool) for known in values}:
            raise invalid(path, value, ", ".join(repr(known) for known in values))

    return check


def of_type(*types: type) -> Check:
    def check(value: Any, path: str) -> None:
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            names = " or ".join(kind.__name__ for kind in types)
            raise ClientError("invalid_type", f"Invalid type for '{path}': expected {names}.", path)

    return check


def number(low: float, high: float, *, whole: bool = False, open_end: bool = False) -> Check:
    kind = of_type(int) if whole else of_type(int, float)
    word = "integer" if whole else "decimal"

    def check(value: Any, path: str) -> None:
        kind(value, path)
        if value < low:
            raise ClientError(f"{word}_below_min_value", f"Invalid '{path}': Expected a value >= {low}.", path)
        if value > high or (open_end and value == high):
            raise ClientError(f"{word}_above_max_value", f"Invalid '{path}': Expected a value <= {high}.", path)

    return check


def nullable(inner: Check) -> Check:
    return lambda value, path: None if value is None else inner(value, path)


def either(*checks: Check) -> Check:
    def check(value: Any, path: str) -> None:
        for one in checks[:-1]:
            try:
                return one(value, path)
            except ClientError:
                continue
        return checks[-1](value, path)

    return check


def list_of(inner: Check) -> Check:
    def check(value: Any, path: str) -> None:
        of_type(list)(value, path)
        for index, element in enumerate(value):
            inner(element, f"{path}[{index}]")

    return check


def table(required: dict[str, Check], optional: dict[str, Check] | None = None) -> Check:
    """An object with exactly these keys: `missing_required_parameter` and `unknown_parameter` for others."""
    known = {**required, **(optional or {})}

    def check(value: Any, path: str) -> None:
        of_type(dict)(value, path)
        prefix = f"{path}." if path else ""
        for key in value:
            if key not in known:
                raise ClientError("unknown_parameter", f"Unknown parameter: '{prefix}{key}'.", f"{prefix}{key}")
        for key in required:
            if key not in value:
                param = f"{prefix}{key}"
                raise ClientError("missing_required_parameter", f"Missing required parameter: '{param}'.", param)
        for key, inner in value.items():
            known[key](inner, f"{prefix}{key}")

    return check


def by_key(key: str, cases: dict[str, Check]) -> Check:
    """An object whose shape depends on the value of one of its keys."""

    def check(value: Any, path: str) -> None:
        of_type(dict)(value, path)
        if key not in value:
            param = f"{path}.{key}"
            raise ClientError("missing_required_parameter", f"Missing required parameter: '{param}'.", param)
        one_of(*cases)(value[key], f"{path}.{key}")
        cases[value[key]](value, path)

    return check


def anything(value: Any, path: str) -> None:
    """Not looked into."""


def exactly(*lists: list[str]) -> Check:
    """One of these lists, in any order."""

    def check(value: Any, path: str) -> None:
        of_type(list)(value, path)
        if sorted(map(str, value)) not in [sorted(known) for known in lists]:
            raise invalid(path, value, ", ".join(map(str, lists)))

    return check


string = of_type(str)
boolean = of_type(bool)
mapping = of_type(dict)
token_cap = either(one_of("inf"), number(1, 4096, whole=True))
