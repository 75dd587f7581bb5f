"""What to say: the protocol of an answerer, and how running text becomes sentences to speak."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from voicechat.realtime.commands import Tool
from voicechat.text.sentences import SentenceSplitter


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of the conversation as an answerer sees it. An interrupted answer holds only what was heard.

    A `call` is one of `name` that the answerer made, `text` its arguments; a `result` is what came of it.
    """

    role: Literal["system", "user", "assistant", "call", "result"]
    text: str
    call_id: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A call that the answerer wants made; `arguments` is JSON text as the model wrote it."""

    call_id: str
    name: str
    arguments: str


class Answerer(Protocol):
    @property
    def model(self) -> str: ...

    def answer(self, history: Sequence[Message], instructions: str) -> AsyncGenerator[str, None]:
        """Pieces of the answer, a sentence or so each; joined they are the text. Closing the iterator stops it."""
        ...

    async def close(self) -> None: ...


@runtime_checkable
class ToolUser(Protocol):
    """An answerer that can call tools."""

    def answer_with(
        self, history: Sequence[Message], instructions: str, tools: Sequence[Tool], tool_choice: str
    ) -> AsyncGenerator[str | Wanted, None]:
        """As `Answerer.answer`; with a call the answer is over, and another one is asked for when there is a result."""
        ...


MAX_PIECE_CHARS = 240
FIRST_CLAUSE_CHARS = 30
"""The first piece may end at a comma after this length, so that speech begins early."""


class Pieces:
    """Cuts text that arrives in fragments into sentences to speak; the first may be a mere clause."""

    def __init__(self) -> None:
        self._splitter = SentenceSplitter(MAX_PIECE_CHARS)
        self._begun = False

    def feed(self, fragment: str) -> list[str]:
        found = self._splitter.feed(fragment)
        if not (found or self._begun) and (clause := self._splitter.clause(FIRST_CLAUSE_CHARS)):
            found = [clause]
        self._begun = self._begun or bool(found)
        return found

    def flush(self) -> list[str]:
        """What is left at the end."""
        *pieces, last = self._splitter.flush() or [""]
        return [*pieces, last.rstrip()] if last else []
