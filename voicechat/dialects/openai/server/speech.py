"""The user's speech as the protocol sees it: what was appended and committed, and how its transcripts are told."""

from collections import deque

from voicechat.audio import g711
from voicechat.dialects.fields import Json, Recent
from voicechat.dialects.openai.server.checks import Rejected, required, wrong_type
from voicechat.dialects.sound import decoded
from voicechat.realtime import events as ev

MIN_COMMIT_MS = 100
MAX_APPEND_CHARS = 15 * 1024 * 1024
PCM_RATE_HZ = 24_000
DASHSCOPE_INPUT_HZ = 16_000
EVENT = "conversation.item.input_audio_transcription"

_Named = tuple[str, Json]
"""A server event's type and fields."""


def rate_hz(audio_format: str) -> int:
    return PCM_RATE_HZ if audio_format == "pcm16" else g711.RATE_HZ


class InputBuffer:
    """Counts what was appended; the sound itself goes on at once."""

    def __init__(self, pcm_hz: int = PCM_RATE_HZ) -> None:
        self.total_ms = 0.0
        self._pcm_hz = pcm_hz
        self._waiting_ms = 0.0
        self._half_sample = b""
        self._committed: deque[float] = deque(maxlen=64)
        self._began: Recent[int] = Recent()
        self._seconds: Recent[float] = Recent()

    def append(self, event: Json, audio_format: str) -> bytes:
        """s16le of whole samples. Raises Rejected."""
        audio = required(event, "audio")
        if not isinstance(audio, str):
            raise wrong_type("audio", "a string")
        if len(audio) > MAX_APPEND_CHARS:
            raise Rejected("invalid_value", "Invalid 'audio'. At most 15 MiB are taken in one event.", "audio")
        try:
            data = decoded(audio)
        except ValueError:  # anything else than base64, or than ASCII
            raise Rejected("invalid_value", "Invalid 'audio'. Expected base64-encoded audio bytes.", "audio") from None
        if audio_format == "pcm16":
            data = self._half_sample + data
            whole = len(data) - len(data) % 2
            data, self._half_sample = data[:whole], data[whole:]
        elif data:
            data = g711.decode(audio_format, data)  # type: ignore[arg-type]
        length_ms = len(data) / 2 / self.rate_hz(audio_format) * 1000
        self.total_ms += length_ms
        self._waiting_ms += length_ms
        return data

    def rate_hz(self, audio_format: str) -> int:
        return self._pcm_hz if audio_format == "pcm16" else rate_hz(audio_format)

    def commit(self, manual: bool) -> None:
        """Raises Rejected when there is too little, which is known for sure only while nobody else finds turns."""
        if manual and self._waiting_ms < MIN_COMMIT_MS:
            raise Rejected(
                "input_audio_buffer_commit_empty",
                "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, but buffer "
                f"only has {self._waiting_ms:.2f}ms of audio.",
            )
        self._committed.append(self._waiting_ms)
        self._waiting_ms = 0.0

    def clear(self) -> None:
        self._waiting_ms = 0.0
        self._half_sample = b""

    def started(self, event: ev.SpeechStarted) -> int:
        start_ms = int(self.total_ms) if event.audio_start_ms is None else event.audio_start_ms
        self._began[event.item_id] = start_ms
        return start_ms

    def stopped(self, event: ev.SpeechStopped) -> int:
        end_ms = int(self.total_ms) if event.audio_end_ms is None else event.audio_end_ms
        began = self._began.pop(event.item_id, end_ms)
        self._seconds[event.item_id] = max(0, end_ms - began) / 1000
        return end_ms

    def committed(self, item_id: str) -> None:
        if self._committed:
            waited_ms = self._committed.popleft()
            self._seconds.setdefault(item_id, waited_ms / 1000)
        else:  # a turn that was found
            self._waiting_ms = 0.0

    def seconds(self, item_id: str) -> float:
        """How long the speech was that became this item."""
        return round(self._seconds.pop(item_id, 0.0), 2)


class Transcripts:
    """Whole texts so far become deltas. A text that takes back what was told waits for the final one.

    `whole`: each time all of it is told.
    """

    def __init__(self, *, whole: bool = False) -> None:
        self._whole = whole
        self._told: Recent[str] = Recent()
        self._final: Recent[str] = Recent()

    def final(self, item_id: str) -> str | None:
        return self._final.get(item_id)

    def told(self, event: ev.UserTranscript, seconds: float) -> list[_Named]:
        place: Json = {"item_id": event.item_id, "content_index": 0}
        if event.final:
            self._told.pop(event.item_id, None)
            self._final[event.item_id] = event.text
            usage = {"type": "duration", "seconds": seconds}
            return [(f"{EVENT}.completed", place | {"transcript": event.text, "usage": usage})]
        if self._whole:
            return [(f"{EVENT}.delta", place | {"text": event.text, "stash": ""})]
        told = self._told.get(event.item_id, "")
        if not event.text.startswith(told) or event.text == told:
            return []
        self._told[event.item_id] = event.text
        return [(f"{EVENT}.delta", place | {"delta": event.text[len(told) :]})]

    def failed(self, event: ev.UserTranscriptFailed) -> list[_Named]:
        self._told.pop(event.item_id, None)
        error = {
            "type": "transcription_error",
            "code": "server_error",
            "message": event.message or "The transcription failed.",
            "param": None,
        }
        return [(f"{EVENT}.failed", {"item_id": event.item_id, "content_index": 0, "error": error})]
