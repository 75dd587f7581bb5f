"""The recogniser's process (`python -m voicechat.engine.child`): sound in, words out. `ear` is its other end.

It reads frames from its stdin (one letter, two bytes of quiet, four bytes of length, the payload) and writes one JSON
object per line: `{"ready": remark}` when it has loaded, `{"partial": text, "settled": bool, "at": bytes}` while speech
goes on, `at` being how much of the utterance it has looked at, `{"final": text}` at its end, `{"error": text}` before
it gives up. It ends when its stdin does.

Who is behind does not get further behind: what has waited together is taken together, so that no time goes into what
was said in the middle of it. It is not joined where somebody fell silent, had been silent for long enough or began
again: the same sound gives the same words on every machine.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from voicechat.engine.recogniser import RATE_HZ, SETTLE_MS, Hypothesis, Recogniser
from voicechat.engine.utterance import HEADER
from voicechat.errors import VoicechatError

BYTES_PER_MS = RATE_HZ * 2 // 1000
READ_BYTES = 65_536
"""As much as a pipe holds: two seconds of sound."""


class PipeFrame(NamedTuple):
    """`B` begins an utterance, `A` is sound of it, `E` its end, and `X` the end of one that nobody wants any more."""

    kind: bytes
    quiet_ms: int
    pcm: bytes

    @property
    def spoken(self) -> bool:
        """It is sound, and somebody speaks in it: the resampler holds some back, so that a frame may be empty."""
        return self.quiet_ms * BYTES_PER_MS < max(len(self.pcm), 1)

    @property
    def settles(self) -> bool:
        """The silence at its end has become long enough in it."""
        return SETTLE_MS <= self.quiet_ms < SETTLE_MS + len(self.pcm) / BYTES_PER_MS

    def joined(self, other: "PipeFrame") -> "PipeFrame | None":
        """With the one that follows, where nobody may ever know that they were two."""
        if self.kind != b"A" or other.kind != b"A" or self.spoken != other.spoken or self.settles:
            return None
        return PipeFrame(b"A", other.quiet_ms, self.pcm + other.pcm)


def recognise(recogniser: Recogniser, read: Callable[[int], bytes], write: Callable[[dict[str, Any]], None]) -> None:
    """The child's work: serve utterances until `read` (so many bytes at most, b"" at the end) is at its end."""
    last, at = Hypothesis(), 0
    for kind, quiet_ms, pcm in frames(read):
        if kind == b"B":
            recogniser.begin()
            last, at = Hypothesis(), 0
        elif kind == b"A":
            now = recogniser.accept(pcm, quiet_ms)
            at += len(pcm)
            if now != last:
                write({"partial": now.text, "settled": now.settled, "at": at})
                last = now
        else:
            write({"final": recogniser.finish() if kind == b"E" else ""})


def frames(read: Callable[[int], bytes]) -> Iterator[PipeFrame]:
    """Those that have waited, joined as far as that changes nothing of what is understood in the end."""
    waiting = bytearray()
    while more := read(READ_BYTES):
        waiting += more
        last: PipeFrame | None = None
        for frame in _whole(waiting):
            both = last.joined(frame) if last is not None else None
            if last is not None and both is None:
                yield last
            last = both or frame
        if last is not None:
            yield last


def _whole(waiting: bytearray) -> list[PipeFrame]:
    """The frames that have come in full, which are taken away."""
    found, at = [], 0
    while len(waiting) - at >= HEADER.size:
        kind, quiet_ms, size = HEADER.unpack_from(waiting, at)
        begin, end = at + HEADER.size, at + HEADER.size + size
        if end > len(waiting):
            break
        found.append(PipeFrame(kind, quiet_ms, bytes(waiting[begin:end])))
        at = end
    del waiting[:at]
    return found


def main(arguments: Sequence[str]) -> int:
    # What a library prints is not for the other end.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def write(message: dict[str, Any]) -> None:
        out.write(json.dumps(message) + "\n")
        out.flush()

    from voicechat.engine.added import load_ears

    named = [argument.removeprefix("--").partition("=") for argument in arguments]
    without = frozenset(value for name, _, value in named if name == "without")
    given = {name: value for name, _, value in named}
    try:
        loaded = load_ears(given.get("ears", ""), given.get("language", ""), without)
        write({"ready": loaded.remark})
        recognise(loaded.recogniser, lambda size: os.read(sys.stdin.fileno(), size), write)
    except VoicechatError as error:
        write({"error": f"{error.message} {error.hint}".strip()})
        return error.exit_code
    except BrokenPipeError:
        return 0  # the conversation has gone
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
