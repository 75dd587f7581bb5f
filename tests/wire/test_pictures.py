"""Pictures on the wire, by value, of every service that a provider leads to; and what fits into its limit."""

import base64
import io
import json
from typing import Any

import numpy as np
import pytest
from openai.types.realtime import RealtimeClientEvent
from PIL import Image
from pydantic import TypeAdapter

from voicechat.pictures.prepare import prepare
from voicechat.providers.azure import AzureOpenAI
from voicechat.providers.base import Provider, ProviderOptions
from voicechat.providers.newapi import NewAPI
from voicechat.providers.openai import OpenAI
from voicechat.providers.qwen import Qwen
from voicechat.realtime import commands as cmd

KEY, RESOURCE = "k" * 20, "https://example.openai.azure.com"
PART = {"type": "input_image", "image_url": "data:image/jpeg;base64,SlBH"}
ITEM = {"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": [PART]}}
NAMED = {"type": "conversation.item.create", "item": {"id": "picture-1", **ITEM["item"]}}  # type: ignore[dict-item]
BUFFER = {"type": "input_image_buffer.append", "image": "SlBH"}


def azure(version: str = "") -> Provider:
    return AzureOpenAI(ProviderOptions(api_key=KEY, url=RESOURCE, model="seer", api_version=version))


def sent(provider: Provider) -> list[dict[str, Any]]:
    """The frames of one picture, after some sound, without the ids of the events."""
    codec = provider.codec()
    codec.encode(cmd.AppendAudio(bytes(320)))
    events = [json.loads(frame) for frame in codec.encode(cmd.SendImage(b"JPG", item_id="picture-1"))]
    return [{name: value for name, value in event.items() if name != "event_id"} for event in events]


@pytest.mark.parametrize(
    ("provider", "frames"),
    [
        (OpenAI(ProviderOptions(api_key=KEY)), [NAMED]),
        (OpenAI(ProviderOptions(api_key=KEY, url="ws://other:1", dialect="ga")), [ITEM]),
        (azure(), [NAMED]),
        (Qwen(ProviderOptions(api_key=KEY)), [BUFFER]),
        (Qwen(ProviderOptions(api_key=KEY, model="qwen3.8-omni-flash-realtime", workspace="w")), [BUFFER]),
        # without eyes:
        (azure("2025-04-01-preview"), []),
        (OpenAI(ProviderOptions(api_key=KEY, dialect="beta")), []),
        (OpenAI(ProviderOptions(api_key=KEY, model="gpt-4o-realtime-preview")), []),
        (NewAPI(ProviderOptions(url="ws://gateway:1")), []),
        (Qwen(ProviderOptions(api_key=KEY, model="qwen-audio-3.0-realtime-plus")), []),
    ],
    ids=lambda value: repr(value) if hasattr(value, "model") else "",
)
def test_a_picture_is_sent_as_each_service_takes_it(provider: Provider, frames: list[dict[str, Any]]) -> None:
    assert sent(provider) == frames
    assert provider.codec().capabilities.supports_images is bool(frames)


def test_the_official_types_know_what_is_sent() -> None:
    TypeAdapter(RealtimeClientEvent).validate_python(NAMED, strict=True)


@pytest.mark.parametrize(
    ("provider", "most_base64"),
    [(Qwen(ProviderOptions(api_key=KEY)), 256_000), (OpenAI(ProviderOptions(api_key=KEY)), 15 * 2**20)],
)
def test_what_was_prepared_fits_in_base64(provider: Provider, most_base64: int) -> None:
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (2000, 3000, 3), np.uint8)).save(out, "PNG")
    picture = prepare(out.getvalue(), "noise.png", provider.codec().capabilities.image_bytes)
    assert len(base64.b64encode(picture.jpeg)) <= most_base64
