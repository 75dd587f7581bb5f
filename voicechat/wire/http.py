"""The one HTTP client: certificates, proxy and patience in one place, and its errors in words.

Importing this module imports no HTTP library.
"""

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from voicechat.errors import ConnectionFailed
from voicechat.wire.network import CONNECT_TIMEOUT_S, explain_connect_error, tls_context
from voicechat.wire.proxy import proxy_for, proxy_of
from voicechat.wire.urls import shown

if TYPE_CHECKING:
    import ssl

    import httpx


def load_http() -> None:
    """Import what the first request needs, which takes a fifth of a second. To be called in a thread of its own."""
    import anyio
    import httpx  # noqa: F401
    import httpx_socks  # noqa: F401
    import python_socks  # noqa: F401

    anyio.run(anyio.sleep, 0)  # it imports the half of itself that httpx uses when that is first used


class HttpFailed(ConnectionFailed):
    """A request that brought no answer, or only part of one. `unreachable`: nobody was there to ask."""

    def __init__(self, message: str, hint: str = "", *, unreachable: bool = False):
        super().__init__(message, hint)
        self.unreachable = unreachable


class Exchange:
    """One request and its answer, as `http_errors` sees them."""

    answered = False
    """The answer's head has come: set by the caller."""


def http_client(
    url: str,
    *,
    headers: Mapping[str, str],
    silence_s: float,
    connect_s: float = CONNECT_TIMEOUT_S,
    ca_file: str = "",
) -> "httpx.AsyncClient":
    """A client for requests to the host of `url`, which may wait `silence_s` for an answer and within one.

    It follows no redirect: another host would be given the headers. What the environment says of proxies is decided
    by `proxy_for`, as for a WebSocket; a proxy would read a key on its way to this machine. Raises ConnectionFailed
    for a proxy that cannot be used, ConfigError for a file of certificates that cannot.
    """
    import httpx

    return httpx.AsyncClient(
        timeout=httpx.Timeout(silence_s, connect=connect_s),
        headers=dict(headers),
        transport=_transport(url, tls_context(ca_file) if ca_file or not url.startswith("http:") else False),
        trust_env=False,
        follow_redirects=False,
    )


def _transport(url: str, tls: "ssl.SSLContext | bool") -> "httpx.AsyncBaseTransport":
    import httpx

    named = proxy_for(url)
    try:
        if not named.startswith("socks"):
            return httpx.AsyncHTTPTransport(verify=tls, proxy=named or None)
        from httpx_socks import AsyncProxyTransport

        kind, _, place = named.partition("://")
        looks_up = kind.endswith("h")
        return AsyncProxyTransport.from_url(f"socks5://{place}", verify=tls, rdns=looks_up, trust_env=False)
    except (ValueError, httpx.InvalidURL) as error:
        told = explain_connect_error(shown(url), error, proxy_of(url))
        raise ConnectionFailed(*told) from error


@contextlib.contextmanager
def http_errors(title: str, url: str, silence_s: float, connect_s: float = CONNECT_TIMEOUT_S) -> Iterator[Exchange]:
    """What the client raises inside, in words: HttpFailed, or ConnectionFailed for what is no address."""
    import httpx
    from python_socks import ProxyError, ProxyTimeoutError

    exchange = Exchange()
    try:
        yield exchange
    except (httpx.TimeoutException, ProxyTimeoutError) as error:
        connecting = isinstance(error, httpx.ConnectTimeout | ProxyTimeoutError)
        waited_s = connect_s if connecting and not exchange.answered else silence_s
        raise HttpFailed(
            f"{title} sent nothing for {waited_s:.0f} s.",
            "Try again in a moment.",
            unreachable=not exchange.answered,
        ) from error
    except (httpx.ConnectError, httpx.ProxyError, ProxyError, OSError) as error:
        told = explain_connect_error(shown(url), error, proxy_of(url))
        raise HttpFailed(*told, unreachable=True) from error
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise ConnectionFailed(f"{shown(url)} is not an address.", "Write it like https://host/v1.") from error
    except httpx.HTTPError as error:
        what = "broke the answer off" if exchange.answered else "closed the connection"
        raise HttpFailed(f"{title} {what}.", "Try again in a moment.") from error
