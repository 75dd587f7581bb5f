"""What a `response.create` may say, checked (reference, section 7.2)."""

from typing import Any

from voicechat.dialects.fields import Json
from voicechat.dialects.openai.server import session_shape
from voicechat.dialects.openai.server.checks import Rejected, as_list, as_object, as_text, invalid, known
from voicechat.dialects.openai.server.conversation import Conversation
from voicechat.dialects.openai.server.items import created
from voicechat.dialects.openai.server.responses import Wish
from voicechat.dialects.openai.server.session import Session
from voicechat.dialects.openai.server.session_fields import FIELDS
from voicechat.realtime.commands import CreateResponse, SendText

_SHARED = ("instructions", "tools", "tool_choice", "conversation", "input", "metadata", "prompt")
_GA = (*_SHARED, "output_modalities", "audio", "max_output_tokens", "reasoning", "parallel_tool_calls")

MOST_PAIRS = 16
MAX_KEY_CHARS = 64
MAX_VALUE_CHARS = 512


def read(
    value: object, session: Session, conversation: Conversation, event_id: str | None
) -> tuple[CreateResponse, Wish]:
    """The command, and what its answer's frames will repeat. Raises Rejected."""
    options = {} if value is None else as_object(value, "response")
    if session.strict:
        known(options, _GA, "response")
    aside = _aside(options, session)
    context = _context(options["input"], conversation) if options.get("input") is not None else None
    given = _leaves(options, session)
    checked: dict[str, Any] = {
        name: FIELDS[name].check(value, where, session)
        for name, (where, value) in given.items()
        if value is not None  # DashScope's own client sends nulls for what was not said
    }
    if checked.get("output_format", session.values["output_format"]) != session.values["output_format"]:
        where, value = given["output_format"]
        raise invalid(where, value, "the format of the session")
    tools = checked.get("tools")
    command = CreateResponse(
        instructions=checked.get("instructions", ""),
        speak=checked.get("speak"),
        voice=checked.get("voice", ""),
        tools=None if tools is None else session_shape.commanded(tools),
        tool_choice=checked.get("tool_choice", ""),
        max_tokens=checked.get("max_tokens"),
        aside=aside,
        context=context,
    )
    metadata = _metadata(options.get("metadata"))
    return command, Wish(event_id, command.speak, command.voice, command.max_tokens, metadata)


def _leaves(options: Json, session: Session) -> dict[str, tuple[str, object]]:
    """The session's fields among the options, by their names in FIELDS."""
    names = {"instructions": "instructions", "tools": "tools", "tool_choice": "tool_choice"}
    if session.strict:
        names |= {"output_modalities": "speak", "max_output_tokens": "max_tokens"}
    else:  # sources disagree on the name of the limit: both are taken
        names |= {"modalities": "speak", "max_output_tokens": "max_tokens", "max_response_output_tokens": "max_tokens"}
        names |= {"voice": "voice", "output_audio_format": "output_format", "temperature": "temperature"}
    leaves = {name: (f"response.{key}", options[key]) for key, name in names.items() if key in options}
    if session.strict and options.get("audio") is not None:
        audio = as_object(options["audio"], "response.audio")
        known(audio, ("output",), "response.audio")
        output = as_object(audio.get("output", {}), "response.audio.output")
        known(output, ("format", "voice"), "response.audio.output")
        for key, name in (("format", "output_format"), ("voice", "voice")):
            if key in output:
                leaves[name] = (f"response.audio.output.{key}", output[key])
    return leaves


def _aside(options: Json, session: Session) -> bool:
    """Whether the answer shall be no part of the conversation."""
    aside = options.get("conversation") == "none"
    if options.get("conversation") not in (None, "auto") and not (aside and session.profile.asides):
        message = "Answers are given in the default conversation only."
        raise Rejected("invalid_value", message, "response.conversation")
    if options.get("input") is not None and not aside:
        message = "Answers in the default conversation are to what was said in it."
        raise Rejected("invalid_value", message, "response.input")
    return aside


def _context(value: object, conversation: Conversation) -> tuple[SendText, ...]:
    """What an answer is to, in place of the conversation: words, in items or of items that there are."""
    found: list[SendText] = []
    for index, entry in enumerate(as_list(value, "response.input")):
        where = f"response.input[{index}]"
        fields = as_object(entry, where)
        if fields.get("type") == "item_reference":
            item = conversation.get(fields.get("id"), f"{where}.id")
            commands = [one for one in conversation.told() if getattr(one, "item_id", "") == item.id]
        else:
            try:
                _, commands = created(fields, "", lambda: "", lambda _: True)
            except Rejected as error:
                raise Rejected(error.code, str(error), where + (error.param or "").removeprefix("item")) from error
        if not all(isinstance(one, SendText) for one in commands):
            raise Rejected("invalid_value", "Beside the conversation only words are answered.", where)
        found += [one for one in commands if isinstance(one, SendText)]
    return tuple(found)


def _metadata(value: object) -> Json | None:
    if value is None:
        return None
    pairs = as_object(value, "response.metadata")
    if len(pairs) > MOST_PAIRS:
        raise Rejected("invalid_value", f"At most {MOST_PAIRS} pairs of metadata are kept.", "response.metadata")
    for key, text in pairs.items():
        if len(key) > MAX_KEY_CHARS or len(as_text(text, f"response.metadata.{key[:MAX_KEY_CHARS]}")) > MAX_VALUE_CHARS:
            message = (
                f"Metadata has keys of at most {MAX_KEY_CHARS} and values of at most {MAX_VALUE_CHARS} characters."
            )
            raise Rejected("invalid_value", message, "response.metadata")
    return pairs
