"""`RealtimeCodec`: one session's translation between our vocabulary and the OpenAI Realtime family's frames."""

import json
import secrets
from binascii import b2a_base64
from dataclasses import replace

from voicechat.audio import g711
from voicechat.dialects.complaints import Complaint, classify
from voicechat.dialects.fields import BrokenFrame, Json, mapping
from voicechat.dialects.openai.client.client_events import client_event, image_buffer_event
from voicechat.dialects.openai.client.negotiation import Negotiation
from voicechat.dialects.openai.client.profile import OPENAI_DIALECTS, Profile
from voicechat.dialects.openai.client.server_events import ServerEvents, session_created, session_updated
from voicechat.dialects.openai.client.session_shape import session
from voicechat.realtime.capabilities import Capabilities
from voicechat.realtime.codec import Frame
from voicechat.realtime.commands import AppendAudio, Command, Configure, SendImage, SendText
from voicechat.realtime.events import Event, Ignored, ResponseFinished

_AUDIO_EVENTS = ("response.audio.delta", "response.output_audio.delta")


class RealtimeCodec:
    """Sans-I/O codec of GA, Beta and the Qwen variations; implements `providers.base.Codec`."""

    def __init__(self, profile: Profile | None = None):
        self._profile = profile or Profile()
        self._negotiation = Negotiation(self._profile)
        self._server_events = ServerEvents(self._profile.audio_format, self._profile.secrets)
        # Errors quote the id of the event that caused them; the random part keeps sessions apart in a log.
        self._id_prefix = f"event_{secrets.token_hex(4)}_"
        self._sent = 0
        self._heard_us = False

    @property
    def capabilities(self) -> Capabilities:
        """What the service can do; images and semantic turns depend on what was learnt in this session."""
        known = self._profile.capabilities
        if self._profile.audio_format != "pcm16":
            known = replace(known, input_rate_hz=g711.RATE_HZ, output_rate_hz=g711.RATE_HZ)
        images = self._negotiation.dialect != "beta" and known.supports_images
        return replace(known, supports_images=images, supports_semantic_vad=self._negotiation.semantic_vad)

    def encode(self, command: Command) -> list[Frame]:
        """The frames for `command`; none when the dialect has no word for it."""
        if isinstance(command, AppendAudio):
            return self._append(command.pcm)
        if isinstance(command, Configure):
            event_id = self._next_id()
            terms = self._negotiation.terms(command.config, event_id)
            shape = session(command.config, self._profile, terms)
            return [_dumps({"type": "session.update", "event_id": event_id, "session": shape})]
        dialect = self._negotiation.dialect
        if isinstance(command, SendImage) and dialect not in OPENAI_DIALECTS:
            return self._image_frames(command)
        event = client_event(command, dialect)
        return [] if event is None else [self._frame(event)]

    def decode(self, frame: Frame) -> list[Event]:
        """The events of one frame. Never raises: a broken frame is one `Ignored(broken=True)`."""
        kind = "not JSON"
        try:
            event = json.loads(frame)
            if not isinstance(event, dict):
                return [Ignored("not an object", broken=True)]
            name = event.get("type")
            if not isinstance(name, str):
                return [Ignored("no type", broken=True)]
            kind = name
            return self._decode(kind, event)
        except (BrokenFrame, ValueError, RecursionError):  # ValueError: JSON, UTF-8 and base64 alike
            return [Ignored(kind, broken=True)]

    def replies(self) -> list[Frame]:
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
        complaint = Complaint.read(event, self._profile.secrets)
        error = classify(complaint, self._profile.key_name)
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
        return [error]

    def _with_final_error(self, events: list[Event]) -> list[Event]:
        """A response may fail for a reason that ends the session too (quota): then say so."""
        last = events[-1]
        if not isinstance(last, ResponseFinished) or last.status != "failed":
            return events
        error = classify(Complaint("", last.code, last.message, "", ""), self._profile.key_name)
        return [*events, *([error] if error.severity == "fatal" else [])]

    def _append(self, pcm: bytes) -> list[Frame]:
        """The hot path, fifty times a second: no event id (never answered), no JSON encoder (base64 has no escapes)."""
        if not pcm:
            return []
        self._heard_us = True
        if self._profile.audio_format != "pcm16":
            pcm = g711.encode(self._profile.audio_format, pcm)
        audio = b2a_base64(pcm, newline=False).decode("ascii")
        return [f'{{"type":"input_audio_buffer.append","audio":"{audio}"}}']

    def _image_frames(self, command: SendImage) -> list[Frame]:
        event = image_buffer_event(command) if self._profile.capabilities.supports_images else None
        if event is None:
            return []
        # DashScope refuses an image before the first audio.
        frames = [] if self._heard_us else self._append(bytes(2 * self._profile.capabilities.input_rate_hz // 10))
        frames.append(self._frame(event))
        return frames + (self.encode(SendText(command.text)) if command.text else [])

    def _next_id(self) -> str:
        self._sent += 1
        return f"{self._id_prefix}{self._sent}"

    def _frame(self, event: Json) -> str:
        return _dumps({"type": event["type"], "event_id": self._next_id(), **event})


def _dumps(event: Json) -> str:
    return json.dumps(event, separators=(",", ":"))
