"""One connection's events, in the order of the document: connection, session, rounds."""

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Protocol

import numpy as np

from tests.doubao_server.script import Faults, Reply, Script, sound
from tests.doubao_server.wire import BadFrame, ClientFrame, Json
from tests.realtime_server.vad import EnergyVad

SPEAKERS = {
    "O": ("zh_female_vv_jupiter_bigtts", "zh_female_xiaohe_jupiter_bigtts", "zh_male_yunzhou", "zh_male_xiaotian"),
    "1.2.1.0": (
        "zh_female_vv_jupiter_bigtts",
        "zh_female_xiaohe_jupiter_bigtts",
        "zh_male_yunzhou",
        "zh_male_xiaotian",
    ),
    "1.2.1.1": ("zh_female_vv", "zh_female_xiaohe", "zh_male_yunzhou", "zh_male_xiaotian", "en_", "S_", "saturn_"),
    "SC": ("ICL_", "S_"),
    "2.2.0.0": ("saturn_", "S_"),
}
NEEDS_SILENCE = ("", "audio")
TIMES = {"once": 1, "late": 1, "doubled": 2, "missing": 0}


class Link(Protocol):
    """What a session needs of its connection."""

    script: Script
    faults: Faults
    gzipped: bool

    async def event(self, event: int, name: str, fields: Json) -> None: ...

    async def audio(self, session_id: str, data: bytes) -> None: ...

    async def error(self, code: int, message: str) -> None: ...

    def count(self, kind: str) -> int: ...


