"""The Starlette application: which path is answered by whom, and who is not answered at all."""

import logging
import os
from urllib.parse import SplitResult, urlsplit

from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from voicechat.dialects.openai.server.checks import Rejected
from voicechat.dialects.openai.server.handshake import PATHS
from voicechat.engine.builtin import any_installed
from voicechat.engine.forks import ForkServer, possible
from voicechat.serve import refusals
from voicechat.serve.answers import Answers
from voicechat.serve.dialogue import PATH as DIALOGUE
from voicechat.serve.dialogue import Dialogue, Outputs, unanswered
from voicechat.serve.ears import Ears
from voicechat.serve.gateway import Gateway
from voicechat.serve.models import OFFLINE
from voicechat.serve.page import Page
from voicechat.serve.realtime import Realtime
from voicechat.serve.refusals import Refusal
from voicechat.serve.requests import bounded, json_of, key_of, note
from voicechat.serve.speech import Speech
from voicechat.serve.transcription import Transcription

log = logging.getLogger(__name__)

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def create_app(gateway: Gateway) -> ASGIApp:
    async def models(request: Request) -> Response:
        grant = await gateway.admit(key_of(request))
        served = [name for name in gateway.models.names() if grant.allows(name)]
        entries = [{"id": name, "object": "model", "created": 0, "owned_by": "voicechat"} for name in served]
        return JSONResponse({"object": "list", "data": entries})

    async def client_secrets(request: Request) -> Response:
        grant = await gateway.admit(key_of(request))
        try:
            return JSONResponse(await gateway.secrets.create(grant, await json_of(request)))
        except Rejected as error:
            raise refusals.rejected(error) from error

    async def health(request: Request) -> Response:
        return JSONResponse({"status": "stopping" if gateway.stopping else "ok"}, 503 if gateway.stopping else 200)

    async def metrics(request: Request) -> Response:
        await gateway.known(key_of(request))
        return PlainTextResponse(gateway.metrics.text(), media_type="text/plain; version=0.0.4")

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refusal)
        gateway.count_refusal(error)
        note(request, code=error.code or "no_key")
        if request.url.path == DIALOGUE:
            error.more = unanswered(error.message)
        return refusals.answer(error)

    async def malformed(request: Request, error: Exception) -> Response:
        """A form that is none, or has too many fields."""
        message = f"The form cannot be read: {getattr(error, 'detail', '')}"
        return await refused(request, Refusal(400, 4000, "invalid_form", message))

    async def nowhere(request: Request, error: Exception) -> Response:
        return await refused(request, refusals.unknown_url(request.method, request.url.path))

    async def other_method(request: Request, error: Exception) -> Response:
        """A path that is served, but not in this way: `Allow` says in which."""
        allowed: str = getattr(error, "headers", {})["Allow"]
        message = f"{request.method[:20]} is not taken here; {allowed} is."
        answer = await refused(request, Refusal(405, 4000, "method_not_allowed", message))
        answer.headers["Allow"] = allowed
        return answer

    async def no_socket(socket: WebSocket) -> None:
        refusal = refusals.unknown_url("WebSocket", socket.url.path)
        gateway.count_refusal(refusal)
        await socket.send_denial_response(refusals.answer(refusal))

    processors = os.cpu_count() or 1
    speech = Speech(gateway, at_once=processors)
    heard = gateway.models.loaded.settings.provider_settings(OFFLINE)
    forks = gateway.models.forks = ForkServer() if possible() else None
    ears = Ears(processors, heard.ears, heard.language or gateway.models.loaded.settings.language, forks)
    realtime = Realtime(gateway, ears.understand if heard.ears or any_installed() else None)
    transcription = Transcription(gateway, ears)
    gateway.at_the_end(ears.close)
    if forks is not None:
        gateway.at_the_end(forks.close)
    outputs = Outputs(gateway.folder)
    dialogue = Dialogue(gateway, outputs)
    gateway.at_the_end(outputs.close)
    page = Page(gateway)
    routes: list[BaseRoute] = [
        *(WebSocketRoute(path, realtime) for path in PATHS),
        Route("/", page.file),
        Route("/page/{name}", page.file),
        Route("/v1/models", models),
        *(Route(f"{path}/client_secrets", client_secrets, methods=["POST"]) for path in PATHS[:2]),
        Route("/v1/audio/speech", speech.speak, methods=["POST"]),
        Route("/v1/audio/transcriptions", transcription.transcribe, methods=["POST"]),
        Route("/v1/voices", speech.voices),
        Route("/v1/personas", page.personas),
        Route(DIALOGUE, dialogue.talk, methods=["POST"]),
        Route("/api/dialog/output/{filename}", dialogue.output),
        Route("/api/health", health),
        Route("/metrics", metrics),
        WebSocketRoute("/{path:path}", no_socket),
    ]
    handlers = {Refusal: refused, 400: malformed, 404: nowhere, 405: other_method}
    app = Starlette(routes=routes, exception_handlers=handlers)
    # `/v1/models/` is none, instead of a redirection to http:// from behind a proxy that does TLS, tokens and all.
    app.router.redirect_slashes = False
    return _Door(_shared(app, gateway.origins), gateway)


def _shared(app: ASGIApp, origins: tuple[str, ...]) -> ASGIApp:
    """A browser asks beforehand, without a key, and keeps from its page what does not name it."""
    if not origins:
        return app
    return CORSMiddleware(app, origins, ("GET", "POST"), ("*",), expose_headers=("Retry-After", "X-Sample-Rate"))


class _Door:
    """Before everything: foreign pages, and names that are not this machine's, are sent away.

    A browser lets every page open sockets and send forms to this machine, so without tokens it is the origin alone
    that tells whose wish it is; and a name that suddenly points here would make a foreign origin look like ours.
    """

    def __init__(self, app: ASGIApp, gateway: Gateway):
        self._app = app
        self._answers = Answers(app, gateway)
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        try:
            self._check(headers.get(b"host", ""), headers.get(b"origin", ""))
        except Refusal as refusal:
            self._gateway.count_refusal(refusal)
            await refusals.answer(refusal)(scope, receive, send)
            return
        if scope["type"] == "http":
            await self._answers(scope, bounded(scope, receive, self._gateway.limits.upload_bytes), send)
            return
        await self._app(scope, receive, send)

    def _check(self, host: str, origin: str) -> None:
        if not self._gateway.tokens.demanded and _parts(f"//{host}").hostname not in LOOPBACK:
            raise refusals.foreign_host()
        if not origin or origin in self._gateway.origins:
            return
        ours = _parts(origin).netloc.lower()
        if not ours or ours != host.lower():
            raise refusals.foreign_origin()


def _parts(address: str) -> SplitResult:
    """Of what is no address: none."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")
