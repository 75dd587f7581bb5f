"""What the scripted server says, hears and does wrong. Plain values that a test chooses."""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

import numpy as np

OUTPUT_RATE_HZ = 24_000


@lru_cache(maxsize=8)
def buzz(seconds: float) -> bytes:
    """A voiced sound without a pause, s16le at 24 kHz: silence at a speaker can only mean that playback stopped."""
    t = np.arange(round(seconds * OUTPUT_RATE_HZ)) / OUTPUT_RATE_HZ
    phase = 2 * np.pi * np.cumsum(120 + 20 * np.sin(2 * np.pi * 0.7 * t)) / OUTPUT_RATE_HZ
    wave = np.sum([np.sin(k * phase) / k for k in range(1, 12)], axis=0)
    level = wave / max(float(np.sqrt(np.mean(wave**2))), 1e-9) * 0.055 * 32768
    samples: bytes = level.clip(-32768, 32767).astype("<i2").tobytes()
    return samples


@dataclass(frozen=True)
class ToolUse:
    """The model calls a function instead of speaking. `arguments` is sent as it is, valid JSON or not."""

    name: str
    arguments: str = "{}"


@dataclass(frozen=True)
class Reply:
    """One answer: spoken (`pcm`, s16le 24 kHz; else a buzz of `seconds`), or text where text was asked for.

    `pace`: times faster than real time. `delta_bytes` sets the size of each audio delta (odd sizes split samples).
    `late_deltas`: so many audio deltas still come after an interruption, as those in flight do.
    `failure`: the response ends as `failed` with this error code; `incomplete`: as `incomplete` for this reason.
    """

    text: str = "Tomorrow will be cloudy, with a chance of rain in the evening."
    seconds: float = 1.0
    pcm: bytes | None = None
    tools: tuple[ToolUse, ...] = ()
    pace: float = 4.0
    delta_ms: int = 100
    delta_bytes: int | None = None
    late_deltas: int = 0
    failure: str = ""
    incomplete: str = ""

    @property
    def audio(self) -> bytes:
        return buzz(self.seconds) if self.pcm is None else self.pcm


@dataclass(frozen=True)
class Script:
    """The n-th response says `replies[n]`, the n-th speech turn is understood as `heard[n]`; the last one repeats.

    `transcription` says when the user's words come: `early` with the commit, `late` after `response.done`, `failed`,
    or `none` at all. `finish_answer`: whether `session.finish` is acknowledged before the close. `onset_blocks`: how
    many loud blocks of 20 ms begin a turn; `touchy`: the ear is a real service's, which hears much quieter speech.
    """

    replies: tuple[Reply, ...] = (Reply(),)
    heard: tuple[str, ...] = ("hello there",)
    transcription: Literal["early", "late", "failed", "none"] = "early"
    finish_answer: bool = True
    onset_blocks: int = 3
    touchy: bool = False
    ids: Literal["unique", "restart", "none", "numbers", "ours", "items"] = "unique"
    """`restart`: every connection numbers its things from 1 again. `none`: nothing but a tool call is named. `numbers`:
    the names are numbers. `ours`: items are called as the client calls its own. `items`: pieces name no response."""
    takes_names: bool = True
    """A client may name its items; else one that is named is refused."""
    acknowledges: Literal["first", "after words", "never"] = "first"
    """When the client is told that its words are an item: before it is told which words, after that, or not at all."""
    ack_delay_ms: int = 0
    """How much later than it is done a client's commit is acknowledged: everything else goes on meanwhile. Words that
    come first come so much later, and the acknowledgement once more so much after them."""
    begins: Literal["once", "doubled", "missing"] = "once"
    ends: Literal["once", "doubled", "missing"] = "once"
    """How often a response's `created` and `done` are sent."""
    lifetime_s: int | None = None
    """Seconds until `expires_at`; None leaves the dialect's own."""

    def reply(self, number: int) -> Reply:
        return self.replies[min(number, len(self.replies) - 1)]

    def words(self, number: int) -> str:
        return self.heard[min(number, len(self.heard) - 1)]


@dataclass(frozen=True)
class Faults:
    """What goes wrong, on the first `connections` connections (None: on all).

    A point in time is the number of a server event (1 is the first) or an event type (its first one), and means
    right after that event was sent. `inject` sends raw frames at such a point. `silent` stops answering:
    "connect" sends nothing ever, "update" answers nothing after `session.created`, "turn" answers no turn.
    Code 1006 drops the connection without a close frame.
    """

    connections: int | None = None
    close_at: int | str | None = None
    close_code: int = 1011
    close_reason: str = ""
    expire_at: int | str | None = None
    inject: dict[int | str, list[str | bytes]] = field(default_factory=dict)
    silent: Literal["", "connect", "update", "turn"] = ""
    bad_base64: bool = False
    """Every second audio delta is not base64."""


@dataclass(frozen=True)
class Auth:
    """The expected key ("" accepts anybody) and how others are refused: `http` 401, or `close`: 101, error, 3000.

    `models` None accepts any; GA and Beta refuse others with `invalid_model`, Qwen closes silently after
    `session.created`, as observed. `status` refuses every handshake with this HTTP status.
    """

    key: str = ""
    refuse: Literal["http", "close"] = "close"
    models: frozenset[str] | None = None
    status: int | None = None
