"""Frames that differ by their sound alone: the short way through the server half says what the long one says."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicechat.dialects.openai.server import ServerCodec, ServerProfile
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev

SOUND = bytes(range(256))


def codec() -> ServerCodec:
    codec = ServerCodec(ServerProfile(), "ga")
    codec.encode(ev.SessionCreated(""))
    codec.configure()
    codec.encode(ev.SessionConfigured())
    return codec


def append(pcm: bytes, **more: object) -> str:
    return json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(pcm).decode(), **more})


def test_the_first_frame_is_read_and_the_next_ones_are_known() -> None:
    short, long = codec(), codec()
    assert short.sound(append(SOUND)) is None
    assert short.decode(append(SOUND)) == long.decode(append(SOUND)) == [cmd.AppendAudio(SOUND)]
    for pcm in (SOUND[1:] + b"a", SOUND[:100], b"", SOUND[:3], SOUND[:3], SOUND * 4):  # halves of samples are joined
        assert [short.sound(append(pcm))] == (long.decode(append(pcm)) or [cmd.AppendAudio(b"")])
    assert short._buffer.total_ms == long._buffer.total_ms


@pytest.mark.parametrize(
    "frame",
    [
        append(SOUND, event_id="mine"),
        append(SOUND, unknown=1),
        append(SOUND).replace('"audio"', '"sound"'),
        append(SOUND).replace("AAEC", "AA_C"),
        append(SOUND).replace("AAEC", 'A","audio":"AAAA'),
        append(SOUND).replace("AAEC", "AA\\u0041C"),
        append(SOUND)[:-1],
        append(SOUND) + "}",
        json.dumps({"type": "input_audio_buffer.commit"}),
        json.dumps({"type": "input_audio_buffer.append", "audio": 1}),
    ],
)
def test_any_other_frame_is_left_to_be_read(frame: str) -> None:
    short, long = codec(), codec()
    for each in (short, long):
        each.decode(append(SOUND))
    assert short.sound(frame) is None
    assert short.decode(frame) == long.decode(frame)


@given(st.text(alphabet='AQab+/=",:{}\\ audio', max_size=400), st.text(alphabet="Aa=", min_size=1, max_size=300))
def test_no_frame_is_taken_for_what_it_is_not(inside: str, before: str) -> None:
    """Whatever a frame was like that was read before."""
    first = f'{{"type":"input_audio_buffer.append","audio":"{before * 100}"}}'
    frame = f'{{"type":"input_audio_buffer.append","audio":"{inside}"}}'
    short, long = codec(), codec()
    assert short.decode(first) == long.decode(first)
    found = short.sound(frame)
    told = long.decode(frame)
    assert found is None or [found] == (told or [cmd.AppendAudio(b"")])
    assert found is None or not long.replies()


def test_a_field_that_is_there_twice_is_not_remembered() -> None:
    twice = append(SOUND)[:-1] + ', "audio": "' + base64.b64encode(SOUND).decode() + '"}'
    one = codec()
    assert one.decode(twice) == [cmd.AppendAudio(SOUND)]
    assert one.sound(twice) is None


@pytest.mark.parametrize("how", ["session", "response"])
def test_an_answer_in_text_is_text_whoever_speaks_it(how: str) -> None:
    """A service that always speaks looks as the client asked for it."""
    one = codec()
    text_only = {"output_modalities": ["text"]}
    if how == "session":
        one.decode(json.dumps({"type": "session.update", "session": {"type": "realtime", **text_only}}))
        one.encode(ev.SessionConfigured())
        one.decode(json.dumps({"type": "response.create"}))
    else:
        one.decode(json.dumps({"type": "response.create", "response": text_only}))
    events = [
        ev.ResponseStarted("r", "", False),
        ev.AssistantText("r", "i", 0, "Hello ", True),
        ev.AssistantAudio("r", "i", 0, SOUND),
        ev.AssistantText("r", "i", 0, "you.", True),
        ev.AssistantAudioDone("r", "i", 0),
        ev.AssistantTextDone("r", "i", 0, "Hello you.", True),
        ev.ResponseFinished("r", "completed"),
    ]
    told = [json.loads(frame) for event in events for frame in one.encode(event)]
    kinds = [event["type"] for event in told if "audio" in event["type"] or "text" in event["type"]]
    assert kinds == ["response.output_text.delta", "response.output_text.delta", "response.output_text.done"]
    (output,) = told[-1]["response"]["output"]
    assert output["content"] == [{"type": "output_text", "text": "Hello you."}]
    # and the next one speaks again, where only that answer was not to
    spoken = [
        frame
        for event in (ev.ResponseStarted("s", "", False), ev.AssistantAudio("s", "j", 0, SOUND))
        for frame in one.encode(event)
    ]
    assert ("audio.delta" in spoken[-1]) == (how == "response")
