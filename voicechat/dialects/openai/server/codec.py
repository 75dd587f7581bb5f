"""`ServerCodec`: one session's translation between a client's frames and what stands behind the server."""

import secrets
from dataclasses import replace
from typing import Any

from voicechat.dialects.fields import Json
from voicechat.dialects.openai.server import session_shape
from voicechat.dialects.openai.server.checks import Rejected
from voicechat.dialects.openai.server.client_events import ClientEvents
from voicechat.dialects.openai.server.conversation import Conversation, Item
from voicechat.dialects.openai.server.profile import Dialect, ServerProfile
from voicechat.dialects.openai.server.responses import ENCODER, Responses
from voicechat.dialects.openai.server.speech import DASHSCOPE_INPUT_HZ, InputBuffer, Transcripts, rate_hz
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev
from voicechat.realtime.codec import WireFrame


class ServerCodec:
    """Sans-I/O: `decode` a client's frame into commands, `encode` an event into frames, `replies` after each `decode`.

    Put it before anything that takes commands and gives events (an engine, a line to a provider). Whoever is behind
    begins with `SessionCreated` and is given `configure()`; it brackets its responses and answers `Configure`,
    `CommitAudio`, `ClearAudio`, `TruncateItem`, `DeleteItem` and `RetrieveItem` by their events, in their order.
    What is malformed, or cannot be in the protocol's state, never gets that far: it earns an `error` in `replies`,
    and the session goes on.

    `dialect` is what the handshake said (`chosen_dialect`). None begins as GA and becomes Beta when the first
    `session.update` has Beta's shape. Sound has the codec's `input_rate_hz` and `output_rate_hz`, which follow the
    session's formats.
    """

    def __init__(self, profile: ServerProfile | None = None, dialect: Dialect | None = None):
        profile = profile or ServerProfile()
        self._session = session_shape.fresh(profile, dialect or "ga")
        self._identity: Json = {"id": _id("sess"), "object": "realtime.session", "model": profile.model}
        self._greeted = False
        self._begun = False
        self._conversation = Conversation(_id("conv"))
        self._responses = Responses(self._session, self._conversation, self._tell, self._tell_sound)
        dashscope = profile.manner == "dashscope"
        self._buffer = InputBuffer(DASHSCOPE_INPUT_HZ) if dashscope else InputBuffer()
        self._transcripts = Transcripts(whole=dashscope)
        self._event_prefix = f"event_{secrets.token_hex(6)}_"
        self._told = 0
        self._out: list[WireFrame] = []
        self._replies: list[WireFrame] = []
        self._client = ClientEvents(
            self._session,
            self._conversation,
            self._responses,
            self._buffer,
            self._tell_added,
            dialect_known=dialect is not None,
        )

    @property
    def dialect(self) -> Dialect:
        return self._session.dialect

    @property
    def config(self) -> cmd.SessionConfig:
        """What the client wants by now: before its first `session.update`, what a session begins with."""
        return session_shape.config(self._session.values)

    def prepare(self, session: object) -> Json:
        """What the session begins with, laid over the defaults before anybody has begun; as clients are shown it.

        In GA's form, whichever the client speaks. Raises Rejected, as a `session.update` of it would.
        """
        values = session_shape.merged(replace(self._session, dialect="ga"), session)
        self._session.prepare(values)
        return self._shown(values)

    def configure(self) -> cmd.Configure:
        """For whoever is behind when it begins, at first and whenever it begins anew (a line connected again)."""
        if self._begun:
            self._responses.asked = None  # whoever was asked has gone, and nobody is kept from asking again
        self._begun = True
        self._session.begin()
        return cmd.Configure(self.config)

    def history(self) -> list[cmd.Command]:
        """What was said, for whoever is behind when it has begun anew; pictures and unheard words are lost."""
        return self._conversation.told()

    @property
    def input_rate_hz(self) -> int:
        return self._buffer.rate_hz(self._session.values["input_format"])

    @property
    def output_rate_hz(self) -> int:
        return rate_hz(self._session.values["output_format"])

    def replies(self) -> list[WireFrame]:
        """Frames that the protocol itself wants sent: asked for after each `decode`, given once."""
        replies, self._replies = self._replies, []
        return replies

    # what the client says

    def decode(self, frame: WireFrame) -> list[cmd.Command]:
        """The commands of one frame. Never raises: what cannot be done is an `error` in `replies`."""
        commands: list[cmd.Command] = []
        try:
            commands = self._client.read(frame)
        except Rejected as error:
            event_id = self._client.event_id
            self._error("invalid_request_error", error.code, str(error), error.param, event_id)
        self._replies += self._drained()
        return commands

    def sound(self, frame: str) -> cmd.AppendAudio | None:
        """What `decode` would give, for a frame that differs from an earlier one by its sound alone; None: ask it."""
        pcm = self._client.sound(frame)
        return None if pcm is None else cmd.AppendAudio(pcm)

    # what is said to the client

    def encode(self, event: ev.Event) -> list[WireFrame]:
        """The frames for `event`; none where the dialect has no word for it, or the client was told already."""
        match event:
            case ev.AssistantAudio():  # fifty times a second
                self._responses.encode(event)
            case ev.SessionCreated():
                self._created(event)
            case ev.SessionConfigured():
                self._configured(event)
            case ev.SessionFinished():
                self._tell("session.finished" if self._session.dashscope else "session.closed")
            case ev.SpeechStarted():
                start_ms = self._buffer.started(event)
                self._tell("input_audio_buffer.speech_started", audio_start_ms=start_ms, item_id=event.item_id)
            case ev.SpeechStopped():
                end_ms = self._buffer.stopped(event)
                self._tell("input_audio_buffer.speech_stopped", audio_end_ms=end_ms, item_id=event.item_id)
            case ev.InputCommitted():
                self._committed(event.item_id)
            case ev.InputCleared():
                self._tell("input_audio_buffer.cleared")
            case ev.UserTranscript():
                self._transcribed(event)
            case ev.UserTranscriptFailed():
                if self._session.values["transcription"] is not None:
                    self._tell_all(self._transcripts.failed(event))
            case ev.ItemAdded():
                self._item_added(event)
            case ev.ItemTruncated():
                end_ms = event.audio_end_ms
                self._tell("conversation.item.truncated", item_id=event.item_id, content_index=0, audio_end_ms=end_ms)
            case ev.ItemDeleted():
                self._tell("conversation.item.deleted", item_id=event.item_id)
            case ev.ItemRetrieved():
                self._retrieved(event)
            case ev.RateLimits():
                self._rate_limits(event)
            case ev.ServiceError():
                self._complaint(event)
            case _:
                self._responses.encode(event)
        return self._drained()

    def _created(self, event: ev.SessionCreated) -> None:
        """Only once: behind this session there may be several, one after the other."""
        if self._greeted:
            return
        self._greeted = True
        self._identity["id"] = event.session_id or self._identity["id"]
        self._identity["model"] = event.model or self._identity["model"]
        if event.expires_at is not None:
            self._identity["expires_at"] = event.expires_at
        if event.voice:
            self._session.values["voice"] = event.voice
        self._tell("session.created", session=self._shown(self._session.values))
        if not self._session.strict:
            conversation = {"id": self._conversation.id, "object": "realtime.conversation"}
            self._tell("conversation.created", conversation=conversation)

    def _configured(self, event: ev.SessionConfigured) -> None:
        """Told when the client asked for it: whoever is behind is configured more often."""
        values, answers = self._session.accept()
        if event.voice:
            values["voice"] = event.voice
        for _ in range(answers):
            self._tell("session.updated", session=self._shown(values))

    def _committed(self, item_id: str) -> None:
        self._buffer.committed(item_id)
        item = self._spoken_item(item_id)
        if self._conversation.find(item_id) is None:
            previous = self._conversation.add(item)
            self._tell("input_audio_buffer.committed", item_id=item_id, previous_item_id=previous)
            self._tell_added(item, previous)
        else:
            previous = self._conversation.before(item_id)
            self._tell("input_audio_buffer.committed", item_id=item_id, previous_item_id=previous)

    def _spoken_item(self, item_id: str) -> Item:
        transcript = self._transcripts.final(item_id)
        return Item(item_id, role="user", content=[{"type": "input_audio", "transcript": transcript}])

    def _transcribed(self, event: ev.UserTranscript) -> None:
        item = self._conversation.find(event.item_id)
        if event.final and item is not None and item.role == "user":
            item.content = [{"type": "input_audio", "transcript": event.text}]
        seconds = self._buffer.seconds(event.item_id) if event.final else 0.0
        frames = self._transcripts.told(event, seconds)
        if self._session.values["transcription"] is not None:
            self._tell_all(frames)

    def _item_added(self, event: ev.ItemAdded) -> None:
        conversation = self._conversation
        if event.item_id in conversation.pictures or conversation.find(event.item_id) or self._responses.adopts(event):
            return
        item = Item(event.item_id, event.kind, event.role)
        if event.kind != "message":
            item.fields = {"call_id": event.item_id, "name": "", "arguments": "", "output": ""}
        self._tell_added(item, self._conversation.add(item))

    def _tell_added(self, item: Item, previous: str | None) -> None:
        shape = item.shape(self._session.dialect)
        for kind in ("added", "done") if self._session.strict else ("created",):
            self._tell(f"conversation.item.{kind}", previous_item_id=previous, item=shape)

    def _retrieved(self, event: ev.ItemRetrieved) -> None:
        item = self._conversation.find(event.item_id) or Item(event.item_id, role="user")
        if event.text and item.kind == "message" and not item.content:
            item = replace(item, content=[{"type": "output_text" if item.role == "assistant" else "input_text"}])
        shape = item.shape(self._session.dialect)
        if event.text and item.kind == "message":
            shape["content"] = [_with_text(shape["content"][0], event.text)]
        self._tell("conversation.item.retrieved", item=shape)

    def _rate_limits(self, event: ev.RateLimits) -> None:
        limits = []
        for name in dict.fromkeys((*event.remaining, *event.reset_s)):
            limit: Json = {"name": name}
            if name in event.remaining:
                limit["remaining"] = event.remaining[name]
            if name in event.reset_s:
                limit["reset_seconds"] = event.reset_s[name]
            limits.append(limit)
        self._tell("rate_limits.updated", rate_limits=limits)

    def _complaint(self, event: ev.ServiceError) -> None:
        if event.severity == "warning":  # the protocol knows errors alone; nobody's request is meant
            self._error("server_error", event.code or None, event.message, None, None)
            return
        event_id = self._client.cause(event)
        if event.command == "Configure" or event.param.startswith("session."):
            event_id = self._session.refuse() or event_id
        if self._responses.asked is not None:  # whatever it was about: nobody is kept from asking again
            event_id = event_id or (None if event.code else self._responses.asked.event_id)
            self._responses.asked = None
        kind = "server_error" if event.severity == "retry" else "invalid_request_error"
        param = session_shape.named(event.param, self._session.dialect)
        self._error(kind, event.code or None, event.message, param or None, event_id)

    def _error(self, kind: str, code: str | None, message: str, param: str | None, event_id: str | None) -> None:
        self._tell(
            "error", error={"type": kind, "code": code, "message": message, "param": param, "event_id": event_id}
        )

    def _shown(self, values: Json) -> Json:
        kind = {"type": "realtime"} if self._session.strict else {}
        return kind | self._identity | session_shape.shape(values, self._session.dialect)

    def _tell_all(self, frames: list[tuple[str, Json]]) -> None:
        for kind, fields in frames:
            self._tell(kind, **fields)

    def _tell(self, kind: str, **fields: Any) -> None:
        self._told += 1
        self._out.append(ENCODER.encode({"type": kind, "event_id": f"{self._event_prefix}{self._told}", **fields}))

    def _tell_sound(self, head: str, audio: str) -> None:
        """A piece of sound in base64, which has nothing to escape; `head` is the event without it and its id."""
        self._told += 1
        self._out.append(f'{head[:-1]},"event_id":"{self._event_prefix}{self._told}","delta":"{audio}"}}')

    def _drained(self) -> list[WireFrame]:
        out, self._out = self._out, []
        return out


def _with_text(part: Json, text: str) -> Json:
    """The part of a retrieved item with the words that are known behind."""
    key = "transcript" if "transcript" in part or part["type"] in ("input_audio", "output_audio", "audio") else "text"
    return part | {key: text}


def _id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(10)}"
