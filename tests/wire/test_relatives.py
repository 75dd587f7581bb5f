"""Services that speak OpenAI's dialect with fields in other places: what a profile and a provider can say of them."""

import json

import pytest

from voicechat.dialects.openai.client import ClientProfile, RealtimeCodec
from voicechat.providers.base import ProviderOptions
from voicechat.providers.newapi import NewAPI
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev
from voicechat.realtime.capabilities import Capabilities

CONFIG = cmd.SessionConfig(voice="ara", turn_detection=cmd.TurnDetection(silence_ms=300))


def session(profile: ClientProfile) -> dict[str, object]:
    codec = RealtimeCodec(profile)
    (frame,) = codec.encode(cmd.Configure(CONFIG))
    update: dict[str, dict[str, object]] = json.loads(frame)
    return update["session"]


def test_voice_and_turn_detection_stand_where_the_service_looks_for_them() -> None:
    flat = session(ClientProfile(dialect="ga", flat_fields=frozenset({"voice", "turn_detection"})))
    nested = session(ClientProfile(dialect="ga"))
    assert (flat["voice"], flat["turn_detection"]["silence_duration_ms"]) == ("ara", 300)
    assert "voice" not in flat["audio"]["output"]
    assert "turn_detection" not in flat["audio"]["input"]
    assert nested["audio"]["output"]["voice"] == "ara"
    assert {"voice", "turn_detection"} & set(nested) == set()


@pytest.mark.parametrize("dialect", ["ga", "beta", "qwen"])
def test_the_model_is_named_in_the_session_only_where_the_service_wants_it_there(dialect: str) -> None:
    assert session(ClientProfile(dialect=dialect, model="eleven_1"))["model"] == "eleven_1"
    assert "model" not in session(ClientProfile(dialect=dialect))


def test_what_was_understood_may_be_repeated_whole() -> None:
    codec = RealtimeCodec()
    kind = "conversation.item.input_audio_transcription.updated"
    told = [
        codec.decode(json.dumps({"type": kind, "item_id": "i", "transcript": words})) for words in ("what", "what time")
    ]
    assert told == [[ev.UserTranscript("i", words, final=False)] for words in ("what", "what time")]


def test_an_empty_append_is_sent_where_it_keeps_a_session_open_and_nowhere_else() -> None:
    kept = RealtimeCodec(ClientProfile(capabilities=Capabilities(keep_alive_s=30.0)))
    assert kept.encode(cmd.AppendAudio(b"")) == ['{"type":"input_audio_buffer.append","audio":""}']
    assert RealtimeCodec().encode(cmd.AppendAudio(b"")) == []


class Eleven(NewAPI):
    auth_header, auth_scheme = "xi-api-key", ""


def test_the_key_goes_into_the_header_of_the_service() -> None:
    options = ProviderOptions(api_key="sk-0123456789", url="wss://example.org/v1")
    assert Eleven(options).request().headers == {"xi-api-key": "sk-0123456789"}
    assert NewAPI(options).request().headers == {"Authorization": "Bearer sk-0123456789"}
