"""The codec of the OpenAI Realtime family: each line of the input is one frame of the same session."""

from tests.fuzz.harness import main
from voicechat.dialects.openai.client import ClientProfile, RealtimeCodec

PROFILES = (ClientProfile(), ClientProfile(audio_format="g711_ulaw"))


def check(data: bytes) -> None:
    """Neither a frame nor its being text or binary may raise anything."""
    for profile in PROFILES:
        codec = RealtimeCodec(profile)
        for line in data.split(b"\n")[:20]:
            assert isinstance(codec.decode(line), list)
            assert isinstance(codec.decode(line.decode("utf-8", "surrogateescape")), list)
            codec.replies()


if __name__ == "__main__":
    main("realtime", check)
