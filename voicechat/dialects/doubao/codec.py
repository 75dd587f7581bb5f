"""`DoubaoCodec`: one session's translation between our vocabulary and Doubao's frames."""

import logging
import uuid
from collections.abc import Callable
from dataclasses import replace

from voicechat.dialects.doubao import session_shape
from voicechat.dialects.doubao.audio import ReplySound
from voicechat.dialects.doubao.errors import classify, complaint_of, is_invalid_speaker, status_of
from voicechat.dialects.doubao.frames import BinaryFrame, FrameError, MessageType, Serialization, decode, encode
from voicechat.dialects.doubao.payloads import (
    fields_of,
    items_created,
    items_deleted,
    items_retrieved,
    json_frame,
    updated,
    usage,
)
from voicechat.dialects.doubao.questions import Questions
from voicechat.dialects.doubao.rounds import Rounds
from voicechat.dialects.doubao.session_shape import DialogueProfile
from voicechat.dialects.doubao.wire import ClientEvent, ServerEvent
from voicechat.dialects.fields import BrokenFrame, Json, text
from voicechat.dialects.lifecycle import Inputs, Names
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev
from voicechat.realtime.capabilities import Capabilities
from voicechat.realtime.codec import WireFrame

log = logging.getLogger(__name__)

_EVENTS = {int(event): event for event in ServerEvent}
PIECE_BYTES = 640
"""20 ms, the piece that the service's documents strongly recommend."""


def capabilities(model: str) -> Capabilities:
    """What the service does with this model."""
    return Capabilities(
        input_rate_hz=16_000,
        output_rate_hz=24_000,
        supports_semantic_vad=False,
        supports_interruption=True,
        emits_cancelled=False,
        supports_truncation=session_shape.second_generation(model),
        supports_tools=False,
        supports_language=False,  # but for three dialects of Chinese
        supports_style=True,
        context_chars=session_shape.CONTEXT_CHARS,
        supports_deletion=False,  # it takes an item out, and answers none once more
        updates=frozenset({"instructions", "name", "style", "voice"}),
        supports_restoring=True,
        emits_session_finished=True,
    )


