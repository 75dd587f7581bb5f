"""A big dictionary that stays JSON text: what is looked up is read then. Ninety thousand entries of Python objects
take 25 MB; their text and where each lies in it take 3 MB."""

import json
import re
from array import array
from bisect import bisect_left
from collections.abc import Callable
from typing import Any
from zlib import crc32

_STRING = r'"(?:[^"\\]|\\.)*"'
_FLAT = rf'(?:[^"\[\]{{}}]|{_STRING})*'
_MEMBER = re.compile(rf"\s*({_STRING})\s*:\s*({_STRING}|\{{{_FLAT}\}}|\[{_FLAT}\]|[^\s,{{}}\[\]]+)\s*[,}}]".encode())
_OPENING = re.compile(rb"\s*\{")
_EMPTY = re.compile(rb"\s*\{\s*\}\s*")


class Packed:
    """Read-only, looked up with `get`. Takes UTF-8 JSON of one object whose values are flat: texts, numbers, and
    objects or lists of these. Raises ValueError for anything else, and when `stopped` meanwhile."""

    def __init__(self, text: bytes, stopped: Callable[[], bool] = lambda: False):
        self._text = text
        places, hashes = array("I"), array("I")
        opening = _OPENING.match(text)
        at = opening.end() if opening else 0
        while member := _MEMBER.match(text, at):
            places.append(at)
            hashes.append(crc32(_key(member).encode()))
            at = member.end()
            if stopped():
                raise ValueError("stopped")
        if not _EMPTY.fullmatch(text) and (not places or text[at:].strip()):
            raise ValueError("no object of flat values")
        order = sorted(range(len(hashes)), key=hashes.__getitem__)
        self._hashes = array("I", (hashes[index] for index in order))
        self._places = array("I", (places[index] for index in order))

    def __len__(self) -> int:
        return len(self._places)

    def get(self, key: str, default: Any = None) -> Any:
        wanted = crc32(key.encode())
        at = bisect_left(self._hashes, wanted)
        while at < len(self._hashes) and self._hashes[at] == wanted:
            member = _MEMBER.match(self._text, self._places[at])
            if member is not None and _key(member) == key:
                return json.loads(member[2])
            at += 1
        return default


def _key(member: re.Match[bytes]) -> str:
    raw = member[1]
    text: str = json.loads(raw) if b"\\" in raw else raw[1:-1].decode("utf-8")
    return text
