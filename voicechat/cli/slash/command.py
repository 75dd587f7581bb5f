"""What a slash command is, and the desk at which it works."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from voicechat.conversation.talk import Talk
from voicechat.conversation.workshop import Workshop
from voicechat.errors import UsageError, VoicechatError

if TYPE_CHECKING:
    from voicechat.cli.options import TalkOptions
    from voicechat.config import Choice, Loaded

Mode = Literal["vad", "manual"]


@dataclass(frozen=True, slots=True)
class Origin:
    """What the conversation was made of."""

    options: "TalkOptions"
    loaded: "Loaded"
    choice: "Choice"


class Desk:
    """What commands work with: the conversation, and where it came from."""

    def __init__(self, talk: Talk, origin: Origin | None = None):
        self.talk = talk
        self._origin = origin
        self._tasks: set[asyncio.Task[None]] = set()
        self._one_at_a_time = asyncio.Lock()

    @property
    def origin(self) -> Origin:
        """Raises UsageError of a conversation that no configuration led to (the demonstration)."""
        if self._origin is None:
            raise UsageError("That cannot be changed here.", "Start `voicechat vad` for it.")
        return self._origin

    def chose(self, choice: "Choice") -> None:
        """This is what the conversation is made of from now on."""
        self._origin = replace(self.origin, choice=choice)

    @property
    def workshop(self) -> Workshop:
        """What runs the tools."""
        return self.talk.workshop

    @property
    def mode(self) -> Mode:
        """The mode one is in, which may be another than the one that was begun in."""
        return "vad" if self.talk.session.mic.turn_taking.hands_free else "manual"

    def tell(self, words: str) -> None:
        """An answer to the user."""
        self.talk.warn("command", words)

    def refuse(self, error: VoicechatError) -> None:
        """What was asked for cannot be done: one line, and the conversation goes on."""
        self.talk.warn("refused", " ".join(filter(None, (error.message, error.hint))))

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` beside the conversation, one after the other; what is typed meanwhile waits for it.

        A VoicechatError in it is told; any other failure ends the conversation.
        """
        self.talk.lines.held += 1
        task = asyncio.create_task(self._guarded(work), name="slash command")
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        with self.talk.watched():
            async with self._one_at_a_time:
                try:
                    await work
                except VoicechatError as error:
                    self.refuse(error)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self.talk.lines.held -= 1

    def close(self) -> None:
        """The conversation is over: whatever still runs is given up."""
        for task in self._tasks:
            task.cancel()


@dataclass(frozen=True, slots=True)
class Command:
    """`run` gets what stands after the name, stripped; it raises VoicechatError for what cannot be done.

    `about` is one line for each mode that has the command. `complete` gives what the argument may be.
    """

    name: str
    about: str | dict[Mode, str]
    run: Callable[[Desk, str], None]
    usage: str = ""
    complete: Callable[[Desk, str], list[str]] = lambda desk, argument: []
    others: tuple[str, ...] = ()
    """Other names of the same."""

    def line(self, mode: Mode) -> str | None:
        """What it does in this mode; None when it is no command of it."""
        return self.about if isinstance(self.about, str) else self.about.get(mode)
