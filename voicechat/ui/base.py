"""What a view is, and what it is given: levels to show and somewhere to send what the user does."""

from typing import Protocol

from voicechat.conversation.notices import Notice
from voicechat.errors import VoicechatError


class View(Protocol):
    """One way of showing a conversation. All calls are made on the event loop."""

    def show(self, notice: Notice) -> None:
        """Take note of `notice`. Quick, and never raises, whatever the text. Also valid before and after `run`."""
        ...

    async def run(self) -> None:
        """Own the terminal and read what the user types until cancelled or closed.

        Raises OutputClosed when nobody reads stdout any more, UsageError when it cannot be written (a full disk).
        """
        ...

    def close(self) -> None:
        """Show what is still held back, flush, restore the terminal. Calling it again does nothing."""
        ...


class Meters(Protocol):
    """Sound levels of this moment in dBFS: −inf for digital silence, 0 for full scale; and what keeps sound back."""

    muted: bool
    """The user has closed the microphone."""

    @property
    def paused(self) -> bool:
        """The answer is held: what was heard may be the user."""
        ...

    def microphone_dbfs(self) -> float: ...

    def speaker_dbfs(self) -> float: ...


class Controls(Protocol):
    """What the user does."""

    def submit(self, line: str) -> None:
        """A line was entered; "" is a bare Enter. A pasted line may hold newlines. Slash commands come as they are."""
        ...

    def interrupt(self) -> None:
        """Esc: silence the answer."""
        ...

    def hold(self, down: bool) -> None:
        """The key that is held while one talks went down, or up again."""
        ...

    def complete(self, text: str) -> list[str]:
        """Tab: the lines that `text` may go on to be; none when there is nothing to complete."""
        ...

    def quit(self) -> None:
        """Ctrl-C, or Ctrl-D on an empty line."""
        ...

    def end_of_input(self) -> None:
        """Lines were read from a file or a pipe, and it has ended."""
        ...


class OutputClosed(VoicechatError):
    """The reader of stdout went away (`voicechat … | head`). The program ends quietly and nothing is wrong."""

    exit_code = 0

    def __init__(self) -> None:
        super().__init__("Nobody reads the output any more.")
