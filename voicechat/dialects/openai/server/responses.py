"""The ladder of a response's events, from `response.created` to the one `response.done` (reference, section 11).

Whoever stands behind says what matters: that a response began, its words and sound, its calls, its end. The rungs
between (items and parts that are added and done) are put in here, once each and in the captured order of rule 3.
"""

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from voicechat.audio import g711
from voicechat.dialects.fields import Json
from voicechat.dialects.openai.server.conversation import Conversation, Item
from voicechat.dialects.openai.server.session import Session
from voicechat.dialects.openai.server.session_fields import modalities, shown
from voicechat.dialects.openai.server.speech import rate_hz
from voicechat.dialects.openai.server.usage import usage_shape
from voicechat.dialects.sound import encoded
from voicechat.realtime import events as ev

Tell = Callable[..., None]
"""`tell(type, **fields)`: one server event."""
TellSound = Callable[[str, str], None]
"""`tell_sound(head, audio)`: one with sound in base64; `head` is the JSON of the event without it and its id."""

ENCODER = json.JSONEncoder(separators=(",", ":"), check_circular=False)

MOST_OPEN = 8
"""Responses at once; one that never ends must not be kept for ever."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a `response.create` said that the answer's frames repeat."""

    event_id: str | None = None
    speak: bool | None = None
    voice: str = ""
    max_tokens: int | None = None
    metadata: Json | None = None


@dataclass(slots=True)
class _Part:
    kind: str
    """`audio` or `text`."""
    text: str = ""
    sound_head: str = ""
    """What all of its pieces of sound begin with."""
    audio_done: bool = False
    text_done: bool = False


@dataclass(slots=True)
class _Output:
    index: int
    item: Item
    previous: str | None
    parts: dict[int, _Part] = field(default_factory=dict)
    done: bool = False


@dataclass(slots=True)
class _Response:
    id: str
    shape: Json
    out_of_band: bool
    speaks: bool
    """Else its words are told as text, and whoever speaks them all the same is not heard."""
    outputs: dict[str, _Output] = field(default_factory=dict)
    usage: ev.Usage | None = None


