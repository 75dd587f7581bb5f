"""One connection's session: what the client may ask, and what the service then says, in the order of the references."""

import asyncio
import base64
import binascii
import copy
import time
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any, Protocol

from tests.realtime_server.dialects import Ga, Json
from tests.realtime_server.response import Response, pieces
from tests.realtime_server.rules import ClientError, invalid
from tests.realtime_server.script import Faults, Script
from tests.realtime_server.vad import decode, detector
from tests.realtime_server.wire import check_item, client_events

MAX_APPEND = 15 * 1024 * 1024
MIN_COMMIT_MS = 100


class Link(Protocol):
    """What a session needs of its connection."""

    faults: Faults
    number: int

    @property
    def script(self) -> Script: ...

    async def send(self, event: Json) -> None: ...

    async def close(self, code: int, reason: str = "") -> None: ...

    def next_turn(self) -> int: ...

    def next_response(self) -> int: ...


NAMES = ("id", "item_id", "response_id", "previous_item_id", "conversation_id")


def renamed(value: Any, new: Callable[[str, Any], Any]) -> Any:
    """`value` with other names of responses and items: `new` is given field and name, None takes the field away."""
    if isinstance(value, dict):
        told = {key: new(key, part) if key in NAMES else renamed(part, new) for key, part in value.items()}
        return {key: part for key, part in told.items() if part is not None or value[key] is None}
    return [renamed(part, new) for part in value] if isinstance(value, list) else value


CARELESS: dict[str, Callable[[str, Any], Any]] = {
    "none": lambda field, name: None,
    "items": lambda field, name: None if field == "response_id" else name,
    "numbers": lambda field, name: int(name) if str(name).isdecimal() else name,
}
"""What becomes of the names in an event, by `Script.ids`."""


