"""What a tool is, and what its author may say about it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar, overload

from voicechat.realtime.commands import Tool

F = TypeVar("F", bound=Callable[..., Any])

TIMEOUT_S = 60.0
MAX_CHARS = 8000
"""What a tool returned is billed again with every later turn."""
_OPTIONS = "__voicechat_tool__"


class BadArguments(Exception):
    """The arguments are not what the tool takes; the message is for the model."""


class ToolFailed(Exception):
    """The tool did not work; the message is for the model and the user. It is no fault of this program."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended: what the model is told, and whether it worked."""

    output: str
    ok: bool = True


@dataclass(frozen=True, slots=True)
class Work:
    """A call whose arguments were found good. `blocking` work is run in a thread of its own, the other awaited."""

    call: Callable[[], Any]
    blocking: bool = False

    def __call__(self) -> Any:
        return self.call()


@dataclass(frozen=True, slots=True)
class Options:
    """What `@tool(…)` says; None leaves the settings' value in force."""

    read_only: bool = False
    timeout_s: float | None = None
    max_chars: int | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """One tool. `prepare` checks the arguments that the model wrote, and raises BadArguments.

    `read_only`: it changes nothing anywhere, so that nobody need be asked. `origin` is where it comes from.
    """

    name: str
    description: str
    parameters: dict[str, Any]
    prepare: Callable[[dict[str, Any]], Work] = field(repr=False)
    read_only: bool = False
    timeout_s: float | None = None
    max_chars: int | None = None
    origin: str = ""

    @property
    def declared(self) -> Tool:
        return Tool(self.name, self.description, self.parameters)


@overload
def tool(function: F) -> F: ...
@overload
def tool(
    *, read_only: bool = ..., timeout_s: float | None = ..., max_chars: int | None = ..., name: str = ...
) -> Callable[[F], F]: ...
def tool(
    function: F | None = None,
    *,
    read_only: bool = False,
    timeout_s: float | None = None,
    max_chars: int | None = None,
    name: str = "",
) -> F | Callable[[F], F]:
    """Say more about a function that is a tool. It stays the function that it was.

    `read_only`: it changes nothing, so the user need not be asked. `timeout_s`: how long it may take.
    `max_chars`: how much of what it returns the model is told. `name`: what the model calls it.
    """

    def mark(marked: F) -> F:
        setattr(marked, _OPTIONS, Options(read_only, timeout_s, max_chars, name))
        return marked

    return mark if function is None else mark(function)


def options_of(function: Callable[..., Any]) -> Options | None:
    found = getattr(function, _OPTIONS, None)
    return found if isinstance(found, Options) else None
