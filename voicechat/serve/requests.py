"""What HTTP requests carry: a key, a JSON body, a form with a file, none of any size."""

import json
from typing import Any

from starlette.datastructures import FormData, UploadFile
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive, Scope

from voicechat.dialects.openai.server.handshake import shown_key
from voicechat.serve.refusals import Refusal, too_large


def key_of(request: Request) -> str:
    return shown_key(request.headers, request.query_params)


async def json_of(request: Request) -> object:
    """Raises Refusal for what is no JSON."""
    try:
        return json.loads(await request.body() or b"null")
    except (ValueError, RecursionError) as error:
        raise Refusal(400, 4000, "invalid_json", "We could not parse the JSON body of your request.") from error
    except ClientDisconnect as gone:
        raise Refusal(400, 4000, None, "The request broke off.") from gone


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
