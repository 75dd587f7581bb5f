"""Proxies of the environment, for HTTP and WebSockets alike, against a SOCKS5 proxy of our own."""

import asyncio
import logging

import pytest

from tests.e2e.scenes import KEYS
from tests.program import Program
from tests.realtime_server import RealtimeServer, Reply, Script
from tests.socks import SocksProxy
from tests.speech_servers.rest import KEY, RestServer
from tests.tunnel import Tunnel
from tests.unit.chat_client import ask
from tests.unit.chat_server import chat_server, words
from voicechat.engine.chat import FAILED, ChatEndpoint, ollama_models
from voicechat.errors import ConnectionFailed
from voicechat.wire.http import HttpFailed, http_client, http_errors
from voicechat.wire.network import ConnectRequest
from voicechat.wire.proxy import proxy_for, proxy_of
from voicechat.wire.websocket import WebSocketTransport

NAMES = ("http_proxy", "https_proxy", "all_proxy", "socks_proxy", "ws_proxy", "wss_proxy", "no_proxy")
BOTH = pytest.mark.parametrize("ask_for", ["socket", "http"])


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


async def by_http(url: str) -> None:
    with http_errors("It", url, 5.0):
        async with http_client(url, headers={}, silence_s=5.0) as client:
            await client.get(url)


def failure(ask_for: str, host: str = "voice.example") -> ConnectionFailed:
    async def main() -> None:
        if ask_for == "http":
            await by_http(f"https://{host}/v1")
        else:
            await WebSocketTransport(ConnectRequest(f"wss://{host}/v1")).connect()

    with pytest.raises(ConnectionFailed) as failed:
        asyncio.run(main())
    return failed.value


def run(words: list[str], **env: str) -> Program:
    with Program(words, env=KEYS | {"NO_PROXY": ""} | env) as program:
        assert program.wait() == 0, program.describe()
        return program


# -- what works ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "scheme"), [("ALL_PROXY", "SOCKS5"), ("all_proxy", "socks"), ("https_proxy", "socks5h")]
)
def test_a_conversation_goes_through_a_socks_proxy(variable: str, scheme: str) -> None:
    with RealtimeServer(script=Script(replies=(Reply("Hello."),))) as server, SocksProxy(server.port) as socks:
        address = ["--url", "ws://192.0.2.1/v1/realtime", "--insecure"]
        words = ["say", "hi", "--provider", "openai", *address, "--output", "a.raw"]
        run(words, **{variable: f"{scheme}://{socks.place}/"})
    assert socks.asked == [("192.0.2.1", 80)]


@pytest.mark.parametrize("scheme", ["socks5", "socks"])
def test_reading_aloud_goes_through_one_too(scheme: str) -> None:
    with RestServer() as server, SocksProxy(int(server.url.rpartition(":")[2].split("/")[0])) as socks:
        words = ["speak", "Hello.", "-o", "a.wav", "--provider", "openai", "--insecure"]
        run([*words, "--url", "http://192.0.2.1/v1"], OPENAI_API_KEY=KEY, all_proxy=f"{scheme}://{socks.place}")
    assert socks.asked == [("192.0.2.1", 80)]


