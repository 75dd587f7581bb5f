"""A service that calls tools, led by the test frame by frame: GA, Beta and Qwen, written from the protocol references.

It takes what a client sends, answers what it must, and notes in `wrongs` whatever no client may do: a result for a
call that this connection does not know, or a second one; a request for a response while one runs, or into the user's
words; tools in another dialect's form. Each connection numbers its things from 1 again, as far as the test does.
"""

import asyncio
import base64
import json
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

Json = dict[str, Any]

PATIENCE_S = 10.0
OLDER = {
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_audio_transcript.done": "response.audio_transcript.done",
}
"""What Beta, and Qwen after it, call the events that GA has renamed."""


class ToolService:
    def __init__(self, dialect: str):
        self.dialect = dialect
        self.connections: list[ServerConnection] = []
        self.got: list[Json] = []
        """Everything but sound, of all connections."""
        self.wrongs: list[str] = []
        self.running = ""
        self.user_speaks = False
        self.heeds_cancel = True
        """Else the test ends what was cancelled."""
        self._calls: dict[str, bool] = {}  # of this connection: whether it was answered
        self._asides: set[str] = set()
        self._changed = asyncio.Condition()
        self._taken: dict[str, int] = {}
        self._server: Server | None = None
        self._events = 0

    async def __aenter__(self) -> "ToolService":
        self._server = await serve(self._serve, "127.0.0.1", 0, compression=None, close_timeout=0.5)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        assert self._server is not None
        path = "/api-ws/v1/realtime" if self.dialect == "qwen" else "/v1/realtime"
        return f"ws://127.0.0.1:{next(iter(self._server.sockets)).getsockname()[1]}{path}"

    # -- what the client does ------------------------------------------------------------------------------------

    async def _serve(self, socket: ServerConnection) -> None:
        self.connections.append(socket)
        self._calls, self.running, self.user_speaks = {}, "", False
        try:
            await self.send("session.created", session=self._session({}))
            async for frame in socket:
                event = json.loads(frame)
                if event["type"] != "input_audio_buffer.append":
                    await self._take(event)
        except ConnectionClosed:
            return

    async def _take(self, event: Json) -> None:
        match event["type"]:
            case "session.update":
                self._look_at_tools(event["session"].get("tools", []))
                await self.send("session.updated", session=self._session(event["session"]))
            case "conversation.item.create":
                item = {"id": f"made_{len(self.got)}", **event["item"]}
                self._look_at_item(item)
                await self._item(item)
            case "response.create":
                if self.running:
                    self.wrongs.append(f"response.create while {self.running} runs")
                if self.user_speaks:
                    self.wrongs.append("response.create while the user speaks")
            case "session.finish":
                await self.send("session.finished")
            case "response.cancel" if self.running and self.heeds_cancel:
                await self.end(self.running, "cancelled")
            case _:
                pass
        async with self._changed:
            self.got.append(event)
            self._changed.notify_all()

    def _look_at_tools(self, tools: list[Json]) -> None:
        for tool in tools:
            keys = {"type", "function"} if self.dialect == "qwen" else {"type", "name", "description", "parameters"}
            if set(tool) != keys:
                self.wrongs.append(f"a tool with {sorted(tool)}")

    def _look_at_item(self, item: Json) -> None:
        if item["type"] == "function_call":
            if self.dialect == "qwen":
                self.wrongs.append("a function_call item, which is not documented")
            self._calls.setdefault(item["call_id"], False)
        if item["type"] == "function_call_output":
            answered = self._calls.get(item["call_id"])
            if answered is not False:
                self.wrongs.append(f"an output for {item['call_id']}, which is {'answered' if answered else 'unknown'}")
            if not isinstance(item["output"], str):
                self.wrongs.append("an output that is no string")
            self._calls[item["call_id"]] = True

    async def next(self, kind: str) -> Json:
        """The next event of this type that no call of this has returned."""
        number = self._taken.get(kind, 0)
        self._taken[kind] = number + 1
        async with self._changed, asyncio.timeout(PATIENCE_S):
            await self._changed.wait_for(lambda: len(self.of(kind)) > number)
        return self.of(kind)[number]

    def of(self, kind: str) -> list[Json]:
        return [event for event in self.got if event["type"] == kind]

    def items(self, kind: str) -> list[Json]:
        return [event["item"] for event in self.of("conversation.item.create") if event["item"]["type"] == kind]

    async def outputs(self, count: int) -> list[tuple[str, str]]:
        """The first `count` results, as (call id, output), when they are there."""
        async with self._changed, asyncio.timeout(PATIENCE_S):
            await self._changed.wait_for(lambda: len(self.items("function_call_output")) >= count)
        return [(item["call_id"], item["output"]) for item in self.items("function_call_output")]

    # -- what the service says -----------------------------------------------------------------------------------

    async def send(self, kind: str, **fields: Any) -> None:
        self._events += 1
        name = kind if self.dialect == "ga" else OLDER.get(kind, kind)
        event = {"type": name, "event_id": f"event_{self._events}", **fields}
        await self.connections[-1].send(json.dumps(event))

    def _session(self, change: Json) -> Json:
        kind = {"type": "realtime", "audio": {"output": {"voice": "marin"}}} if self.dialect == "ga" else {}
        older = {} if self.dialect == "ga" else {"voice": "Cherry", "modalities": ["text", "audio"]}
        return {"object": "realtime.session", "id": f"sess_{len(self.connections)}", **kind, **older, **change}

    async def _item(self, item: Json) -> None:
        """An item has come into the conversation, whole: GA says so twice."""
        for name in ("added", "done") if self.dialect == "ga" else ("created",):
            await self.send(f"conversation.item.{name}", item={"object": "realtime.item", **item})

    async def begin(self, response: str, *, aside: bool = False) -> None:
        """`aside`: out of band, so that speech does not cancel it and others may run beside it."""
        if aside:
            self._asides.add(response)
        else:
            self.running = response
        await self.send("response.created", response=self._response(response, "in_progress"))

    async def announce(self, response: str, call: str, name: str) -> None:
        """A call begins: it has an item, and no arguments."""
        self._calls.setdefault(call, False)
        item = self._call(call, name, "", "in_progress")
        await self.send("response.output_item.added", response_id=response, output_index=0, item=item)
        made = "added" if self.dialect == "ga" else "created"
        await self.send(f"conversation.item.{made}", item={"object": "realtime.item", **item})

    async def arguments(self, response: str, call: str, name: str, arguments: str) -> None:
        ids = {"response_id": response, "item_id": f"item_of_{call}", "output_index": 0, "call_id": call}
        middle = len(arguments) // 2
        for piece in (arguments[:middle], arguments[middle:]):
            await self.send("response.function_call_arguments.delta", delta=piece, **ids)
        await self.send("response.function_call_arguments.done", name=name, arguments=arguments, **ids)

    async def item_done(self, response: str, call: str, name: str, arguments: str, status: str = "completed") -> None:
        item = self._call(call, name, arguments, status)
        if self.dialect == "ga":
            await self.send("conversation.item.done", item={"object": "realtime.item", **item})
        await self.send("response.output_item.done", response_id=response, output_index=0, item=item)

    async def call(self, response: str, call: str, name: str, arguments: str) -> None:
        """A whole call, as it comes where nothing is wrong. Qwen begins the arguments with a space."""
        arguments = f" {arguments}" if self.dialect == "qwen" else arguments
        await self.announce(response, call, name)
        await self.arguments(response, call, name, arguments)
        await self.item_done(response, call, name, arguments)

    async def say(self, response: str, words: str, ms: int = 100) -> None:
        item = f"item_of_{response}"
        place = {"response_id": response, "item_id": item, "output_index": 0, "content_index": 0}
        message = {"id": item, "type": "message", "role": "assistant", "status": "in_progress", "content": []}
        await self.send("response.output_item.added", response_id=response, output_index=0, item=message)
        await self.send("response.output_audio_transcript.delta", delta=words, **place)
        sound = base64.b64encode(b"\x40\x01" * (24 * ms)).decode()
        await self.send("response.output_audio.delta", delta=sound, **place)

    async def end(self, response: str, status: str = "completed", output: list[Json] | None = None) -> None:
        self.running = "" if self.running == response else self.running
        await self.send("response.done", response={**self._response(response, status), "output": output or []})

    def _response(self, response: str, status: str) -> Json:
        conversation = {} if self.dialect == "qwen" else {"conversation_id": "conv_1"}
        if response in self._asides:
            conversation = {"conversation_id": None}
        return {"object": "realtime.response", "id": response, "status": status, "output": [], **conversation}

    def _call(self, call: str, name: str, arguments: str, status: str) -> Json:
        item = {"id": f"item_of_{call}", "type": "function_call", "status": status}
        return {**item, "call_id": call, "name": name, "arguments": arguments}

    def as_output(self, call: str, name: str, arguments: str) -> Json:
        """The call once more, as `response.done` lists it."""
        return self._call(call, name, arguments, "completed")

    async def speech_started(self, item: str) -> None:
        """The user is heard: whatever runs is cancelled by the service itself."""
        self.user_speaks = True
        await self.send("input_audio_buffer.speech_started", item_id=item, audio_start_ms=100)
        if self.running:
            await self.end(self.running, "cancelled")

    async def speech_stopped(self, item: str, words: str) -> None:
        self.user_speaks = False
        await self.send("input_audio_buffer.speech_stopped", item_id=item, audio_end_ms=900)
        await self.send("input_audio_buffer.committed", item_id=item)
        message = {"id": item, "type": "message", "role": "user", "status": "completed"}
        await self._item({**message, "content": [{"type": "input_audio", "transcript": None}]})
        place = {"item_id": item, "content_index": 0, "transcript": words}
        await self.send("conversation.item.input_audio_transcription.completed", **place)

    async def drop(self) -> None:
        """The line is gone, without a word."""
        self.connections[-1].transport.abort()
