"""Doubao's frames and codec: the input is cut into frames, each after two bytes that tell its size."""

import contextlib

from tests.fuzz.harness import main
from voicechat.conversation.commands import Configure, SessionConfig
from voicechat.providers.doubao.codec import DoubaoCodec
from voicechat.providers.doubao.frames import FrameError, decode
from voicechat.providers.doubao.session_shape import Profile


def check(data: bytes) -> None:
    """The frame decoder raises FrameError and nothing else, the codec nothing at all."""
    codecs = [DoubaoCodec(Profile("1.2.1.1", audio_format=name)) for name in ("pcm16", "float32", "opus")]
    for codec in codecs:
        codec.encode(Configure(SessionConfig()))
    for _ in range(20):
        size = int.from_bytes(data[:2], "big")
        frame, data = data[2 : 2 + size], data[2 + size :]
        with contextlib.suppress(FrameError):
            decode(frame)
        for codec in codecs:
            assert isinstance(codec.decode(frame), list)
            codec.replies()


if __name__ == "__main__":
    main("doubao", check)
