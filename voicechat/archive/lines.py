"""A kept conversation as its lines tell it. A line that is broken, or of a later kind, costs nothing but itself."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from voicechat.archive.folder import LINES
from voicechat.errors import ConfigError, UsageError

Line = dict[str, Any]
Who = Literal["user", "assistant", "tool", "picture"]
NO_RESULT = "Cancelled: the conversation ended before there was a result."


@dataclass(frozen=True, slots=True)
class Said:
    """One thing that was said. `at_s` to `until_s` is when, in the recording; `unheard` what was not played of it."""

    turn: int
    who: Who
    text: str
    at_s: float
    until_s: float
    unheard: str = ""
    """Of an answer that was interrupted."""
    ok: bool = True
    """Of a tool: whether it worked."""
    call: "Called | None" = None
    """Of a tool: what `text` puts into one line."""
    aside: bool = False
    """Of the assistant: a few words into the silence while a tool runs; no answer."""


@dataclass(frozen=True, slots=True)
class Called:
    """A call of a tool, and its result; one that never came is told as cancelled."""

    name: str
    arguments: str
    output: str


@dataclass(slots=True)
class Kept:
    """One conversation. `began` is ISO time with its zone; "" where the beginning is broken."""

    id: str
    began: str = ""
    continues: str = ""
    provider: str = ""
    model: str = ""
    voice: str = ""
    assistant: str = ""
    """What the assistant is called, where it has another name than its voice."""
    seconds: float = 0.0
    ended: bool = False
    """It came to its end; else it runs, or the program was killed."""
    turns: int = 0
    sound: bool = False
    said: list[Said] = field(default_factory=list)
    usage: list[Line] = field(default_factory=list)
    broken: int = 0
    """How many lines could not be read."""

    def name(self, who: Who) -> str:
        """What a speaker is called."""
        return {"user": "you", "picture": "you", "assistant": self.assistant or self.voice or "assistant"}.get(who, who)


def read_lines(path: Path) -> tuple[list[Line], int]:
    """The lines of a file that can be read, and how many cannot. Raises OSError."""
    found: list[Line] = []
    broken = 0
    for text in path.read_bytes().split(b"\n"):
        if not text.strip():
            continue
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            line = None
        if isinstance(line, dict) and isinstance(line.get("type"), str):
            found.append(line)
        else:
            broken += 1
    return found, broken


def read(folder: Path, conversation: str) -> Kept:
    """A conversation by its id. Raises UsageError when it is not there, ConfigError when it cannot be read."""
    try:
        lines, broken = read_lines(folder / f"{conversation}{LINES}")
    except FileNotFoundError as error:
        raise UsageError(
            f"There is no conversation {conversation!r} in {folder}.", "`voicechat history list` shows them."
        ) from error
    except OSError as error:
        raise ConfigError(f"{conversation} cannot be read: {error.strerror}.") from error
    return understood(conversation, lines, broken)


def understood(conversation: str, lines: list[Line], broken: int = 0) -> Kept:
    """What the lines of a conversation say."""
    kept = Kept(conversation, broken=broken)
    times = _Times()
    unfinished: dict[tuple[int, str], Said] = {}
    running: dict[int, Said] = {}
    for line in lines:
        at_s = _number(line, "t")
        kept.seconds = max(kept.seconds, at_s)
        match line["type"]:
            case "conversation":
                kept.began, kept.continues = _text(line, "began"), _text(line, "continues")
                kept.sound = bool(line.get("sound"))
            case "session":
                kept.provider, kept.model, kept.voice = (_text(line, key) for key in ("provider", "model", "voice"))
                kept.assistant = _text(line, "assistant")
            case "state":
                times.state(_text(line, "state"), at_s)
            case "user.partial" | "assistant.partial" as kind:
                turn, who = _whole(line, "turn"), cast(Who, kind.partition(".")[0])
                unfinished[turn, who] = Said(turn, who, _text(line, "text"), at_s, at_s)
            case "user":
                kept.said.append(_user(line, at_s, times))
            case "assistant":
                unfinished.pop((_whole(line, "turn"), "assistant"), None)
                kept.said.append(_assistant(line, at_s))
            case "picture":
                words = f"[picture: {_text(line, 'name')}, {_whole(line, 'width')}x{_whole(line, 'height')}]"
                kept.said.append(Said(_whole(line, "turn"), "picture", words, at_s, at_s))
            case "tool.call":
                running[_whole(line, "call")] = _tool(line, at_s, NO_RESULT, ok=False)
            case "tool":
                running.pop(_whole(line, "call"), None)
                kept.said.append(_tool(line, at_s, _text(line, "output"), ok=bool(line.get("ok", True))))
            case "usage":
                kept.usage.append(line)
            case "end":
                kept.ended = True
                kept.seconds = max(kept.seconds, _number(line, "seconds"))
    finished = {(said.turn, said.who) for said in kept.said if said.who == "user"}
    kept.said += [said for key, said in unfinished.items() if key not in finished]  # the program was killed
    kept.said += running.values()
    # The words of a turn may come after its answer.
    kept.said.sort(key=lambda said: (said.turn, said.who not in ("user", "picture")))
    kept.turns = len({said.turn for said in kept.said if said.who != "picture"})
    return kept


class _Times:
    """When the user spoke: words come late, so they belong to the newest speech that was over before them."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._spoken: list[tuple[float, float]] = []

    def state(self, state: str, at_s: float) -> None:
        if state == "listening":
            self._since = at_s
        elif self._since is not None:
            self._spoken.append((self._since, at_s))
            self._since = None

    def take(self, at_s: float) -> tuple[float, float]:
        found = self._spoken[-1] if self._spoken else (self._since if self._since is not None else at_s, at_s)
        self._spoken.clear()
        return found


def _user(line: Line, at_s: float, times: _Times) -> Said:
    began_s, ended_s = (at_s, at_s) if line.get("source") == "text" else times.take(at_s)
    return Said(_whole(line, "turn"), "user", _text(line, "text"), began_s, ended_s)


def _assistant(line: Line, at_s: float) -> Said:
    text, heard = _text(line, "text"), _text(line, "heard")
    unheard = text[len(heard) :] if line.get("interrupted") and text.startswith(heard) else ""
    began_s = max(at_s - _number(line, "heard_ms") / 1000, 0.0)
    said, aside = heard or text.removesuffix(unheard), bool(line.get("aside"))
    return Said(_whole(line, "turn"), "assistant", said, began_s, at_s, unheard, aside=aside)


def _tool(line: Line, at_s: float, output: str, *, ok: bool) -> Said:
    call = Called(_text(line, "name"), _text(line, "arguments"), output)
    words = f"{call.name}({call.arguments}): {output}"
    return Said(_whole(line, "turn"), "tool", words, at_s, at_s, ok=ok, call=call)


def _text(line: Line, key: str) -> str:
    value = line.get(key)
    return value if isinstance(value, str) else ""


def _number(line: Line, key: str) -> float:
    value = line.get(key)
    return float(value) if isinstance(value, int | float) and abs(value) < 1e12 else 0.0


def _whole(line: Line, key: str) -> int:
    return int(_number(line, key))
