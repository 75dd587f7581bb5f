"""`WS /v1/realtime`: from a handshake to a session, or to a refusal that the client understands."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping
from urllib.parse import parse_qsl

from voicechat.dialects.openai.server import ServerCodec
from voicechat.dialects.openai.server.checks import Rejected
from voicechat.dialects.openai.server.handshake import Handshake, read_handshake
from voicechat.serve import refusals
from voicechat.serve.client import ClientSocket, Message, Receive, Send
from voicechat.serve.costs import Costs
from voicechat.serve.gateway import Gateway, new_session_id
from voicechat.serve.models import Model
from voicechat.serve.refusals import Refusal
from voicechat.serve.relay import Relay
from voicechat.serve.scribe import Hear
from voicechat.serve.secrets import Secret
from voicechat.serve.spans import Spans
from voicechat.serve.tokens import Grant
from voicechat.serve.watch import Watch
from voicechat.serve.websocket import AT_ONCE
from voicechat.wire.transport import Closed

log = logging.getLogger(__name__)

BEAT_S = 4.0
"""Between two signs of life, for clients that ask for them (`heartbeat=true`); site/line.js waits for three."""


class Realtime:
    """The ASGI application of the realtime paths."""

    def __init__(self, gateway: Gateway, hear: Hear | None = None):
        self._gateway = gateway
        self._hear = hear

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        client = ClientSocket(receive, send, scope.get("extensions", {}).get(AT_ONCE))
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        asked = read_handshake(scope["path"], query, headers, scope["subprotocols"])
        # It is cancelled when somebody is in a hurry to stop, which is nothing that the server behind has to report.
        with contextlib.suppress(Closed, asyncio.CancelledError):
            try:
                await self._session(client, asked, query)
            except Refusal as refusal:
                if asked.refused_by_status:
                    await client.refuse_by_status(refusal)
                    return
                await client.accept(asked.subprotocol)
                await client.refuse(refusal)

    async def _session(self, client: ClientSocket, asked: Handshake, query: Mapping[str, str]) -> None:
        gateway, session_id = self._gateway, new_session_id()
        async with contextlib.AsyncExitStack() as behind, contextlib.AsyncExitStack() as before:
            with gateway.counting_refusals():
                grant, secret = await gateway.admit_session(asked.key)
                model = self._model(asked.model, secret.model if secret else "", grant)
                meter = await gateway.meter(model, grant)
                left_s = await gateway.budget.left_s(grant)
                await before.enter_async_context(gateway.place(grant, session_id))
                behind.enter_context(gateway.engine(model))
                codec = ServerCodec(model.profile(asked.manner), asked.dialect)
                if secret is not None:
                    _prepare(codec, secret)
            await client.accept(asked.subprotocol)
            spans = Spans({"session": session_id, "model": model.name, "behind": model.behind})
            watch = Watch(gateway.metrics, model.label, meter, spans)
            costs = Costs(gateway.prices.finder(model)) if query.get("cost") == "true" else None
            relay = Relay(client, codec, model, session_id, gateway.limits.session_s, watch, costs, hear=self._hear)
            beats = query.get("heartbeat") == "true"
            with gateway.holding(relay, grant):
                heart = asyncio.create_task(relay.outbox.beat(BEAT_S), name="heart") if beats else None
                try:
                    await self._hold(relay, model, grant, left_s, watch, spans)
                finally:
                    if heart is not None:
                        heart.cancel()
                    await before.aclose()  # whoever went may come back at once; what is behind takes its time
                    await relay.close()

    def _model(self, asked: str, made_for: str, grant: Grant) -> Model:
        """`made_for` is what the client's secret names: it opens that alone."""
        name = asked or made_for
        if not name:
            raise refusals.no_model()
        if not grant.allows(name) or (made_for and name != made_for):
            raise refusals.foreign_model(name)
        return self._gateway.models.open(name)

    async def _hold(self, relay: Relay, model: Model, grant: Grant, left_s: float, watch: Watch, spans: Spans) -> None:
        metrics, began, code = self._gateway.metrics, time.monotonic(), "failed"
        who = {"session": relay.session_id, "model": model.name, "behind": model.behind, "token": grant.name}
        metrics.begun.labels(model.label).inc()
        _note("session begins", **who)
        with metrics.sessions.labels(model.label).track_inprogress(), self._gateway.budget.talking(grant, left_s):
            try:
                end = await relay.run()
                code = "ended" if end is None else end.code or "refused"
            finally:
                lasted_s = time.monotonic() - began
                watch.count()
                watch.meter.end()
                metrics.ended.labels(code).inc()
                spans.session_over(code)
                used = {"lasted_s": lasted_s, "heard_s": watch.heard_s, "spoken_s": watch.spoken_s}
                _note("session ends", **who, code=code, **{name: round(value, 2) for name, value in used.items()})


def _prepare(codec: ServerCodec, secret: Secret) -> None:
    """The session begins as its secret says. Raises Refusal for what this model cannot be asked for."""
    try:
        codec.prepare(secret.session)
    except Rejected as error:
        raise refusals.rejected(error) from error


def _note(what: str, **facts: object) -> None:
    log.info("%s", what, extra={"facts": facts})
