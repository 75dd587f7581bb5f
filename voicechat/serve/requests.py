"""What HTTP requests carry: a key, a JSON body, a form with a file, none of any size."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from starlette.datastructures import FormData, UploadFile
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive, Scope

from voicechat.dialects.openai.server.handshake import shown_key
from voicechat.serve.refusals import Refusal, broken_off, too_large

_T = TypeVar("_T")


def key_of(request: Request) -> str:
    return shown_key(request.headers, request.query_params)


async def json_of(request: Request) -> object:
    """Raises Refusal for what is no JSON."""
    try:
        return json.loads(await request.body() or b"null")
    except (ValueError, RecursionError) as error:
        raise Refusal(400, 4000, "invalid_json", "We could not parse the JSON body of your request.") from error
    except ClientDisconnect as gone:
        raise broken_off() from gone


@asynccontextmanager
async def form_of(request: Request) -> AsyncIterator[FormData]:
    """Its form, with one file, while inside. Raises Refusal for one that breaks off."""
    try:
        form = await request.form(max_files=1, max_fields=16)
    except ClientDisconnect as gone:
        raise broken_off() from gone
    try:
        yield form
    finally:
        await form.close()


async def while_there(request: Request, work: Awaitable[_T]) -> _T:
    """What comes of it, if the client waits so long: its going cancels no handler. The body must have been read.

    Raises Refusal when it has gone.
    """
    working = asyncio.ensure_future(work)
    gone = asyncio.create_task(_gone(request), name="gone")
    try:
        await asyncio.wait((working, gone), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise broken_off()
        return working.result()
    finally:
        working.cancel()
        gone.cancel()
        await asyncio.gather(working, gone, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def note(request: Request, **facts: object) -> None:
    """Something that the log line of this request tells. No words, no keys."""
    facts_of(request.scope).update(facts)


def facts_of(scope: Scope) -> dict[str, object]:
    facts: dict[str, object] = scope.setdefault("voicechat.facts", {})
    return facts


async def uploaded(form: FormData, name: str) -> bytes:
    """The file of a form. Raises Refusal where there is none of that name."""
    upload = form.get(name)
    if not isinstance(upload, UploadFile):
        message = f"Missing required parameter: '{name}'."
        raise Refusal(400, 4000, "missing_required_parameter", message, param=name)
    return await upload.read()


def texts(form: FormData) -> dict[str, str]:
    """Its fields that are no files."""
    return {name: value.strip() for name, value in form.items() if isinstance(value, str)}


def event_line(fields: dict[str, Any]) -> str:
    """One server-sent event."""
    return f"data: {json.dumps(fields, separators=(',', ':'))}\n\n"


def bounded(scope: Scope, receive: Receive, most_bytes: int) -> Receive:
    """`receive` of a request whose body is read up to this size. It raises Refusal for a larger one."""
    declared = dict(scope["headers"]).get(b"content-length", b"")
    taken = int(declared) if declared.isdigit() and len(declared) < 20 and int(declared) > most_bytes else 0

    async def receive_some() -> Message:
        nonlocal taken
        if taken > most_bytes:
            raise too_large(most_bytes)
        message = await receive()
        taken += len(message.get("body", b""))
        return message

    return receive_some
