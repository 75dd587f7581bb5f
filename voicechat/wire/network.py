"""What every connection shares, WebSocket or HTTP: certificates, proxies, and what its errors mean."""

import email.utils
import socket
import time
from dataclasses import dataclass, field
from datetime import UTC
from typing import TYPE_CHECKING

from voicechat.errors import ConfigError
from voicechat.wire.urls import without_secrets

if TYPE_CHECKING:
    import ssl

CONNECT_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Network:
    """How connections are made, whatever they lead to."""

    ca_file: str = ""
    """Authorities to trust (PEM file); "" are the system's."""
    log_audio: bool = False
    """Logged frames show their sound."""


@dataclass(frozen=True, slots=True)
class ConnectRequest:
    """Where to connect. Headers may hold a key: never log or print this value's headers."""

    url: str
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    subprotocols: tuple[str, ...] = ()
    trace_header: str = ""
    """The header of the answer by which the service's support finds this connection."""


def retry_after_s(header: str) -> float | None:
    """The seconds of a Retry-After header, which is a number or a date; None without a usable one."""
    header = header.strip()
    try:
        seconds = float(header)
    except ValueError:
        try:
            at = email.utils.parsedate_to_datetime(header)
        except ValueError:
            return None
        seconds = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - time.time()
    return max(0.0, seconds) if seconds == seconds and seconds < 1e9 else None


def tls_context(ca_file: str = "") -> "ssl.SSLContext":
    """A context that verifies certificates and host names; `ca_file` "" is the system's authorities.

    Raises ConfigError when the file cannot be used.
    """
    import ssl
    from pathlib import Path

    if not ca_file:
        return ssl.create_default_context()
    try:
        return ssl.create_default_context(cafile=Path(ca_file).expanduser())
    except (OSError, RuntimeError) as error:  # an SSLError is an OSError; a home that is unknown
        reason = "it holds no certificates" if isinstance(error, ssl.SSLError) else getattr(error, "strerror", error)
        raise ConfigError(f"The ca_file {ca_file} cannot be used: {reason}.", "It takes a PEM file.") from error


PROXY_HINT = "Check https_proxy, http_proxy and all_proxy in the environment, or name the host in no_proxy."


def explain_connect_error(host: str, error: BaseException, proxy: str = "") -> tuple[str, str]:
    """What happened and what to do, for an error of the socket, of TLS or of the HTTP upgrade.

    `proxy`: whom the socket was to be connected with in place of the host, as `proxy_of` names it.
    """
    import ssl

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"The certificate of {host} was not accepted: {cause.verify_message.rstrip('.')}.", (
                "Check the address and this machine's clock; a private authority goes into ca_file or SSL_CERT_FILE."
            )
        if isinstance(cause, ssl.SSLError):
            return (
                f"TLS with {host} failed: {cause.reason or cause}.",
                "Is it really a wss:// service? Try ws:// for a plain one.",
            )
        if proxy and isinstance(cause, socket.gaierror):
            return f"The proxy {proxy}, which is to lead to {host}, was not found.", PROXY_HINT
        if proxy and isinstance(cause, ConnectionRefusedError):
            return f"Nothing listens at the proxy {proxy}, which is to lead to {host}.", PROXY_HINT
        if isinstance(cause, socket.gaierror):
            return f"The host of {host} was not found.", "Check the spelling and the network."
        if isinstance(cause, ConnectionRefusedError):
            return f"Nothing listens at {host}.", "Is the service running, and is the port right?"
        cause = cause.__cause__ or cause.__context__
    if host.startswith("wss:") and isinstance(error, ConnectionResetError | EOFError) and not proxy:
        return f"{host} hung up on TLS.", "Is it really a wss:// service? Try ws:// for a plain one."
    text = without_secrets(str(error).splitlines()[0]) if str(error) else type(error).__name__
    if proxy:
        return f"{host} could not be reached through the proxy {proxy}: {text.rstrip('.')}.", PROXY_HINT
    return f"{host} could not be reached: {text}.", "Check the address and the network, then try again."
