"""What the scripted service says, hears and does wrong. Plain values that a test chooses."""

import io
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import soundfile

from tests.realtime_server.script import buzz

RATE_HZ = 24_000


@dataclass(frozen=True)
class Reply:
    """One answer: text in some pieces, and a buzz of `seconds`. `pace`: times faster than real time.

    `late`: so many audio frames still come after an interruption. `sentences`: 350, 352…, 351 so many times.
    """

    text: str = "今天晴，很适合爬山。"
    seconds: float = 1.0
    pace: float = 4.0
    frame_ms: int = 100
    late: int = 0
    sentences: int = 1
    odd_bytes: bool = False
    """Frames end in the middle of a sample."""


@dataclass(frozen=True)
class Script:
    """The n-th round says `replies[n]`, the n-th speech is understood as `heard[n]`; the last one repeats.

    `ids`: question and reply ids are in the payloads, numbered afresh on each connection for `restart`; older servers
    send none. `usage`: 154 after each round. How often is sent: `begins`: the first sign of speech (450), after its
    first words where it is late; `turn_ends`: the end of the user's turn (459); `confirms`: that a typed question was
    taken (553), after the first of the reply where it is late; `ends`: a reply's end (359).
    `announces`: 450 comes in push to talk too, with the first sound; the document does not say that it does.
    `crossing`: 515 stops a reply too late, whose first sentence is on its way already.
    """

    replies: tuple[Reply, ...] = (Reply(),)
    heard: tuple[str, ...] = ("今天适合去爬山吗",)
    ids: Literal["unique", "restart", "none"] = "unique"
    ends: Literal["once", "doubled", "missing"] = "once"
    begins: Literal["once", "doubled", "late", "missing"] = "once"
    turn_ends: Literal["once", "doubled", "missing"] = "once"
    confirms: Literal["once", "doubled", "late"] = "once"
    usage: bool = True
    announces: bool = False
    crossing: bool = False
    compress: bool = False
    delay_ms: int = 100
    """From the question to the reply."""

    def reply(self, number: int) -> Reply:
        return self.replies[min(number, len(self.replies) - 1)]

    def words(self, number: int) -> str:
        return self.heard[min(number, len(self.heard) - 1)]


@dataclass(frozen=True)
class Failure:
    """An error in one of its forms: a session's 153, a round's 599, or a frame of type 0xF."""

    code: int
    message: str
    form: Literal["153", "599", "frame"] = "599"


@dataclass(frozen=True)
class Faults:
    """What goes wrong, each right after the first event of that number was sent.

    Code 1006 drops the connection without a close frame. `silent`: never answers StartConnection ("connection"),
    StartSession ("session") or FinishSession ("finish"), or nothing more after the first audio of a reply ("reply").
    """

    connections: int | None = None
    """How many connections they befall, from the first on; None: all."""
    fail_at: dict[int, Failure] = field(default_factory=dict)
    inject: dict[int, list[bytes | str]] = field(default_factory=dict)
    close_at: int | None = None
    close_code: int = 1011
    silent: Literal["", "connection", "session", "finish", "reply"] = ""
    idle_s: float = 10.0
    """Without audio for so long, a microphone session ends with 52000042."""


@dataclass(frozen=True)
class Auth:
    """The credentials that are accepted; "" accepts any. `granted` False: the service is not activated for the app."""

    app_id: str = ""
    access_key: str = ""
    api_key: str = ""
    granted: bool = True


def sound(seconds: float, form: str) -> bytes:
    """A reply's sound as `pcm_s16le`, `pcm` (float32), or "" for Ogg/Opus."""
    samples = np.frombuffer(buzz(seconds), "<i2")
    if form == "pcm_s16le":
        return samples.tobytes()
    if form == "pcm":
        return (samples / 32768).astype("<f4").tobytes()
    file = io.BytesIO()
    soundfile.write(file, samples, RATE_HZ, format="OGG", subtype="OPUS")
    return file.getvalue()
