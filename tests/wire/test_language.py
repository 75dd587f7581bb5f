"""The language as a hint: the field of each service that has one, by value; the others are told in words."""

import json
from typing import Any

import pytest

from voicechat.cli.role import role
from voicechat.providers.azure import AzureOpenAI
from voicechat.providers.base import Provider, ProviderOptions
from voicechat.providers.doubao import Doubao
from voicechat.providers.newapi import NewAPI
from voicechat.providers.openai import OpenAI
from voicechat.providers.qwen import Qwen
from voicechat.realtime import commands as cmd

KEY, RESOURCE = "k" * 20, "https://example.openai.azure.com"


def session(provider: Provider, language: str) -> dict[str, Any]:
    config = cmd.SessionConfig(language=language)
    (frame,) = provider.codec().encode(cmd.Configure(config))
    found: dict[str, Any] = json.loads(frame)["session"]
    return found


@pytest.mark.parametrize(
    ("provider", "place"),
    [
        (OpenAI(ProviderOptions(api_key=KEY)), ("audio", "input", "transcription")),
        (AzureOpenAI(ProviderOptions(api_key=KEY, url=RESOURCE)), ("audio", "input", "transcription")),
        (AzureOpenAI(ProviderOptions(api_key=KEY, url=RESOURCE, api_version="2025-04-01-preview")),
         ("input_audio_transcription",)),
        (NewAPI(ProviderOptions(url="ws://gateway:1")), ("input_audio_transcription",)),
    ],
)  # fmt: skip
@pytest.mark.parametrize(("language", "hint"), [("de", "de"), ("pt-BR", "pt"), ("", None)])
def test_transcription_is_told_the_language(
    provider: Provider, place: tuple[str, ...], language: str, hint: str | None
) -> None:
    found: Any = session(provider, language)
    for name in place:
        found = found[name]
    assert found.get("language") == hint
    assert provider.codec().capabilities.supports_language


@pytest.mark.parametrize(
    "provider",
    [Qwen(ProviderOptions(api_key=KEY)), Doubao(ProviderOptions(api_key=KEY))],
    ids=["qwen", "doubao"],
)
def test_who_has_no_field_is_told_in_the_instructions(provider: Provider) -> None:
    told = role("Be brief.", "", "", "", provider.codec().capabilities, "de")
    assert told.instructions.endswith("The user speaks the language de.")
    if isinstance(provider, Qwen):
        assert "language" not in json.dumps(session(provider, "de"))
