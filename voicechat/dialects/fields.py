"""Reading fields of a server's JSON: absent and null are the default, a wrong type is a broken frame."""

import json
import math
from collections import OrderedDict
from typing import Any, TypeVar

V = TypeVar("V")

Json = dict[str, Any]


class BrokenFrame(Exception):
    """A frame is not what its type promises."""


class Recent(OrderedDict[str, V]):
    """A dictionary of the latest entries: a long session, or a hostile server, must not fill the memory."""

    LIMIT = 512

    def __setitem__(self, key: str, value: V) -> None:
        super().__setitem__(key, value)
        if len(self) > self.LIMIT:
            self.popitem(last=False)


_LONG = 256
"""Characters of a value that is worth to be cut out."""
_DECODER = json.JSONDecoder()


def parsed(frame: str | bytes, sound: str) -> Any:
    """The JSON of a frame. The field `sound` is taken out before and put back after: a parser looks at each character
    of a string, of which base64 has a thousand fifty times a second, and nothing to unescape.

    Raises ValueError and RecursionError as json.loads. Control characters are let through in that field.
    """
    key = f'"{sound}":'
    if isinstance(frame, str) and (at := frame.find(key)) >= 0:
        start = frame.find('"', at + len(key)) + 1
        end = frame.find('"', start)
        if start and end - start > _LONG and "\\" not in (value := frame[start:end]):
            rest = frame[:start] + frame[end:]
            try:
                fields, length = _DECODER.raw_decode(rest)
            except ValueError:
                return json.loads(frame)
            if length == len(rest) and isinstance(fields, dict) and fields.get(sound) == "":
                fields[sound] = value
                return fields
    return json.loads(frame)


def text(fields: Json, *names: str) -> str:
    """The first of `names` that is there. Lone surrogates are replaced: they could not be printed.

    An id that is a whole number is its digits: small services number their things so.
    """
    for name in names:
        value = fields.get(name)
        if value is None:
            continue
        if type(value) is int and name.endswith("id"):
            return str(value)
        if not isinstance(value, str):
            raise BrokenFrame(name)
        return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
    return ""


def number(fields: Json, name: str) -> float | None:
    value = fields.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise BrokenFrame(name)
    try:
        value = float(value)
    except OverflowError:
        raise BrokenFrame(name) from None
    if not math.isfinite(value):
        raise BrokenFrame(name)
    return value


def whole(fields: Json, *names: str) -> int:
    """The first of `names` that is there, as an integer; 0 when none is."""
    for name in names:
        value = number(fields, name)
        if value is not None:
            return int(value)
    return 0


def maybe_whole(fields: Json, name: str) -> int | None:
    value = number(fields, name)
    return None if value is None else int(value)


def mapping(fields: Json, *names: str) -> Json:
    """The first of `names` that is there, an object; an empty one when none is."""
    for name in names:
        value = fields.get(name)
        if value is None:
            continue
        if not isinstance(value, dict):
            raise BrokenFrame(name)
        return value
    return {}


def mappings(fields: Json, name: str) -> list[Json]:
    """An array of objects; empty when absent."""
    value = fields.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise BrokenFrame(name)
    return value


def content_text(item: Json) -> str:
    """The words of an item, whatever its parts are called: text or transcript, input or output."""
    return "".join(text(part, "text", "transcript", "value") for part in mappings(item, "content"))


def voice_of(session: Json) -> str:
    """The effective voice of a session object: flat, nested, or a custom one's `{"id"}`."""
    holder = mapping(mapping(session, "audio"), "output")
    voice = holder.get("voice") if holder.get("voice") is not None else session.get("voice")
    return text(voice, "id") if isinstance(voice, dict) else text({"voice": voice}, "voice")
