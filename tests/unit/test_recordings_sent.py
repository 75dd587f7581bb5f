"""Recordings that clients send to the gateway: what comes out of them counts, whatever their head promises."""

import io

import numpy as np
import pytest
import soundfile

from voicechat.serve.recordings import decoded
from voicechat.serve.refusals import Refusal

SILENCE = np.zeros(8000 * 1200, np.int16)


@pytest.mark.parametrize(("form", "kind"), [("FLAC", "PCM_16"), ("OGG", "VORBIS")])
def test_a_small_file_with_long_silence_is_given_up_where_it_is_too_long(form: str, kind: str) -> None:
    small = io.BytesIO()
    with soundfile.SoundFile(small, "w", 8000, 1, kind, format=form) as file:
        for start in range(0, len(SILENCE), 80_000):
            file.write(SILENCE[start : start + 80_000])
    assert len(small.getvalue()) < 200_000  # of 19 MB

    with pytest.raises(Refusal) as caught:
        list(decoded(small.getvalue(), 10.0))
    assert (caught.value.status, caught.value.code) == (413, "audio_too_long")


def test_no_more_is_decoded_than_is_taken() -> None:
    whole = io.BytesIO()
    soundfile.write(whole, SILENCE, 8000, "PCM_U8", format="WAV")
    got: list[int] = []
    with pytest.raises(Refusal):
        got.extend(map(len, decoded(whole.getvalue(), 10.0)))
    assert sum(got) <= 10 * 2 * 16_000
    assert max(got) < 2 * 2 * 16_000  # a piece at a time


@pytest.mark.parametrize("data", [b"", b"RIFF", b"RIFF" + bytes(40), b"fLaC" + bytes(100), b"OggS" + bytes(100)])
def test_what_is_no_sound_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        list(decoded(data, 10.0))
    assert (caught.value.status, caught.value.code) == (400, "invalid_value")
