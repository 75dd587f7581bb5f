"""Server events to domain events: one table of wire names, with the little state that some of them need.

Both names of an event that GA renamed are in the table, whatever the dialect: gateways mix them. A decoder gets the
parsed JSON object, returns domain events and raises BrokenFrame (or ValueError) for a field of a wrong type.
"""

from collections.abc import Callable
from dataclasses import replace

from voicechat.audio import g711
from voicechat.dialects.fields import (
    BrokenFrame,
    Json,
    Recent,
    content_text,
    mapping,
    mappings,
    maybe_whole,
    number,
    text,
    voice_of,
    whole,
)
from voicechat.dialects.lifecycle import Inputs, Names, Responses
from voicechat.dialects.openai.client.profile import AudioFormat
from voicechat.dialects.sound import decoded
from voicechat.realtime import events as ev
from voicechat.redaction import redact

_STATUSES: dict[str, ev.ResponseStatus] = {
    "completed": "completed",
    "cancelled": "cancelled",
    "canceled": "cancelled",
    "failed": "failed",
    "incomplete": "incomplete",
}

_TRANSCRIPTION = "conversation.item.input_audio_transcription"

UNUSED = frozenset(
    {
        "conversation.created",
        "conversation.item.done",
        f"{_TRANSCRIPTION}.segment",
        "input_audio_buffer.timeout_triggered",
        "input_audio_buffer.dtmf_event_received",
        "mcp_list_tools.in_progress",
        "mcp_list_tools.completed",
        "mcp_list_tools.failed",
        "output_audio_buffer.started",
        "output_audio_buffer.stopped",
        "output_audio_buffer.cleared",
        "response.content_part.added",
        "response.content_part.done",
        "response.function_call_arguments.delta",
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
        "response.mcp_call.in_progress",
        "response.mcp_call.completed",
        "response.mcp_call.failed",
        "transcription_session.created",
        "transcription_session.updated",
    }
)
"""Known events that carry nothing the conversation needs: others say the same, or the service does the work."""


