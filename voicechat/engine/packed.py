"""A big dictionary that stays JSON text: what is looked up is read then. Ninety thousand entries of Python objects
take 25 MB; their text and where each lies in it take 4 MB.

Where they lie is found by numpy, which takes a tenth of the time of a loop and lets go of the interpreter's lock: the
conversation goes on while a voice loads.
"""

import json
import re
from array import array
from bisect import bisect_left
from typing import Any

import numpy as np
from numpy.typing import NDArray

_STRING = r'"(?:[^"\\]|\\.)*"'
_FLAT = rf'(?:[^"\[\]{{}}]|{_STRING})*'
_MEMBER = re.compile(rf"({_STRING})\s*:\s*({_STRING}|\{{{_FLAT}\}}|\[{_FLAT}\]|[^\s,{{}}\[\]]+)\s*[,}}]".encode())
_OBJECT = re.compile(rb"\s*\{.*\}\s*", re.DOTALL)
_EMPTY = re.compile(rb"\s*\{\s*\}\s*")
_QUOTE, _BACKSLASH, _COMMA, _COLON = b'"\\,:'
_ENDS = 8
"""So many bytes at either end of a key, and its length, make its hash; keys that share one lie beside each other."""
_MULTIPLIERS = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9)
_WORD = 2**64

_STEP = np.zeros(256, np.int8)
_STEP[list(b"{[")], _STEP[list(b"}]")] = 1, -1

Places = NDArray[np.intp]


class Packed:
    """Read-only, looked up with `get`. Takes UTF-8 JSON of one object whose values are flat: texts, numbers, and
    objects or lists of these. Raises ValueError for anything else."""

    def __init__(self, text: bytes):
        self._text = text
        begins, ends = _keys(text)
        hashes = _hashes(text, begins, ends)
        if _BACKSLASH in text:  # a key that is written with one is looked up by what it means
            for index, (begin, end) in enumerate(zip(begins, ends, strict=True)):
                if b"\\" in (raw := text[begin : end + 1]):
                    hashes[index] = _hash(json.loads(raw).encode())
        order = np.argsort(hashes, kind="stable")
        self._hashes = array("Q", hashes[order].tobytes())
        self._places = array("I", begins[order].astype(np.uint32).tobytes())

    def __len__(self) -> int:
        return len(self._places)

    def get(self, key: str, default: Any = None) -> Any:
        wanted = _hash(key.encode())
        at = bisect_left(self._hashes, wanted)
        while at < len(self._hashes) and self._hashes[at] == wanted:
            member = _MEMBER.match(self._text, self._places[at])
            if member is not None and json.loads(member[1]) == key:
                return json.loads(member[2])
            at += 1
        return default


def _keys(text: bytes) -> tuple[Places, Places]:
    """Where the keys' opening and closing quotes are. Raises ValueError."""
    letters = np.frombuffer(text, np.uint8)
    quotes = letters == _QUOTE
    for at in np.flatnonzero(quotes[1:] & (letters[:-1] == _BACKSLASH)) + 1:
        slashes = text[:at][-64:]
        quotes[at] = (len(slashes) - len(slashes.rstrip(b"\\"))) % 2 == 0
    inside = np.bitwise_xor.accumulate(quotes.view(np.uint8)).view(
        bool
    )  # from an opening quote to before its closing one
    outside = ~inside
    depth = np.cumsum(_STEP[letters] * outside, dtype=np.int8)
    top = depth == 1
    begins, ends = np.flatnonzero(quotes & inside & top), np.flatnonzero(quotes & outside & top)
    outside &= top
    colons = np.flatnonzero((letters == _COLON) & outside)
    commas = np.count_nonzero((letters == _COMMA) & outside)
    names = np.searchsorted(ends, colons) - 1
    whole = _OBJECT.fullmatch(text) and depth.max() <= 2 and depth.min() == 0 == depth[-1] and len(begins) == len(ends)
    if not whole or (names < 0).any() or not (len(colons) == commas + 1 or _EMPTY.fullmatch(text)):
        raise ValueError("no object of flat values")
    return begins[names], ends[names]


def _hashes(text: bytes, begins: Places, ends: Places) -> NDArray[np.uint64]:
    """What `_hash` gives for the bytes between each two quotes."""
    letters = np.frombuffer(text, np.uint8)
    lengths = ends - begins - 1
    head, tail = np.zeros(len(begins), np.uint64), np.zeros(len(begins), np.uint64)
    for place in range(_ENDS):
        there, shift = lengths > place, np.uint64(8 * place)
        head |= np.where(there, letters[begins + 1 + np.where(there, place, 0)], 0).astype(np.uint64) << shift
        tail |= np.where(there, letters[ends - 1 - np.where(there, place, 0)], 0).astype(np.uint64) << shift
    first, second, third = (np.uint64(number) for number in _MULTIPLIERS)
    mixed: NDArray[np.uint64] = head * first ^ tail * second ^ lengths.astype(np.uint64) * third
    return mixed


def _hash(key: bytes) -> int:
    head, tail = int.from_bytes(key[:_ENDS], "little"), int.from_bytes(key[: -_ENDS - 1 : -1], "little")
    first, second, third = _MULTIPLIERS
    return head * first % _WORD ^ tail * second % _WORD ^ len(key) * third % _WORD
