"""Addresses, headers, defaults and refusals of each provider."""

import json
import subprocess
import sys
from typing import Any

import pytest

from voicechat.errors import ConfigError, ConnectionFailed, CredentialsError, Refused, UsageError
from voicechat.providers.base import Provider, ProviderOptions
from voicechat.providers.registry import create, registered
from voicechat.providers.service import RealtimeService
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev

KEY = "sk-0123456789abcdefghij"
TOKEN = "eyJ0eXAi.entra.token-value"


def make(name: str, **options: Any) -> Provider:
    return create(name, ProviderOptions(**{"api_key": KEY, **options}))


def session(provider: Provider, **config: Any) -> dict[str, Any]:
    (frame,) = provider.codec().encode(cmd.Configure(cmd.SessionConfig(**config)))
    shape: dict[str, Any] = json.loads(frame)["session"]
    return shape


OPENAI = "wss://api.openai.com/v1/realtime?model=gpt-realtime-2.1"
AZURE = "wss://res.openai.azure.com/openai/v1/realtime?model=gpt-realtime"
PREVIEW = "wss://res.openai.azure.com/openai/realtime?api-version=2024-10-01-preview&deployment=voice"
QWEN = "/api-ws/v1/realtime?model=qwen3.5-omni-flash-realtime"


@pytest.mark.parametrize(
    ("name", "options", "url"),
    [
        ("openai", {}, OPENAI),
        ("openai", {"model": "gpt-realtime"}, "wss://api.openai.com/v1/realtime?model=gpt-realtime"),
        ("openai", {"url": "https://api.openai.com/v1"}, OPENAI),
        ("openai", {"url": "http://h:81/v1/", "model": "m"}, "ws://h:81/v1/realtime?model=m"),
        ("openai", {"url": "ws://127.0.0.1:9/v1/realtime", "model": "m"}, "ws://127.0.0.1:9/v1/realtime?model=m"),
        ("openai", {"url": "127.0.0.1:9", "model": "m"}, "ws://127.0.0.1:9/v1/realtime?model=m"),
        ("openai", {"url": "[::1]:9", "model": "m"}, "ws://[::1]:9/v1/realtime?model=m"),
        ("openai", {"url": "ws://h/realtime?a=1&model=x", "model": "m"}, "ws://h/realtime?a=1&model=x"),
        ("openai", {"url": "ws://h/x?sig=a%2Fb", "model": "m n"}, "ws://h/x/realtime?sig=a%2Fb&model=m+n"),
        ("openai", {"url": "wss://h/v1/realtime?call_id=c"}, "wss://h/v1/realtime?call_id=c"),
        ("azure", {"url": "res.openai.azure.com"}, AZURE),
        ("azure", {"url": "https://res.openai.azure.com/"}, AZURE),
        ("azure", {"url": "https://res.openai.azure.com/openai/v1/"}, AZURE),
        ("azure", {"url": "res.openai.azure.com/openai/v1", "api_version": "v1"}, AZURE),
        ("azure", {"url": AZURE.replace("gpt-realtime", "mine")}, AZURE.replace("gpt-realtime", "mine")),
        (
            "azure",
            {"url": "https://res.openai.azure.com", "model": "voice", "api_version": "2024-10-01-preview"},
            PREVIEW,
        ),
        ("azure", {"url": PREVIEW}, PREVIEW),
        ("qwen", {}, f"wss://dashscope.aliyuncs.com{QWEN}"),
        ("qwen", {"region": "cn-beijing"}, f"wss://dashscope.aliyuncs.com{QWEN}"),
        ("qwen", {"region": "intl"}, f"wss://dashscope-intl.aliyuncs.com{QWEN}"),
        ("qwen", {"region": "Singapore"}, f"wss://dashscope-intl.aliyuncs.com{QWEN}"),
        ("qwen", {"region": "hongkong"}, f"wss://cn-hongkong.dashscope.aliyuncs.com{QWEN}"),
        ("qwen", {"workspace": "llm-1"}, f"wss://llm-1.cn-beijing.maas.aliyuncs.com{QWEN}"),
        (
            "qwen",
            {"workspace": "llm-1", "region": "singapore"},
            f"wss://llm-1.ap-southeast-1.maas.aliyuncs.com{QWEN}",
        ),
        ("qwen", {"url": "ws://localhost:8/api-ws/v1", "model": "q"}, "ws://localhost:8/api-ws/v1/realtime?model=q"),
        ("newapi", {"url": "http://gw:3000", "model": "m"}, "ws://gw:3000/v1/realtime?model=m"),
        ("newapi", {"url": "ws://gw:3000/v1/realtime"}, "ws://gw:3000/v1/realtime?model=cosyvoice-v2"),
    ],
)
def test_address(name: str, options: dict[str, Any], url: str) -> None:
    assert make(name, **options).request().url == url


