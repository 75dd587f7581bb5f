"""The page at `/`: files of this package, and the personas that it offers.

It is served to everybody who may reach this server, and holds no secret: whoever talks by it shows a key.
"""

import mimetypes
from hashlib import blake2b
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from voicechat.dialects.fields import Json
from voicechat.serve.gateway import Gateway
from voicechat.serve.requests import key_of

INDEX = "index.html"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Nothing inline, nothing from elsewhere, and in nobody's frame."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
_TYPES = {".js": "text/javascript", ".svg": "image/svg+xml"}  # whatever this machine's own table says


class Page:
    def __init__(self, gateway: Gateway):
        self._gateway = gateway
        self._files = {entry.name: entry.read_bytes() for entry in files("voicechat.serve").joinpath("site").iterdir()}

    async def file(self, request: Request) -> Response:
        name = request.path_params.get("name", INDEX)
        content = self._files.get(name)
        if content is None:
            return Response("There is no such file.\n", 404, media_type="text/plain")
        tag = f'"{blake2b(content, digest_size=12).hexdigest()}"'
        headers = HEADERS | {"ETag": tag}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        ending = name[name.rindex(".") :]
        kind = _TYPES.get(ending) or mimetypes.guess_type(name)[0] or "application/octet-stream"
        return Response(content, headers=headers, media_type=kind)

    async def personas(self, request: Request) -> Response:
        """`GET /v1/personas`: what the settings call a session to be; `instructions` is what it is without any."""
        await self._gateway.admit(key_of(request))
        settings = self._gateway.models.loaded.settings
        listed: list[Json] = [
            {"id": name, "name": one.name or name, "voice": one.voice, "instructions": one.instructions}
            for name, one in settings.personas.items()
        ]
        return JSONResponse({"object": "list", "instructions": settings.instructions, "data": listed})
