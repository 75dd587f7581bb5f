"""What a text-to-speech service is to the reader: text in, sound out, cancellable."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from voicechat.errors import UsageError, VoicechatError
from voicechat.text.language import NAMES, nearest, tag_named


@dataclass(frozen=True, slots=True)
class SpeechSettings:
    """How to speak. None and "" leave it to the service."""

    model: str
    voice: str = ""
    instructions: str = ""
    language: str = ""
    speed: float | None = None
    pitch: float | None = None
    volume: int | None = None
    rate_hz: int | None = None
    """The rate that is wanted; a service that cannot give it gives its own."""
    encoding: str = "pcm"
    mode: str = ""
    """`server_commit` or `commit`, where a service has the two."""


class Interrupted(Exception):
    """A piece was not spoken to its end, and trying again may help. `error` is what to say when it does not."""

    def __init__(self, error: VoicechatError, retry_after_s: float | None = None, *, unreachable: bool = False):
        super().__init__(error.message)
        self.error = error
        self.retry_after_s = retry_after_s
        self.unreachable = unreachable
        """Nobody was there to be asked: worth another attempt only when somebody was before."""


class SpeechService(Protocol):
    """One service, with its settings. Several pieces may be spoken at the same time."""

    @property
    def rate_hz(self) -> int:
        """Of the PCM that `speak` gives."""
        ...

    @property
    def max_chars(self) -> int:
        """The longest piece it takes."""
        ...

    def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        """The sound of `text` in the encoding of the settings, as it comes. Closing the iterator stops the synthesis.

        PCM comes in whole samples. Raises Interrupted when trying again may help, VoicechatError when not.
        """
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a protocol can be asked for. `rates_hz` empty: the rate is the service's own."""

    encodings: frozenset[str] = frozenset({"pcm"})
    rates_hz: frozenset[int] = frozenset()
    speed: tuple[float, float] = (0.5, 2.0)
    pitch: tuple[float, float] | None = None
    volume: bool = False
    instructions: bool = False
    modes: tuple[str, ...] = ()
    languages: Mapping[str, str] = field(default_factory=dict)
    """The languages that may be named beforehand, by tag, as the service calls them."""

    def check(self, settings: SpeechSettings, title: str) -> None:
        """Raise UsageError for what the service would refuse or, worse, ignore."""
        _in_range("--speed", settings.speed, self.speed, title)
        _in_range("--pitch", settings.pitch, self.pitch, title)
        _in_range("--volume", settings.volume, (0, 100) if self.volume else None, title)
        if settings.instructions and not self.instructions:
            raise UsageError(f"{title} takes no instructions for reading.", "Leave --instructions out.")
        if settings.mode and settings.mode not in self.modes:
            known = f"It knows {' and '.join(self.modes)}." if self.modes else "Leave --mode out."
            raise UsageError(f"{title} has no mode {settings.mode!r}.", known)

    def language(self, asked: str, title: str) -> str:
        """The service's word for a language, which may be asked for by name or tag (`German`, `de`); "" for none.

        Raises UsageError for one that the service does not know.
        """
        if asked.lower() in ("", "auto"):
            return ""
        if not self.languages:
            raise UsageError(f"{title} hears the language from the text.", "Leave --language out.")
        tag = tag_named(asked)
        if tag in self.languages:
            return self.languages[tag]
        if tag:
            known = ", ".join(self.languages)
            raise UsageError(f"{title} does not read {NAMES[tag]} as a language of its own.", f"It knows {known}.")
        raise UsageError(f"Unknown language {asked!r}.", nearest(asked, self.languages))


def _in_range(option: str, value: float | None, limits: tuple[float, float] | None, title: str) -> None:
    if value is None:
        return
    if limits is None:
        raise UsageError(f"{title} has no {option.lstrip('-')} to set.", f"Leave {option} out.")
    if not limits[0] <= value <= limits[1]:
        raise UsageError(
            f"{option} {value:g} is too much or too little for {title}.", f"It takes {limits[0]:g} to {limits[1]:g}."
        )
