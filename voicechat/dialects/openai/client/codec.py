"""`RealtimeCodec`: one session's translation between our vocabulary and the OpenAI Realtime family's frames."""

import json
import secrets
from dataclasses import replace

from voicechat.audio import g711
from voicechat.dialects.complaints import Complaint, classify
from voicechat.dialects.fields import BrokenFrame, Json, Recent, mapping, parsed
from voicechat.dialects.openai.client.client_events import client_event, image_buffer_event, with_ids
from voicechat.dialects.openai.client.negotiation import Negotiation
from voicechat.dialects.openai.client.profile import OPENAI_DIALECTS, ClientProfile
from voicechat.dialects.openai.client.server_events import ServerEvents, session_created, session_updated
from voicechat.dialects.openai.client.session_shape import session
from voicechat.dialects.sound import encoded
from voicechat.realtime import commands as cmd
from voicechat.realtime.capabilities import Capabilities
from voicechat.realtime.codec import WireFrame
from voicechat.realtime.commands import AppendAudio, Command, Configure, SendImage, SendText, SetTools
from voicechat.realtime.events import Event, Ignored, ResponseFinished, ServiceError

_AUDIO_EVENTS = ("response.audio.delta", "response.output_audio.delta")


class RealtimeCodec:
    """Sans-I/O codec of GA, Beta and the Qwen variations; implements `realtime.codec.Codec`."""

    def __init__(self, profile: ClientProfile | None = None):
        self._profile = profile or ClientProfile()
        self._negotiation = Negotiation(self._profile)
        self._server_events = ServerEvents(self._profile.audio_format)
        # Errors quote the id of the event that caused them; the random part keeps sessions apart in a log.
        self._id_prefix = f"event_{secrets.token_hex(4)}_"
        self._sent = 0
        self._commands: Recent[tuple[str, str]] = Recent()  # event id → the command it came of, and its item's name
        self._heard_us = False

    @property
    def capabilities(self) -> Capabilities:
        """What the service can do; images, semantic turns and updates depend on what was learnt in this session."""
        known = self._profile.capabilities
        if self._profile.audio_format != "pcm16":
            known = replace(known, input_rate_hz=g711.RATE_HZ, output_rate_hz=g711.RATE_HZ)
        images = self._negotiation.dialect != "beta" and known.supports_images
        updates = known.updates - ({"voice"} if self._negotiation.voice_settled else set())
        semantic_vad = self._negotiation.semantic_vad
        return replace(known, supports_images=images, supports_semantic_vad=semantic_vad, updates=updates)

    def encode(self, command: Command) -> list[WireFrame]:
        """The frames for `command`; none when the dialect has no word for it."""
        if isinstance(command, AppendAudio):
            return self._append(command.pcm)
        if isinstance(command, Configure):
            event_id = self._next_id(command)
            terms = self._negotiation.terms(command.config, event_id)
            shape = session(command.config, self._profile, terms)
            return [_dumps({"type": "session.update", "event_id": event_id, "session": shape})]
        if isinstance(command, SetTools) and not self._profile.capabilities.supports_tools:
            return []
        dialect = self._negotiation.dialect
        if isinstance(command, SendImage) and not self._profile.capabilities.supports_images:
            return []
        if isinstance(command, SendImage) and dialect not in OPENAI_DIALECTS:
            return self._image_frames(command)
        names = self._profile.takes_names and dialect in OPENAI_DIALECTS
        event = client_event(with_ids(command, self._server_events.names.wire, names=names), dialect)
        if event is None:
            return []
        return [self._frame(event, command, self._note(command, told=names))]

    def decode(self, frame: WireFrame) -> list[Event]:
        """The events of one frame. Never raises: a broken frame is one `Ignored(broken=True)`."""
        kind = "not JSON"
        try:
            event = parsed(frame, "delta")
            if not isinstance(event, dict):
                return [Ignored("not an object", broken=True)]
            name = event.get("type")
            if not isinstance(name, str):
                return [Ignored("no type", broken=True)]
            kind = name
            return self._decode(kind, event)
        except (BrokenFrame, ValueError, RecursionError):  # ValueError: JSON, UTF-8 and base64 alike
            return [Ignored(kind, broken=True)]

    def replies(self) -> list[WireFrame]:
        """None: the service speaks first, and nothing it says has to be acknowledged."""
        return []

    def _decode(self, kind: str, event: Json) -> list[Event]:
        if kind == "error":
            return self._error(event)
        if kind == "session.created":
            created = session_created(event)
            self._negotiation.created(mapping(event, "session"))
            return [created]
        if kind == "session.updated":
            configured = session_updated(event)
            self._negotiation.configured = True
            return [configured]
        events = self._server_events.decode(kind, event)
        if kind in _AUDIO_EVENTS:
            self._negotiation.voice_locked = True
        elif kind == "response.done":
            return self._with_final_error(events)
        return events

    def _error(self, event: Json) -> list[Event]:
        complaint = Complaint.read(event)
        error = classify(complaint, self._profile.key_name)
        command, item = self._commands.get(complaint.event_id, ("", ""))
        error = replace(error, command=command)
        if self._negotiation.superseded(complaint):
            return [replace(error, severity="benign", hint="")]
        if error.severity == "recoverable":
            again = self._negotiation.again(complaint)
            if again is not None:
                return [again]
            if self._negotiation.about_configuration(complaint):
                # A refused update is dropped whole: formats and turn mode would not be what we assume.
                place = f" (at {complaint.param})" if complaint.param else ""
                hint = error.hint or f"The service refused the session's configuration{place}."
                error = replace(error, severity="fatal", hint=hint)
        return [*self._follows(error, item), error]

    def _follows(self, error: ServiceError, item: str) -> list[Event]:
        """What a refusal says of inputs (`item`, if it is known) and responses; forgotten ends come to light by it."""
        if error.code == "response_cancel_not_active":
            return self._server_events.responses.nothing_to_cancel()
        if item or error.code == "input_audio_buffer_commit_empty":
            self._server_events.inputs.not_taken(item)
        elif error.code == "conversation_already_has_active_response" or error.command == "CreateResponse":
            self._server_events.inputs.not_answered()
        return []

    def _with_final_error(self, events: list[Event]) -> list[Event]:
        """A response may fail for a reason that ends the session too (quota): then say so."""
        last = events[-1]
        if not isinstance(last, ResponseFinished) or last.status != "failed":
            return events
        error = classify(Complaint("", last.code, last.message, "", ""), self._profile.key_name)
        return [*events, *([error] if error.severity == "fatal" else [])]

    def _append(self, pcm: bytes) -> list[WireFrame]:
        """The hot path, fifty times a second: no event id (never answered), no JSON encoder (base64 has no escapes)."""
        if not pcm and self._profile.capabilities.keep_alive_s is None:
            return []
        self._heard_us = self._heard_us or bool(pcm)
        if self._profile.audio_format != "pcm16":
            pcm = g711.encode(self._profile.audio_format, pcm)
        audio = encoded(pcm)
        return [f'{{"type":"input_audio_buffer.append","audio":"{audio}"}}']

    def _note(self, command: Command, *, told: bool) -> str:
        """What the service will speak of when it answers; the name of the user item that it is asked to make."""
        inputs, names = self._server_events.inputs, self._server_events.names
        match command:
            case cmd.CommitAudio(item_id=item_id):
                return inputs.send(item_id, spoken=True)
            case cmd.SendText(role="user", item_id=item_id) | cmd.SendImage(item_id=item_id):
                return inputs.send(item_id, spoken=False, told=told)
            case cmd.SendText(item_id=name) | cmd.SendToolCall(item_id=name) | cmd.ToolResult(item_id=name) if name:
                names.give(name, told=told)
            case cmd.CreateResponse():
                inputs.ask()
            case cmd.CancelResponse(response_id=response_id):
                self._server_events.responses.cancelled(response_id)
            case _:
                pass
        return ""

    def _image_frames(self, command: SendImage) -> list[WireFrame]:
        event = image_buffer_event(command)
        if event is None:
            return []
        # DashScope refuses an image before the first audio.
        frames = [] if self._heard_us else self._append(bytes(2 * self._profile.capabilities.input_rate_hz // 10))
        frames.append(self._frame(event, command))
        return frames + (self.encode(SendText(command.text, item_id=command.item_id)) if command.text else [])

    def _next_id(self, command: Command, item: str = "") -> str:
        self._sent += 1
        event_id = f"{self._id_prefix}{self._sent}"
        self._commands[event_id] = (type(command).__name__, item)
        return event_id

    def _frame(self, event: Json, command: Command, item: str = "") -> str:
        return _dumps({"type": event["type"], "event_id": self._next_id(command, item), **event})


def _dumps(event: Json) -> str:
    return json.dumps(event, separators=(",", ":"))