class ServerEvents:
    """The decoders of one session. Not here: `error` and the configuration, which `RealtimeCodec` handles."""

    def __init__(self, audio_format: AudioFormat):
        self._audio_format = audio_format
        self.names = Names()
        self.inputs = Inputs(self.names)
        self.responses = Responses(self.names, self.inputs)
        self._half_samples: Recent[bytes] = Recent()
        self._partials: Recent[str] = Recent()
        self._transcribed: Recent[bool] = Recent()
        self._calls: Recent[tuple[str, str]] = Recent()
        self._told: Recent[bool] = Recent()  # calls, so that none is told twice
        self._names_conversations = False
        self._called: Recent[str] = Recent()  # the service's id of a call → response
        self._table: dict[str, Callable[[Json], list[ev.Event]]] = {
            "session.finished": lambda _: [ev.SessionFinished()],
            "session.closed": lambda _: [ev.SessionFinished()],
            "input_audio_buffer.speech_started": self._speech_started,
            "input_audio_buffer.speech_stopped": self._speech_stopped,
            "input_audio_buffer.committed": self._committed,
            "input_audio_buffer.commited": self._committed,  # the spelling of DashScope's first documents
            "input_audio_buffer.cleared": lambda _: [ev.InputCleared()],
            "conversation.item.created": self._item_added,
            "conversation.item.added": self._item_added,
            "conversation.item.truncated": self._item_truncated,
            "conversation.item.deleted": lambda event: [ev.ItemDeleted(self._known_item(event, "item_id"))],
            "conversation.item.retrieved": self._item_retrieved,
            f"{_TRANSCRIPTION}.delta": self._transcription_delta,
            f"{_TRANSCRIPTION}.text": self._transcription_delta,
            f"{_TRANSCRIPTION}.updated": self._transcription_delta,
            f"{_TRANSCRIPTION}.completed": self._transcription_completed,
            f"{_TRANSCRIPTION}.failed": self._transcription_failed,
            "response.created": self._response_created,
            "response.output_item.added": self._output_item_added,
            "response.output_item.done": self._output_item_done,
            "response.function_call_arguments.done": self._arguments_done,
            "response.done": self._response_done,
            "rate_limits.updated": self._rate_limits,
        }
        for prefix in ("response.", "response.output_"):
            self._table |= {
                f"{prefix}audio.delta": self._audio_delta,
                f"{prefix}audio.done": self._audio_done,
                f"{prefix}audio_transcript.delta": lambda event: self._text_delta(event, spoken=True),
                f"{prefix}audio_transcript.done": lambda event: self._text_done(event, spoken=True),
                f"{prefix}text.delta": lambda event: self._text_delta(event, spoken=False),
                f"{prefix}text.done": lambda event: self._text_done(event, spoken=False),
            }

    def decode(self, kind: str, event: Json) -> list[ev.Event]:
        decoder = self._table.get(kind)
        if decoder is not None:
            return decoder(event)
        return [] if kind in UNUSED else [ev.Ignored(kind)]

    def _speech_started(self, event: Json) -> list[ev.Event]:
        item_id = self.inputs.speech_started(text(event, "item_id"))
        return [ev.SpeechStarted(item_id, maybe_whole(event, "audio_start_ms"))]

    def _speech_stopped(self, event: Json) -> list[ev.Event]:
        item_id = self.inputs.speech_stopped(text(event, "item_id"))
        return [ev.SpeechStopped(item_id, maybe_whole(event, "audio_end_ms"))]

    def _committed(self, event: Json) -> list[ev.Event]:
        return [ev.InputCommitted(self.inputs.committed(text(event, "item_id")))]

    def _item_added(self, event: Json) -> list[ev.Event]:
        item = mapping(event, "item")
        self._note_call(item)
        item_id, role, kind = text(item, "id"), text(item, "role"), text(item, "type") or "message"
        if role == "user":
            kinds = [text(part, "type") for part in mappings(item, "content")]
            item_id = self.inputs.added(item_id, spoken="input_audio" in kinds if kinds else None)
        else:
            item_id = self.names.ours(item_id)
        return [ev.ItemAdded(item_id, role, kind)] if item_id else []

    def _item_truncated(self, event: Json) -> list[ev.Event]:
        return [ev.ItemTruncated(self._known_item(event, "item_id"), whole(event, "audio_end_ms"))]

    def _item_retrieved(self, event: Json) -> list[ev.Event]:
        item = mapping(event, "item")
        return [ev.ItemRetrieved(self._known_item(item, "id"), content_text(item))]

    def _known_item(self, event: Json, name: str) -> str:
        if not (item_id := text(event, name)):
            raise BrokenFrame(name)
        return self.names.ours(item_id)

    def _transcription_delta(self, event: Json) -> list[ev.Event]:
        """OpenAI appends `delta`; others repeat all of it: DashScope as `text` and an unsettled `stash`, xAI as
        `transcript`."""
        item_id = self.inputs.words(text(event, "item_id"), final=False)
        if item_id in self._transcribed:
            return [ev.Ignored("transcription delta after its end")]
        if "text" in event or "stash" in event:
            so_far = text(event, "text") + text(event, "stash")
        elif "transcript" in event:
            so_far = text(event, "transcript")
        else:
            so_far = self._partials.get(item_id, "") + text(event, "delta")
        if not so_far:
            return []
        self._partials[item_id] = so_far
        return [ev.UserTranscript(item_id, so_far, final=False)]

    def _transcription_completed(self, event: Json) -> list[ev.Event]:
        item_id = self.inputs.words(text(event, "item_id"), final=True)
        words = text(event, "transcript", "text")
        partial = self._partials.pop(item_id, "")
        if item_id in self._transcribed:
            return [ev.Ignored("transcription completed twice")]
        self._transcribed[item_id] = True
        told = event.get("transcript") is not None or event.get("text") is not None
        took = _transcription_usage(mapping(event, "usage"))
        return [ev.UserTranscript(item_id, words if told else partial, final=True, usage=took)]

    def _transcription_failed(self, event: Json) -> list[ev.Event]:
        item_id, error = self.inputs.words(text(event, "item_id"), final=True), mapping(event, "error")
        self._partials.pop(item_id, None)
        reason = text(error, "message") or text(error, "code", "type")
        return [ev.UserTranscriptFailed(item_id, redact(reason))]

    def _response_created(self, event: Json) -> list[ev.Event]:
        response = mapping(event, "response")
        conversation = response.get("conversation_id")
        self._names_conversations = self._names_conversations or isinstance(conversation, str)
        # Of no conversation; but a gateway that never names one means nothing by that.
        aside = "conversation_id" in response and conversation is None and self._names_conversations
        return self.responses.started(text(response, "id"), out_of_band=aside)

    def _audio_delta(self, event: Json) -> list[ev.Event]:
        delta = event.get("delta")
        data = decoded(delta if isinstance(delta, str) else text(event, "delta"))
        place, events = self._place(event)
        if place is None:
            return events
        if self._audio_format != "pcm16":
            pcm = g711.decode(self._audio_format, data) if data else b""
        else:
            # Chunks may end anywhere, in the middle of a sample too.
            pcm = self._half_samples.pop(place[1], b"") + data
            if len(pcm) % 2:
                self._half_samples[place[1]] = pcm[-1:]
                pcm = pcm[:-1]
        return [*events, ev.AssistantAudio(*place, pcm)] if pcm else events

    def _audio_done(self, event: Json) -> list[ev.Event]:
        place, events = self._place(event, last=True)
        if place is None:
            return events
        self._half_samples.pop(place[1], None)
        return [*events, ev.AssistantAudioDone(*place)]

    def _text_delta(self, event: Json, *, spoken: bool) -> list[ev.Event]:
        delta = text(event, "delta", "text", "value")
        place, events = self._place(event)
        return [*events, ev.AssistantText(*place, delta, spoken)] if place and delta else events

    def _text_done(self, event: Json, *, spoken: bool) -> list[ev.Event]:
        words = text(event, *(("transcript", "text", "value") if spoken else ("text", "value", "transcript")))
        place, events = self._place(event, last=True)
        return [*events, ev.AssistantTextDone(*place, words, spoken)] if place else events

    def _place(self, event: Json, *, last: bool = False) -> tuple[tuple[str, str, int] | None, list[ev.Event]]:
        """The response, item and content index of a piece; None when it comes too late. `last`: it ends something."""
        wire, item, index = text(event, "response_id"), text(event, "item_id"), event.get("content_index")
        if type(index) is not int or index:
            index = whole(event, "content_index", "index")
        response_id, events = self.responses.piece(wire, item, last=last)
        return ((response_id, self.responses.item(response_id, item), index) if response_id else None), events

    def _note_call(self, item: Json) -> None:
        """Remember a call's id and name by its item: the event with the arguments may lack either."""
        if text(item, "type") == "function_call":
            self._calls[text(item, "id")] = (text(item, "call_id"), text(item, "name"))

    def _output_item_added(self, event: Json) -> list[ev.Event]:
        self._note_call(mapping(event, "item"))
        return []

    def _output_item_done(self, event: Json) -> list[ev.Event]:
        wire, call = text(event, "response_id"), _call(mapping(event, "item"))
        return self._call_made(wire, call) if call else []

    def _arguments_done(self, event: Json) -> list[ev.Event]:
        item_id = text(event, "item_id")
        call_id, name = self._calls.get(item_id, ("", ""))
        call_id, name = text(event, "call_id") or call_id or item_id, text(event, "name") or name
        wire, call = text(event, "response_id"), ev.ToolCall("", item_id, call_id, name, text(event, "arguments"))
        return self._call_made(wire, call) if name else []  # else the finished item will tell

    def _call_made(self, wire: str, call: ev.ToolCall) -> list[ev.Event]:
        """`call` has the service's ids. Three frames tell of it; the first that comes counts."""
        response_id, events = self.responses.piece(wire, call.item_id)
        if not response_id:
            return events
        told = f"{response_id} {call.call_id or (call.name, call.arguments)}"
        if told in self._told:
            return events
        call_id = call.call_id
        if not call_id or self._called.get(call_id, response_id) != response_id:  # no two responses share a call
            call_id = self.names.new("call", call.call_id)
        self._told[told] = True
        self._called[call.call_id] = response_id
        item_id = self.responses.item(response_id, call.item_id)
        return [*events, replace(call, response_id=response_id, item_id=item_id, call_id=call_id)]

    def _response_done(self, event: Json) -> list[ev.Event]:
        response = mapping(event, "response")
        wire = text(response, "id") or text(event, "response_id")
        wire_status, usage = text(response, "status"), mapping(response, "usage")
        status = _STATUSES.get(wire_status, "incomplete") if wire_status else "completed"
        details = response.get("status_details")
        details = {"reason": details} if isinstance(details, str) else mapping(response, "status_details")
        error = details.get("error")
        error = {"message": error} if isinstance(error, str) else mapping(details, "error")
        finished = ev.ResponseFinished(
            "",
            status,
            reason=redact(text(details, "reason")),
            message=redact(text(error, "message")),
            code=redact(text(error, "code", "type")),
            usage=_usage(usage) if usage else None,
        )
        asks = status == "completed" and not self.responses.over(wire)
        called = [_call(item) for item in mappings(response, "output")]
        calls = [event for call in called if call and asks for event in self._call_made(wire, call)]
        response_id, events = self.responses.finished(wire)
        return [*calls, *events, *([replace(finished, response_id=response_id)] if response_id else [])]

    def _rate_limits(self, event: Json) -> list[ev.Event]:
        remaining: dict[str, int] = {}
        reset_s: dict[str, float] = {}
        for limit in mappings(event, "rate_limits"):
            name, left, reset = text(limit, "name"), maybe_whole(limit, "remaining"), number(limit, "reset_seconds")
            if left is not None:
                remaining[name] = left
            if reset is not None:
                reset_s[name] = reset
        return [ev.RateLimits(remaining, reset_s)]


