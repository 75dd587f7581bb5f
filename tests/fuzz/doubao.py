"""Doubao's frames and codec, in an open session: the input is cut into frames, each after two bytes of its size."""

import contextlib
from unittest.mock import patch

from tests.doubao_server.wire import event_frame
from tests.fuzz.harness import main
from voicechat.dialects.doubao.codec import DoubaoCodec
from voicechat.dialects.doubao.frames import FrameError, decode
from voicechat.dialects.doubao.session_shape import DialogueProfile
from voicechat.realtime.commands import Configure, SessionConfig
from voicechat.realtime.events import SessionConfigured

SESSION_ID = "s-1"
"""What the corpus calls the session; frames of any other are refused at the door."""


def check(data: bytes) -> None:
    """The frame decoder raises FrameError and nothing else, the codec nothing at all."""
    codecs = [open_session(audio_format) for audio_format in ("pcm16", "float32")]
    for _ in range(20):
        size = int.from_bytes(data[:2], "big")
        frame, data = data[2 : 2 + size], data[2 + size :]
        with contextlib.suppress(FrameError):
            decode(frame)
        for codec in codecs:
            assert isinstance(codec.decode(frame), list)
            codec.replies()


def open_session(audio_format: str) -> DoubaoCodec:
    with patch("uuid.uuid4", return_value=SESSION_ID):
        codec = DoubaoCodec(DialogueProfile("1.2.1.1", audio_format=audio_format))
    codec.decode(event_frame(50, "c-1", {}))
    codec.encode(Configure(SessionConfig()))
    assert isinstance(codec.decode(event_frame(150, SESSION_ID, {"dialog_id": "d"}))[0], SessionConfigured)
    return codec


if __name__ == "__main__":
    main("doubao", check)
