"""Client events to commands: each is checked against the reference and the protocol's state (section 7)."""

import secrets
from collections.abc import Callable
from dataclasses import replace

from voicechat.dialects.fields import Json, parsed
from voicechat.dialects.openai.server import response_options, session_shape
from voicechat.dialects.openai.server.checks import Rejected, as_id, as_text, as_whole, invalid, known, required
from voicechat.dialects.openai.server.conversation import Conversation, Item
from voicechat.dialects.openai.server.items import created
from voicechat.dialects.openai.server.responses import Responses
from voicechat.dialects.openai.server.session import Session
from voicechat.dialects.openai.server.speech import InputBuffer
from voicechat.dialects.sound import decoded
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev
from voicechat.realtime.codec import WireFrame

JPEG = b"\xff\xd8\xff"
"""What every picture of that kind begins with."""
LONGEST_MS = 24 * 3600 * 1000

MOST_BESIDE = 4

LONG = 256
"""Characters of sound that stand nowhere else in their frame."""
AROUND = 200
"""Most characters of a frame around its sound, of what is remembered."""

CAUSES = {
    "conversation_already_has_active_response": "CreateResponse",
    "bad_response_create": "CreateResponse",
    "response_cancel_not_active": "CancelResponse",
    "input_audio_buffer_commit_empty": "CommitAudio",
    "item_truncate_invalid_item_id": "TruncateItem",
}
"""Which command a complaint from behind is about, where it does not say."""