def _call(item: Json) -> ev.ToolCall | None:
    """The call that the model wants made, if a finished item is one; with the service's ids."""
    item_id, name = text(item, "id"), text(item, "name")
    if text(item, "type") != "function_call" or text(item, "status") == "incomplete" or not name:
        return None
    return ev.ToolCall("", item_id, text(item, "call_id") or item_id, name, text(item, "arguments"))


def session_created(event: Json) -> ev.SessionCreated:
    session = mapping(event, "session")
    return ev.SessionCreated(
        text(session, "id"), text(session, "model"), voice_of(session), number(session, "expires_at")
    )


def session_updated(event: Json) -> ev.SessionConfigured:
    session = mapping(event, "session")
    heard = mapping(mapping(mapping(session, "audio"), "input"), "transcription")
    heard = heard or mapping(session, "input_audio_transcription")
    return ev.SessionConfigured(voice_of(session), text(heard, "model"))


def _usage(usage: Json) -> ev.Usage:
    """OpenAI writes `input_token_details`, DashScope `input_tokens_details`."""
    asked = mapping(usage, "input_token_details", "input_tokens_details")
    given = mapping(usage, "output_token_details", "output_tokens_details")
    cached = mapping(asked, "cached_tokens_details")
    return ev.Usage(
        input_tokens=whole(usage, "input_tokens"),
        output_tokens=whole(usage, "output_tokens"),
        input_text_tokens=whole(asked, "text_tokens"),
        input_audio_tokens=whole(asked, "audio_tokens"),
        input_image_tokens=whole(asked, "image_tokens"),
        cached_tokens=whole(asked, "cached_tokens"),
        output_text_tokens=whole(given, "text_tokens"),
        output_audio_tokens=whole(given, "audio_tokens"),
        cached_text_tokens=whole(cached, "text_tokens"),
        cached_audio_tokens=whole(cached, "audio_tokens"),
        cached_image_tokens=whole(cached, "image_tokens"),
    )


def _transcription_usage(usage: Json) -> ev.Usage | None:
    """By tokens or by seconds; None where it took nothing. What comes out of it is text, which the service does not
    say."""
    took = _usage(usage)
    took = replace(took, output_text_tokens=took.output_tokens, seconds=number(usage, "seconds") or 0.0)
    return took if took != ev.Usage() else None
