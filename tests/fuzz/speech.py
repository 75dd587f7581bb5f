"""What speech services send as sound: the first byte chooses what was promised, the rest comes in two pieces."""

import contextlib

from tests.fuzz.harness import main
from voicechat.errors import Refused
from voicechat.speech.mpeg import join_mp3
from voicechat.speech.promised import Promised

ENCODINGS = ("pcm", "wav", "mp3", "opus", "aac", "flac")
TYPES = ("", "audio/pcm", "audio/mpeg", "application/json")


def check(data: bytes) -> None:
    """An answer is taken or refused; the parsers under it raise nothing."""
    choice, sound = data[0] if data else 0, data[1:]
    half = len(sound) // 2
    promised = Promised("Service", ENCODINGS[choice % 6], 24_000, TYPES[choice // 6 % 4])
    with contextlib.suppress(Refused):
        taken = [promised.feed(sound[:half]), promised.feed(sound[half:]), promised.feed(b"", last=True)]
        assert choice % 6 or not len(b"".join(taken)) % 2, "PCM comes in whole samples"
    assert sound.endswith(join_mp3(sound))


if __name__ == "__main__":
    main("speech", check)
