"""The voice-dialogue application: a recording is sent up, answered, and the answer is fetched by its address.

The names of files are made here: what a client writes becomes no path unless it has their form.
"""

import asyncio
import contextlib
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from voicechat.audio.resample import Resampler
from voicechat.config.settings import DEFAULT_INSTRUCTIONS
from voicechat.errors import VoicechatError
from voicechat.realtime.commands import SessionConfig
from voicechat.serve import refusals
from voicechat.serve.gateway import Gateway, new_session_id
from voicechat.serve.models import OFFLINE
from voicechat.serve.one_turn import Turn, one_turn
from voicechat.serve.recordings import RATE_HZ, decoded
from voicechat.serve.refusals import Refusal
from voicechat.serve.requests import form_of, key_of, note, texts, uploaded, while_there

PATH = "/api/dialog/audio"
OUTPUT_HZ = 24_000
MOST_S = 120.0
"""Of a recording."""
PATIENCE_S = (1.0, 300.0)
DEFAULT_PATIENCE_S = 30.0
MOST_CHARS = 4000
"""Of a role or a style."""
_NAME = re.compile(r"[0-9a-f]{32}\.pcm")


class Outputs:
    """Answers as files, for a while: the oldest go when there are too many.

    `shared` is a folder that other processes keep theirs in, and somebody else removes. `clock` is in unix seconds.
    """

    def __init__(
        self,
        shared: Path | None = None,
        most: int = 200,
        keep_s: float = 600.0,
        clock: Callable[[], float] = time.time,
    ):
        self._shared = shared
        self._most = most
        self._keep_s = keep_s
        self._clock = clock
        self._folder = shared

    def keep(self, pcm: bytes) -> str:
        """The name under which it can be fetched."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="voicechat-serve-"))
        self._clean(self._most - 1)
        name = f"{secrets.token_hex(16)}.pcm"
        (self._folder / name).write_bytes(pcm)
        os.utime(self._folder / name, (self._clock(), self._clock()))
        return name

    def find(self, name: str) -> Path | None:
        self._clean(self._most)
        if self._folder is None or not _NAME.fullmatch(name):
            return None
        return self._folder / name if (self._folder / name).exists() else None

    async def close(self) -> None:
        if self._folder is not None and self._shared is None:
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    def _clean(self, most: int) -> None:
        if self._folder is None:
            return
        kept = []
        for path in self._folder.glob("*.pcm"):
            with contextlib.suppress(OSError):  # another process was faster
                found = path.stat()
                kept.append((found.st_mtime, found.st_ctime_ns, path))
        kept.sort()
        for at, (since, _, path) in enumerate(kept):
            if len(kept) - at > most or self._clock() - since >= self._keep_s:
                path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class _Wish:
    model: str
    data: bytes
    patience_s: float
    voice: str
    role: str
    style: str


class Dialogue:
    def __init__(self, gateway: Gateway, outputs: Outputs):
        self._gateway = gateway
        self._outputs = outputs

    async def talk(self, request: Request) -> Response:
        """`POST /api/dialog/audio`: `success` false and a `message` where there is no answer."""
        gateway = self._gateway
        grant = await gateway.admit(key_of(request))
        async with form_of(request) as form:
            wish = await _wish(form)
        if not grant.allows(wish.model):
            raise refusals.foreign_model(wish.model)
        model = gateway.models.open(wish.model)
        note(request, token=grant.name, model=model.name, behind=model.behind)
        meter = await gateway.meter(model, grant)
        left_s = await gateway.budget.left_s(grant)
        role = "\n".join(filter(None, (wish.role or DEFAULT_INSTRUCTIONS, wish.style)))
        config = SessionConfig(
            role, model.voice(wish.voice), None, transcription_model=model.transcription_model, source="file"
        )
        sound = decoded(wish.data, MOST_S, "audio_file")
        began = time.monotonic()
        first = await asyncio.to_thread(next, sound, b"")  # what is no sound is told before anybody is asked
        try:
            async with gateway.place(grant, new_session_id()):
                with gateway.engine(model), gateway.budget.talking(grant, left_s):
                    turn = await while_there(
                        request,
                        one_turn(model, config, chain([first], sound), RATE_HZ, wish.patience_s, meter.take),
                    )
        except TimeoutError:
            return _failed(f"There was no answer within {wish.patience_s:g} s.", 504)
        except VoicechatError as error:
            return _failed(error.message, 502)
        gateway.metrics.latency.labels(model.label, "dialogue").observe(time.monotonic() - began)
        return JSONResponse(self._answer(turn))

    def _answer(self, turn: Turn) -> dict[str, object]:
        url = ""
        if turn.pcm:
            pcm = Resampler(turn.rate_hz, OUTPUT_HZ).feed(bytes(turn.pcm), last=True)
            url = f"/api/dialog/output/{self._outputs.keep(pcm)}"
        return {
            "success": not turn.complaint,
            "message": turn.complaint or ("Answered." if url else "There was no answer to hear."),
            "audio_received": bool(url),
            "output_audio_url": url or None,
            "user_text": turn.heard,
            "assistant_text": turn.answer.strip(),
        }

    async def output(self, request: Request) -> Response:
        """`GET /api/dialog/output/{filename}`: s16le mono at 24 kHz. Whoever knows the name may have it."""
        found = self._outputs.find(request.path_params["filename"])
        if found is None:
            raise Refusal(404, 4000, "not_found", "There is no such recording, or no longer.")
        return FileResponse(found, media_type="audio/pcm", headers={"X-Sample-Rate": str(OUTPUT_HZ)})


async def _wish(form: FormData) -> _Wish:
    data = await uploaded(form, "audio_file")
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise Refusal(400, 4000, "invalid_value", "Only WAV files are taken.", param="audio_file")
    given = texts(form)
    for name, value in given.items():
        if len(value) > MOST_CHARS:
            message = f"Invalid '{name[:40]}': expected at most {MOST_CHARS} characters."
            raise Refusal(400, 4000, "string_above_max_length", message, param=name[:40])
    try:
        patience_s = float(given.get("recv_timeout") or DEFAULT_PATIENCE_S)
    except ValueError:
        patience_s = -1.0
    if not PATIENCE_S[0] <= patience_s <= PATIENCE_S[1]:
        message = f"'recv_timeout' takes {PATIENCE_S[0]:g} to {PATIENCE_S[1]:g} seconds."
        raise Refusal(400, 4000, "invalid_value", message, param="recv_timeout")
    return _Wish(
        given.get("model") or OFFLINE,
        data,
        patience_s,
        given.get("voice", ""),
        given.get("system_role", ""),
        given.get("speaking_style", ""),
    )


def unanswered(message: str) -> dict[str, object]:
    """What is said of a recording that has no answer, whoever was to blame."""
    return {"success": False, "message": message, "audio_received": False, "output_audio_url": None}


def _failed(message: str, status: int) -> Response:
    return JSONResponse(unanswered(message), status)
