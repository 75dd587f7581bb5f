"""Client events other than `session.update` and `input_audio_buffer.append`, in each dialect.

Each function returns the event without its `event_id`, or None where the dialect has no word for the command.
"""

from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace

from voicechat.dialects.fields import Json
from voicechat.dialects.openai.client.profile import OPENAI_DIALECTS, Dialect
from voicechat.dialects.openai.client.session_shape import flat_tool, tool_choice, tools_alone
from voicechat.realtime.commands import (
    CancelResponse,
    ClearAudio,
    Command,
    CommitAudio,
    CreateResponse,
    DeleteItem,
    Finish,
    RetrieveItem,
    SendImage,
    SendText,
    SendToolCall,
    SetTools,
    ToolResult,
    TruncateItem,
)


def with_ids(command: Command, wire: Callable[[str], str], *, names: bool) -> Command:
    """`command` with the ids that the service itself uses; "" where it has none (but for a call's, which must be).

    `names`: the names of new items go out as well.
    """
    if isinstance(command, SendText | SendImage | SendToolCall | ToolResult):
        name = command.item_id if names else ""
        command = replace(command, item_id=name, after=wire(command.after))
    match command:
        case CancelResponse(response_id=name):
            return replace(command, response_id=wire(name))
        case TruncateItem(item_id=name) | DeleteItem(item_id=name) | RetrieveItem(item_id=name):
            return replace(command, item_id=wire(name))
        case ToolResult(call_id=name) | SendToolCall(call_id=name):
            return replace(command, call_id=wire(name) or name)
        case _:
            return command


def client_event(command: Command, dialect: Dialect) -> Json | None:
    """The one event for `command`, or None."""
    openai = dialect in OPENAI_DIALECTS
    match command:
        case SetTools():
            return {"type": "session.update", "session": tools_alone(command, dialect)}
        case CommitAudio():
            return {"type": "input_audio_buffer.commit"}
        case ClearAudio():
            return {"type": "input_audio_buffer.clear"}
        case CreateResponse():
            event: Json = {"type": "response.create"}
            options = _response_options(command, dialect)
            return event | ({"response": options} if options else {})
        case CancelResponse(response_id=response_id):
            event = {"type": "response.cancel"}
            return event | ({"response_id": response_id} if response_id and openai else {})
        case TruncateItem(item_id=item_id, content_index=content_index, audio_end_ms=audio_end_ms) if (
            openai and item_id
        ):
            return {
                "type": "conversation.item.truncate",
                "item_id": item_id,
                "content_index": content_index,
                "audio_end_ms": audio_end_ms,
            }
        case DeleteItem(item_id=item_id) if item_id and (openai or dialect == "qwen_audio"):
            return {"type": "conversation.item.delete", "item_id": item_id}
        case RetrieveItem(item_id=item_id) if item_id and (openai or dialect == "qwen_audio"):
            return {"type": "conversation.item.retrieve", "item_id": item_id}
        case SendText(text=words, role=role):
            part = {"type": _text_part(role, dialect), "text": words}
            return _create(command, {"type": "message", "role": role, "content": [part]})
        case SendToolCall(call_id=call_id, name=name, arguments=arguments):
            call = {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}
            return _create(command, call)
        case ToolResult(call_id=call_id, output=output):
            return _create(command, {"type": "function_call_output", "call_id": call_id, "output": output})
        case SendImage() if dialect == "ga":
            return _create(command, {"type": "message", "role": "user", "content": _image_parts(command)})
        case Finish() if dialect in ("qwen", "qwen_nested"):
            return {"type": "session.finish"}
        case _:
            return None


def image_buffer_event(command: SendImage) -> Json | None:
    """DashScope's image frame; it takes JPEG only."""
    if command.media_type not in ("image/jpeg", "image/jpg"):
        return None
    return {"type": "input_image_buffer.append", "image": b64encode(command.data).decode("ascii")}


def _create(command: SendText | SendImage | SendToolCall | ToolResult, item: Json) -> Json:
    event: Json = {"type": "conversation.item.create"}
    if command.after:
        event["previous_item_id"] = command.after
    return event | {"item": {"id": command.item_id, **item} if command.item_id else item}


def _response_options(command: CreateResponse, dialect: Dialect) -> Json:
    options: Json = {"instructions": command.instructions} if command.instructions else {}
    if dialect == "ga":
        if command.speak is not None:
            options["output_modalities"] = ["audio"] if command.speak else ["text"]
        if command.voice:
            options["audio"] = {"output": {"voice": command.voice}}
        if command.max_tokens is not None:
            options["max_output_tokens"] = command.max_tokens
    else:
        if command.speak is not None:
            options["modalities"] = ["text", "audio"] if command.speak else ["text"]
        if command.voice:
            options["voice"] = command.voice
        if command.max_tokens is not None:
            options["max_response_output_tokens"] = command.max_tokens
    if dialect in OPENAI_DIALECTS:
        if command.tools is not None:
            options["tools"] = [flat_tool(tool) for tool in command.tools]
        if command.tool_choice:
            options["tool_choice"] = tool_choice(command.tool_choice, dialect)
        if command.aside:
            options["conversation"] = "none"
    return options


def _text_part(role: str, dialect: Dialect) -> str:
    if role != "assistant":
        return "input_text"
    return "text" if dialect == "beta" else "output_text"


def _image_parts(command: SendImage) -> list[Json]:
    image = b64encode(command.data).decode("ascii")
    parts: list[Json] = [{"type": "input_image", "image_url": f"data:{command.media_type};base64,{image}"}]
    return [*parts, {"type": "input_text", "text": command.text}] if command.text else parts
