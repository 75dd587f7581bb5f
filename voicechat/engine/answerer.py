"""What to say: the protocol of an answerer, and how running text becomes sentences to speak."""

import re
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of the conversation as an answerer sees it. An interrupted answer holds only what was heard."""

    role: Literal["system", "user", "assistant"]
    text: str


class Answerer(Protocol):
    @property
    def model(self) -> str: ...

    @property
    def prefers_commands(self) -> bool:
        """The recogniser should prefer the companion's phrases to open speech."""
        ...

    def answer(self, history: Sequence[Message], instructions: str) -> AsyncGenerator[str, None]:
        """Pieces of the answer, a sentence or so each; joined they are the text. Closing the iterator stops it."""
        ...

    async def close(self) -> None: ...


FIRST_CLAUSE_CHARS = 60
"""The first piece may end at a comma after this length, so that speech begins early."""
MAX_PIECE_CHARS = 240

_SENTENCE_END = re.compile(r"[.!?…]+[\"')\]]*\s+|[。！？]+[”』」）]*|\n+")
_CLAUSE_END = re.compile(r"[,;:]\s+|[，；：、]")
_ABBREVIATION = re.compile(r"(?:^|\s)(?:[A-Za-z]|Mr|Mrs|Ms|Dr|St|vs|e\.g|i\.e|No)\.\s+$|^\s*\d+\.\s+$")


class Sentences:
    """Cuts text that arrives in fragments into pieces to speak. Nothing is lost: the pieces joined are the text."""

    def __init__(self) -> None:
        self._rest = ""
        self._first = True

    def feed(self, fragment: str) -> list[str]:
        self._rest += fragment
        pieces: list[str] = []
        while cut := self._cut():
            pieces.append(self._rest[:cut])
            self._rest = self._rest[cut:]
            self._first = False
        return pieces

    def flush(self) -> str:
        """What is left at the end."""
        rest, self._rest = self._rest, ""
        return rest

    def _cut(self) -> int:
        for match in _SENTENCE_END.finditer(self._rest):
            piece = self._rest[: match.end()]
            if piece.strip() and not _ABBREVIATION.search(piece):
                return match.end()
        if self._first and len(self._rest) > FIRST_CLAUSE_CHARS:
            for match in _CLAUSE_END.finditer(self._rest):
                if match.end() > FIRST_CLAUSE_CHARS // 2:
                    return match.end()
        if len(self._rest) <= MAX_PIECE_CHARS:
            return 0
        clauses = [match.end() for match in _CLAUSE_END.finditer(self._rest, 0, MAX_PIECE_CHARS)]
        space = self._rest.rfind(" ", 0, MAX_PIECE_CHARS)
        return clauses[-1] if clauses else space + 1 if space > 0 else MAX_PIECE_CHARS
