"""The line to a service: connected, kept up, and connected again after a drop.

One connection is one transport and one codec; the line outlives both, and gives each a scope of its own, so that
the ids in events and commands hold for the whole conversation. What ended a connection decides whether there is
another (see `retry`); the session is told when the line went, and finds out by itself when it is back.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable

from voicechat.conversation.uplink import Uplink
from voicechat.errors import ConnectionFailed, Refused, VoicechatError
from voicechat.providers.base import Provider
from voicechat.realtime import events as ev
from voicechat.realtime.codec import Codec
from voicechat.realtime.commands import Command
from voicechat.realtime.scope import ScopedCodec
from voicechat.wire.retry import Retry, RetryPolicy, worth_a_retry
from voicechat.wire.transport import Closed, HandshakeRefused, Transport

log = logging.getLogger(__name__)

READY_TIMEOUT_S = 10.0
"""From the connection to the accepted configuration."""
COMPLAINT_S = 3.0
"""After the service's word that the session is lost: how long it may take to show that it is not, or to hang up."""
SHORTEST_LIFE_S = 10.0
"""A session that expires sooner is not renewed at once, or a service with a wrong clock would be hammered."""
HURRY_S = 1.0
"""Between two attempts that the user does not want to wait for."""
EXPIRED = "session_expired"
"""The one complaint after which nothing is wrong, and nothing to be waited for."""


class _Down(Exception):
    """A connection has ended, or never began."""

    def __init__(self, error: VoicechatError, again: bool, after_s: float | None = None, *, expired: bool = False):
        super().__init__(error.message)
        self.error = error
        self.again = again
        self.after_s = after_s
        self.expired = expired


