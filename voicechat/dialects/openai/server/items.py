"""`conversation.item.create`: the item a client writes, checked, and the commands that put it where it belongs.

A user's pictures travel as `SendImage`, one each; a call of the model's and its result have commands of their own.
Recorded sound inside an item has none: clients append it to the input buffer.
"""

from base64 import b64decode
from collections.abc import Callable

from voicechat.dialects.fields import Json
from voicechat.dialects.openai.server.checks import (
    Rejected,
    as_id,
    as_list,
    as_object,
    as_text,
    invalid,
    one_of,
    required,
)
from voicechat.dialects.openai.server.conversation import Item
from voicechat.realtime.commands import Command, SendImage, SendText, SendToolCall, ToolResult

_PARTS = {
    "user": ("input_text", "input_audio", "input_image"),
    "system": ("input_text",),
    "assistant": ("output_text",),
}
_KINDS = ("message", "function_call", "function_call_output")
_IMAGES = ("image/png", "image/jpeg", "image/jpg")


def created(
    shape: object, after: str, new_id: Callable[[], str], known_call: Callable[[str], bool]
) -> tuple[Item, list[Command]]:
    """The item of a client's `shape`, and its commands. Raises Rejected."""
    fields = as_object(shape, "item")
    item_id = new_id() if fields.get("id") is None else as_id(fields["id"], "item.id")
    kind = one_of(required(fields, "type", "item"), "item.type", _KINDS)
    if kind == "message":
        return _message(fields, item_id, after)
    call_id = as_id(required(fields, "call_id", "item"), "item.call_id")
    if kind == "function_call":
        name = as_text(required(fields, "name", "item"), "item.name")
        arguments = as_text(required(fields, "arguments", "item"), "item.arguments")
        item = Item(item_id, kind, fields={"call_id": call_id, "name": name, "arguments": arguments})
        return item, [SendToolCall(call_id, name, arguments, item_id, after)]
    output = as_text(required(fields, "output", "item"), "item.output")
    if not known_call(call_id):
        raise Rejected("invalid_value", f"No function call with the call_id {call_id!r} was made.", "item.call_id")
    item = Item(item_id, kind, fields={"call_id": call_id, "output": output})
    return item, [ToolResult(call_id, output, item_id, after)]


def _message(fields: Json, item_id: str, after: str) -> tuple[Item, list[Command]]:
    role = one_of(required(fields, "role", "item"), "item.role", _PARTS)
    content: list[Json] = []
    words: list[str] = []
    images: list[tuple[str, bytes]] = []
    for index, entry in enumerate(as_list(required(fields, "content", "item"), "item.content")):
        where = f"item.content[{index}]"
        part = as_object(entry, where)
        kind = _PARTS[role][0] if part.get("type") == "text" else part.get("type")
        kind = one_of(kind, f"{where}.type", _PARTS[role])
        if kind == "input_image":
            images.append(_image(required(part, "image_url", where), f"{where}.image_url"))
            content.append({"type": kind})
            continue
        if kind == "input_audio":
            if part.get("transcript") is None:
                message = "Sound without a transcript is taken by 'input_audio_buffer.append' only."
                raise Rejected("invalid_value", message, f"{where}.type")
            words.append(as_text(part["transcript"], f"{where}.transcript"))
            content.append({"type": kind, "transcript": words[-1]})
            continue
        words.append(as_text(required(part, "text", where), f"{where}.text"))
        content.append({"type": kind, "text": words[-1]})
    item = Item(item_id, role=role, content=content)
    text = "\n".join(words)
    if not images:
        return item, [SendText(text, role, item_id, after)]  # type: ignore[arg-type]
    # The item is the last picture with the words; those before it are on their way to it.
    commands: list[Command] = [SendImage(data, media_type) for media_type, data in images[:-1]]
    media_type, data = images[-1]
    return item, [*commands, SendImage(data, media_type, text, item_id, after)]


def _image(value: object, where: str) -> tuple[str, bytes]:
    """Media type and bytes of a data URI."""
    url = as_text(value, where)
    head, comma, data = url.partition(",")
    media_type = head.removeprefix("data:").removesuffix(";base64")
    if not comma or media_type not in _IMAGES or head != f"data:{media_type};base64":
        raise invalid(where, url, "data URIs with base64 of image/png and image/jpeg")
    try:
        return media_type, b64decode(data, validate=True)
    except ValueError:
        raise invalid(where, url, "data URIs with base64 of image/png and image/jpeg") from None