class DoubaoCodec:
    """Implements `realtime.codec.Codec`."""

    def __init__(self, profile: DialogueProfile):
        self.capabilities = capabilities(profile.model)
        self._profile = profile
        self._session_id = ""
        self._next_id = str(uuid.uuid4())
        self._connected = False
        self._running = False
        self._config = cmd.SessionConfig()
        self._voice = ""
        self._refused: set[str] = set()  # voices that were not accepted
        self._finishing = False
        self._replies: list[bytes] = [json_frame(ClientEvent.START_CONNECTION)]
        self._names = Names()
        self._inputs = Inputs(self._names)
        self._rounds = Rounds(self._names, self._inputs)
        self._untold: list[ev.Event] = []  # what follows from a command, and is told with the next frame
        self._sound = ReplySound(profile.audio_format)
        self._sound_of = ""
        self._typed: list[cmd.SendText] = []  # text items nothing was asked about yet
        self._questions = Questions(self._inputs)
        self._answering = False  # the user's turn is over, and its reply has not begun
        self._audio_head = b""
        self._decoders: dict[ServerEvent, Callable[[Json], list[ev.Event]]] = {
            ServerEvent.CONNECTION_STARTED: self._connection_started,
            ServerEvent.CONNECTION_FINISHED: lambda _: [ev.SessionFinished()],
            ServerEvent.CONNECTION_FAILED: self._lost,
            ServerEvent.SESSION_STARTED: self._session_started,
            ServerEvent.SESSION_CANCELED: self._session_finished,
            ServerEvent.SESSION_FINISHED: self._session_finished,
            ServerEvent.SESSION_FAILED: self._lost,
            ServerEvent.USAGE_RESPONSE: lambda fields: usage(fields, self._rounds.latest),
            ServerEvent.CONFIG_UPDATED: lambda _: [ev.SessionConfigured(self._voice)],
            ServerEvent.TTS_SENTENCE_START: self._sentence_start,
            ServerEvent.TTS_SENTENCE_END: lambda _: [],
            ServerEvent.TTS_ENDED: lambda fields: self._rounds.ended(text(fields, "reply_id")),
            ServerEvent.ASR_INFO: self._speech_began,
            ServerEvent.ASR_RESPONSE: self._understood,
            ServerEvent.ASR_ENDED: self._speech_ended,
            ServerEvent.CHAT_RESPONSE: self._chat,
            ServerEvent.CHAT_TEXT_QUERY_CONFIRMED: self._query_confirmed,
            ServerEvent.CHAT_ENDED: lambda _: [],
            ServerEvent.CONVERSATION_CREATED: items_created,
            ServerEvent.CONVERSATION_UPDATED: updated,
            ServerEvent.CONVERSATION_RETRIEVED: items_retrieved,
            ServerEvent.CONVERSATION_TRUNCATED: lambda _: [],
            ServerEvent.CONVERSATION_DELETED: items_deleted,
            ServerEvent.DIALOG_COMMON_ERROR: self._common_error,
        }

    # -- out ---------------------------------------------------------------------------------------------------

    def replies(self) -> list[WireFrame]:
        """StartConnection first, FinishConnection when the session has ended, external knowledge when it is asked."""
        due, self._replies = self._replies, []
        return list(due)

    def encode(self, command: cmd.Command) -> list[WireFrame]:
        """The frames for `command`; none when the protocol has no word for it, or no session runs."""
        if isinstance(command, cmd.AppendAudio):
            return self._append(command.pcm)
        if isinstance(command, cmd.Configure):
            return self._configure(command.config)
        if isinstance(command, cmd.Finish):
            return self._finish()
        return list(self._encode(command)) if self._running else []

    def _encode(self, command: cmd.Command) -> list[bytes]:
        match command:
            case cmd.CommitAudio():
                return self._commit(command.item_id)
            case cmd.CreateResponse():
                return self._create(command)
            case cmd.CancelResponse():
                self._untold += self._rounds.cancelled()
                self._answering = False
                return [self._event(ClientEvent.CLIENT_INTERRUPT)]
            case cmd.TruncateItem(item_id=name):
                wire = self._names.wire(name)
                if not self.capabilities.supports_truncation or not wire:
                    return []
                cut = {"item_id": wire, "audio_end_ms": command.audio_end_ms}
                return [self._event(ClientEvent.CONVERSATION_TRUNCATE, cut)]
            case cmd.DeleteItem(item_id=name) if wire := self._names.wire(name):
                return [self._event(ClientEvent.CONVERSATION_DELETE, {"items": [{"item_id": wire}]})]
            case cmd.RetrieveItem(item_id=name):
                items = [{"item_id": wire}] if (wire := self._names.wire(name)) else []
                return [self._event(ClientEvent.CONVERSATION_RETRIEVE, {"items": items} if items else {})]
            case cmd.SendText():
                return self._text_item(command)
            case _:
                return []

    def _finish(self) -> list[WireFrame]:
        """A session that was asked for and has not begun is ended with its connection: it would count as running."""
        if not self._session_id:
            return []
        self._finishing = True
        running = self._running
        return [self._event(ClientEvent.FINISH_SESSION) if running else json_frame(ClientEvent.FINISH_CONNECTION)]

    def _append(self, pcm: bytes) -> list[WireFrame]:
        """The hot path: everything before the size is always the same. The reference asks for 20 ms a piece."""
        if not self._running:
            return []
        pieces = (pcm[at : at + PIECE_BYTES] for at in range(0, len(pcm), PIECE_BYTES))
        return [self._audio_head + len(piece).to_bytes(4, "big") + piece for piece in pieces]

    def _configure(self, config: cmd.SessionConfig) -> list[WireFrame]:
        self._config = config
        self._questions.by_service = config.turn_detection is not None
        asked = session_shape.speaker(config, self._profile)
        self._voice = session_shape.speaker(config, self._profile, refused=asked in self._refused)
        if self._running:
            shape = session_shape.update_config(config, self._profile, self._voice)
            return [self._event(ClientEvent.UPDATE_CONFIG, shape)]
        self._session_id, self._next_id = self._next_id, str(uuid.uuid4())  # an id is never used twice
        audio = BinaryFrame(
            MessageType.CLIENT_AUDIO, ClientEvent.TASK_REQUEST, self._session_id, b"", Serialization.RAW
        )
        self._audio_head = encode(audio)[:-4]
        shape = session_shape.start_session(config, self._profile, self._voice)
        return [self._event(ClientEvent.START_SESSION, shape)]

    def _commit(self, item_id: str) -> list[bytes]:
        """The user's spoken turn is over: what was typed before it, and restored after a drop, is past."""
        self._inputs.send(item_id, spoken=True)
        self._typed = []
        self._answering = False
        self._untold += self._rounds.committed()
        return [self._event(ClientEvent.END_ASR)]

    def _create(self, command: cmd.CreateResponse) -> list[bytes]:
        """Speech is answered unasked. A typed question is asked now; given words are a greeting, or a turn's answer."""
        if command.words and self._answering:
            return self._speak(command.words)
        if command.words:
            self._rounds.ask(words=command.words)
            return [self._event(ClientEvent.SAY_HELLO, {"content": command.words})]
        typed, self._typed = self._typed, []
        if not typed:
            return []
        self._inputs.send(typed[-1].item_id, spoken=False)
        self._inputs.ask()
        self._rounds.ask_typed()  # of several, those before the last were given up, and are not waited for any more
        return [self._event(ClientEvent.CHAT_TEXT_QUERY, {"content": typed[-1].text})]

    def _text_item(self, item: cmd.SendText) -> list[bytes]:
        """What the user typed waits for `CreateResponse`. With an answer after it, it is history and goes at once."""
        if item.role == "user":
            self._typed.append(item)
        elif item.role == "assistant" and self._typed:
            pair = [*self._typed, item]
            self._typed = []
            items = [{"role": "user", "text": "\n".join(part.text for part in pair[:-1])}]
            items.append({"role": "assistant", "text": item.text})
            return [self._event(ClientEvent.CONVERSATION_CREATE, {"items": items})]
        return []

    def _speak(self, words: str) -> list[bytes]:
        """ChatTTSText: these words instead of the model's own reply to the turn that the user has just ended."""
        self._rounds.ask(words=words, kind="chat_tts_text")
        pieces = [{"start": True, "content": words, "end": False}, {"start": False, "content": "", "end": True}]
        return [self._event(ClientEvent.CHAT_TTS_TEXT, piece) for piece in pieces]

    def _event(self, event: ClientEvent, fields: Json | None = None) -> bytes:
        return json_frame(event, fields, self._session_id)

    # -- in ----------------------------------------------------------------------------------------------------

    def decode(self, frame: WireFrame) -> list[ev.Event]:
        """The events of one frame. Never raises: a broken frame is one `Ignored(broken=True)`."""
        untold, self._untold = self._untold, []
        return [*untold, *self._decode(frame)]

    def _decode(self, frame: WireFrame) -> list[ev.Event]:
        if isinstance(frame, str):
            return [ev.Ignored("a text message", broken=True)]
        try:
            wire = decode(frame)
            if wire.kind is MessageType.SERVER_AUDIO:
                return self._audio(wire)
            if wire.kind is MessageType.ERROR:
                return self._error_frame(wire)
            event = _EVENTS.get(-1 if wire.event is None else wire.event)
            if event not in self._decoders or wire.kind is not MessageType.SERVER_FULL:  # 352 is sound only
                log.debug("unknown frame: type %s, event %s", wire.kind.name, wire.event)
                return [ev.Ignored(f"event {wire.event}")]
            if wire.id and event >= ServerEvent.SESSION_STARTED and wire.id != self._session_id:
                return [ev.Ignored("another session")]
            return self._decoders[event](fields_of(wire))
        except (FrameError, BrokenFrame, ValueError, RecursionError) as error:  # ValueError: JSON and UTF-8 alike
            log.debug("broken frame: %s", error)
            return [ev.Ignored(f"broken frame: {error}"[:100], broken=True)]

    def _audio(self, wire: BinaryFrame) -> list[ev.Event]:
        reply = self._rounds.current
        if wire.event != ServerEvent.TTS_RESPONSE or (wire.id and wire.id != self._session_id):
            return [ev.Ignored(f"audio of event {wire.event}")]
        if reply is None or not reply.sounding:
            return [ev.Ignored("late audio")]
        if self._sound_of != reply.response_id:
            self._sound, self._sound_of = ReplySound(self._profile.audio_format), reply.response_id
        broken = self._sound.broken
        pcm = self._sound.feed(wire.payload)
        events: list[ev.Event] = []
        if self._sound.broken > broken:
            events.append(ev.Ignored("sound that cannot be decoded", broken=True))
        if pcm:
            events.append(ev.AssistantAudio(reply.response_id, reply.response_id, 0, pcm))
        return events

    def _connection_started(self, _: Json) -> list[ev.Event]:
        """Told once: a second session would be one too many on this connection."""
        if self._connected:
            return [ev.Ignored("a second connection start")]
        self._connected = True
        return [ev.SessionCreated(self._next_id, self._profile.model)]

    def _session_started(self, fields: Json) -> list[ev.Event]:
        if self._finishing:
            return []
        self._running = True
        log.debug("session %s, dialogue %s", self._session_id, text(fields, "dialog_id"))
        return [ev.SessionConfigured(self._voice)]

    def _session_finished(self, _: Json) -> list[ev.Event]:
        self._running = False
        if not self._finishing:
            return [ev.ServiceError("The service ended the session.", severity="retry"), ev.SessionFinished()]
        self._replies.append(json_frame(ClientEvent.FINISH_CONNECTION))
        return []

    def _sentence_start(self, fields: Json) -> list[ev.Event]:
        reply_id, question_id = _ids(fields)
        kind, words = text(fields, "tts_type"), text(fields, "text")
        return self._reply(question_id, self._rounds.sentence(reply_id, question_id, kind, words))

    def _chat(self, fields: Json) -> list[ev.Event]:
        reply_id, question_id = _ids(fields)
        return self._reply(question_id, self._rounds.text(reply_id, question_id, text(fields, "content")))

    def _reply(self, question_id: str, events: list[ev.Event]) -> list[ev.Event]:
        """A reply that begins is the end of the user's turn, should nobody have said so."""
        started = next((event for event in events if isinstance(event, ev.ResponseStarted)), None)
        if started is None:
            return events
        self._answering = False
        told = self._questions.ends()
        if answers := self._inputs.known(question_id):
            events[events.index(started)] = replace(started, answers=answers)
        return [*told, *events]

    def _speech_began(self, fields: Json) -> list[ev.Event]:
        self._answering = False
        question_id = text(fields, "question_id")
        ended = self._rounds.user_begins(question_id, speaks=self._questions.by_service)
        return [*self._questions.begins(question_id), *ended]

    def _understood(self, fields: Json) -> list[ev.Event]:
        """451: words that are still coming are a turn, should nobody have said that it began."""
        began = self._speech_began({}) if self._questions.unannounced(fields) else []
        return [*began, *self._questions.words(fields)]

    def _speech_ended(self, _: Json) -> list[ev.Event]:
        events = self._questions.ends()
        if self._rounds.user_ended():
            self._expect_answer()
        return events

    def _query_confirmed(self, fields: Json) -> list[ev.Event]:
        """553: a typed question was taken; a reply that was still running is over, unless it is the question's own."""
        question_id = text(fields, "question_id")
        wanted, ended = self._rounds.confirmed(question_id)
        if wanted:
            self._rounds.user_ended()
            self._expect_answer()
            self._answering = self._rounds.current is None
        return [*ended, ev.ItemAdded(self._inputs.added(question_id, spoken=False), "user")]

    def _expect_answer(self) -> None:
        self._answering = True
        if self._config.context:
            rag = {"external_rag": session_shape.external_rag(self._config.context)}
            self._replies.append(self._event(ClientEvent.CHAT_RAG_TEXT, rag))
            self._rounds.ask(kind="external_rag")

    # -- complaints --------------------------------------------------------------------------------------------

    def _error_frame(self, wire: BinaryFrame) -> list[ev.Event]:
        try:
            message = complaint_of(fields_of(wire))
        except (BrokenFrame, ValueError, RecursionError):  # a bare text is as good
            message = wire.payload[:500].decode("utf-8", "replace")
        return self._complain(str(wire.error_code), message, dead=True)

    def _lost(self, fields: Json) -> list[ev.Event]:
        """51 and 153: no connection, no session, or not any more."""
        return self._complain(status_of(fields), complaint_of(fields), dead=True)

    def _common_error(self, fields: Json) -> list[ev.Event]:
        """599: a running session survives most of them; one that is being opened will not begin any more."""
        return self._complain(status_of(fields), complaint_of(fields), dead=not self._running)

    def _complain(self, code: str, message: str, *, dead: bool) -> list[ev.Event]:
        if is_invalid_speaker(message) and self._voice != session_shape.default_speaker(self._profile.model):
            voice, self._voice = self._voice, ""
            self._refused.add(voice)
            self._running = self._running and not dead
            return [*self._rounds.failed(message, code), ev.ConfigureAgain(message, voice_dropped=voice)]
        error = classify(code, message, dead=dead)
        if error.severity == "benign":
            return [error]
        if error.severity == "recoverable" and self._rounds.current is not None:
            return self._rounds.failed(error.message, error.code)
        events: list[ev.Event] = [*self._rounds.failed(error.message, error.code), error]
        if error.severity == "retry":  # the socket may well stay open: say that it is over
            self._running = False
            events.append(ev.SessionFinished())
        return events


def _ids(fields: Json) -> tuple[str, str]:
    """Of the reply and of the question it answers; "" where the service gives none."""
    return text(fields, "reply_id"), text(fields, "question_id")
