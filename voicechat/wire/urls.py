"""From what a user writes as an address to the WebSocket address of a realtime endpoint."""

import ipaddress
import re
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

from voicechat.errors import ConfigError, CredentialsError

_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_LOCAL = ("localhost", "127.0.0.1", "[::1]")

_HTTP = {"http": "http", "https": "https", "ws": "http", "wss": "https"}

_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]*://)?([^?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_IN_A_TEXT = re.compile(r"\b[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
_HOST_AND_PORT = re.compile(r"([^:/]*|\[[^]/]*\])(:\d*)?(/.*)?", re.DOTALL)

_HINT = "Write it like wss://host/v1/realtime, https://host/v1 or just host."


def realtime_url(address: str, path: str, query: dict[str, str], ending: str = "/realtime") -> str:
    """The ws(s) address for `address`, a host, a base address or a complete one.

    `path` is the endpoint on a bare host; a given path is kept, with `ending` at its end. Of `query` only what
    the address does not have itself is added. Raises ConfigError when it is no address.
    """
    parts = _parts(address)
    scheme = _SCHEMES[parts.scheme.lower()]
    own = parts.path.rstrip("/")
    if not own:
        own = path
    elif not own.endswith(ending):
        own += ending
    given = parse_qsl(parts.query, keep_blank_values=True)
    missing = [(name, value) for name, value in query.items() if value and name not in dict(given)]
    # A query that needs nothing added is kept to the letter: some gateways sign it.
    full_query = "&".join(filter(None, [parts.query, urlencode(missing)]))
    return urlunsplit((scheme, parts.netloc, own, full_query, ""))


def rest_url(address: str, base: str, endpoint: str) -> str:
    """The http(s) address of `endpoint` (`/audio/speech`) for the same address that `realtime_url` takes.

    `base` (`/v1`) is where the endpoints are on a bare host; a given path is kept, less a `/realtime` at its end.
    Raises ConfigError when it is no address.
    """
    parts = _parts(address)
    own = parts.path.rstrip("/").removesuffix(endpoint).removesuffix("/realtime") or base
    query = urlencode([(name, value) for name, value in parse_qsl(parts.query) if name not in ("model", "deployment")])
    return urlunsplit((_HTTP[parts.scheme.lower()], parts.netloc, own + endpoint, query, ""))


def _parts(address: str) -> SplitResult:
    full = address.strip()
    if "://" not in full:
        full = f"{'ws' if full.startswith(_LOCAL) else 'wss'}://{full}"
    try:
        parts = urlsplit(full)
        port = parts.port
    except ValueError as error:  # what it says may quote a password, taken for the port
        raise ConfigError(f"{shown(address)} is not an address.", _HINT) from error
    known = parts.scheme.lower() in _SCHEMES
    if not known or not parts.hostname or port == 0 or any(c.isspace() for c in full):
        raise ConfigError(f"{shown(address)} is not an address.", _HINT)
    return parts


def query_value(url: str, name: str) -> str:
    """The value of `name` in the query of `url`, "" when it has none."""
    return dict(parse_qsl(url.partition("?")[2])).get(name, "")


def host_of(url: str) -> str:
    """The host name in an address, lower case; "" when it has none."""
    try:
        return urlsplit(url if "://" in url else f"wss://{url}").hostname or ""
    except ValueError:
        return ""


def path_of(url: str) -> str:
    """The path of an address, without a slash at its end; "" when it has none, or is no address."""
    try:
        return urlsplit(url if "://" in url else f"wss://{url}").path.rstrip("/")
    except ValueError:
        return ""


def is_loopback(url: str) -> bool:
    """Whether the address is on this machine, whatever the network."""
    host = host_of(url)
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name
        return host == "localhost" or host.endswith(".localhost")


def refuse_plain(url: str) -> None:
    """Raise CredentialsError when a key sent to `url` could be read on the way."""
    full = url.strip()
    if full.lower().startswith(("ws:", "http:")) and not is_loopback(full):
        raise CredentialsError(
            f"{shown(full)} is not encrypted: the key could be read on the way.",
            "Use wss:// or https://, or --insecure where you trust the network in between.",
        )


def shown(address: str) -> str:
    """`address` without what may be secret in it: its query, its fragment, and a user and password."""
    found = _ADDRESS.fullmatch(address.strip())
    scheme, place, rest = found.groups(default="") if found else ("", "", "")
    if "@" in rest and "@" not in place and not _HOST_AND_PORT.fullmatch(place):
        place = re.split("[?#]", rest.rpartition("@")[2])[0]  # a ? or # in a password that should have been quoted
    return f"{scheme}{place.rpartition('@')[2]}"


def without_secrets(text: str) -> str:
    """`text`, for instance of a library's error, with each address in it as `shown` shows it."""
    return _IN_A_TEXT.sub(lambda found: shown(found.group()), text)
