"""What a chat endpoint says, line by line: OpenAI's stream of events, and how others write it. Sans-I/O."""

import html
import json
import re
from dataclasses import dataclass
from typing import Any


class ChatFailed(Exception):
    """The endpoint did not answer, refused, or broke off; the message says how. It never holds the key."""

    def __init__(self, message: str, missing: bool = False, no_tools: bool = False):
        super().__init__(message)
        self.missing = missing
        """It has no such model."""
        self.no_tools = no_tools
        """The model cannot call any."""


@dataclass(frozen=True, slots=True)
class Part:
    """Of an answer. `thought`: what came beside its text; `ended`: it is complete; `calls`: what its `tool_calls`
    are, unchecked."""

    text: str = ""
    ended: bool = False
    thought: str = ""
    calls: Any = None

    @property
    def chars(self) -> int:
        """How much of anything it brings."""
        return len(self.text) + len(self.thought) + (len(str(self.calls)) if self.calls else 0)


def read_line(line: str) -> Part:
    """One line of the stream. Raises ChatFailed."""
    if line.startswith("{"):  # an error in the middle, without a word of what it is
        return read_chunk(line)
    if not line.startswith("data:"):
        return Part()  # a comment, a blank line or another field
    data = line[5:].strip()
    return Part(ended=True) if data == "[DONE]" else read_chunk(data)


def read_chunk(data: str) -> Part:
    """One object: a part of the answer (`delta`), or all of it at once (`message`). Raises ChatFailed."""
    try:
        chunk = json.loads(data)
    except ValueError as error:
        raise ChatFailed("a broken answer") from error
    if not isinstance(chunk, dict):
        raise ChatFailed("a broken answer")
    if chunk.get("error") or chunk.get("object") == "error":
        raise ChatFailed(complaint(data))
    choices = chunk.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        return Part()  # the chunk with the usage
    said = choices[0].get("delta") or choices[0].get("message")
    said = said if isinstance(said, dict) else {}
    # Some servers never send [DONE]: a finish reason is as good.
    ended = choices[0].get("finish_reason") is not None
    thought = str(said.get("reasoning") or said.get("reasoning_content") or "")
    return Part(_text(said.get("content")), ended, thought, said.get("tool_calls"))


def _text(content: Any) -> str:
    """Of a text, or of a list of parts, of which some may be thoughts."""
    if isinstance(content, list):
        parts = (part for part in content if isinstance(part, dict) and part.get("type") == "text")
        return "".join(str(part.get("text") or "") for part in parts)
    return content if isinstance(content, str) else ""


def complaint(body: str) -> str:
    """What an error body says, on one line; of a web page its title, "" without one."""
    try:
        answer = json.loads(body)
        error = answer.get("error") or answer.get("message") or answer["detail"]
        text = str(error["message"] if isinstance(error, dict) else error)
    except (ValueError, LookupError, TypeError, AttributeError):
        text = _title(body) if body.lstrip().startswith("<") else body
    return re.sub(r"\s+", " ", text).strip()[:200]


def _title(page: str) -> str:
    found = re.search(r"<title[^>]*>([^<]*)", page, re.IGNORECASE)
    return html.unescape(found[1]) if found else ""
