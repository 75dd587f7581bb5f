"""The client events of each dialect: their frames, fields and items."""

import json

from tests.realtime_server.dialects import Ga, Json
from tests.realtime_server.rules import Check, ClientError, invalid, mapping, nullable, number, string, table


def client_events(dialect: Ga) -> dict[str, Check]:
    """Every client event of the dialect, with the rule for its fields other than `type` and `event_id`."""
    one_item = table({"item_id": string})
    whole = number(0, 2**31, whole=True)
    events: dict[str, Check] = {
        "session.update": table({"session": mapping}),
        "input_audio_buffer.append": table({"audio": string}),
        "input_audio_buffer.commit": table({}),
        "input_audio_buffer.clear": table({}),
        "conversation.item.create": table({"item": mapping}, {"previous_item_id": nullable(string)}),
        "conversation.item.truncate": table({"item_id": string, "content_index": whole, "audio_end_ms": whole}),
        "conversation.item.delete": one_item,
        "conversation.item.retrieve": one_item,
        "response.create": table({}, {"response": dialect.response_check()}),
        "response.cancel": table({}, {"response_id": string}),
        **dialect.extra_events,
    }
    return {name: check for name, check in events.items() if name not in dialect.without}


def parse(frame: str | bytes) -> Json:
    """The client event in a frame. Raises ClientError as the service complains about it."""
    if isinstance(frame, bytes):
        raise ClientError("invalid_event", "Expected a text WebSocket message; binary frames are not supported.")
    try:
        event = json.loads(frame)
    except ValueError as error:
        raise ClientError("invalid_json", "Invalid event: failed to parse JSON value.") from error
    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
        raise ClientError("invalid_event", "The 'type' field is missing.")
    return event


def check_item(item: Json, dialect: Ga, known_items: dict[str, Json]) -> None:
    """An item a client wants to create. Raises ClientError."""
    kind = item.get("type")
    if kind == "message":
        parts = {"user": dialect.input_parts, "system": ("input_text",), "assistant": (dialect.text_part,)}
        if item.get("role") not in parts:
            raise invalid("item.role", item.get("role"), ", ".join(parts))
        for index, part in enumerate(item.get("content") or []):
            if part.get("type") not in parts[item["role"]]:
                raise invalid(f"item.content[{index}].type", part.get("type"), ", ".join(parts[item["role"]]))
    elif kind == "function_call_output":
        table({"type": string, "call_id": string, "output": string}, {"id": string, "status": string})(item, "item")
        if not any(known.get("call_id") == item["call_id"] for known in known_items.values()):
            raise ClientError("invalid_value", f"No function call has the id {item['call_id']}.", "item.call_id")
    elif kind == "function_call":
        given = {"type": string, "name": string, "arguments": string, "call_id": string}
        table(given, {"id": string, "status": string})(item, "item")
    else:
        raise invalid("item.type", kind, "'message', 'function_call', 'function_call_output'")