BEARER = {"Authorization": f"Bearer {KEY}"}


@pytest.mark.parametrize(
    ("name", "options", "headers", "subprotocols"),
    [
        ("openai", {}, BEARER, ()),
        (
            "openai",
            {"organization": "org", "project": "proj"},
            BEARER | {"OpenAI-Organization": "org", "OpenAI-Project": "proj"},
            (),
        ),
        ("openai", {"url": "ws://h", "dialect": "beta"}, BEARER | {"OpenAI-Beta": "realtime=v1"}, ()),
        ("openai", {"dialect": "beta"}, BEARER, ()),
        ("azure", {"url": "h"}, {"api-key": KEY}, ()),
        ("azure", {"url": "h", "api_key": "", "token": TOKEN}, {"Authorization": f"Bearer {TOKEN}"}, ()),
        ("qwen", {}, BEARER, ()),
        ("qwen", {"workspace": "llm-1"}, BEARER | {"X-DashScope-WorkSpace": "llm-1"}, ()),
        ("newapi", {"url": "ws://h"}, BEARER, ("realtime",)),
        ("newapi", {"url": "ws://h", "api_key": ""}, {}, ("realtime",)),
    ],
)
def test_headers(name: str, options: dict[str, Any], headers: dict[str, str], subprotocols: tuple[str, ...]) -> None:
    request = make(name, **options).request()
    assert (request.headers, request.subprotocols) == (headers, subprotocols)