class Line:
    """`run` returns when the line was closed from our side, and raises VoicechatError when it cannot be kept.

    `handle` takes every event, `lost` is called when a configured session's connection went,
    `waiting(error, attempt, delay_s)` before each new attempt.
    """

    def __init__(
        self,
        provider: Provider,
        connect: Callable[[], Transport],
        handle: Callable[[ev.Event], None],
        lost: Callable[[], None],
        waiting: Callable[[VoicechatError, int, float], None],
        policy: RetryPolicy | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ):
        self._connections = 0
        self.codec = self._new_codec(provider)
        self.ready = False
        """The service has accepted the configuration of this connection's session."""
        self.trace = ""
        """What the service's support calls the last connection, where it tells."""
        self._provider = provider
        self._connect = connect
        self._handle = handle
        self._lost = lost
        self._waiting = waiting
        self._retry = Retry(policy or RetryPolicy())
        self._clock = clock
        self._sleep = sleep
        self._uplink = Uplink(self.codec)
        self._transport: Transport | None = None
        self._closing = False
        self._renewing = False
        self._hanging_up: asyncio.Task[None] | None = None  # kept: the loop holds tasks weakly
        self._finished = asyncio.Event()
        self._awaited: tuple[VoicechatError, int] | None = None
        self._hurried = asyncio.Event()
        self._hurried_at = float("-inf")

    @property
    def waits(self) -> bool:
        """It is down, and the next attempt is not yet due."""
        return self._awaited is not None

    @property
    def round_trip_ms(self) -> float | None:
        """To the service and back, as last measured; None where that is not known."""
        return self._transport.round_trip_ms if self._transport is not None else None

    def try_now(self) -> None:
        """Make the next attempt at once, where it is waited for. It is told like the wait for it, and uses none of
        those that are left up. A key that is held hammers nobody."""
        if self._awaited is not None and self._clock() - self._hurried_at >= HURRY_S:
            self._hurried_at = self._clock()
            self._waiting(*self._awaited, 0.0)
            self._hurried.set()

    def send(self, command: Command) -> None:
        """Queue a command for the current connection; never waits."""
        self._uplink.send(command)

    @property
    def crowded(self) -> bool:
        """A slow connection, or none, has left too much unsent: for whoever can hold back, unlike a microphone."""
        return self._uplink.crowded

    async def room(self) -> None:
        """Wait while it is crowded."""
        if self._uplink.crowded:
            await self._uplink.flushed()

    @property
    def dropped_ms(self) -> float:
        """Sound that a slow network had no room for."""
        return self._uplink.dropped_ms

    def renew(self) -> None:
        """Leave this connection for a new one, without waiting: it is about to end, or is not what it seems."""
        if self._transport is not None and not self._renewing:
            self._renewing = True
            self._hanging_up = asyncio.create_task(self._transport.close(), name="hang up")

    async def run(self) -> None:
        ever_ready = False
        while True:
            began = self._clock()
            try:
                await self._one_connection()
            except _Down as down:
                if self._closing:
                    return
                lasted_s = self._clock() - began
                self._renewing = self._renewing or (down.expired and lasted_s > SHORTEST_LIFE_S)
                was_ready, self.ready = self.ready, False
                ever_ready = ever_ready or was_ready
                if not self._renewing and (not ever_ready or not down.again):
                    raise down.error from None
                log.info("connection ended: %s", down.error.message)
                if was_ready:
                    self._retry.connected(lasted_s)
                    self._lost()
                await self._wait(down)
                self.codec = self._new_codec(self._provider)
                self._uplink.renew(self.codec)

    def _new_codec(self, provider: Provider) -> Codec:
        self._connections += 1
        return ScopedCodec(provider.codec(), self._connections)

    async def _wait(self, down: _Down) -> None:
        """The pause before the next attempt; none when the change was our own wish."""
        if self._renewing:
            self._renewing = False
            return
        attempt = self._retry.attempt
        delay_s = self._retry.next_delay_s(down.after_s)
        if delay_s is None:
            raise ConnectionFailed(
                f"{self._provider.name} could not be reached again: {down.error.message}",
                down.error.hint or "Check the network, then start again.",
            ) from down.error
        self._waiting(down.error, attempt, delay_s)
        self._awaited = down.error, attempt
        await self._pause(delay_s)
        if self._hurried.is_set():
            self._retry.spare()

    async def _pause(self, delay_s: float) -> None:
        """Until the next attempt is due, or wanted."""
        self._hurried.clear()
        ways = [asyncio.ensure_future(self._sleep(delay_s)), asyncio.create_task(self._hurried.wait(), name="hurry")]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._awaited = None
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _one_connection(self) -> None:
        """Connect, and move frames until the end, which is raised as _Down."""
        self._transport = transport = self._connect()
        try:
            await transport.connect()
        except HandshakeRefused as refusal:
            error = self._provider.refusal(refusal.status, None, refusal.body)
            raise _Down(error, worth_a_retry(error, status=refusal.status), refusal.retry_after_s) from refusal
        except ConnectionFailed as error:
            raise _Down(error, True) from error
        finally:
            self.trace = transport.trace
        self._renewing = False  # a wish from before is fulfilled by this connection
        self._finished.clear()
        if not self.codec.capabilities.emits_session_created:
            self._handle(ev.SessionCreated(""))  # it waits for us to speak first
        sender = asyncio.create_task(self._uplink.run(transport), name="uplink")
        receiver = asyncio.create_task(self._receive(transport), name="downlink")
        try:
            await asyncio.wait((sender, receiver), return_when=asyncio.FIRST_COMPLETED)
            if sender.done() and not isinstance(sender.exception(), Closed):
                await sender  # it failed, and nobody else would ever say so
            await receiver
        finally:
            sender.cancel()
            receiver.cancel()
            await asyncio.gather(sender, receiver, return_exceptions=True)
            with contextlib.suppress(Closed, OSError):
                await transport.close()

    async def _receive(self, transport: Transport) -> None:
        complaint: ev.ServiceError | None = None  # the session is lost, the service says
        said = ""  # the last thing that was wrong
        loop = asyncio.get_running_loop()
        ready_by = loop.time() + READY_TIMEOUT_S
        try:
            async with asyncio.timeout_at(ready_by) as limit:
                while True:
                    frame = await transport.receive()
                    for event in self.codec.decode(frame):
                        if isinstance(event, ev.ServiceError) and event.severity == "fatal":
                            raise _Down(Refused(event.message, event.hint), False)
                        if isinstance(event, ev.ServiceError):
                            said = event.message
                        if isinstance(event, ev.ServiceError) and event.severity == "retry":
                            complaint = event
                            limit.reschedule(loop.time() + COMPLAINT_S)
                            continue
                        if isinstance(event, ev.SessionFinished):
                            self._end_of_session(complaint)
                        elif complaint is not None and not isinstance(event, ev.Ignored):
                            self._handle(complaint)  # it goes on all the same
                            complaint = None
                            limit.reschedule(ready_by)
                        self.ready = self.ready or isinstance(event, ev.SessionConfigured)
                        self._handle(event)
                    self._uplink.answer()
                    if self.ready and complaint is None and limit.when() is not None:
                        limit.reschedule(None)
        except TimeoutError as silence:
            if complaint is not None:
                raise _complained(complaint) from silence
            error = ConnectionFailed(
                f"{self._provider.name} accepted the connection and then said nothing for {READY_TIMEOUT_S:.0f} s.",
                "Check the model's name and the address, then try again.",
            )
            raise _Down(error, True) from silence
        except Closed as closed:
            self._finished.set()
            raise self._ended(closed, complaint, said) from closed

    def _end_of_session(self, complaint: ev.ServiceError | None) -> None:
        """The service's last word, which leaves the connection open; nobody asked for it unless we are closing."""
        self._finished.set()
        if complaint is not None:
            raise _complained(complaint)
        if not self._closing:
            raise _Down(ConnectionFailed(f"{self._provider.name} ended the session.", "Try again."), True)

    def _ended(self, closed: Closed, complaint: ev.ServiceError | None, said: str) -> _Down:
        """Why the connection was closed, as far as anybody said."""
        if complaint is not None:
            return _complained(complaint)
        if not self.ready:
            error = self._provider.refusal(None, closed.code, closed.reason or said)
            return _Down(error, worth_a_retry(error, close_code=closed.code))
        said = f" ({closed.reason})" if closed.reason else ""
        gone = ConnectionFailed(
            f"{self._provider.name} closed the connection, code {closed.code}{said}.", "Start again to go on talking."
        )
        return _Down(gone, worth_a_retry(gone, close_code=closed.code))

    async def finish(self, patience_s: float) -> None:
        """Give what is queued, and the service's last word, so much time."""
        self._closing = True
        with contextlib.suppress(TimeoutError, Closed):
            async with asyncio.timeout(patience_s):
                await self._uplink.flushed()
                if self.codec.capabilities.emits_session_finished:
                    await self._finished.wait()

    async def close(self) -> None:
        """End the connection. `run` must have been cancelled, or it ends by itself."""
        self._closing = True
        if self._transport is not None:
            with contextlib.suppress(Closed, OSError):
                await self._transport.close()


def _complained(complaint: ev.ServiceError) -> _Down:
    error = ConnectionFailed(complaint.message, complaint.hint or "Try again.")
    return _Down(error, True, expired=complaint.code == EXPIRED)
