"""The built-in recognisers: which are installed, and the best that loads here."""

from dataclasses import dataclass
from importlib.util import find_spec

from voicechat.engine.recogniser import NotLoaded, Recogniser, loading
from voicechat.errors import ConfigError

MOONSHINE = "moonshine"
POCKETSPHINX = "pocketsphinx"
_MODULES = {MOONSHINE: "moonshine_voice", POCKETSPHINX: "pocketsphinx"}
"""Best first."""


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
