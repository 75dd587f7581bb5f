"""A codec in mid session, and its frames as values, for the tests of the Doubao dialect."""

import json
from typing import Any

from tests.doubao_server.wire import audio_frame, event_frame, read
from voicechat.dialects.doubao.codec import DoubaoCodec
from voicechat.dialects.doubao.session_shape import DialogueProfile
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev
from voicechat.realtime.codec import WireFrame

Sent = tuple[int, dict[str, Any]]
VAD = cmd.TurnDetection()
PCM = b"\1\0\2\0"


class Call:
    """A session with the codec under test on one side and hand-made frames on the other."""

    def __init__(self, model: str = "1.2.1.1", audio_format: str = "pcm16", **config: Any):
        self.codec = DoubaoCodec(DialogueProfile(model, audio_format=audio_format))
        self.config = cmd.SessionConfig(**config)
        self.session_id = ""

    def open(self) -> "Call":
        self.replies()
        (created,) = self.server(50)
        assert isinstance(created, ev.SessionCreated)
        self.client(cmd.Configure(self.config))
        self.server(150, dialog_id="d-1")
        return self

    def client(self, command: cmd.Command) -> list[Sent]:
        """What `command` puts on the wire: event numbers and fields."""
        return [self._read(frame) for frame in self.codec.encode(command)]

    def replies(self) -> list[Sent]:
        return [self._read(frame) for frame in self.codec.replies()]

    def server(self, event: int, **fields: Any) -> list[ev.Event]:
        return self.codec.decode(event_frame(event, self.session_id, fields))

    def raw(self, event: int, body: bytes) -> list[ev.Event]:
        whole = event_frame(event, self.session_id, {})[:-6]
        return self.codec.decode(whole + len(body).to_bytes(4, "big") + body)

    def audio(self, data: bytes) -> list[ev.Event]:
        return self.codec.decode(audio_frame(self.session_id, data))

    def _read(self, frame: WireFrame) -> Sent:
        assert isinstance(frame, bytes)
        parsed = read(frame)
        self.session_id = parsed.session_id or self.session_id
        return parsed.event, ({"audio": parsed.audio} if parsed.event == 200 else parsed.fields)


def rag(sent: Sent) -> Any:
    return json.loads(sent[1]["external_rag"])


def vad(**options: Any) -> Call:
    return Call(turn_detection=VAD, **options).open()


def speaking(call: Call, reply: str = "r-1") -> Call:
    """In mid reply."""
    call.server(450, question_id="q-1")
    call.server(459)
    call.server(350, tts_type="default", question_id="q-1", reply_id=reply)
    (sound,) = call.audio(PCM)
    name = reply or made_up(sound)
    assert sound == ev.AssistantAudio(name, name, 0, PCM)
    return call


def made_up(event: ev.Event) -> str:
    """The response of this event, which the service has not named."""
    name: str = getattr(event, "response_id", "")
    assert name.startswith("~response-")
    return name


def ended(item: str, words: str) -> list[ev.Event]:
    """What 459 means when these words were understood."""
    return [ev.UserTranscript(item, words, True), ev.SpeechStopped(item), ev.InputCommitted(item)]


def meaning(events: list[ev.Event]) -> list[ev.Event]:
    return [event for event in events if not isinstance(event, ev.Ignored)]
