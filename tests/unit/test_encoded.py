"""Sound encoded as it comes: what was given piece by piece is a whole file, for libsndfile and ffmpeg alike."""

import io

import av
import numpy as np
import pytest
import soundfile

from tests.recordings import INTERRUPTION, pcm, speech
from voicechat.audio.encoded import stream_encoder

SOUND = pcm(speech(INTERRUPTION, 24_000))


def encoded(encoding: str) -> tuple[bytes, int]:
    """The file, and how much of it was there before the end."""
    encoder = stream_encoder(encoding, 24_000)
    early = b"".join(encoder.feed(SOUND[at : at + 4800]) for at in range(0, len(SOUND), 4800))
    return early + encoder.finish(), len(early)


@pytest.mark.parametrize("encoding", ["wav", "mp3", "opus", "flac", "aac"])
def test_a_stream_is_a_whole_file(encoding: str) -> None:
    data, early = encoded(encoding)
    assert early > 0.9 * len(data)
    with av.open(io.BytesIO(data)) as file:
        blocks = [frame.to_ndarray().astype(np.float64).ravel() for frame in file.decode(audio=0)]
        length_s = sum(map(len, blocks)) / file.streams.audio[0].rate
    assert length_s == pytest.approx(len(SOUND) / 48_000, abs=0.1)
    assert np.abs(np.concatenate(blocks)).max() > 0.05
    if encoding in ("wav", "mp3", "opus"):  # of an endless FLAC it says nothing, and AAC it cannot read
        assert soundfile.info(io.BytesIO(data)).duration == pytest.approx(length_s, abs=0.1)


def test_pcm_is_what_it_was() -> None:
    assert encoded("pcm")[0] == SOUND
