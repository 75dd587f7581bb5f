"""Which service, model, voice and persona the settings choose."""

import pytest

from tests.unit.test_config import CANARY, bare, choose  # noqa: F401 - every test here is as bare
from voicechat.config.settings import DEFAULT_INSTRUCTIONS
from voicechat.errors import CredentialsError, UsageError

QWEN = "qwen3.5-omni-flash-realtime"


def test_auto_takes_the_first_service_with_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEWAPI_API_KEY", "k")
    assert choose().name == "offline", "a gateway without an address is not configured"
    monkeypatch.setenv("NEWAPI_BASE_URL", "ws://h:3000/v1/realtime")
    assert choose().name == "newapi"
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", "k")
    assert choose().name == "newapi"
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://r.openai.azure.com")
    assert choose().name == "azure"
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    assert choose().name == "openai"
    monkeypatch.setenv("DASHSCOPE_API_KEY", "k")
    choice = choose()
    assert (choice.name, choice.options.model, choice.options.voice) == ("qwen", QWEN, "Cherry")
    assert choice.notes == []


def test_without_a_key_it_is_the_offline_companion_with_one_line_saying_so() -> None:
    choice = choose('voice = "Tina"\nmodel = "m"')
    assert (choice.name, choice.options.model, choice.options.voice) == ("offline", "companion", "heart")
    assert (choice.notes, choice.fallback) == ([], "No key: the companion answers (see `voicechat providers`).")
    assert choice.called == "companion"
    assert choose(voice="en-gb").options.voice == "en-gb"
    assert (choose(provider="offline").notes, choose(provider="offline").fallback) == ([], "")


def test_a_voice_of_a_service_without_a_key_is_explained_once() -> None:
    choice = choose(voice="Cherry")
    assert (choice.name, choice.options.voice) == ("offline", "heart")
    assert choice.fallback.startswith("Cherry is a voice of qwen, and there is no key for it: the companion answers")
    assert "`voicechat setup qwen`, or set DASHSCOPE_API_KEY; keys: https://" in choice.fallback
    assert choose(voice="en-gb").fallback.startswith("No key")
    assert choose(voice="my-own-voice").options.voice == "my-own-voice"


@pytest.mark.parametrize(
    ("persona", "called"),
    [("instructions = 'x'", "teacher"), ("name = 'Ada'", "Ada"), ("provider = 'qwen'", "teacher")],
)
def test_the_assistant_is_called_by_its_persona(persona: str, called: str) -> None:
    assert choose(f"persona = 'teacher'\n[personas.teacher]\n{persona}\n").called == called


def test_an_address_without_any_key_is_a_gateway() -> None:
    choice = choose(url="ws://h/v1/realtime?model=mine")
    assert (choice.name, choice.options.url, choice.options.model) == (
        "newapi",
        "ws://h/v1/realtime?model=mine",
        "mine",
    )
    assert choose(url="ws://h/?model=mine", model="m").options.model == "m"


def test_a_named_service_is_taken_without_a_key() -> None:
    assert choose('provider = "azure"').name == "azure"


def test_an_unknown_service_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        choose(provider="opnai")
    assert str(caught.value) == "Unknown provider 'opnai'.\nDid you mean 'openai'?"
    with pytest.raises(UsageError, match="Known: auto, qwen, openai, azure, doubao, newapi, offline"):
        choose(provider="zzz")


def test_top_level_wins_over_the_services_table_and_a_flag_over_both() -> None:
    table = '[providers.qwen]\nmodel = "table-model"\nvoice = "table-voice"\nurl = "wss://table"\n'
    options = choose(f'provider = "qwen"\n{table}').options
    assert (options.model, options.voice, options.url) == ("table-model", "table-voice", "wss://table")
    top = f'provider = "qwen"\nmodel = "top-model"\nvoice = "top-voice"\nurl = "wss://top"\n{table}'
    options = choose(top).options
    assert (options.model, options.voice, options.url) == ("top-model", "top-voice", "wss://top")
    options = choose(top, model="flag-model", voice="flag-voice", url="wss://flag").options
    assert (options.model, options.voice, options.url) == ("flag-model", "flag-voice", "wss://flag")