@pytest.mark.parametrize(
    ("name", "variable"),
    [("openai", "OPENAI_API_KEY"), ("azure", "AZURE_OPENAI_API_KEY"), ("qwen", "DASHSCOPE_API_KEY")],
)
def test_a_missing_key_names_where_to_put_it(name: str, variable: str) -> None:
    with pytest.raises(CredentialsError) as caught:
        create(name, ProviderOptions()).request()
    assert variable in caught.value.message
    assert ".env" in caught.value.hint
    assert f"voicechat setup {name}" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("newapi", {}, "--url"),
        ("azure", {}, "AZURE_OPENAI_ENDPOINT"),
        ("qwen", {"region": "mars"}, "singapore"),
        ("openai", {"url": "ftp://h"}, "wss://"),
        ("openai", {"url": "ws://h:port"}, "wss://"),
        ("openai", {"url": "ws://"}, "wss://"),
        ("openai", {"dialect": "gamma"}, "beta"),
        ("openai", {"audio_format": "mp3"}, "pcm16"),
        ("qwen", {"audio_format": "g711_ulaw"}, "pcm16"),
    ],
)
def test_settings_of_no_use(name: str, options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make(name, **options).request()
    assert says in caught.value.hint
    assert not isinstance(caught.value, CredentialsError)


def test_an_unknown_provider_lists_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        create("nobody", ProviderOptions())
    assert all(name in caught.value.hint for name in (*registered(), "offline"))


@pytest.mark.parametrize(
    ("model", "voice", "formats", "semantic"),
    [
        ("", "Cherry", "pcm", True),
        ("qwen3.5-omni-plus-realtime", "Cherry", "pcm", True),
        ("qwen3-omni-flash-realtime", "Cherry", "pcm16", False),
        ("qwen-omni-turbo-realtime", "Chelsie", "pcm16", False),
        ("qwen-audio-3.0-realtime-plus", "longanqian", "pcm", True),
    ],
)
def test_qwen_by_generation(model: str, voice: str, formats: str, semantic: bool) -> None:
    provider = make("qwen", model=model)
    shape = session(provider, temperature=0.5)
    assert (provider.voice, shape["voice"]) == (voice, voice)
    assert (shape["input_audio_format"], shape["output_audio_format"]) == (formats, formats)
    assert ("temperature" in shape) is ("turbo" not in model)
    capabilities = provider.codec().capabilities
    assert (capabilities.input_rate_hz, capabilities.output_rate_hz) == (16_000, 24_000)
    assert capabilities.supports_semantic_vad is semantic
    assert capabilities.emits_session_finished is not model.startswith("qwen-audio")
    assert capabilities.supports_interruption
    assert not capabilities.supports_truncation
    assert capabilities.session_limit_s == 7200


def test_qwen_38_is_nested() -> None:
    shape = session(make("qwen", model="qwen3.8-omni-flash-realtime"))
    assert shape["audio"]["output"]["voice"] == "Tina"
    assert "voice" not in shape
    assert "input_audio_format" not in shape


@pytest.mark.parametrize(
    ("name", "options", "ga"),
    [
        ("openai", {}, True),
        ("openai", {"dialect": "beta"}, False),
        ("azure", {"url": "h"}, True),
        ("azure", {"url": "h", "api_version": "2025-04-01-preview"}, False),
        ("newapi", {"url": "h"}, False),
        ("newapi", {"url": "h", "dialect": "ga"}, True),
    ],
)
def test_dialect(name: str, options: dict[str, Any], ga: bool) -> None:
    assert (session(make(name, **options)).get("type") == "realtime") is ga


def test_a_custom_server_is_asked_for_its_dialect_and_keeps_its_voice() -> None:
    provider = make("openai", url="ws://h")
    codec = provider.codec()
    codec.decode('{"type":"session.created","session":{"modalities":["text","audio"]}}')
    shape = json.loads(str(codec.encode(cmd.Configure(cmd.SessionConfig()))[0]))["session"]
    assert "modalities" in shape
    assert "voice" not in shape
    assert session(make("openai"))["audio"]["output"]["voice"] == "marin"


def test_a_gateway_is_asked_for_samples_not_for_mp3() -> None:
    assert session(make("newapi", url="ws://h"))["output_audio_format"] == "pcm16"


def test_g711_is_an_option() -> None:
    provider = make("openai", audio_format="g711_alaw")
    assert session(provider)["audio"]["input"]["format"] == {"type": "audio/pcma"}
    assert provider.codec().capabilities.input_rate_hz == 8000


BODY = json.dumps({"error": {"code": "x", "message": f"Nope {KEY}."}})


@pytest.mark.parametrize(
    ("name", "status", "close_code", "text", "error", "says"),
    [
        ("openai", 401, None, BODY, Refused, "OPENAI_API_KEY"),
        ("qwen", 401, None, "{}", Refused, "region"),
        ("qwen", 403, None, "", Refused, "DASHSCOPE_API_KEY"),
        ("azure", 401, None, "", Refused, "api-version"),
        ("azure", 404, None, "", Refused, "AZURE_OPENAI_ENDPOINT"),
        ("azure", 400, None, '{"error":{"code":"OpperationNotSupported","message":"No."}}', Refused, "--model"),
        ("openai", 429, None, '{"error":{"code":"insufficient_quota","message":"Quota."}}', Refused, "quota"),
        ("qwen", 429, None, '{"code":"Throttling","message":"slow down"}', ConnectionFailed, "Wait"),
        ("openai", 503, None, "<html>Bad</html>", ConnectionFailed, "again"),
        ("openai", 302, None, "", Refused, "--url"),
        ("openai", None, 3000, "invalid_request_error.invalid_api_key", Refused, "OPENAI_API_KEY"),
        ("openai", None, 4000, "invalid_request_error.invalid_model", Refused, "--model"),
        ("openai", None, 4000, "invalid_request_error.beta_api_shape_disabled", Refused, "`ga`"),
        ("openai", None, 4004, "invalid_request_error.model_not_found", Refused, "--model"),
        ("qwen", None, 1007, "Allocated quota exceeded, please increase your quota limit.", Refused, "quota"),
        ("qwen", None, 1007, "", Refused, "--model"),
        ("newapi", None, 1008, "denied", Refused, "NEWAPI_API_KEY"),
        ("qwen", None, 1000, "", ConnectionFailed, "retired"),
        ("qwen", None, 1006, "", ConnectionFailed, "retired"),
        ("openai", None, 1011, "internal", ConnectionFailed, "again"),
        ("openai", None, 1001, "Your session hit the maximum duration of 60 minutes.", ConnectionFailed, "again"),
    ],
)
def test_refusal(
    name: str, status: int | None, close_code: int | None, text: str, error: type[Exception], says: str
) -> None:
    refusal = make(name, url="ws://h" if name == "newapi" else "").refusal(status, close_code, text)
    assert type(refusal) is error
    assert says in refusal.hint
    assert "<html>" not in refusal.message
    assert KEY not in str(refusal)
    assert "\n" not in refusal.message


def test_qwen_38_without_a_workspace_is_told_to_use_one() -> None:
    refusal = make("qwen", model="qwen3.8-omni-flash-realtime").refusal(404, None, "")
    assert "DASHSCOPE_WORKSPACE" in refusal.hint


@pytest.mark.parametrize("name", ["openai", "azure", "qwen", "newapi"])
def test_no_key_is_ever_shown(name: str) -> None:
    provider = make(name, url="ws://h/v1/realtime", token=TOKEN)
    codec = provider.codec()
    said = json.dumps({"type": "error", "error": {"code": "invalid_api_key", "message": f"{KEY} {TOKEN}"}})
    (error,) = codec.decode(said)
    assert isinstance(error, ev.ServiceError)
    shown = f"{provider!r} {provider.request()!r} {codec!r} {error!r} {provider.refusal(401, None, f'{KEY} {TOKEN}')}"
    assert isinstance(provider, RealtimeService)
    shown += repr(provider.profile()) + repr(ProviderOptions(api_key=KEY, token=TOKEN))
    assert KEY not in shown
    assert TOKEN not in shown
    assert "0123456789" not in shown


def test_an_address_with_a_password_is_not_shown_when_it_is_wrong() -> None:
    with pytest.raises(ConfigError) as caught:
        make("openai", url="ftp://me:secret@h/?api-key=hidden").request()
    assert "secret" not in str(caught.value)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("name", ["openai", "azure", "qwen", "newapi", "doubao"])
@pytest.mark.parametrize("url", ["https://[bad", "wss://[", "[bad", "https://host:port"])
def test_what_is_no_address_is_said_to_be_none(name: str, url: str) -> None:
    with pytest.raises(ConfigError, match="is not an address"):
        create(name, ProviderOptions(api_key=KEY, url=url)).request()


def test_making_a_provider_imports_nothing_heavy() -> None:
    program = (
        "import sys; from voicechat.providers.base import ProviderOptions; from voicechat.providers.registry import "
        "create; [create(n, ProviderOptions()).codec() for n in ('openai', 'azure', 'qwen', 'newapi')]; "
        "print(sorted({'numpy', 'httpx', 'pydantic', 'websockets', 'soxr', 'rich'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
