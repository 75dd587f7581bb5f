"""The sound that a text-to-speech service sends: WAV or PCM, and what is none."""

import struct

import pytest

from tests.speech_servers.rest import RestServer
from tests.speech_servers.sound import Fault, encoded, voice
from tests.wire.speech_reader import Ear, read, service
from voicechat.errors import ConnectionFailed, Refused
from voicechat.speech.promised import Promised


def wav(sound: bytes, *chunks: bytes, size: int | None = None, after: bytes = b"") -> bytes:
    """A 24 kHz WAV file; `size` is what its header says of the sound."""
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 24_000, 48_000, 2, 16)
    data = struct.pack("<4sI", b"data", len(sound) if size is None else size)
    return b"RIFF" + bytes(4) + b"WAVE" + form + b"".join(chunks) + data + sound + after


SOUND = struct.pack("<600h", *range(600))
LIST = struct.pack("<4sI", b"LIST", 12) + b"INFOdata\x7f\x7f\x7f\x7f"


@pytest.mark.parametrize("piece", [1, 7, 50, 5000])
@pytest.mark.parametrize(
    "file",
    [
        wav(SOUND, after=LIST),  # what follows the sound is none
        wav(SOUND, after=b"\0" + LIST),
        wav(SOUND, LIST),  # nor is the word `data` in what comes before it
        wav(SOUND, size=0),
        wav(SOUND, size=0xFFFFFFFF),
        wav(SOUND, size=0x7FFFFFFF - 36),
        wav(SOUND, size=5000),  # broken off
    ],
)
def test_of_a_wav_its_sound_is_heard_and_nothing_else(file: bytes, piece: int) -> None:
    promised = Promised("Service", "pcm", 24_000)
    heard_of = b"".join(promised.feed(file[at : at + piece]) for at in range(0, len(file), piece))
    assert heard_of + promised.feed(b"", last=True) == SOUND


@pytest.mark.parametrize("encoding", ["wav", "mp3", "flac", "opus"])
def test_another_format_than_pcm_is_understood(encoding: str) -> None:
    text = "Not quite what was asked for."
    fault = Fault(content=encoded(text, encoding), content_type="application/octet-stream")
    if encoding == "mp3":
        fault = Fault(content=fault.content, content_type="audio/mpeg")
    with RestServer(faults={1: fault}) as server:
        sink = Ear()
        read(service(server), [text], sink)
    if encoding in ("wav", "flac"):
        assert sink.text == [text]
    else:
        assert abs(len(sink.pieces[0]) - len(voice(text))) < 4800


@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"<!doctype html><p>hello", "text/html"), (b'{"audio_url": "x"}', "application/json"), (b'{"error":{}}' * 9, "")],
)
def test_text_in_place_of_sound_is_an_error(content: bytes, kind: str) -> None:
    with (
        RestServer(faults={1: Fault(content=content, content_type=kind)}) as server,
        pytest.raises(Refused, match="asked for PCM and sent text"),
    ):
        read(service(server), ["Hello."], Ear())


def test_a_promised_format_that_is_another_one_is_an_error() -> None:
    fault = Fault(content=encoded("x", "wav"), content_type="audio/mpeg")
    with RestServer(faults={1: fault}) as server, pytest.raises(Refused, match="asked for MP3 and sent WAV"):
        read(service(server, encoding="mp3"), ["Hello."], Ear())


def test_no_sound_at_all_is_an_error() -> None:
    faults: dict[int | str, Fault] = {n: Fault(content=b"", content_type="audio/pcm") for n in range(1, 9)}
    with RestServer(faults=faults) as server, pytest.raises(ConnectionFailed, match="no sound"):
        read(service(server), ["Hello."], Ear())