class Responses:
    """The responses under way. Events of any other are dropped: a response has one beginning and one end."""

    def __init__(self, session: Session, conversation: Conversation, tell: Tell, tell_sound: TellSound):
        self._session = session
        self._conversation = conversation
        self._tell = tell
        self._tell_sound = tell_sound
        self._open: dict[str, _Response] = {}
        self.asked: Wish | None = None
        """A `response.create` that no response has answered yet."""
        self.asides: deque[Wish] = deque()
        """Those whose answers are no part of the conversation."""

    @property
    def active_id(self) -> str:
        """The response that runs in the conversation, "" when there is none."""
        return next((one.id for one in reversed(self._open.values()) if not one.out_of_band), "")

    @property
    def beside(self) -> int:
        """How many run, or are about to, that are no part of the conversation."""
        return len(self.asides) + sum(one.out_of_band for one in self._open.values())

    def is_open(self, response_id: str) -> bool:
        return response_id in self._open

    def encode(self, event: ev.Event) -> None:
        match event:
            case ev.AssistantAudio():
                self._audio(event)
            case ev.ResponseStarted():
                self._started(event)
            case ev.AssistantText():
                self._text(event)
            case ev.AssistantAudioDone():
                if found := self._find(event.response_id, event.item_id, event.content_index):
                    self._audio_done(*found, event.content_index)
            case ev.AssistantTextDone():
                self._text_done(event)
            case ev.ToolCall():
                self._call(event)
            case ev.UsageReported():
                if reported := self._open.get(event.response_id):
                    reported.usage = event.usage
            case ev.ResponseFinished():
                self._finished(event)

    def adopts(self, event: ev.ItemAdded) -> bool:
        """Whether the new item belongs to the running response, which then shows it by its own ladder."""
        response = self._open.get(self.active_id)
        if response is None or (event.kind == "message" and event.role != "assistant"):
            return False
        if event.kind == "message":
            self._output(response, event.item_id)
        return event.kind in ("message", "function_call")  # a call is shown when its name is known

    def _started(self, event: ev.ResponseStarted) -> None:
        response_id, wish = event.response_id, Wish()
        if not event.out_of_band:
            wish, self.asked = self.asked or wish, None
        elif self.asides:
            wish = self.asides.popleft()
        speak = self._session.values["speak"] if wish.speak is None else wish.speak
        voice = wish.voice or self._session.values["voice"]
        output_format = self._session.values["output_format"]
        limit = wish.max_tokens or self._session.values["max_tokens"] or "inf"
        shape: Json = {
            "object": "realtime.response",
            "id": response_id,
            "status": "in_progress",
            "status_details": None,
            "output": [],
            "conversation_id": None if event.out_of_band else self._conversation.id,
            "max_output_tokens": limit,
            "metadata": wish.metadata,
            "usage": None,
        }
        if self._session.strict:
            shape["output_modalities"] = modalities(speak, self._session.dialect)
            shape["audio"] = {
                "output": {"format": shown("output_format", output_format, self._session.dialect), "voice": voice}
            }
        else:
            shape["modalities"] = modalities(speak, self._session.dialect)
            shape |= {
                "voice": voice,
                "output_audio_format": output_format,
                "temperature": self._session.values["temperature"],
            }
        self._open[response_id] = _Response(response_id, shape, event.out_of_band, speak)
        if len(self._open) > MOST_OPEN:
            del self._open[next(iter(self._open))]
        self._tell("response.created", response=shape)

    # items and parts

    def _output(self, response: _Response, item_id: str, call: Json | None = None) -> _Output:
        output = response.outputs.get(item_id)
        if output is not None:
            return output
        item = self._conversation.find(item_id)
        new = item is None and not response.out_of_band
        if item is None:
            item = Item(item_id, role="assistant") if call is None else Item(item_id, "function_call", fields=call)
            if new:
                self._conversation.add(item)
        item.status = "in_progress"
        previous = self._conversation.before(item_id)
        output = response.outputs[item_id] = _Output(len(response.outputs), item, previous)
        shape = item.shape(self._session.dialect)
        self._tell("response.output_item.added", response_id=response.id, output_index=output.index, item=shape)
        if new:
            kind = "added" if self._session.strict else "created"
            self._tell(f"conversation.item.{kind}", previous_item_id=previous, item=shape)
        return output

    def _part(self, response_id: str, item_id: str, index: int, kind: str) -> tuple[_Response, _Output, _Part] | None:
        response = self._open.get(response_id)
        if response is None:
            return None
        output = self._output(response, item_id)
        part = output.parts.get(index)
        if part is None:
            part = output.parts[index] = _Part(kind)
            self._tell_part("response.content_part.added", response, output, index, part=_part_shape(part))
            self._settle(output)
        return response, output, part

    def _find(self, response_id: str, item_id: str, index: int) -> tuple[_Response, _Output, _Part] | None:
        response = self._open.get(response_id)
        output = response.outputs.get(item_id) if response else None
        part = output.parts.get(index) if output else None
        return (response, output, part) if response and output and part else None

    def _audio(self, event: ev.AssistantAudio) -> None:
        if not self._speaks(event.response_id):
            return
        found = self._part(event.response_id, event.item_id, event.content_index, "audio")
        if found is None:
            return
        response, output, part = found
        law = self._session.values["output_format"]
        output.item.sound(len(event.pcm) / 2 / rate_hz(law) * 1000)
        self._session.voice_locked = True
        data = event.pcm if law == "pcm16" else g711.encode(law, event.pcm)
        if not part.sound_head:
            fields = _place(response, output, event.content_index)
            part.sound_head = ENCODER.encode({"type": self._name("audio.delta"), **fields})
        self._tell_sound(part.sound_head, encoded(data))

    def _speaks(self, response_id: str) -> bool:
        response = self._open.get(response_id)
        return response is not None and response.speaks

    def _text(self, event: ev.AssistantText) -> None:
        spoken = event.spoken and self._speaks(event.response_id)
        kind = "audio" if spoken else "text"
        found = self._part(event.response_id, event.item_id, event.content_index, kind)
        if found is None:
            return
        response, output, part = found
        part.text += event.delta
        if spoken:
            output.item.say(event.delta)
        name = self._name("audio_transcript.delta" if spoken else "text.delta")
        self._tell_part(name, response, output, event.content_index, delta=event.delta)

    def _text_done(self, event: ev.AssistantTextDone) -> None:
        spoken = event.spoken and self._speaks(event.response_id)
        kind = "audio" if spoken else "text"
        found = self._part(event.response_id, event.item_id, event.content_index, kind)
        if found is None:
            return
        response, output, part = found
        if spoken and not part.text:
            output.item.say(event.text)
        part.text = event.text or part.text
        self._tell_text_done(response, output, part, event.content_index)

    def _audio_done(self, response: _Response, output: _Output, part: _Part, index: int) -> None:
        if part.kind == "audio" and not part.audio_done:
            part.audio_done = True
            self._tell_part(self._name("audio.done"), response, output, index)

    def _tell_text_done(self, response: _Response, output: _Output, part: _Part, index: int) -> None:
        if part.text_done:
            return
        part.text_done = True
        if part.kind == "audio":
            name = self._name("audio_transcript.done")
            self._tell_part(name, response, output, index, transcript=part.text)
        else:
            self._tell_part(self._name("text.done"), response, output, index, text=part.text)

    def _call(self, event: ev.ToolCall) -> None:
        response = self._open.get(event.response_id)
        if response is None or event.item_id in response.outputs:
            return
        fields: Json = {"call_id": event.call_id, "name": event.name, "arguments": ""}
        output = self._output(response, event.item_id, fields)
        output.item.fields["arguments"] = event.arguments
        place: Json = {"response_id": response.id, "item_id": event.item_id, "output_index": output.index}
        place["call_id"] = event.call_id
        self._tell("response.function_call_arguments.delta", **place, delta=event.arguments)
        done = {"name": event.name} if self._session.strict else {}
        self._tell("response.function_call_arguments.done", **place, **done, arguments=event.arguments)
        self._close(response, output, "completed")

    # the end

    def _finished(self, event: ev.ResponseFinished) -> None:
        response = self._open.pop(event.response_id, None)
        if response is None:
            return
        status = "completed" if event.status == "completed" else "incomplete"
        for output in response.outputs.values():
            self._close(response, output, status)
        usage = event.usage or response.usage
        self._tell(
            "response.done",
            response=response.shape
            | {
                "status": event.status,
                "status_details": _details(event),
                "output": [output.item.shape(self._session.dialect) for output in response.outputs.values()],
                "usage": usage_shape(usage or ev.Usage(), self._session) if usage or self._session.dashscope else None,
            },
        )

    def _close(self, response: _Response, output: _Output, status: Any) -> None:
        if output.done:
            return
        output.done = True
        for index, part in output.parts.items():
            self._audio_done(response, output, part, index)
            self._tell_text_done(response, output, part, index)
            self._tell_part("response.content_part.done", response, output, index, part=_part_shape(part))
        output.item.status = status
        self._settle(output)
        shape = output.item.shape(self._session.dialect)
        if self._session.strict and not response.out_of_band:
            self._tell("conversation.item.done", previous_item_id=output.previous, item=shape)
        self._tell("response.output_item.done", response_id=response.id, output_index=output.index, item=shape)

    def _settle(self, output: _Output) -> None:
        """The item's content is what its parts say, unless it was truncated."""
        if not output.item.cut:
            output.item.content = [
                {"type": "output_audio", "transcript": part.text.strip()}
                if part.kind == "audio"
                else {"type": "output_text", "text": part.text.strip()}
                for part in output.parts.values()
            ]

    def _name(self, event: str) -> str:
        return f"response.output_{event}" if self._session.strict else f"response.{event}"

    def _tell_part(self, kind: str, response: _Response, output: _Output, index: int, **fields: Any) -> None:
        self._tell(kind, **_place(response, output, index), **fields)


def _place(response: _Response, output: _Output, index: int) -> Json:
    return {
        "response_id": response.id,
        "item_id": output.item.id,
        "output_index": output.index,
        "content_index": index,
    }


def _part_shape(part: _Part) -> Json:
    return {"type": part.kind, "transcript" if part.kind == "audio" else "text": part.text}


def _details(event: ev.ResponseFinished) -> Json | None:
    if event.status == "completed":
        return None
    details: Json = {"type": event.status}
    if event.reason:
        details["reason"] = event.reason
    if event.message or event.code:
        details["error"] = {"type": "server_error", "code": event.code or None, "message": event.message}
    return details
