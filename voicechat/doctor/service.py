"""The chosen service: found, encrypted, and willing to hold a session; and what its clock says of ours."""

import asyncio
import contextlib
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from voicechat.doctor.checks import UNEXPECTED, Check, Figure, failed, not_tested
from voicechat.errors import ConnectionFailed, Refused, VoicechatError
from voicechat.providers.base import Provider
from voicechat.realtime import events as ev
from voicechat.realtime.codec import Codec
from voicechat.realtime.commands import Command, Finish, SessionConfig
from voicechat.realtime.opening import Opening
from voicechat.wire.network import explain_connect_error, tls_context
from voicechat.wire.proxy import proxy_of
from voicechat.wire.transport import Closed, HandshakeRefused, Transport
from voicechat.wire.websocket import WebSocketTransport

NAME, TLS, SESSION, CLOCK = "name resolution", "TLS", "session", "clock"
NAMES = (NAME, TLS, SESSION, CLOCK)
TIMEOUT_S = 10.0
GOOD_BYE_S = 2.0
"""For the service's last word. It costs no finding when it does not come."""
MOST_SKEW_S = 60.0
"""Certificates and signed tokens bear about a minute."""
CERTIFICATE_DAYS = 7


async def service_checks(provider: Provider, transport: Transport, ca_file: str = "") -> list[Check]:
    """All of NAMES. `transport` is a fresh one to the provider; it is closed here. `ca_file`: as for it."""
    if not isinstance(transport, WebSocketTransport):
        why = "The offline engine needs no network."
        return [not_tested(NAME, why), not_tested(TLS, why), (await _session(provider, transport))[0],
                not_tested(CLOCK, why)]  # fmt: skip
    checks = await _network(provider.request().url, ca_file)
    before = time.time()
    session, date = await _session(provider, transport)
    return [*checks, session, clock_check(date, before, time.time())]


async def session_check(provider: Provider, transport: Transport) -> Check:
    """Whether the service holds a session with this key, model and voice. `transport` is closed here."""
    return (await _session(provider, transport))[0]


async def _network(url: str, ca_file: str) -> list[Check]:
    """The way to the host, step by step. A failure is explained here and counted at the session, which needs it."""
    parts = urlsplit(url)
    host, encrypted = parts.hostname or "", parts.scheme == "wss"
    if proxy := proxy_of(url):
        why = f"The connection goes through the proxy {proxy}, which does this."
        return [not_tested(NAME, why), not_tested(TLS, why)]
    try:
        port = parts.port or (443 if encrypted else 80)
        began = time.monotonic()
        async with asyncio.timeout(TIMEOUT_S):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=1)
    except (*UNEXPECTED, TimeoutError) as error:
        return [_network_failure(NAME, host, error), not_tested(TLS, f"The host {host} was not found.")]
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    took_ms = round((time.monotonic() - began) * 1000, 1)
    name = Check(
        NAME,
        True,
        f"{host} is {addresses[0]}{f' and {len(addresses) - 1} more' if len(addresses) > 1 else ''}.",
        figures={"host": host, "addresses": len(addresses), "took_ms": took_ms},
    )
    return [
        name,
        await _tls(host, port, ca_file) if encrypted else not_tested(TLS, "The address is a plain ws:// one."),
    ]


async def _tls(host: str, port: int, ca_file: str) -> Check:
    import ssl

    try:
        began = time.monotonic()
        async with asyncio.timeout(TIMEOUT_S):
            _, writer = await asyncio.open_connection(host, port, ssl=tls_context(ca_file))
    except (*UNEXPECTED, TimeoutError) as error:
        return _network_failure(TLS, host, error)
    took_ms = round((time.monotonic() - began) * 1000, 1)
    connection = writer.get_extra_info("ssl_object")
    certificate = writer.get_extra_info("peercert") or {}
    writer.transport.abort()
    ends = certificate.get("notAfter")
    days = int((ssl.cert_time_to_seconds(ends) - time.time()) / 86400) if ends else None
    soon = days is not None and days < CERTIFICATE_DAYS
    detail = f"{connection.version()}, certificate good for {days} days."
    figures = {"version": connection.version(), "certificate_days": days, "took_ms": took_ms}
    return Check(TLS, True, detail, "The certificate ends soon: tell the service's owner." if soon else "", 0, figures)


def _network_failure(name: str, host: str, error: BaseException) -> Check:
    if isinstance(error, TimeoutError):
        return Check(name, False, f"No answer from {host} within {TIMEOUT_S:.0f} s.", "A proxy? A firewall?")
    message, hint = explain_connect_error(host, error)
    return Check(name, False, message, hint)