@BOTH
def test_with_socks5h_the_proxy_looks_the_name_up_and_is_told_who_we_are(
    ask_for: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SocksProxy(login=("me", "p@ss:word"), refuse=5) as socks:
        monkeypatch.setenv("all_proxy", f"socks5h://me:p%40ss%3Aword@{socks.place}")
        error = failure(ask_for)
    assert socks.asked == [("voice.example", 443)]
    assert socks.users == [("me", "p@ss:word")]
    assert f"could not be reached through the proxy {socks.place}" in error.message
    assert "p@ss" not in str(error)


# -- what does not, in one line ----------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("babble", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x05", b"\x05\xff", b"\x04\x00\x00\x00"])
def test_a_socks_proxy_that_is_none(ask_for: str, babble: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with SocksProxy(babble=babble) as socks:
        monkeypatch.setenv("all_proxy", f"socks5h://{socks.place}")
        assert socks.place in failure(ask_for).message


@BOTH
def test_a_wrong_password(ask_for: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with SocksProxy(login=("me", "right")) as socks:
        monkeypatch.setenv("all_proxy", f"socks5h://me:wrong-0123@{socks.place}")
        error = failure(ask_for)
    assert socks.place in error.message
    assert "wrong-0123" not in str(error)


@BOTH
@pytest.mark.parametrize(
    ("proxy", "told"),
    [
        ("socks4://127.0.0.1:9", "kind that cannot be used here (socks4://)"),
        ("ftp://me:secret@127.0.0.1:9", "kind that cannot be used here (ftp://)"),
        ("http://127.0.0.1:port", "is no address"),
        ("http://[", "is no address"),
        ("socks5://", "is no address"),
        ("socks5://127.0.0.1:9", "Nothing listens at the proxy 127.0.0.1:9"),
        ("127.0.0.1:9", "Nothing listens at the proxy 127.0.0.1:9"),
        ("socks://proxy.invalid:1", "The proxy proxy.invalid:1, which is to lead to"),
        ("http://me@127.0.0.1:9", "127.0.0.1:9"),
        ("http://\x7f", ""),
        ("http://:9", "is no address"),
    ],
)
def test_odd_values_are_one_clear_line(ask_for: str, proxy: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    error = failure(ask_for)
    assert told in error.message
    assert "\n" not in error.message
    assert "secret" not in str(error)
    assert "no_proxy" in error.hint


def test_which_proxy_it_is_and_how_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", "socks://user:pass@one.example")
    assert proxy_for("wss://voice.example") == proxy_for("https://voice.example")
    assert proxy_for("https://voice.example") == "socks5h://user:pass@one.example:1080"
    monkeypatch.setenv("https_proxy", "two.example:3128/")
    assert proxy_for("wss://voice.example") == proxy_for("https://voice.example") == "http://two.example:3128"
    monkeypatch.setenv("no_proxy", "voice.example")
    assert proxy_for("wss://voice.example") == proxy_for("https://voice.example") == ""


def test_the_systems_socks_proxy_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """macOS calls it `socks` and writes it as http."""
    monkeypatch.setenv("socks_proxy", "http://127.0.0.1:7890")
    assert proxy_for("https://voice.example") == proxy_for("wss://voice.example") == "socks5h://127.0.0.1:7890"


# -- this machine ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["http", "socks5h"])
def test_a_chat_endpoint_here_is_never_asked_by_way_of_a_proxy(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would read the key, and could not lead here anyway."""

    async def main() -> None:
        async with chat_server(words("It is late."), words("It is late.")) as chat:
            port = int(chat.url.rpartition(":")[2].partition("/")[0])
            with Tunnel(port, proxy=True) as tunnel, SocksProxy(port) as socks:
                proxy = f"http://127.0.0.1:{tunnel.port}" if kind == "http" else f"{kind}://{socks.place}"
                for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy"):
                    monkeypatch.setenv(name, proxy)
                assert await ollama_models(chat.url, timeout_s=5) == ["little-model"]
                for host in ("127.0.0.1", "localhost"):
                    url = chat.url.replace("127.0.0.1", host)
                    assert await ask(ChatEndpoint(url, "m", "sk-my-secret")) == ["It is late. "]
                assert (tunnel.asked, socks.asked) == ([], [])

    asyncio.run(main())


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:9", "socks://127.0.0.1:9", "ftp://x", "http://["])
def test_an_odd_proxy_never_ends_the_companion(
    proxy: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        monkeypatch.setenv("all_proxy", proxy)
        async with chat_server() as chat:
            assert await ollama_models(chat.url, timeout_s=5) == ["little-model"]
        with caplog.at_level(logging.WARNING):
            assert (await ask(ChatEndpoint("https://chat.example/v1", "m")))[0] == FAILED
        assert "proxy" in caplog.text

    asyncio.run(main())


def test_what_breaks_off_is_told_apart_from_what_was_never_there() -> None:
    with pytest.raises(HttpFailed) as failed:
        asyncio.run(by_http("http://127.0.0.1:9/"))
    assert failed.value.unreachable
    assert proxy_of("http://127.0.0.1:9/") == ""
    with pytest.raises(ConnectionFailed, match="is not an address"):
        asyncio.run(by_http("voice.example/v1"))
