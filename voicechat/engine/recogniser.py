"""Speech to text, streaming: the protocol, and the choice of the best recogniser that loads here.

A recogniser computes for a good part of the time somebody speaks, so a conversation runs it in a process of its
own: see `ear`.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Protocol

from voicechat.errors import ConfigError

log = logging.getLogger(__name__)

RATE_HZ = 16_000
"""What a recogniser is fed: s16le mono at this rate."""
SETTLE_MS = 160
"""So long a silence may be the turn's end: whatever was said is then worth knowing in full."""

MOONSHINE = "moonshine"
POCKETSPHINX = "pocketsphinx"
_MODULES = {MOONSHINE: "moonshine_voice", POCKETSPHINX: "pocketsphinx"}
"""Best first."""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What has been understood so far. `settled`: of everything that was said, with nothing said since."""

    text: str = ""
    settled: bool = False


class Recogniser(Protocol):
    """One utterance at a time; not for several threads."""

    def begin(self) -> None:
        """A new utterance."""
        ...

    def accept(self, pcm: bytes, quiet_ms: int) -> Hypothesis:
        """Take s16le mono at `RATE_HZ`; nobody has spoken for the last `quiet_ms` of the utterance."""
        ...

    def finish(self) -> str:
        """The end of the utterance: its text, "" when nothing was understood."""
        ...


class NotLoaded(Exception):
    """This recogniser cannot be used on this machine; the message says why."""


@contextmanager
def loading(what: str) -> Iterator[None]:
    """Whatever a broken wheel or a foreign release raises inside, as NotLoaded."""
    try:
        yield
    except (NotLoaded, ConfigError):
        raise
    except Exception as error:
        raise NotLoaded(f"{what} does not load ({' '.join(str(error).split())[:160]})") from error


@dataclass(frozen=True, slots=True)
class Loaded:
    """A recogniser, and what the user should know about it ("" for the best one)."""

    recogniser: Recogniser
    remark: str = ""


def load(without: frozenset[str] = frozenset()) -> Loaded:
    """The best recogniser that loads here, those in `without` left out. Raises ConfigError when none does."""
    reasons: list[str] = []
    for name in _MODULES:
        if name in without:
            reasons.append(f"{name} failed before")
            continue
        try:
            recogniser = _load(name)
        except NotLoaded as error:
            reasons.append(str(error))
            continue
        remark = f"Speech is recognised by {name}, which often mishears: {'; '.join(reasons)}." if reasons else ""
        return Loaded(recogniser, remark)
    raise ConfigError(f"No recogniser can be used here: {'; '.join(reasons)}.", INSTALL)


INSTALL = "In voicechat's folder: pip install '.[offline]' (where that fails: '.[offline-lite]')"


def not_installed() -> ConfigError:
    return ConfigError("The offline engine is not installed.", INSTALL)


def installed(name: str) -> bool:
    """Whether this recogniser is there; imports nothing."""
    return find_spec(_MODULES[name]) is not None


def any_installed() -> bool:
    """Whether there is a recogniser at all; imports nothing."""
    return any(installed(name) for name in _MODULES)


def _load(name: str) -> Recogniser:
    if not installed(name):
        raise NotLoaded(f"{name} is not installed")
    with loading(name):
        if name == MOONSHINE:
            from voicechat.engine.moonshine import open_moonshine

            return open_moonshine()
        from voicechat.engine.pocketsphinx import load_pocketsphinx

        return load_pocketsphinx()