class Dialogue:
    """A connection's dialogue: `handle` each frame, `end` when the connection is gone."""

    def __init__(self, link: Link, connect_id: str):
        self.link, self.connect_id = link, connect_id
        self.connected = False
        self.session_id = ""
        self.config: Json = {}
        self.items: list[Json] = []
        self._numbers = count(1)
        self.knowledge: asyncio.Future[str] | None = None
        self._speech: asyncio.Future[str] | None = None
        self._question_id = ""
        self._reply: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._vad = EnergyVad(16_000)
        self._heard_ms = 0.0
        self._last_audio = 0.0
        self._handlers: dict[int, Callable[[ClientFrame], Awaitable[None]]] = {
            2: self._finish_connection,
            100: self._start_session,
            102: self._finish_session,
            200: self._audio,
            201: self._update,
            300: self._hello,
            400: self._end_asr,
            500: self._tts_text,
            501: self._query,
            502: self._rag,
            510: self._create,
            511: self._change,
            512: self._retrieve,
            513: self._truncate,
            514: self._delete,
            515: self._interrupt,
        }

    @property
    def input_mod(self) -> str:
        return str(self.config.get("dialog", {}).get("extra", {}).get("input_mod", ""))

    @property
    def model(self) -> str:
        return str(self.config.get("dialog", {}).get("extra", {}).get("model", ""))

    async def handle(self, frame: ClientFrame) -> None:
        if frame.event == 1:
            self.connected = True
            if self.link.faults.silent != "connection":
                await self.link.event(50, self.connect_id, {})
            return
        if not self.connected:
            raise BadFrame("the first event must be StartConnection")
        if frame.event not in self._handlers:
            return
        if frame.event not in (2, 100) and (not self.session_id or frame.session_id != self.session_id):
            if frame.event != 200:  # impatient clients send audio before 150
                await self.link.error(45000000, "session not found")
            return
        await self._handlers[frame.event](frame)

    async def end(self) -> None:
        tasks = [*self._tasks, *([self._reply] if self._reply else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks, self._reply = [], None

    async def event(self, event: int, **fields: object) -> None:
        await self.link.event(event, self.session_id, fields)

    # connection and session

    async def _finish_connection(self, frame: ClientFrame) -> None:
        if self.link.faults.silent != "finish":
            await self.link.event(52, self.connect_id, {})

    async def _start_session(self, frame: ClientFrame) -> None:
        if self.session_id:
            await self.link.error(55000000, "session number limit exceeded: 1")
            return
        if self.link.faults.silent == "session":
            return
        fault = wrong_with(frame.fields)
        if fault:
            await self.link.event(153, frame.session_id, {"error": fault})
            return
        self.session_id, self.config = frame.session_id, frame.fields
        self._vad = EnergyVad(16_000)
        self._last_audio = asyncio.get_running_loop().time()
        await self.event(150, dialog_id=self.config["dialog"].get("dialog_id") or str(uuid.uuid4()))
        self._tasks.append(asyncio.create_task(self._clock(), name="doubao session"))

    async def _finish_session(self, frame: ClientFrame) -> None:
        if self.link.faults.silent == "finish":
            return
        await self.end()
        session_id, self.session_id = self.session_id, ""
        await self.link.event(152, session_id, {})

    async def _update(self, frame: ClientFrame) -> None:
        self.config["tts"] |= frame.fields.get("tts", {})
        self.config["dialog"] |= frame.fields.get("dialog", {})
        await self.event(251)

    async def _clock(self) -> None:
        """What time brings: silence from the service itself, or the end for want of sound."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(0.05)
            quiet_s = loop.time() - self._last_audio
            if self.input_mod == "audio_file" and quiet_s > 0.15:
                await self._hear(bytes(1600))
            elif self.input_mod in NEEDS_SILENCE and quiet_s > self.link.faults.idle_s:
                self._stop_reply()
                await self.event(153, error="sami error: codes=52000042, desc=DialogAudioIdleTimeoutError")
                self.session_id = ""
                return

    # the user's side

    async def _audio(self, frame: ClientFrame) -> None:
        if not frame.audio:
            await self.event(599, status_code="45000002", message="empty audio")
            return
        self._last_audio = asyncio.get_running_loop().time()
        if self.input_mod == "push_to_talk":
            if not self._heard_ms:
                await self._key_down()
            self._heard_ms += len(frame.audio) / 32
            return
        await self._hear(frame.audio)

    async def _hear(self, audio: bytes) -> None:
        samples = np.frombuffer(audio[: len(audio) // 2 * 2], "<i2")
        silence_ms = self.config.get("asr", {}).get("extra", {}).get("end_smooth_window_ms", 1500)
        for change, _ in self._vad.hear(samples, {"type": "server_vad", "silence_duration_ms": silence_ms}):
            if change == "started":
                await self.speech_began()
            else:
                await self.speech_ended()

    async def speech_began(self) -> None:
        late = self._stop_reply()
        self._question_id = self._new_id("question")
        begins = self.link.script.begins
        if begins != "late":
            await self._told(450, begins)
        for data in late:
            await self.link.audio(self.session_id, data)
        self._heard_as = self.link.script.words(self.link.count("turn"))
        await self._transcript(self._heard_as[: max(len(self._heard_as) // 2, 1)], interim=True)
        if begins == "late":
            await self._told(450, begins)

    async def _told(self, event: int, how: str) -> None:
        for _ in range(TIMES[how]):
            await self.event(event, **self._ids(question_id=self._question_id))

    async def speech_ended(self) -> None:
        await self._transcript(self._heard_as, interim=True)
        await self._transcript(self._heard_as, interim=False)
        for _ in range(TIMES[self.link.script.turn_ends]):
            await self.event(459)
        self._answer()

    async def _transcript(self, words: str, interim: bool) -> None:
        alternatives = [{"text": words, "start_time": 0.1}]
        await self.event(451, results=[{"text": words, "is_interim": interim, "alternatives": alternatives}])

    async def _key_down(self) -> None:
        self._question_id = self._new_id("question")
        self._heard_as = self.link.script.words(self.link.count("turn"))
        if self.link.script.announces:
            await self.event(450, **self._ids(question_id=self._question_id))

    async def _end_asr(self, frame: ClientFrame) -> None:
        if self._heard_ms:
            self._heard_ms = 0.0
            await self.speech_ended()

    async def _query(self, frame: ClientFrame) -> None:
        self._stop_reply()
        self._question_id = self._new_id("question")
        if (confirms := self.link.script.confirms) != "late":
            await self._told(553, confirms)
        self._answer(confirmed=confirms != "late")

    # the assistant's side

    async def _hello(self, frame: ClientFrame) -> None:
        self._answer("default", Reply(text=frame.fields["content"], seconds=0.5), written=False)

    async def _tts_text(self, frame: ClientFrame) -> None:
        if frame.fields.get("start"):
            self._speech = asyncio.get_running_loop().create_future()
            self._stop_reply()
            self._answer("chat_tts_text", Reply(text=frame.fields["content"], seconds=0.5), written=False)

    async def _rag(self, frame: ClientFrame) -> None:
        passages = json.loads(frame.fields["external_rag"])
        self._stop_reply()
        self._answer("external_rag", Reply(text=passages[0]["content"], seconds=0.5))

    async def _interrupt(self, frame: ClientFrame) -> None:
        waiting = self._reply is not None and not self._begun
        late = self._stop_reply()[:1]
        if waiting and self.link.script.crossing:
            ids = self._ids(question_id=self._question_id, reply_id=self._new_id("reply"))
            await self.event(350, tts_type="default", text="", **ids)
            form = self.config.get("tts", {}).get("audio_config", {}).get("format", "")
            late = [sound(0.5, form)]
        for data in late:
            await self.link.audio(self.session_id, data)

    def _answer(
        self, kind: str = "default", reply: Reply | None = None, written: bool = True, *, confirmed: bool = True
    ) -> None:
        if reply is None:
            reply = self.link.script.reply(self.link.count("reply"))
        self._pending: list[bytes] = []
        self._begun = False
        self._unconfirmed = not confirmed
        self._reply = asyncio.create_task(self._speak(reply, kind, written), name="doubao reply")

    def _stop_reply(self) -> list[bytes]:
        """The audio that is in flight when a reply is broken off."""
        running, self._reply = self._reply, None
        if running is None or running.done():
            return []
        running.cancel()
        self._tasks.append(running)
        return self._pending

    async def _speak(self, reply: Reply, kind: str, written: bool) -> None:
        await asyncio.sleep(self.link.script.delay_ms / 1000)
        self._begun = True
        reply_id = self._new_id("reply")
        ids = self._ids(question_id=self._question_id, reply_id=reply_id)
        form = self.config.get("tts", {}).get("audio_config", {}).get("format", "")
        data = sound(reply.seconds, form)
        size = max(len(data) * reply.frame_ms // round(reply.seconds * 1000), 1) | reply.odd_bytes
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        self._pending = pieces[-reply.late :] if reply.late else []
        half = len(reply.text) // 2
        each = -(-len(pieces) // reply.sentences)
        for number in range(reply.sentences):
            await self.event(350, tts_type=kind, text="", **ids)
            if self._unconfirmed:
                self._unconfirmed = False
                await self._told(553, "once")
            if written and number == 0:
                await self.event(550, content=reply.text[:half], **ids)
                await self.event(550, content=reply.text[half:], **ids)
                await self.event(559, **ids)
            for piece in pieces[number * each : (number + 1) * each]:
                await self.link.audio(self.session_id, piece)
                if self.link.faults.silent == "reply":
                    await asyncio.Event().wait()
                await asyncio.sleep(reply.frame_ms / 1000 / reply.pace)
            await self.event(351, **ids)
        for _ in range(TIMES[self.link.script.ends]):
            await self.event(359, **ids)
        if self.link.script.usage:
            usage = {
                "input_text_tokens": 3,
                "input_audio_tokens": 12,
                "cached_text_tokens": 1,
                "cached_audio_tokens": 0,
            }
            await self.event(154, usage={**usage, "output_text_tokens": 9, "output_audio_tokens": 25})
        self.items.append({"item_id": reply_id, "role": "assistant", "text": reply.text})

    def _ids(self, **ids: str) -> dict[str, str]:
        return {} if self.link.script.ids == "none" else ids

    def _new_id(self, kind: str) -> str:
        return f"{kind}-{next(self._numbers)}" if self.link.script.ids == "restart" else str(uuid.uuid4())

    # history

    async def _create(self, frame: ClientFrame) -> None:
        new = [{"item_id": str(uuid.uuid4()), "timestamp": 1, **item} for item in frame.fields["items"]]
        self.items += new
        await self.event(567, items=new)

    async def _change(self, frame: ClientFrame) -> None:
        known = {item["item_id"]: item for item in self.items}
        missing = [item["item_id"] for item in frame.fields["items"] if item["item_id"] not in known]
        for item in frame.fields["items"]:
            known.get(item["item_id"], {}).update(item)
        gap = {"message": f"the following item ids are missing: {','.join(missing)}"} if missing else {}
        await self.event(568, **gap)

    async def _retrieve(self, frame: ClientFrame) -> None:
        wanted = {item["item_id"] for item in frame.fields.get("items", [])}
        await self.event(569, items=[item for item in self.items if not wanted or item["item_id"] in wanted])

    async def _truncate(self, frame: ClientFrame) -> None:
        if not self.config["dialog"]["extra"].get("enable_conversation_truncate"):
            await self.event(599, status_code="45000001", message="truncation is not enabled")
            return
        await self.event(570, **frame.fields)

    async def _delete(self, frame: ClientFrame) -> None:
        wanted = {item["item_id"] for item in frame.fields["items"]}
        gone = [item for item in self.items if item["item_id"] in wanted]
        self.items = [item for item in self.items if item not in gone]
        if gone:
            await self.event(571, items=gone)
        else:
            await self.event(571, status_code=40000010, message="empty conversation deleted messages")


def wrong_with(config: Json) -> str:
    """Why StartSession is refused; "" when it is not."""
    extra = config.get("dialog", {}).get("extra") or {}
    for part in ("asr", "tts"):
        if part in config and "extra" in config[part] and config[part]["extra"] is None:
            return f"[42000020] {part} extra is null"
    if not extra.get("model"):
        return "[42000020] dialog.extra.model is required"
    speaker = config.get("tts", {}).get("speaker", "zh_female_vv_jupiter_bigtts")
    if not speaker.startswith(SPEAKERS.get(extra["model"], ("",))):
        return "[55000001] ClientError:InvalidSpeaker"
    if "\\" in config.get("dialog", {}).get("system_role", ""):
        return "[50000000] Yaml: line 3: found unknown escape character"
    return ""