class Session:
    """`open`, then `handle` each frame; `end` when the connection is gone."""

    def __init__(self, link: Link, dialect: Ga):
        self.link, self.dialect = link, dialect
        self.faults = link.faults
        self._ids, self._presumed = count(1), count(2)
        self.conversation_id = self.new_id("conv")
        self.settings = dialect.default_session(self.new_id("sess"))
        if link.script.lifetime_s is not None:
            self.settings["expires_at"] = int(time.time()) + link.script.lifetime_s
        self.items: dict[str, Json] = {}
        self.voices: dict[str, tuple[bytes, int]] = {}
        """Each assistant item's audio so far, and its bytes per second."""
        self.response: Response | None = None
        self._buffer = bytearray()
        self._half = b""
        self._audio_was_sent = False
        self._user_item = ""
        self._late: list[tuple[str, str]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._vad = detector(link.script, dialect.input_format(self.settings)[1])
        self._checks = client_events(dialect)
        self._handlers: dict[str, Callable[[Json], Awaitable[None]]] = {
            "session.update": self._update,
            "session.finish": self._finish,
            "input_audio_buffer.append": self._append,
            "input_audio_buffer.commit": self._commit_by_client,
            "input_audio_buffer.clear": self._clear,
            "input_image_buffer.append": self._image,
            "conversation.item.create": self._create_item,
            "conversation.item.retrieve": self._retrieve,
            "conversation.item.delete": self._delete,
            "conversation.item.truncate": self._truncate,
            "response.create": self._create_response,
            "response.cancel": self._cancel,
        }

    def new_id(self, kind: str) -> str:
        number, how = next(self._ids), self.link.script.ids
        if how == "numbers":
            return f"{number}"
        if how == "ours" and kind == "item":
            return f"turn-{next(self._presumed)}"
        return f"{kind}_{number}" if how == "restart" else f"{kind}_{self.link.number}x{number}"

    async def open(self) -> None:
        await self.send("session.created", session=self.settings)
        if self.dialect.name == "beta":
            await self.send(
                "conversation.created", conversation={"id": self.conversation_id, "object": "realtime.conversation"}
            )

    async def end(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def handle(self, event: Json) -> None:
        """One client event; what it may not ask becomes an `error` event."""
        kind = event["type"]
        if self.faults.silent == "update":
            return
        try:
            if kind not in self._checks:
                raise invalid("type", kind, ", ".join(map(repr, self._checks)))
            body = {key: value for key, value in event.items() if key not in ("type", "event_id")}
            self._checks[kind](body, "")
            await self._handlers[kind](event)
        except ClientError as error:
            await self.error(error, event.get("event_id"))

    async def send(self, type: str, **fields: Any) -> None:
        """A server event under its GA name; the dialect renames it or has none."""
        name = self.dialect.event(type)
        if name is None:
            return
        told = copy.deepcopy(fields)
        if (careless := CARELESS.get(self.link.script.ids)) and not name.startswith(("session.", "error")):
            told = renamed(told, careless)
        await self.link.send({"type": name, "event_id": self.new_id("event"), **told})

    async def send_item(self, type: str, item: Json, previous: str | None) -> None:
        await self.send(type, item=item, **({"previous_item_id": previous} if self.dialect.chained else {}))

    async def error(self, error: ClientError, event_id: str | None = None) -> None:
        body = {"type": error.type, "code": error.code, "message": error.message, "param": error.param}
        await self.send("error", error={**body, "event_id": event_id})

    def _spawn(self, task: "asyncio.Task[None]") -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # session

    async def _update(self, event: Json) -> None:
        new = self.dialect.updated(self.settings, event["session"], voice_locked=bool(self.voices))
        if self.dialect.input_format(new) != self.dialect.input_format(self.settings):
            if self._audio_was_sent:
                raise ClientError("invalid_value", "The input format cannot change after the first audio.", "session")
            self._vad = detector(self.link.script, self.dialect.input_format(new)[1])
        self.settings = new
        await self.send("session.updated", session=new)

    async def _finish(self, event: Json) -> None:
        if self.response is not None:
            await self.response.wait()
        if self.link.script.finish_answer:
            await self.send("session.finished")
        await self.link.close(1000)

    # audio in

    async def _append(self, event: Json) -> None:
        if len(event["audio"]) > MAX_APPEND:
            raise ClientError("invalid_value", "The audio of one event exceeds 15 MiB.", "audio")
        try:
            data = base64.b64decode(event["audio"], validate=True)
        except binascii.Error as error:
            raise ClientError("invalid_value", "Invalid 'audio': expected base64.", "audio") from error
        self._audio_was_sent = True
        encoding, rate_hz = self.dialect.input_format(self.settings)
        self._buffer += data
        data = self._half + data
        odd = len(data) % 2 if encoding == "pcm" else 0
        data, self._half = data[: len(data) - odd], data[len(data) - odd :]
        if (detection := self.dialect.turn_detection(self.settings)) is None:
            return
        for change, at_ms in self._vad.hear(decode(data, encoding), detection):
            if change == "started":
                await self._speech_started(at_ms, detection)
            else:
                await self._speech_stopped(at_ms, detection)
        if not self._vad.speaking:  # what precedes a turn is kept for as long as the prefix may be
            del self._buffer[: -rate_hz * 2]

    async def _speech_started(self, at_ms: int, detection: Json) -> None:
        self._user_item = self.new_id("item")
        await self.send("input_audio_buffer.speech_started", audio_start_ms=at_ms, item_id=self._user_item)
        if detection.get("interrupt_response", True) and self.response and self.response.in_conversation:
            await self.response.cancel("turn_detected")

    async def _speech_stopped(self, at_ms: int, detection: Json) -> None:
        await self.send("input_audio_buffer.speech_stopped", audio_end_ms=at_ms, item_id=self._user_item)
        await self._commit()
        if detection.get("create_response", True):
            await self._respond({})

    async def _commit_by_client(self, event: Json) -> None:
        encoding, rate_hz = self.dialect.input_format(self.settings)
        buffered_ms = len(self._buffer) * 1000 / rate_hz / (2 if encoding == "pcm" else 1)
        if buffered_ms < MIN_COMMIT_MS:
            raise ClientError(
                "input_audio_buffer_commit_empty" if self.dialect.name != "qwen" else "invalid_value",
                "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, "
                f"but buffer only has {buffered_ms:.2f}ms of audio.",
            )
        await self._commit(self.link.script.ack_delay_ms)

    async def _commit(self, delay_ms: int = 0) -> None:
        item_id, self._user_item = self._user_item or self.new_id("item"), ""
        self._buffer.clear()
        self._half = b""
        self._vad.reset()
        words = self.link.script.words(self.link.next_turn())
        if delay_ms:
            self._spawn(asyncio.create_task(self._acknowledge(item_id, words, delay_ms), name=f"commit of {item_id}"))
        else:
            await self._acknowledge(item_id, words)

    async def _acknowledge(self, item_id: str, words: str, delay_ms: int = 0) -> None:
        await asyncio.sleep(delay_ms / 1000)
        item = {"id": item_id, "object": "realtime.item", "type": "message", "status": "completed", "role": "user"}
        item |= {"content": [{"type": "input_audio", "transcript": None}]}
        when = self.link.script.acknowledges
        if when == "after words":
            await self._understand(item_id, words)
            await asyncio.sleep(delay_ms / 1000)
        if when == "never":
            self.remember(item)
        else:
            await self._tell_of(item)
        if when != "after words":
            await self._understand(item_id, words)

    async def _tell_of(self, item: Json) -> None:
        previous = {"previous_item_id": next(reversed(self.items), None)} if self.dialect.chained else {}
        await self.send("input_audio_buffer.committed", item_id=item["id"], **previous)
        await self._add(item)

    async def _understand(self, item_id: str, words: str) -> None:
        how = self.link.script.transcription
        if self.dialect.transcription(self.settings) is None or how == "none":
            return
        if how == "late":
            self._late.append((item_id, words))
        elif self.link.script.acknowledges == "after words":
            await self._transcribe(item_id, words)
        else:
            self._spawn(asyncio.create_task(self._transcribe(item_id, words), name=f"transcription of {item_id}"))

    async def _transcribe(self, item_id: str, words: str) -> None:
        event, ids = "conversation.item.input_audio_transcription", {"item_id": item_id, "content_index": 0}
        if self.link.script.transcription == "failed":
            error = {"type": "transcription_error", "code": "audio_unintelligible", "param": None}
            message = {"message": "The audio could not be transcribed."}
            await self.send(f"{event}.failed", error={**error, **message}, **ids)
            return
        sure = ""
        for piece in pieces(words):
            if self.dialect.name == "qwen":
                mood = {"language": "en", "emotion": "neutral"}
                await self.send(f"{event}.delta", text=sure, stash=piece, **mood, **ids)
                sure += piece
            else:
                await self.send(f"{event}.delta", delta=piece, **ids)
        usage = {"type": "tokens", "input_tokens": 16, "output_tokens": 4, "total_tokens": 20}
        await self.send(
            f"{event}.completed", transcript=words, **({} if self.dialect.name == "qwen" else {"usage": usage}), **ids
        )

    async def response_ended(self) -> None:
        """Late transcriptions come now."""
        while self._late:
            await self._transcribe(*self._late.pop(0))

    async def _clear(self, event: Json) -> None:
        self._buffer.clear()
        self._half = b""
        self._vad.reset()
        await self.send("input_audio_buffer.cleared")

    async def _image(self, event: Json) -> None:
        if not self._audio_was_sent:
            raise ClientError("invalid_value", "An image needs audio before it.", "image")

    # items

    def remember(self, item: Json) -> str | None:
        """Put the item's newest form into the conversation; the id before it."""
        self.items[item["id"]] = item
        ids = list(self.items)
        place = ids.index(item["id"])
        return ids[place - 1] if place else None

    def voiced(self, item_id: str, chunk: bytes, bytes_per_s: int) -> None:
        self.voices[item_id] = (self.voices.get(item_id, (b"", 0))[0] + chunk, bytes_per_s)

    async def _add(self, item: Json, previous: str | None = None) -> None:
        before = self.remember(item) if previous is None else previous
        if previous is not None:
            ids = [known for known in self.items if known != item["id"]]
            ids.insert(0 if previous == "root" else ids.index(previous) + 1, item["id"])
            self.items = {**self.items, item["id"]: item}
            self.items = {known: self.items[known] for known in ids}
            before = None if previous == "root" else previous
        await self.send_item("conversation.item.added", item, before)
        await self.send_item("conversation.item.done", item, before)

    async def _create_item(self, event: Json) -> None:
        item, previous = event["item"], event.get("previous_item_id")
        check_item(item, self.dialect, self.items)
        if previous not in (None, "root") and previous not in self.items:
            raise ClientError("item_not_found", f"Item with item_id not found: {previous}", "previous_item_id")
        if "id" in item and not self.link.script.takes_names:
            raise ClientError("unknown_parameter", "Unknown parameter: 'item.id'.", "item.id")
        if item.get("id") in self.items:
            raise ClientError("item_create_duplicate_item_id", f"Item {item['id']} exists already.", "item.id")
        own_id = item.get("id") if self.dialect.name != "qwen" else None
        whole = {"object": "realtime.item", **item, "status": "completed", "id": own_id or self.new_id("item")}
        await self._add(whole, previous)

    def _known(self, item_id: str) -> Json:
        if item_id not in self.items:
            raise ClientError("item_not_found", f"Item with item_id not found: {item_id}", "item_id")
        return self.items[item_id]

    async def _retrieve(self, event: Json) -> None:
        item = copy.deepcopy(self._known(event["item_id"]))
        if item["id"] in self.voices and item["content"]:
            item["content"][0]["audio"] = base64.b64encode(self.voices[item["id"]][0]).decode()
        await self.send("conversation.item.retrieved", item=item)

    async def _delete(self, event: Json) -> None:
        del self.items[self._known(event["item_id"])["id"]]
        await self.send("conversation.item.deleted", item_id=event["item_id"])

    async def _truncate(self, event: Json) -> None:
        item_id, end_ms = event["item_id"], event["audio_end_ms"]
        if item_id not in self.items:
            raise ClientError("item_truncate_invalid_item_id", f"Item with item_id not found: {item_id}", "item_id")
        if item_id not in self.voices:
            raise ClientError(None, "Only model output audio messages can be truncated", "item_id")
        audio, bytes_per_s = self.voices[item_id]
        audio_ms = len(audio) * 1000 // bytes_per_s
        if end_ms > audio_ms:
            message = f"Audio content of {audio_ms}ms is already shorter than {end_ms}ms"
            raise ClientError("invalid_value", message, "audio_end_ms")
        self.voices[item_id] = (audio[: end_ms * bytes_per_s // 1000], bytes_per_s)
        for part in self.items[item_id]["content"]:
            part.pop("transcript", None)
        ids = {"item_id": item_id, "content_index": event["content_index"]}
        await self.send("conversation.item.truncated", audio_end_ms=end_ms, **ids)

    # responses

    async def _create_response(self, event: Json) -> None:
        if self._vad.speaking and self.dialect.name == "qwen":
            raise ClientError("invalid_value", "Cannot create response while user is speaking.")
        await self._respond(event.get("response") or {})

    async def _respond(self, asked: Json) -> None:
        aside = asked.get("conversation") == "none"
        if self.response and self.response.active and not aside:
            if self.dialect.name == "qwen":
                raise ClientError("invalid_value", "Cannot create response while another response is in progress.")
            raise ClientError(
                "conversation_already_has_active_response",
                f"Conversation already has an active response in progress: {self.response.id}. "
                "Wait until the response is finished before creating a new one.",
            )
        if self.faults.silent == "turn":
            return
        response = Response(self, self.link.script.reply(self.link.next_response()), asked)
        if not aside:
            self.response = response
        self._spawn(response.start())

    async def _cancel(self, event: Json) -> None:
        running = self.response
        if running is None or not running.active or event.get("response_id", running.id) != running.id:
            code = "response_cancel_not_active" if self.dialect.name != "qwen" else "invalid_value"
            raise ClientError(code, "Cancellation failed: no active response found")
        await running.cancel("client_cancelled")
