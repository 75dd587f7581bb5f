"""One conversation in the OpenAI dialect, as a service tells it that is careless with names and brackets."""

import base64
import json
import re
from collections.abc import Callable
from typing import Any

from voicechat.realtime import events as ev
from voicechat.realtime.codec import Codec

Json = dict[str, Any]
PCM = base64.b64encode(b"\1\0" * 100).decode()
IDS = ("id", "item_id", "response_id", "call_id", "previous_item_id")


def spoken(turn: int, status: str = "completed") -> list[Json]:
    """A turn that the service found, and its answer."""
    user, item, response = f"user_{turn}", f"item_{turn}", f"resp_{turn}"
    ids = {"response_id": response, "item_id": item, "content_index": 0}
    transcribed = "conversation.item.input_audio_transcription"
    message = {"id": user, "type": "message", "role": "user", "content": [{"type": "input_audio"}]}
    return [
        {"type": "input_audio_buffer.speech_started", "item_id": user},
        {"type": "input_audio_buffer.speech_stopped", "item_id": user},
        {"type": "input_audio_buffer.committed", "item_id": user},
        {"type": "conversation.item.added", "item": message},
        {"type": f"{transcribed}.delta", "item_id": user, "delta": f"words {turn}"},
        {"type": f"{transcribed}.completed", "item_id": user, "transcript": f"words {turn}"},
        {"type": "response.created", "response": {"id": response}},
        {"type": "response.output_audio_transcript.delta", "delta": f"answer {turn}", **ids},
        {"type": "response.output_audio.delta", "delta": PCM, **ids},
        {"type": "response.output_audio.done", **ids},
        {"type": "response.output_audio_transcript.done", "transcript": f"answer {turn}", **ids},
        {"type": "response.done", "response": {"id": response, "status": status}},
    ]


def called(turn: int) -> list[Json]:
    """A response that wants a tool run, told of three times as services do."""
    response, item = f"resp_{turn}", {"id": f"item_{turn}", "type": "function_call", "call_id": f"call_{turn}"}
    item |= {"name": "clock", "arguments": "{}"}
    ids = {"response_id": response, "item_id": item["id"], "call_id": item["call_id"]}
    return [
        {"type": "response.created", "response": {"id": response}},
        {"type": "response.output_item.added", "response_id": response, "item": {**item, "arguments": ""}},
        {"type": "response.function_call_arguments.done", **ids, "name": "clock", "arguments": "{}"},
        {"type": "response.output_item.done", "response_id": response, "item": item},
        {"type": "response.done", "response": {"id": response, "status": "completed", "output": [item]}},
    ]


CONVERSATION = [*spoken(1), *spoken(2, "cancelled"), *called(3), *spoken(4)]


def without_ids(frames: list[Json]) -> list[Json]:
    def strip(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: strip(part) for key, part in value.items() if key not in IDS}
        return [strip(part) for part in value] if isinstance(value, list) else value

    return [strip(frame) for frame in frames]


def with_numbers(frames: list[Json]) -> list[Json]:
    """The ids of responses, items and calls are numbers: users' items are 101, 102, …, answers' 201, …"""
    told = json.dumps(frames)
    for place, kind in enumerate(("user", "item", "resp", "call"), 1):
        told = re.sub(rf'"{kind}_(\d)"', lambda found, place=place: f"{place}0{found[1]}", told)
    numbered: list[Json] = json.loads(told)
    return numbered


def always_the_same(frames: list[Json]) -> list[Json]:
    text = json.dumps(frames)
    for number in range(1, 5):
        text = text.replace(f'_{number}"', '_1"')
    same: list[Json] = json.loads(text)
    return same


def doubled(kind: str) -> Callable[[list[Json]], list[Json]]:
    return lambda frames: [again for frame in frames for again in [frame] * (1 + (frame["type"] == kind))]


def missing(kind: str) -> Callable[[list[Json]], list[Json]]:
    return lambda frames: [frame for frame in frames if frame["type"] != kind]


def late_words(frames: list[Json]) -> list[Json]:
    """The words of each turn come after the answer to it."""
    late: list[Json] = []
    out: list[Json] = []
    for frame in frames:
        if "transcription" in frame["type"]:
            late.append(frame)
            continue
        if frame["type"].endswith("speech_started"):
            out += late
            late = []
        out.append(frame)
    return out + late


CARELESS: dict[str, Callable[[list[Json]], list[Json]]] = {
    "as it should be": list,
    "no ids": without_ids,
    "numbers for ids": with_numbers,
    "the same ids again": always_the_same,
    "created twice": doubled("response.created"),
    "never created": missing("response.created"),
    "done twice": doubled("response.done"),
    "never done": missing("response.done"),
    "late words": late_words,
    "committed twice": doubled("input_audio_buffer.committed"),
    "never committed": missing("input_audio_buffer.committed"),
}


def heard(codec: Codec, frames: list[Json]) -> list[ev.Event]:
    return [event for frame in frames for event in codec.decode(json.dumps(frame))]
