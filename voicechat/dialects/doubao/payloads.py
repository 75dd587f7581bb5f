"""The JSON inside the frames, where it needs no state to be written or read."""

import json

from voicechat.dialects.doubao.errors import complaint_of, status_of
from voicechat.dialects.doubao.frames import BinaryFrame, MessageType, encode
from voicechat.dialects.doubao.wire import ClientEvent
from voicechat.dialects.fields import BrokenFrame, Json, mapping, mappings, text, whole
from voicechat.realtime import events as ev


def json_frame(event: ClientEvent, fields: Json | None = None, session_id: str = "") -> bytes:
    payload = json.dumps(fields or {}, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return encode(BinaryFrame(MessageType.CLIENT_FULL, event, session_id, payload))


def fields_of(wire: BinaryFrame) -> Json:
    """The object in a frame's payload. Raises BrokenFrame and ValueError (JSON and UTF-8 alike)."""
    if not wire.payload:
        return {}
    fields = json.loads(wire.payload)
    if not isinstance(fields, dict):
        raise BrokenFrame("the payload is not an object")
    return fields


def usage(fields: Json, response_id: str) -> list[ev.Event]:
    usage = mapping(fields, "usage")
    if not usage:
        return []
    heard, read = whole(usage, "input_audio_tokens"), whole(usage, "input_text_tokens")
    cached_text, cached_audio = whole(usage, "cached_text_tokens"), whole(usage, "cached_audio_tokens")
    spoken, written = whole(usage, "output_audio_tokens"), whole(usage, "output_text_tokens")
    return [
        ev.UsageReported(
            response_id,
            ev.Usage(
                input_tokens=heard + read,
                output_tokens=spoken + written,
                input_text_tokens=read,
                input_audio_tokens=heard,
                cached_tokens=cached_text + cached_audio,
                cached_text_tokens=cached_text,
                cached_audio_tokens=cached_audio,
                output_text_tokens=written,
                output_audio_tokens=spoken,
            ),
        )
    ]


def items_created(fields: Json) -> list[ev.Event]:
    return [ev.ItemAdded(item_id, text(item, "role")) for item_id, item in _items(fields)]


def items_retrieved(fields: Json) -> list[ev.Event]:
    return [ev.ItemRetrieved(item_id, text(item, "text")) for item_id, item in _items(fields)]


def items_deleted(fields: Json) -> list[ev.Event]:
    return [ev.ItemDeleted(item_id) for item_id, _ in _items(fields)] or updated(fields)


def _items(fields: Json) -> list[tuple[str, Json]]:
    """The items that have an id."""
    return [(item_id, item) for item in mappings(fields, "items") if (item_id := text(item, "item_id"))]


def updated(fields: Json) -> list[ev.Event]:
    message = complaint_of(fields)
    return [ev.ServiceError(message, status_of(fields), "benign")] if message else []
