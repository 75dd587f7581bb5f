"""Around every HTTP request: it is counted, told in the log, and waited for when the server stops."""

import asyncio
import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voicechat.serve import refusals
from voicechat.serve.gateway import Gateway
from voicechat.serve.requests import facts_of

log = logging.getLogger(__name__)


class BrokenOff(Exception):
    """An answer that has begun cannot go on; the message says why."""


class Answers:
    def __init__(self, app: ASGIApp, gateway: Gateway):
        self._app = app
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began, status = time.monotonic(), 0

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with self._gateway.answering():
            try:
                await self._app(scope, receive, send_on)
            except BrokenOff as error:  # uvicorn closes what has no end, so the client knows
                log.warning("an answer breaks off: %s", error)
            except asyncio.CancelledError:
                if not self._gateway.stopping:
                    raise
                if not status:
                    await refusals.answer(refusals.ending())(scope, receive, send_on)
            finally:
                self._count(scope, status, time.monotonic() - began)

    def _count(self, scope: Scope, status: int, took_s: float) -> None:
        path = getattr(scope.get("route"), "path", "other")
        self._gateway.metrics.requests.labels(path, status or "none").inc()
        if scope["method"] == "POST":
            facts = {"path": path, "status": status, "took_s": round(took_s, 2)}
            log.info("request", extra={"facts": facts | facts_of(scope)})
