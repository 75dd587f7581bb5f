"""espeak-ng's C library by ctypes (speak_lib.h), from the `espeakng-loader` wheel.

The library is one synthesiser per process: every call is made under `_LOCK`, and a synthesis holds it to its end.
That is short, because synthesis runs some hundred times faster than speech and can be stopped at every block.
"""

import ctypes
import os
import sys
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from voicechat.engine.builtin import not_installed

BLOCK_MS = 60
"""Length of the blocks the library hands over."""

_AUDIO_OUTPUT_SYNCHRONOUS = 2
_CHARS_UTF8 = 1
_POS_CHARACTER = 1
_RATE = 1  # espeak_PARAMETER: espeakRATE, words per minute
_EVENT_WORD = 1
_EVENT_END = 0

_WINDOWS = sys.platform == "win32"
_LOCK = threading.Lock()
_library: Any = None
_rate_hz = 0


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))

OnBlock = Callable[[bytes, list[tuple[int, int]]], bool]
"""Takes a block of s16le and the words that begin in it, as (start, length) in characters; False stops."""


def rate_hz() -> int:
    """The library's sample rate, 22 050 Hz in every build seen."""
    with _LOCK:
        _load()
        return _rate_hz


def synthesise(text: str, voice: str, words_per_minute: int, on_block: OnBlock) -> None:
    """Speak `text`, blocking; `on_block` is called in this thread with each block.

    Raises ValueError for an unknown voice, ConfigError when the extra is not installed, RuntimeError when the
    library refuses.
    """

    def callback(samples: Any, count: int, events: Any) -> int:
        words: list[tuple[int, int]] = []
        index = 0
        while events[index].type != _EVENT_END:
            if events[index].type == _EVENT_WORD:
                words.append((events[index].text_position - 1, events[index].length))
            index += 1
        pcm = ctypes.string_at(samples, count * 2) if samples and count else b""
        return 0 if on_block(pcm, words) else 1

    hook = _Callback(callback)
    with _LOCK:
        library = _load()
        name = find_voice(voice)
        if name is None or library.espeak_SetVoiceByName(name.encode()) != 0:
            raise ValueError(f"espeak-ng knows no voice {voice!r}.")
        library.espeak_SetParameter(_RATE, words_per_minute, 0)
        library.espeak_SetSynthCallback(hook)
        data = text.encode()
        status = library.espeak_Synth(data, len(data) + 1, 0, _POS_CHARACTER, 0, _CHARS_UTF8, None, None)
        if status != 0:
            raise RuntimeError(f"espeak-ng could not speak (status {status}).")


def find_voice(voice: str) -> str | None:
    """The library's name for `voice`, a language (`en-gb`, `cmn`) with an optional variant (`en-us+f3`); None when
    it has no such voice."""
    language, plus, variant = voice.partition("+")
    languages, variants = _voices()
    name = languages.get(language.lower())
    return f"{name}{plus}{variant}" if name and (not plus or variant in variants) else None


def installed_voices() -> list[tuple[str, str]]:
    """Every language it speaks, as (tag, name in English), sorted by tag. Raises ConfigError without the extra."""
    found = {}
    for path in (_data_path() / "lang").rglob("*"):
        if path.is_file():
            lines = [line.partition(" ") for line in path.read_text("utf-8", "replace").splitlines()]
            said = {key: value.strip() for key, _, value in reversed(lines)}
            found[said.get("language", path.name).split()[0]] = said.get("name", path.name)
    return sorted(found.items())


@cache
def _voices() -> tuple[dict[str, str], set[str]]:
    """Names by language, and the variants. The library finds a voice by the name of its file only, and the file
    `en` is British English."""
    data = _data_path()
    files = [path for path in sorted((data / "lang").rglob("*")) if path.is_file()]
    languages = {path.name.lower(): path.name for path in files}
    for path in files:
        for line in path.read_text("utf-8", "replace").splitlines():
            if line.startswith("language "):
                languages.setdefault(line.split()[1].lower(), path.name)
    return languages, {path.name for path in (data / "voices" / "!v").iterdir()}


def _data_path() -> Path:
    try:
        import espeakng_loader
    except ImportError as error:
        raise not_installed() from error
    return Path(espeakng_loader.get_data_path())


def _c_path(path: Path) -> bytes:
    """The path as the C library opens it: on Windows that is in the system's code page, which has not every letter."""
    if not _WINDOWS:
        return os.fsencode(path)
    try:
        return str(path).encode("mbcs")
    except UnicodeEncodeError:
        return _short_path(str(path)).encode("mbcs", "replace")


def _short_path(path: str) -> str:
    """The 8.3 form of an existing path, which is ASCII; the path itself where the volume keeps none (Windows)."""
    windll: Any = vars(ctypes)["windll"]  # which is there on Windows only
    short_path = windll.kernel32.GetShortPathNameW
    size = short_path(path, None, 0)
    short = ctypes.create_unicode_buffer(size)
    return short.value if size and short_path(path, short, size) else path


def _load() -> Any:
    global _library, _rate_hz
    if _library is None:
        data = _data_path()
        import espeakng_loader

        library = ctypes.CDLL(espeakng_loader.get_library_path())
        library.espeak_Initialize.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_int]
        library.espeak_Synth.argtypes = [
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.c_uint,
            ctypes.c_int,
            ctypes.c_uint,
            ctypes.c_uint,
            ctypes.c_void_p,
            ctypes.c_void_p,
        ]
        rate = library.espeak_Initialize(_AUDIO_OUTPUT_SYNCHRONOUS, BLOCK_MS, _c_path(data), 0)
        if rate <= 0:
            raise RuntimeError(f"espeak-ng did not start (its data: {data}).")
        _library, _rate_hz = library, rate
    return _library
