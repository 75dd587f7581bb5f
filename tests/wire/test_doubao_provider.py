"""Doubao's address, both consoles' headers, and what its refusals mean."""

from typing import Any

import pytest

from voicechat.errors import ConfigError, ConnectionFailed, CredentialsError, Refused
from voicechat.providers.base import Provider, ProviderOptions
from voicechat.providers.registry import create

TOKEN = "access-token-0123456789"
ADDRESS = "wss://openspeech.bytedance.com/api/v3/realtime/dialogue"


def make(**options: Any) -> Provider:
    return create("doubao", ProviderOptions(**{"app_id": "123", "access_key": TOKEN, **options}))


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("", ADDRESS),
        ("openspeech.bytedance.com", ADDRESS),
        ("http://127.0.0.1:9", "ws://127.0.0.1:9/api/v3/realtime/dialogue"),
        ("ws://127.0.0.1:9/mine", "ws://127.0.0.1:9/mine"),
    ],
)
def test_address(url: str, address: str) -> None:
    request = make(url=url).request()
    assert (request.url, request.subprotocols, request.trace_header) == (address, (), "X-Tt-Logid")


def test_the_headers_of_both_consoles_are_never_mixed() -> None:
    old = make().request().headers
    connect_id = old.pop("X-Api-Connect-Id")
    assert len(connect_id) == 36
    common = {"X-Api-Resource-Id": "volc.speech.dialog", "X-Api-App-Key": "PlgvMymc7f3tQnJ6"}
    assert old == {"X-Api-App-ID": "123", "X-Api-Access-Key": TOKEN, **common}
    new = make(access_key="", api_key="uuid-key", app_key="mine").request().headers
    new.pop("X-Api-Connect-Id")
    assert new == {"X-Api-Key": "uuid-key", **common, "X-Api-App-Key": "mine"}
    assert "X-Api-Key" not in make(api_key="uuid-key").request().headers


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"access_key": ""}, "API_ACCESS_KEY is not set"),
        ({"app_id": ""}, "API_APP_ID is not set"),
        ({"app_id": "", "access_key": ""}, "API_APP_ID and API_ACCESS_KEY are not set"),
    ],
)
def test_missing_credentials_are_named(options: dict[str, str], named: str) -> None:
    with pytest.raises(CredentialsError) as caught:
        make(**options).request()
    assert named in caught.value.message
    assert "DOUBAO_API_KEY" in caught.value.hint


def test_an_unknown_form_of_sound_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="no audio format g711_ulaw"):
        make(audio_format="g711_ulaw").request()


@pytest.mark.parametrize(
    ("status", "close", "text", "kind", "words"),
    [
        (401, None, '{"error":"load grant: requested grant not found"}', Refused, "requested grant not found"),
        (403, None, '{"error":"[resource_id=x] requested resource not granted"}', Refused, "switched on for this app"),
        (403, None, "get resource id empty", Refused, "API_APP_ID"),
        (429, None, "", ConnectionFailed, "limiting requests"),
        (503, None, "", ConnectionFailed, "HTTP 503"),
        (None, 1006, "", ConnectionFailed, "closed the connection"),
        (401, None, f'{{"error":"bad {TOKEN}"}}', Refused, "\\*\\*\\*"),
    ],
)
def test_refusals(status: int | None, close: int | None, text: str, kind: type[Exception], words: str) -> None:
    import re

    error = make().refusal(status, close, text)
    assert type(error) is kind
    assert re.search(words, str(error))
    assert TOKEN not in str(error)


def test_a_refused_key_of_the_new_console_is_named() -> None:
    error = make(app_id="", access_key="", api_key="new").refusal(401, None, "requested grant not found")
    assert "DOUBAO_API_KEY" in str(error)
    assert "API_ACCESS_KEY" not in str(error)
    assert "DOUBAO_API_KEY" in str(make().refusal(401, None, "requested grant not found")), (
        "it may be in the wrong place"
    )


def test_keys_are_not_in_a_representation() -> None:
    assert TOKEN not in repr(make())
    assert TOKEN not in repr(make().request())
    assert TOKEN not in repr(ProviderOptions(access_key=TOKEN))


def test_defaults_by_model() -> None:
    assert (make().model, make().voice) == ("1.2.1.1", "zh_female_vv_jupiter_bigtts")
    assert make(model="2.2.0.0").voice.startswith("saturn_")
    assert make(model="SC").voice.startswith("ICL_")
    assert make(model="2.2.0.0", voice="S_mine").voice == "S_mine"