async def _session(provider: Provider, transport: Transport) -> tuple[Check, str]:
    """Connect, configure as a conversation does, say good-bye, close. Returns the finding and the HTTP date."""
    date, began = "", time.monotonic()
    try:
        try:
            await transport.connect()
        except HandshakeRefused as refusal:
            date = refusal.date
            raise provider.refusal(refusal.status, None, refusal.body) from refusal
        date = getattr(transport, "date", "")
        connected = time.monotonic()
        call = _Call(provider, transport)
        async with asyncio.timeout(TIMEOUT_S):
            voice, dropped = await call.configure()
        ready = time.monotonic()
        await call.finish()
    except TimeoutError:
        silence = ConnectionFailed(
            f"{provider.name} accepted the connection and then said nothing for {TIMEOUT_S:.0f} s.",
            "Check the model's name and the address, then try again.",
        )
        return failed(SESSION, silence), date
    except (VoicechatError, *UNEXPECTED) as error:
        return failed(SESSION, error), date
    finally:
        with contextlib.suppress(Closed, VoicechatError, *UNEXPECTED):
            await transport.close()
    figures: dict[str, Figure] = {
        "provider": provider.name,
        "model": provider.model,
        "voice": voice or provider.voice,
        "connect_ms": round((connected - began) * 1000, 1),
        "ready_ms": round((ready - began) * 1000, 1),
    }
    detail = f"{provider.name} accepted {provider.model}, voice {figures['voice'] or 'its default'}."
    advice = f"It refused the voice {dropped}: `voicechat voices` lists others." if dropped else ""
    return Check(SESSION, True, detail, advice, figures=figures), date


class _Call:
    """A session that is opened and ended, and nothing in between."""

    def __init__(self, provider: Provider, transport: Transport):
        self._provider = provider
        self._transport = transport
        self._codec: Codec = provider.codec()

    async def configure(self) -> tuple[str, str]:
        """(voice in force, voice that was refused). Raises VoicechatError when the service accepts no session."""
        first = self._codec.capabilities.emits_session_created
        opening = Opening(SessionConfig(voice=self._provider.voice), service_speaks_first=first)
        complaint: ev.ServiceError | None = None
        try:
            await self._answer()
            await self._send(*opening.begin())
            while not opening.done:
                for event in await self._receive():
                    await self._send(*opening.take(event))
                    if isinstance(event, ev.ServiceError) and event.severity == "fatal":
                        raise Refused(event.message, event.hint)
                    if isinstance(event, ev.ServiceError) and event.severity not in ("benign", "warning"):
                        complaint = event
            return opening.voice, opening.refused_voice
        except Closed as closed:
            if complaint is not None:
                raise ConnectionFailed(complaint.message, complaint.hint or "Try again.") from closed
            raise self._provider.refusal(None, closed.code, closed.reason) from closed

    async def finish(self) -> None:
        """Say good-bye: some services count a session that was only dropped as a running one for a while."""
        with contextlib.suppress(Closed, TimeoutError, VoicechatError, *UNEXPECTED):
            async with asyncio.timeout(GOOD_BYE_S):
                await self._send(Finish())
                if not self._codec.capabilities.emits_session_finished:
                    return
                while not any(isinstance(event, ev.SessionFinished) for event in await self._receive()):
                    pass

    async def _send(self, *commands: Command) -> None:
        for command in commands:
            for frame in self._codec.encode(command):
                await self._transport.send(frame)

    async def _answer(self) -> None:
        """What the protocol itself wants said comes first: for some dialects that opens the connection."""
        for frame in self._codec.replies():
            await self._transport.send(frame)

    async def _receive(self) -> list[ev.Event]:
        events = self._codec.decode(await self._transport.receive())
        await self._answer()
        return events


def clock_check(date: str, before_s: float, after_s: float) -> Check:
    """Our clock against the HTTP Date of an answer that came between two moments of it (unix seconds).

    The header has whole seconds, and was written at some moment between: the finding is no more exact than that.
    """
    if not date:
        return not_tested(CLOCK, "The service was not reached, or did not tell the time.")
    try:
        told = parsedate_to_datetime(date)
    except ValueError:
        return not_tested(CLOCK, "The service told a time that is none.")
    told = told if told.tzinfo else told.replace(tzinfo=UTC)
    skew_s = (before_s + after_s) / 2 - (told.timestamp() + 0.5)
    margin_s = (after_s - before_s) / 2 + 0.5
    beyond = max(0.0, abs(skew_s) - margin_s)
    figures = {"skew_s": round(skew_s, 1), "margin_s": round(margin_s, 1)}
    if beyond < MOST_SKEW_S:
        detail = f"Within {max(abs(skew_s), margin_s):.0f} s of the service's."
        return Check(CLOCK, True, detail if beyond else f"Right, within {margin_s:.1f} s.", figures=figures)
    ours = datetime.fromtimestamp(after_s, UTC)
    way = "ahead of" if skew_s > 0 else "behind"
    return Check(
        CLOCK,
        False,
        f"This clock ({ours:%Y-%m-%d %H:%M} UTC) is {abs(skew_s):.0f} s {way} the service's.",
        "Set it: certificates and signed keys are refused otherwise.",
        figures=figures,
    )
