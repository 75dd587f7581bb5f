"""Kept conversations as the program would have written them, made from a few words."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Words = tuple[str, str]


def lines_of(
    conversation: str, words: Iterable[Words], *, provider: str = "acme", ended: bool = True, **head: Any
) -> list[dict[str, Any]]:
    """The lines of a conversation in which `words`, (question, answer) each, were said a second apart."""
    day, second = conversation.split("-")[:2]
    began = f"{day[:4]}-{day[4:6]}-{day[6:]}T{second[:2]}:{second[2:4]}:{second[4:]}+00:00"
    lines: list[dict[str, Any]] = [
        {"t": 0.0, "type": "conversation", "format": 1, "id": conversation, "began": began, "sound": "", **head},
        {"t": 0.0, "type": "session", "provider": provider, "model": "m-1", "voice": "Ann"},
    ]
    at = 0.0
    for turn, (question, answer) in enumerate(words, 1):
        at = turn * 2.0
        lines += [
            {"t": at - 1.0, "type": "state", "state": "listening"},
            {"t": at - 0.5, "type": "state", "state": "thinking"},
            {"t": at, "type": "user", "turn": turn, "text": question, "source": "speech"},
            {
                "t": at + 0.8, "type": "assistant", "turn": turn, "text": answer, "heard": answer,
                "interrupted": False, "heard_ms": 600, "status": "completed",
            },
        ]  # fmt: skip
    if ended:
        lines.append({"t": at + 1, "type": "end", "reason": "done", "exit_code": 0, "seconds": at + 1})
    return lines


def write(folder: Path, conversation: str, lines: Iterable[dict[str, Any]]) -> Path:
    """The file of that conversation."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{conversation}.jsonl"
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return path


def keep(folder: Path, conversation: str, *words: Words, **more: Any) -> Path:
    """A whole conversation, in its folder."""
    return write(folder, conversation, lines_of(conversation, words, **more))