class ClientEvents:
    """`read` gives the commands of a frame, or raises Rejected. `added(item, previous)` is told of new items."""

    def __init__(
        self,
        session: Session,
        conversation: Conversation,
        responses: Responses,
        buffer: InputBuffer,
        added: Callable[[Item, str | None], None],
        dialect_known: bool,
    ):
        self._session = session
        self._conversation = conversation
        self._responses = responses
        self._buffer = buffer
        self._added = added
        self._chosen = dialect_known
        self._last_ids: dict[str, str | None] = {}
        self._around = ("", "")
        """What stood before and behind the sound in a frame that held nothing else."""
        self.event_id: str | None = None
        """What the client called the event that was read last."""
        self._handlers: dict[str, tuple[tuple[str, ...], Callable[[Json], list[cmd.Command]]]] = {
            "session.update": (("session",), self._update),
            "session.close": ((), lambda _: [cmd.Finish()]),
            "input_audio_buffer.append": (("audio",), self._append),
            **({"input_image_buffer.append": (("image",), self._picture)} if session.dashscope else {}),
            **({"session.finish": ((), lambda _: [cmd.Finish()])} if session.dashscope else {}),
            "input_audio_buffer.commit": ((), self._commit),
            "input_audio_buffer.clear": ((), self._clear),
            "conversation.item.create": (("item", "previous_item_id"), self._create_item),
            "conversation.item.delete": (("item_id",), self._delete_item),
            "conversation.item.retrieve": (("item_id",), self._retrieve_item),
            "conversation.item.truncate": (("item_id", "content_index", "audio_end_ms"), self._truncate_item),
            "response.create": (("response",), self._create_response),
            "response.cancel": (("response_id",), self._cancel_response),
        }

    def read(self, frame: WireFrame) -> list[cmd.Command]:
        self.event_id = None
        event = _parsed(frame)
        event_id = event.get("event_id")
        if event_id is not None:
            self.event_id = as_id(event_id, "event_id")
        kind = event.get("type")
        if not isinstance(kind, str):
            raise Rejected("invalid_event", "The 'type' field is missing.")
        if kind not in self._handlers:
            raise invalid("type", kind, ", ".join(f"'{name}'" for name in self._handlers))
        fields, handler = self._handlers[kind]
        if self._session.strict:
            known(event, ("type", "event_id", *fields))
        commands = handler(event)
        if kind == "input_audio_buffer.append":
            self._remember(frame, event)
        for command in commands:
            if not isinstance(command, cmd.AppendAudio):
                self._last_ids[type(command).__name__] = self.event_id
        return commands

    def sound(self, frame: str) -> bytes | None:
        """The sound of a frame that differs from one read before by its sound alone, fifty times a second; None: `read`
        has to look."""
        before, behind = self._around
        if not before or not frame.startswith(before) or not frame.endswith(behind):
            return None
        audio = frame[len(before) : -len(behind)]
        try:
            pcm = self._buffer.append({"audio": audio}, self._session.values["input_format"])
        except Rejected:  # it is no base64, or not all of it is
            return None
        self.event_id = None
        return pcm

    def _remember(self, frame: WireFrame, event: Json) -> None:
        audio = event["audio"]
        if isinstance(frame, str) and len(event) == 2 and len(audio) > LONG:
            before, _, behind = frame.partition(audio)
            if before.endswith('"') and behind.startswith('"') and len(before) + len(behind) < AROUND:
                self._around = before, behind

    def cause(self, complaint: ev.ServiceError) -> str | None:
        """The `event_id` of the client event that a complaint from behind is about, as far as that can be known."""
        return self._last_ids.pop(complaint.command or CAUSES.get(complaint.code, ""), None)

    def _update(self, event: Json) -> list[cmd.Command]:
        update = event.get("session")
        dialect = None if self._chosen else session_shape.dialect_of(update)
        trial = replace(self._session, dialect=dialect or self._session.dialect)
        self._session.ask(session_shape.merged(trial, update), self.event_id)
        self._session.dialect, self._chosen = trial.dialect, True
        return [cmd.Configure(session_shape.config(self._session.values))]

    def _append(self, event: Json) -> list[cmd.Command]:
        pcm = self._buffer.append(event, self._session.values["input_format"])
        return [cmd.AppendAudio(pcm)] if pcm else []

    def _picture(self, event: Json) -> list[cmd.Command]:
        """DashScope's: for the turn that is being spoken."""
        if not self._buffer.total_ms:
            message = "An image may be appended after the first audio only."
            raise Rejected("invalid_value", message, "image")
        picture = as_text(required(event, "image"), "image")
        try:
            data = decoded(picture)
        except ValueError:
            data = b""
        if not data.startswith(JPEG):
            raise Rejected("invalid_value", "Invalid 'image'. Expected base64-encoded JPEG.", "image")
        item_id = _new_item_id()
        self._conversation.pictures[item_id] = None
        return [cmd.SendImage(data, item_id=item_id)]

    def _commit(self, event: Json) -> list[cmd.Command]:
        self._buffer.commit(manual=self._session.values["turn_detection"] is None)
        return [cmd.CommitAudio()]

    def _clear(self, event: Json) -> list[cmd.Command]:
        self._buffer.clear()
        return [cmd.ClearAudio()]

    def _create_item(self, event: Json) -> list[cmd.Command]:
        after = event.get("previous_item_id")
        after = "" if after is None else as_id(after, "previous_item_id")
        shape = required(event, "item")
        item, commands = created(shape, after, _new_item_id, self._conversation.calls)
        self._added(item, self._conversation.add(item, after))
        return commands

    def _delete_item(self, event: Json) -> list[cmd.Command]:
        item = self._conversation.get(required(event, "item_id"))
        self._conversation.remove(item.id)
        return [cmd.DeleteItem(item.id)]

    def _retrieve_item(self, event: Json) -> list[cmd.Command]:
        return [cmd.RetrieveItem(self._conversation.get(required(event, "item_id")).id)]

    def _truncate_item(self, event: Json) -> list[cmd.Command]:
        item = self._conversation.get(required(event, "item_id"), code="item_truncate_invalid_item_id")
        index = as_whole(required(event, "content_index"), "content_index", 0, 1_000)
        end_ms = as_whole(required(event, "audio_end_ms"), "audio_end_ms", 0, LONGEST_MS)
        if item.role != "assistant" or not item.audio_ms:
            raise Rejected(None, "Only model output audio messages can be truncated")
        if index >= len(item.content):
            raise invalid("content_index", index, f"those below {len(item.content)}")
        if end_ms > item.audio_ms + 1:
            message = f"Audio content of {item.audio_ms:.0f}ms is already shorter than {end_ms}ms"
            raise Rejected("invalid_value", message, "audio_end_ms")
        item.truncate(end_ms)
        return [cmd.TruncateItem(item.id, index, end_ms)]

    def _create_response(self, event: Json) -> list[cmd.Command]:
        command, wish = response_options.read(event.get("response"), self._session, self._conversation, self.event_id)
        if command.aside:
            if self._responses.beside >= MOST_BESIDE:
                raise Rejected("rate_limit_exceeded", f"At most {MOST_BESIDE} responses run beside the conversation.")
            self._responses.asides.append(wish)
            return [command]
        running = self._responses.active_id
        if running or self._responses.asked is not None:
            raise Rejected(
                "conversation_already_has_active_response",
                f"Conversation already has an active response in progress: {running or 'it is about to begin'}. Wait "
                "until the response is finished before creating a new one.",
            )
        self._responses.asked = wish
        return [command]

    def _cancel_response(self, event: Json) -> list[cmd.Command]:
        given = event.get("response_id")
        response_id = "" if given is None else as_text(given, "response_id")
        known_one = self._responses.is_open(response_id) if response_id else self._responses.active_id
        if not known_one and (response_id or self._responses.asked is None):
            raise Rejected("response_cancel_not_active", "Cancellation failed: no active response found")
        return [cmd.CancelResponse(response_id)]


def _new_item_id() -> str:
    return f"item_{secrets.token_hex(10)}"


def _parsed(frame: WireFrame) -> Json:
    if isinstance(frame, bytes):
        raise Rejected("invalid_event", "Expected a text WebSocket message; binary frames are not supported.")
    try:
        event = parsed(frame, "audio")
    except (ValueError, RecursionError) as error:
        raise Rejected("invalid_json", f"Invalid event: failed to parse JSON value. {error}") from error
    if not isinstance(event, dict):
        raise Rejected("invalid_event", "Invalid event: expected a JSON object.")
    return event
