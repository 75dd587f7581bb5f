"""A WebSocket that does not come about: refusals and their patience, proxies, TLS, and how the cause is told."""

import asyncio
import email.utils
import http
import socket
import ssl
import threading
import time
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

from tests.unit.test_transport import PATIENCE_S, server
from voicechat.errors import ConnectionFailed
from voicechat.wire.network import ConnectRequest, explain_connect_error, retry_after_s
from voicechat.wire.proxy import proxy_of
from voicechat.wire.transport import HandshakeRefused
from voicechat.wire.websocket import WebSocketTransport


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_an_http_refusal_carries_status_body_and_patience(form: str) -> None:
    async def main() -> None:
        def refuse(peer: ServerConnection, request: Any) -> Any:
            response = peer.respond(http.HTTPStatus.TOO_MANY_REQUESTS, '{"error": "quota"}')
            at = email.utils.formatdate(time.time() + 8, usegmt=True)
            response.headers["Retry-After"] = "7" if form == "seconds" else at
            return response

        async def never(peer: ServerConnection) -> None:
            raise AssertionError("it was refused")

        async with server(never, process_request=refuse) as url:
            with pytest.raises(HandshakeRefused) as refused:
                await WebSocketTransport(ConnectRequest(url)).connect()
        assert (refused.value.status, refused.value.body) == (429, '{"error": "quota"}')
        after_s = refused.value.retry_after_s
        assert after_s == 7.0 if form == "seconds" else after_s is not None and 5.0 < after_s <= 8.0

    asyncio.run(main())


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("5", 5.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("1e99", None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
    ],
)
def test_retry_after_values(header: str, seconds: float | None) -> None:
    assert retry_after_s(header) == seconds


@pytest.mark.parametrize("zone", ["GMT", "-0000", "+0000"])
def test_retry_after_may_be_a_date(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    try:
        found = retry_after_s(time.strftime(f"%a, %d %b %Y %H:%M:%S {zone}", time.gmtime(time.time() + 30)))
    finally:
        monkeypatch.undo()
        time.tzset()
    assert found is not None
    assert 27 <= found <= 31


def failure(url: str, timeout_s: float = PATIENCE_S) -> ConnectionFailed:
    async def main() -> ConnectionFailed:
        with pytest.raises(ConnectionFailed) as failed:
            await WebSocketTransport(ConnectRequest(url), timeout_s=timeout_s).connect()
        return failed.value

    return asyncio.run(main())


def test_a_closed_port_is_told_as_such_and_the_query_is_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    error = failure(f"ws://127.0.0.1:{port}/v1/realtime?model=m")
    assert error.message == f"Nothing listens at ws://127.0.0.1:{port}/v1/realtime."


def test_a_server_that_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        error = failure(f"ws://127.0.0.1:{silent.getsockname()[1]}/", timeout_s=0.2)
    assert error.message.startswith("No answer from ws://127.0.0.1:")


PROXIES = ("http_proxy", "https_proxy", "all_proxy", "ws_proxy", "wss_proxy", "no_proxy")


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.usefixtures("no_proxies")
def test_a_proxy_that_does_not_answer_is_named_and_the_service_is_not_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        proxy = f"127.0.0.1:{unused.getsockname()[1]}"
    monkeypatch.setenv("https_proxy", f"http://user:pa55@{proxy}/")
    error = failure("wss://voice.example/v1?model=m")
    assert error.message == f"Nothing listens at the proxy {proxy}, which is to lead to wss://voice.example/v1."
    assert "no_proxy" in error.hint
    monkeypatch.setenv("https_proxy", "http://user:pa55@proxy.invalid:3128")
    error = failure("wss://voice.example/v1")
    assert error.message == "The proxy proxy.invalid:3128, which is to lead to wss://voice.example/v1, was not found."
    with socket.create_server(("127.0.0.1", 0)) as silent:
        proxy = f"127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("https_proxy", f"http://user:pa55@{proxy}")
        error = failure("wss://voice.example/v1", timeout_s=0.2)
    assert error.hint == f"Check the address and the network (the proxy {proxy}), then try again."


@pytest.mark.usefixtures("no_proxies")
def test_a_proxy_that_refuses_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            client, _ = listener.accept()
            with client:
                client.recv(65536)
                client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=refuse)
        thread.start()
        proxy = f"127.0.0.1:{listener.getsockname()[1]}"
        monkeypatch.setenv("https_proxy", f"http://user:pa55@{proxy}")
        error = failure("wss://voice.example/v1")
        thread.join()
    assert error.message.startswith(f"wss://voice.example/v1 could not be reached through the proxy {proxy}: ")
    assert "407" in error.message


@pytest.mark.usefixtures("no_proxies")
def test_which_proxy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    assert proxy_of("wss://voice.example") == ""
    monkeypatch.setenv("https_proxy", "user:p@ss@proxy:1")
    monkeypatch.setenv("all_proxy", "socks5://user:pass@socks:2/")
    monkeypatch.setenv("no_proxy", "near.example")
    assert proxy_of("wss://u:p@voice.example/x") == proxy_of("https://voice.example") == "proxy:1"
    assert proxy_of("http://voice.example") == "socks:2"
    assert proxy_of("wss://near.example:9/x") == proxy_of("wss://127.0.0.1") == ""


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "nonsense", "ws://127.0.0.1:port/"])
def test_what_is_no_websocket_address_is_told(url: str) -> None:
    assert "is not a WebSocket address" in failure(url).message or "could not be reached" in failure(url).message


def test_tls_with_a_server_that_speaks_none_fails_clearly() -> None:
    async def main() -> str:
        async def never(peer: ServerConnection) -> None:
            raise AssertionError("no handshake can succeed")

        async with server(never) as url:
            with pytest.raises(ConnectionFailed) as failed:
                await WebSocketTransport(ConnectRequest(url.replace("ws:", "wss:"))).connect()
        return str(failed.value)

    assert "Is it really a wss:// service?" in asyncio.run(main())


def test_the_cause_below_is_what_is_explained() -> None:
    def wrapped(cause: BaseException) -> tuple[str, str]:
        try:
            try:
                raise cause
            except type(cause) as inner:
                raise OSError("outer") from inner
        except OSError as outer:
            return explain_connect_error("wss://api.example.com", outer)

    certificate = ssl.SSLCertVerificationError("x")
    certificate.verify_message = "certificate has expired"
    assert wrapped(certificate)[0] == (
        "The certificate of wss://api.example.com was not accepted: certificate has expired."
    )
    assert "clock" in wrapped(certificate)[1]
    assert "was not found" in wrapped(socket.gaierror(-2, "Name or service not known"))[0]
    assert wrapped(ConnectionRefusedError())[0] == "Nothing listens at wss://api.example.com."
    assert explain_connect_error("h", OSError("first line\nsecond"))[0] == "h could not be reached: first line."
    assert explain_connect_error("h", EOFError())[0] == "h could not be reached: EOFError."
    told = explain_connect_error("h", OSError("ftp://user:pw@proxy?x=y isn't a valid proxy"))
    assert told[0] == "h could not be reached: ftp://proxy isn't a valid proxy."