def test_the_files_model_and_voice_are_for_the_files_service_only() -> None:
    text = 'provider = "qwen"\nmodel = "top"\nvoice = "Tina"\nurl = "wss://top"\n'
    options = choose(text, provider="openai").options
    assert (options.model, options.voice, options.url) == ("gpt-realtime-2.1", "marin", "")
    assert choose(text, provider="openai", voice="ash").options.voice == "ash"
    assert choose(text, provider="qwen").options.voice == "Tina"
    assert choose('voice = "cedar"', provider="openai").options.voice == "cedar"


def test_the_voice_follows_the_model() -> None:
    assert choose(provider="qwen", model="qwen3.8-omni-flash-realtime").options.voice == "Tina"
    assert choose(provider="qwen", model="unheard-of").options.voice == ""


def test_a_retired_model_is_taken_with_a_note() -> None:
    choice = choose(provider="qwen", model="qwen-omni-turbo-realtime")
    assert choice.options.model == "qwen-omni-turbo-realtime"
    assert choice.notes == [f"qwen-omni-turbo-realtime was to retire on 2026-10-10; {QWEN} is the current default."]
    assert choose(provider="openai", model="gpt-realtime").notes == []


def test_the_format_of_the_wire() -> None:
    text = 'audio_format = "g711_ulaw"\n[providers.azure]\naudio_format = "g711_alaw"\n'
    assert choose(provider="azure").options.audio_format == "pcm16"
    assert choose('[providers.azure]\naudio_format = "g711_alaw"', provider="azure").options.audio_format == "g711_alaw"
    assert choose(text, provider="azure").options.audio_format == "g711_ulaw"


PERSONA = """
[personas.teacher]
instructions = "teach"
voice = "Jennifer"
provider = "qwen"
greeting = "Hello!"
[personas.plain]
instructions = "plain"
"""


def test_a_persona_brings_its_service_voice_and_words() -> None:
    choice = choose('provider = "openai"\nvoice = "ash"\ninstructions = "mine"' + PERSONA, persona="teacher")
    assert (choice.name, choice.options.voice, choice.instructions) == ("qwen", "Jennifer", "teach")
    assert (choice.greeting, choice.persona) == ("Hello!", "teacher")


def test_what_a_persona_leaves_empty_is_taken_from_the_settings() -> None:
    choice = choose('provider = "openai"\nvoice = "ash"' + PERSONA, persona="plain")
    assert (choice.name, choice.options.voice, choice.instructions) == ("openai", "ash", "plain")


def test_a_flag_wins_over_the_persona() -> None:
    choice = choose(PERSONA, persona="teacher", voice="Tina", instructions="mine")
    assert (choice.options.voice, choice.instructions) == ("Tina", "mine")
    other = choose(PERSONA, persona="teacher", provider="openai")
    assert (other.name, other.options.voice, other.instructions) == ("openai", "marin", "teach")


def test_the_environment_wins_over_the_files_persona_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICECHAT_VOICE", "Tina")
    assert choose('persona = "teacher"' + PERSONA).options.voice == "Tina"
    assert choose(PERSONA, persona="teacher").options.voice == "Jennifer"


def test_an_unknown_persona_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        choose(PERSONA, persona="teecher")
    assert str(caught.value) == "Unknown persona 'teecher'.\nDid you mean 'teacher'? Known: teacher, plain."
    with pytest.raises(UsageError, match=r"has no \[personas.NAME\] yet"):
        choose(persona="x")


def test_a_key_that_cannot_be_one_is_refused_without_showing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f"“{CANARY}”")
    with pytest.raises(CredentialsError) as caught:
        choose()
    assert "environment OPENAI_API_KEY" in str(caught.value)
    assert "CANARY" not in str(caught.value)
    monkeypatch.setenv("OPENAI_API_KEY", f" {CANARY}\n")
    assert choose().options.api_key == CANARY


def test_a_string_is_used_as_instructions_by_default() -> None:
    assert choose(provider="qwen").instructions == DEFAULT_INSTRUCTIONS
    assert len(DEFAULT_INSTRUCTIONS) < 500
