"""The proxy that the environment (or the system) names for an address: one answer for WebSockets and HTTP alike.

| address | the first of these that is there |
|---|---|
| wss | `wss_proxy`, `socks_proxy`, `https_proxy`, `all_proxy` |
| ws | `ws_proxy`, `socks_proxy`, `https_proxy`, `http_proxy`, `all_proxy` |
| https | `https_proxy`, `socks_proxy`, `all_proxy` |
| http | `http_proxy`, `socks_proxy`, `all_proxy` |

None for what `no_proxy` names, and none on the way to this machine.
"""

from urllib.parse import SplitResult, urlsplit

from voicechat.errors import ConnectionFailed
from voicechat.wire.network import PROXY_HINT
from voicechat.wire.urls import is_loopback, shown

_VARIABLES = {
    "wss": ("wss", "socks", "https", "all"),
    "ws": ("ws", "socks", "https", "http", "all"),
    "https": ("https", "socks", "all"),
    "http": ("http", "socks", "all"),
}
_KINDS = ("http", "https", "socks5", "socks5h")
"""What both of our libraries speak. With `socks5h` the proxy looks names up, with `socks5` this machine may."""
_MEANT = {"": "http", "socks": "socks5h"}
"""What is written for a kind: nothing, as curl allows, and what desktops set as `ALL_PROXY=socks://…`."""
_SOCKS_PORT = 1080


def proxy_for(url: str) -> str:
    """The proxy's address, with a user and password where they are given; "" without one.

    Raises ConnectionFailed for a kind that we do not speak, and for what is no address.
    """
    named = _named(url)
    if not named:
        return ""
    scheme, _, place = named.rpartition("://")
    scheme = scheme.lower()
    kind = _MEANT.get(scheme, scheme)
    if kind not in _KINDS:
        raise ConnectionFailed(
            f"The proxy {_place(named)} is of a kind that cannot be used here ({scheme}://).",
            f"It can be http://, https://, socks5:// or socks5h://. {PROXY_HINT}",
        )
    try:
        parts = urlsplit(f"{kind}://{place}")
        port, host = parts.port, parts.hostname
    except ValueError:
        host = None
    if not host:
        raise ConnectionFailed(f"The proxy {_place(named)} of the environment is no address.", PROXY_HINT)
    if port is None and kind.startswith("socks"):
        parts = parts._replace(netloc=f"{parts.netloc.rstrip(':')}:{_SOCKS_PORT}")
    return f"{kind}://{parts.netloc}"


def proxy_of(url: str) -> str:
    """Host and port of the proxy for `url`, to be shown; "" without one."""
    return _place(_named(url))


def _named(url: str) -> str:
    """What the environment says, as it is written there."""
    from urllib.request import getproxies, proxy_bypass

    try:
        parts: SplitResult = urlsplit(url)
    except ValueError:
        return ""
    if is_loopback(url) or proxy_bypass(parts.netloc.rpartition("@")[2]):
        return ""
    proxies = getproxies()
    for name in _VARIABLES.get(parts.scheme, ()):
        if proxy := proxies.get(name):
            # A system's SOCKS proxy comes as one for HTTP.
            return f"socks5h://{proxy[7:]}" if name == "socks" and proxy.startswith("http://") else proxy
    return ""


def _place(proxy: str) -> str:
    return shown(proxy).rpartition("://")[2].partition("/")[0]
